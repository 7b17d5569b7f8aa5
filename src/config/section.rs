//! One table of the config, read field by field: each with its default, its range, and its place.
//!
//! A `Reading` collects the faults of a whole file, so that a person sees all of them at once;
//! after a fault the reader goes on with the default. What nobody has asked for when a section is
//! finished is unknown, and gets the nearest known name. What flags lay over the file is in the table
//! already (`overlay`).

use serde::de::DeserializeOwned;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Display,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
};
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue},
};

use super::{
    fault::{Fault, Faults, Place},
    load::RawConfig,
    nearest,
    overlay::LaidValue,
    units,
};

/// A whole config while it is read.
pub struct Reading<'a> {
    raw: &'a RawConfig,
    faults: RefCell<Vec<Fault>>,
    /// Where each field that was read came from.
    places: RefCell<BTreeMap<String, Place>>,
}

impl<'a> Reading<'a> {
    /// Begins to read `raw`, of which nothing is believed yet.
    pub fn new(raw: &'a RawConfig) -> Self {
        Reading { raw, faults: RefCell::default(), places: RefCell::default() }
    }

    /// Records a fault of a field that was read before, at its place.
    pub fn fault(&self, field: &str, message: impl Into<String>) {
        let place = self.places.borrow().get(field).cloned().unwrap_or(Place::Default);
        self.fault_at(field, message, &place);
    }

    /// Records a fault at `place`.
    pub fn fault_at(&self, field: &str, message: impl Into<String>, place: &Place) {
        let fault = Fault::new(field, message.into(), place, &self.raw.text);
        self.faults.borrow_mut().push(fault);
    }

    /// How many things were wrong so far.
    pub fn count(&self) -> usize {
        self.faults.borrow().len()
    }

    /// `value` when nothing was wrong, or every fault, in the order of the file.
    ///
    /// # Errors
    /// `Faults`.
    pub fn finish<T>(self, value: T) -> Result<T, Faults> {
        let mut list = self.faults.into_inner();
        if list.is_empty() {
            return Ok(value);
        }
        list.sort_by_key(Fault::order);
        Err(Faults { file: self.raw.path.clone(), text: self.raw.text.clone(), list })
    }

    /// The config that is read.
    pub(super) fn raw(&self) -> &'a RawConfig {
        self.raw
    }

    /// Where the bytes of a value are: in the file, or behind its end, when it is laid over it.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        match self.raw.laid_at(&span) {
            Some(laid) => Place::Laid(laid.by.clone()),
            None => Place::File(span),
        }
    }

    /// The items of a list as the file writes them; `None` for anything else.
    fn items(&self, value: &Spanned<DeValue<'_>>) -> Option<Vec<&'a str>> {
        let DeValue::Array(list) = value.get_ref() else { return None };
        list.iter().map(|item| self.raw.text.get(item.span())).collect()
    }

    /// The folder that paths in the file are relative to.
    fn folder(&self) -> &Path {
        self.raw.path.parent().unwrap_or(Path::new(""))
    }
}

/// A field whose name is the person's own.
pub struct Entry<'r> {
    /// Its name.
    pub key: &'r str,
    /// Its name with the sections.
    pub field: String,
    /// Where the value is in the file.
    pub span: Range<usize>,
    /// Its items as the file writes them, when it is a list.
    pub items: Option<Vec<&'r str>>,
    /// What is in it, when it is a table.
    pub section: Option<Section<'r>>,
}

/// One table while it is read.
pub struct Section<'r> {
    reading: &'r Reading<'r>,
    /// The section's name with a dot at the end, or nothing for the root.
    prefix: String,
    /// The file's values, or `None` when the file says nothing of this section.
    table: Option<&'r DeTable<'r>>,
    known: Vec<&'static str>,
}

impl<'r> Section<'r> {
    /// The whole file.
    pub fn root(reading: &'r Reading<'r>, table: &'r DeTable<'r>) -> Self {
        Section { reading, prefix: String::new(), table: Some(table), known: Vec::new() }
    }

    /// The table `name` in this one; empty when it is not there.
    pub fn section(&mut self, name: &'static str) -> Section<'r> {
        let table = match self.value(name) {
            None => None,
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Some(table),
                other => {
                    self.wrong_type(name, "a section", other, value.span());
                    None
                }
            },
        };
        Section {
            reading: self.reading,
            prefix: format!("{}{name}.", self.prefix),
            table,
            known: Vec::new(),
        }
    }

    /// The tables of the list `name`, or `None` when it is not there.
    pub fn list(&mut self, name: &'static str) -> Option<Vec<Section<'r>>> {
        let value = self.value(name)?;
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(name, "a list of tables", value.get_ref(), value.span());
            return Some(Vec::new());
        };
        let mut sections = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let field = format!("{}{name}[{index}]", self.prefix);
            self.reading.places.borrow_mut().insert(field.clone(), self.reading.place(item.span()));
            if let DeValue::Table(table) = item.get_ref() {
                let prefix = format!("{field}.");
                let table = Some(table);
                sections.push(Section { reading: self.reading, prefix, table, known: Vec::new() });
            } else {
                self.wrong_type(
                    &format!("{name}[{index}]"),
                    "a table",
                    item.get_ref(),
                    item.span(),
                );
            }
        }
        Some(sections)
    }

    /// True when the file has this field. Reading it is still to be done.
    pub fn has(&self, name: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(name))
    }

    /// As [`Section::has`], for a field that need not be read: it is known from now on, and a fault finds its place.
    pub fn meets(&mut self, name: &'static str) -> bool {
        self.value(name).is_some()
    }

    /// True when the file has a text here, where a section may stand too.
    pub fn is_text(&self, name: &str) -> bool {
        let value = self.table.and_then(|table| table.get(name));
        value.is_some_and(|value| matches!(value.get_ref(), DeValue::String(_)))
    }

    /// The full name of a field of this section.
    pub fn field(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Records a fault of this section's field.
    pub fn fault(&self, name: &str, message: impl Into<String>) {
        self.reading.fault(&self.field(name), message);
    }

    /// Records a fault of this section as a whole.
    pub fn own_fault(&self, message: impl Into<String>) {
        self.reading.fault(self.prefix.trim_end_matches('.'), message);
    }

    /// True when something is laid over this field.
    pub fn is_laid(&self, name: &str) -> bool {
        let field = self.field(name);
        self.reading.raw.laid.iter().any(|laid| laid.field == field)
    }

    /// A whole number within `range` that has no default: the least one after the fault.
    pub fn needed_whole(&mut self, name: &'static str, range: RangeInclusive<usize>) -> usize {
        let least = *range.start();
        match self.whole_or_none(name, range) {
            Some(number) => number,
            None => {
                if !self.has(name) {
                    self.own_fault(format!("needs `{name}`"));
                }
                least
            }
        }
    }

    /// A whole number within `range`, or `default` when it is not there.
    pub fn whole<T>(&mut self, name: &'static str, default: T, range: RangeInclusive<T>) -> T
    where
        T: TryFrom<u64> + PartialOrd + Display + Copy,
    {
        self.whole_or_none(name, range).unwrap_or(default)
    }

    /// A whole number within `range`, when it is there.
    pub fn whole_or_none<T>(&mut self, name: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd + Display + Copy,
    {
        let value = self.value(name)?;
        let Some(number) = whole(value.get_ref()) else {
            self.wrong_type(name, "a whole number", value.get_ref(), value.span());
            return None;
        };
        let fitting = u64::try_from(number).ok().and_then(|number| T::try_from(number).ok());
        match fitting.filter(|number| range.contains(number)) {
            Some(number) => Some(number),
            None => {
                self.fault(name, out_of_range(&number, range.start(), range.end()));
                None
            }
        }
    }

    /// A finite number within `range`, or `default` when it is not there.
    pub fn real(&mut self, name: &'static str, default: f64, range: RangeInclusive<f64>) -> f64 {
        let Some(value) = self.value(name) else { return default };
        match real(value.get_ref()) {
            None => {
                self.wrong_type(name, "a number", value.get_ref(), value.span());
                default
            }
            Some(number) if !range.contains(&number) => {
                self.fault(name, out_of_range(&number, range.start(), range.end()));
                default
            }
            Some(number) => number,
        }
    }

    /// A number within `range`, when it is there.
    pub fn real_or_none(&mut self, name: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let default = *range.start();
        let number = self.real(name, default, range);
        self.has(name).then_some(number)
    }

    /// `true` or `false`, or `default` when it is not there.
    pub fn truth(&mut self, name: &'static str, default: bool) -> bool {
        let Some(value) = self.value(name) else { return default };
        match value.get_ref() {
            DeValue::Boolean(truth) => *truth,
            other => {
                self.wrong_type(name, "true or false", other, value.span());
                default
            }
        }
    }

    /// A list of finite numbers, each within `range`, or one number, which is a list of one; nothing when it is not there or
    /// wrong.
    pub fn reals(&mut self, name: &'static str, range: RangeInclusive<f64>) -> Option<Vec<f64>> {
        let value = self.value(name)?;
        let numbers: Option<Vec<f64>> = match value.get_ref() {
            DeValue::Array(array) => array.iter().map(|item| real(item.get_ref())).collect(),
            number => real(number).map(|number| vec![number]),
        };
        let Some(numbers) = numbers else {
            self.wrong_type(name, "a number or a list of numbers", value.get_ref(), value.span());
            return None;
        };
        match numbers.iter().find(|number| !range.contains(number)) {
            Some(number) => {
                self.fault(name, out_of_range(number, range.start(), range.end()));
                None
            }
            None => Some(numbers),
        }
    }

    /// A duration (`"50ms"`, `"2s"`) within `range_ms`, or `default_ms`.
    pub fn duration(
        &mut self,
        name: &'static str,
        default_ms: u64,
        range_ms: RangeInclusive<u64>,
    ) -> u64 {
        self.duration_or_none(name, range_ms).unwrap_or(default_ms)
    }

    /// A duration (`"50ms"`, `"2s"`) within `range_ms`, in milliseconds, when it is there.
    pub fn duration_or_none(
        &mut self,
        name: &'static str,
        range_ms: RangeInclusive<u64>,
    ) -> Option<u64> {
        let text = self.text(name)?;
        match units::milliseconds(&text) {
            Err(message) => {
                self.fault(name, message);
                None
            }
            Ok(ms) if !range_ms.contains(&ms) => {
                let bounds = (units::duration(*range_ms.start()), units::duration(*range_ms.end()));
                self.fault(name, out_of_range(&text, &bounds.0, &bounds.1));
                None
            }
            Ok(ms) => Some(ms),
        }
    }

    /// One of some names, or `default`.
    pub fn choice<T: Copy>(&mut self, name: &'static str, default: T, names: &[(&str, T)]) -> T {
        let Some(text) = self.text(name) else { return default };
        match names.iter().find(|(known, _)| *known == text) {
            Some((_, value)) => *value,
            None => {
                let hint = nearest::hint(&text, names.iter().map(|(known, _)| *known));
                self.fault(name, format!("`{text}` is not known{hint}"));
                default
            }
        }
    }

    /// A text, when it is there.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.value(name)?;
        match value.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            other => {
                self.wrong_type(name, "a text in quotes", other, value.span());
                None
            }
        }
    }

    /// A path, when it is there: relative to the config's folder, a flag's to the working folder.
    pub fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        let text = self.text(name)?;
        let span = self.table?.get(name)?.span();
        if let Some(LaidValue::Path(path)) = self.reading.raw.laid_at(&span).map(|laid| &laid.value)
        {
            return Some(path.clone());
        }
        if text.is_empty() {
            self.fault(name, "is empty: give a path");
            return None;
        }
        Some(self.reading.folder().join(text))
    }

    /// A list of paths, or one path, which is a list of one; each is relative to the config's folder.
    pub fn paths(&mut self, name: &'static str) -> Option<Vec<PathBuf>> {
        if self.is_text(name) {
            return self.path(name).map(|path| vec![path]);
        }
        let texts = self.texts(name)?;
        if texts.is_empty() || texts.iter().any(String::is_empty) {
            self.fault(name, "is empty: give a path, or a list of paths");
            return None;
        }
        Some(texts.into_iter().map(|text| self.reading.folder().join(text)).collect())
    }

    /// A list of texts, when it is there.
    pub fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let value = self.value(name)?;
        let texts = match value.get_ref() {
            DeValue::Array(array) => array.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.clone().into_owned()),
                _ => None,
            }),
            other => {
                self.wrong_type(name, "a list of texts", other, value.span());
                return None;
            }
        };
        let texts: Option<Vec<String>> = texts.collect();
        if texts.is_none() {
            self.fault(name, "must be a list of texts in quotes");
        }
        texts
    }

    /// A list of whole numbers, each within `range`, when it is there.
    pub fn wholes(
        &mut self,
        name: &'static str,
        range: RangeInclusive<usize>,
    ) -> Option<Vec<usize>> {
        let value = self.value(name)?;
        let DeValue::Array(array) = value.get_ref() else {
            self.wrong_type(name, "a list of whole numbers", value.get_ref(), value.span());
            return None;
        };
        let numbers = array.iter().map(|item| {
            let number = usize::try_from(whole(item.get_ref())?).ok()?;
            range.contains(&number).then_some(number)
        });
        let numbers: Option<Vec<usize>> = numbers.collect();
        if numbers.is_none() {
            let (low, high) = (range.start(), range.end());
            self.fault(name, format!("must be a list of whole numbers, each {low} to {high}"));
        }
        numbers
    }

    /// All fields of a table whose names are the person's own, in the order of the file.
    pub fn entries(self) -> Vec<Entry<'r>> {
        let Some(table) = self.table else { return Vec::new() };
        let reading = self.reading;
        let mut fields: Vec<_> = table.iter().collect();
        fields.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&'r Spanned<_>, &'r Spanned<DeValue<'r>>)| {
            let key: &'r std::borrow::Cow<'r, str> = key.get_ref();
            let field = self.field(key);
            reading.places.borrow_mut().insert(field.clone(), reading.place(value.span()));
            let table = match value.get_ref() {
                DeValue::Table(table) => Some(table),
                _ => None,
            };
            let prefix = format!("{field}.");
            let section = table.map(|table| Section {
                reading,
                prefix,
                table: Some(table),
                known: Vec::new(),
            });
            Entry { key, field, span: value.span(), items: reading.items(value), section }
        };
        fields.into_iter().map(entry).collect()
    }

    /// The items of the list `name` as the file writes them, when it is there.
    pub fn items(&mut self, name: &'static str) -> Option<Vec<&'r str>> {
        let value = self.value(name)?;
        let items = self.reading.items(value);
        if items.is_none() {
            self.wrong_type(name, "a list", value.get_ref(), value.span());
        }
        items
    }

    /// True when the field is a whole number.
    pub fn is_whole(&self, name: &str) -> bool {
        let value = self.table.and_then(|table| table.get(name));
        value.is_some_and(|value| matches!(value.get_ref(), DeValue::Integer(_)))
    }

    /// Refuses every field that nobody has asked for.
    pub fn finish(self) {
        let Some(table) = self.table else { return };
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !self.known.contains(&name) {
                let hint = nearest::hint(name, self.known.iter().copied());
                let place = self.reading.place(key.span());
                let message = format!("there is no such field{hint}");
                self.reading.fault_at(&self.field(name), message, &place);
            }
        }
    }

    /// All of this section as `T` reads itself; a fault when it cannot. Ends the section.
    pub fn read_whole<T: DeserializeOwned>(self) -> Option<T> {
        let table = self.table?;
        let fields = table.iter().map(|(key, value)| (key.to_string(), plain(value.get_ref())));
        match Value::Table(fields.collect()).try_into::<T>() {
            Ok(read) => Some(read),
            Err(error) => {
                self.own_fault(error.message().replace("missing field", "needs"));
                None
            }
        }
    }

    fn value(&mut self, name: &'static str) -> Option<&'r Spanned<DeValue<'r>>> {
        self.known.push(name);
        let value = self.table?.get(name)?;
        let place = self.reading.place(value.span());
        self.reading.places.borrow_mut().insert(self.field(name), place);
        Some(value)
    }

    fn wrong_type(&self, name: &str, wanted: &str, found: &DeValue<'_>, span: Range<usize>) {
        let found = match found {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a section",
        };
        let message = format!("must be {wanted}, not {found}");
        self.reading.fault_at(&self.field(name), message, &self.reading.place(span));
    }
}

fn whole(value: &DeValue<'_>) -> Option<i128> {
    match value {
        DeValue::Integer(number) => {
            i128::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
        }
        _ => None,
    }
}

fn real(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
        integer => whole(integer).map(|number| number as f64),
    }
}

fn out_of_range<T: Display>(found: &dyn Display, low: &T, high: &T) -> String {
    format!("{found} is out of range: choose {low} to {high}")
}

/// A value without its places. Numbers that are none of TOML's become texts, which nobody takes for
/// numbers.
fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(_) => match whole(value).map(i64::try_from) {
            Some(Ok(number)) => Value::Integer(number),
            _ => Value::String("a number out of range".into()),
        },
        DeValue::Float(number) => match number.as_str().replace('_', "").parse() {
            Ok(number) => Value::Float(number),
            Err(_) => Value::String(number.as_str().into()),
        },
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Datetime(date) => Value::Datetime(*date),
        DeValue::Array(array) => {
            Value::Array(array.iter().map(|item| plain(item.get_ref())).collect())
        }
        DeValue::Table(table) => {
            let fields = table.iter().map(|(key, value)| (key.to_string(), plain(value.get_ref())));
            Value::Table(fields.collect())
        }
    }
}
