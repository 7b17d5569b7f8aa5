//! Classes that get other names, several of them perhaps the same.

use super::CleanError;
use crate::Source;
use std::collections::BTreeMap;

/// The classes after a label map: in the order in which their first class stood in the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Relabelled {
    /// By class of the source its class from now on.
    of: Vec<u8>,
    /// What the classes are called.
    names: Vec<String>,
}

impl Relabelled {
    /// Renames the classes of a source; none when there is nothing to rename.
    ///
    /// Classes without names are called by their numbers.
    ///
    /// # Errors
    /// [`CleanError::NoClass`] for a name that no class has.
    pub fn new(
        source: &dyn Source,
        labels: &BTreeMap<String, String>,
    ) -> Result<Option<Relabelled>, CleanError> {
        if labels.is_empty() {
            return Ok(None);
        }
        let old = class_names(source);
        if let Some(name) = labels.keys().find(|name| !old.contains(name)) {
            let known: Vec<&str> = old.iter().take(20).map(String::as_str).collect();
            return Err(CleanError::NoClass { name: name.clone(), known: known.join(", ") });
        }
        let mut names: Vec<String> = Vec::new();
        let mut of = Vec::with_capacity(old.len());
        for old in &old {
            let name = labels.get(old).unwrap_or(old);
            let class = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            });
            // No more classes than before, and these are bytes.
            of.push(class as u8);
        }
        Ok(Some(Relabelled { of, names }))
    }

    /// The class that a class of the source has become.
    ///
    /// # Panics
    /// When the source has no such class: sources check their labels.
    pub fn class(&self, label: u8) -> u8 {
        self.of[usize::from(label)]
    }

    /// What the classes are called.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// What the classes of a source are called, or their numbers.
pub fn class_names(source: &dyn Source) -> Vec<String> {
    match source.class_names() {
        [] => (0..source.classes()).map(|class| class.to_string()).collect(),
        names => names.to_vec(),
    }
}
