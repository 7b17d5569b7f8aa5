//! What a cleaning has found and set aside: for reports, screens, and the quarantine.

use crate::inspect::card::SplitName;
use serde::{Deserialize, Serialize};

use super::Reason;

/// A cleaning, as the report tells it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Cleaning {
    /// How many of everything.
    #[serde(flatten)]
    pub counts: CleaningCounts,
    /// The classes of the items that are left.
    pub classes: Vec<ClassBalance>,
    /// The columns whose holes are filled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filled: Vec<FilledColumn>,
    /// Items that are set aside, the first ten thousand of them: training items first, in the order of their numbers.
    #[serde(skip)]
    pub set_aside: Vec<SetAside>,
}

/// How many items a cleaning has found of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CleaningCounts {
    /// Items to learn from.
    pub train: SplitCleaning,
    /// Items to measure on.
    pub test: SplitCleaning,
}

/// The items of a split.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SplitCleaning {
    /// All of them.
    pub items: u64,
    /// Those that are left.
    pub kept: u64,
    /// Neither read nor decoded, or of another size.
    pub unreadable: Count,
    /// Rows with missing numbers.
    pub missing: Count,
    /// Pictures of one colour.
    pub blank: Count,
    /// Equal to others of the split that have other labels.
    pub conflicts: Count,
    /// Training items that are equal to a test item.
    pub leaks: Count,
    /// Equal to one of the split with a lower number.
    pub duplicates: Count,
    /// Training items that look like a test item.
    pub alike_leaks: Count,
    /// That look like one of the split with a lower number.
    pub alike: Count,
    /// That lie far out.
    pub outliers: Count,
}

impl SplitCleaning {
    /// The count of a reason.
    pub fn of(&self, reason: Reason) -> Count {
        match reason {
            Reason::Unreadable => self.unreadable,
            Reason::Missing => self.missing,
            Reason::Blank => self.blank,
            Reason::Conflict => self.conflicts,
            Reason::Leak => self.leaks,
            Reason::Duplicate => self.duplicates,
            Reason::AlikeLeak => self.alike_leaks,
            Reason::Alike => self.alike,
            Reason::Outlier => self.outliers,
        }
    }

    pub(super) fn of_mut(&mut self, reason: Reason) -> &mut Count {
        match reason {
            Reason::Unreadable => &mut self.unreadable,
            Reason::Missing => &mut self.missing,
            Reason::Blank => &mut self.blank,
            Reason::Conflict => &mut self.conflicts,
            Reason::Leak => &mut self.leaks,
            Reason::Duplicate => &mut self.duplicates,
            Reason::AlikeLeak => &mut self.alike_leaks,
            Reason::Alike => &mut self.alike,
            Reason::Outlier => &mut self.outliers,
        }
    }
}

/// How many items there are of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Count {
    /// That are of it, and not set aside for a reason before it.
    pub found: u64,
    /// Of them, those that are set aside for it.
    pub removed: u64,
}

/// The items of a class.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ClassBalance {
    /// What it is called, or its number.
    pub name: String,
    /// Training items.
    pub train: u64,
    /// Test items.
    pub test: u64,
}

/// A column whose holes are filled.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FilledColumn {
    /// What it is called.
    pub column: String,
    /// What its missing numbers become.
    pub value: f32,
    /// Rows without it, of both splits, before any is set aside.
    pub rows: u64,
}

/// An item that is set aside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SetAside {
    /// Its split.
    pub split: SplitName,
    /// Its number there, in the source as it lies.
    pub index: u64,
    /// What it is called, when it has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why.
    pub reason: Reason,
    /// The same in words, with the item that it is equal to, or what could not be read.
    pub cause: String,
}
