//! Values laid over a config: by flags, by `--set KEY=VALUE`, by the trials of a sweep.
//!
//! They are put into the table that the file has become, before anybody reads it: so each has the
//! same checks as if it stood in the file. Only its place differs. It lies behind the end of the
//! file, one byte for each value, and faults then name what has laid it.

use std::{borrow::Cow, ops::Range, path::PathBuf};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{fault::Place, load::RawConfig, section::Reading};

/// A value that is laid over a field of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Laid {
    /// The field with its sections: `train.optimiser.learning_rate`, `network.layers[3].units`.
    pub field: String,
    /// What has laid it, as faults call it: `--workers`.
    pub by: String,
    /// The value.
    pub value: LaidValue,
}

/// What is laid over a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaidValue {
    /// Any value, as TOML writes it. A path in it is relative to the config's folder.
    Toml(String),
    /// A path, relative to the working folder.
    Path(PathBuf),
}

impl LaidValue {
    /// A value as TOML writes it.
    pub fn toml(text: impl Into<String>) -> Self {
        LaidValue::Toml(text.into())
    }

    /// A text, without the quotes of TOML.
    pub fn text(text: &str) -> Self {
        LaidValue::Toml(toml::Value::String(text.into()).to_string())
    }

    /// A value as a person types it in a shell, which takes the quotes away: what is no TOML but
    /// looks like a name is a text.
    pub fn from_argument(text: &str) -> Self {
        let is_toml = DeValue::parse(text).is_ok();
        if is_toml || text.starts_with(['[', '{', '"', '\'']) {
            Self::toml(text)
        } else {
            Self::text(text)
        }
    }

    fn parsed(&self) -> Result<DeValue<'_>, String> {
        match self {
            LaidValue::Toml(text) => match DeValue::parse(text) {
                Ok(value) => Ok(value.into_inner()),
                Err(error) => Err(format!("`{text}` is no value of TOML: {}", error.message())),
            },
            LaidValue::Path(path) => Ok(DeValue::String(path.to_string_lossy())),
        }
    }
}

impl RawConfig {
    /// What lies at these bytes, when they are behind the end of the file.
    pub(super) fn laid_at(&self, span: &Range<usize>) -> Option<&Laid> {
        self.laid.get(span.start.checked_sub(self.text.len() + 1)?)
    }
}

/// The file's table with all that is laid over it; `None` after a fault.
pub(super) fn table<'a>(reading: &Reading<'a>) -> Option<DeTable<'a>> {
    let raw = reading.raw();
    let (table, errors) = DeTable::parse_recoverable(&raw.text);
    for error in &errors {
        let place = error.span().map_or(Place::Default, Place::File);
        reading.fault_at("", format!("this is no TOML: {}", error.message()), &place);
    }
    if !errors.is_empty() {
        return None;
    }
    let whole = table.span();
    let mut root = Spanned::new(whole, DeValue::Table(table.into_inner()));
    for (index, laid) in raw.laid.iter().enumerate() {
        let at = raw.text.len() + 1 + index;
        let put = steps(&laid.field).and_then(|steps| {
            let value = moved(laid.value.parsed()?, &(at..at));
            put(&mut root, &steps, value)
        });
        if let Err(message) = put {
            reading.fault_at(&laid.field, message, &Place::Laid(laid.by.clone()));
        }
    }
    match root.into_inner() {
        DeValue::Table(table) => Some(table),
        _ => unreachable!("a key has at least one name, and that is put into the root"),
    }
}

/// One step from a value into it.
#[derive(Clone, Copy)]
enum Step<'k> {
    Name(&'k str),
    Item(usize),
}

/// The way to a field from the root: `network.layers[3].units`.
fn steps(field: &str) -> Result<Vec<Step<'_>>, String> {
    let wrong = || format!("`{field}` is no key: write one as `train.optimiser.learning_rate`");
    let mut steps = Vec::new();
    for part in field.split('.') {
        let mut pieces = part.split('[');
        let name = pieces.next().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
        steps.push(Step::Name(name));
        for piece in pieces {
            let number = piece.strip_suffix(']').and_then(|number| number.parse().ok());
            steps.push(Step::Item(number.ok_or_else(wrong)?));
        }
    }
    Ok(steps)
}

/// Puts a value where the steps lead; sections that are missing on the way are made.
fn put<'a>(
    at: &mut Spanned<DeValue<'a>>,
    steps: &[Step<'_>],
    value: Spanned<DeValue<'a>>,
) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else {
        *at = value;
        return Ok(());
    };
    match (step, at.get_mut()) {
        (Step::Name(name), DeValue::Table(table)) => {
            if let Some(next) = table.get_mut(*name) {
                return put(next, rest, value);
            }
            let mut made = Spanned::new(value.span(), DeValue::Table(DeTable::new()));
            let key = Spanned::new(value.span(), Cow::Owned((*name).to_owned()));
            put(&mut made, rest, value)?;
            table.insert(key, made);
            Ok(())
        }
        (Step::Item(index), DeValue::Array(list)) => {
            let items = list.len();
            match list.get_mut(*index) {
                Some(next) => put(next, rest, value),
                None => Err(format!("there is no item {index} in a list of {items}, from 0")),
            }
        }
        (Step::Name(name), _) => {
            Err(format!("`{name}` would be in what is no section: set the whole of it"))
        }
        (Step::Item(index), _) => {
            Err(format!("`[{index}]` would be in what is no list: set the whole of it"))
        }
    }
}

/// The same value, and all that is in it, at another place.
fn moved<'a>(value: DeValue<'a>, span: &Range<usize>) -> Spanned<DeValue<'a>> {
    let value = match value {
        DeValue::Array(mut list) => {
            for item in list.iter_mut() {
                let inner = std::mem::replace(item.get_mut(), DeValue::Boolean(false));
                *item = moved(inner, span);
            }
            DeValue::Array(list)
        }
        DeValue::Table(table) => {
            let mut there = DeTable::new();
            for (key, inner) in table {
                let key = Spanned::new(span.clone(), key.into_inner());
                there.insert(key, moved(inner.into_inner(), span));
            }
            DeValue::Table(there)
        }
        plain => plain,
    };
    Spanned::new(span.clone(), value)
}
