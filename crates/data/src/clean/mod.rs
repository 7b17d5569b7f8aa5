//! Cleaning: which items of a source are set aside before anything is learnt, why, and what fills a hole.
//!
//! The way: [`Survey`] looks at every item once, in any order and in any number of parts; [`Verdicts`] are drawn from it, a
//! pure function of the items and their numbers; [`Fill`] finds what missing numbers become; [`Cleaned`] is the source that
//! is left. Nothing depends on who looked at what first: of equal items the one with the lowest number stays.

pub mod settings;
pub mod survey;
pub mod outliers;
pub mod verdicts;
pub mod fill;
pub mod labels;
pub mod cleaned;
pub mod report;

pub use cleaned::Cleaned;
pub use fill::{Fill, FillCount};
pub use labels::Relabelled;
pub use outliers::{FarOut, Fences};
pub use report::{Cleaning, CleaningCounts, Count, SetAside, SplitCleaning};
pub use settings::{Action, CleanSettings, Missing, Sought};
pub use survey::Survey;
pub use verdicts::{Reason, Verdicts};

/// Items of a split that can be cleaned: each takes 40 bytes while they are looked at.
pub const ITEMS_MAX: u64 = 20_000_000;

/// Why a source cannot be cleaned as it is wanted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CleanError {
    /// Too many to be looked at.
    #[error(
        "[clean] looks at up to {ITEMS_MAX} items of a split, but there are {items}: set \
         `source.train_items` and `source.test_items`, or leave the section out"
    )]
    TooManyItems {
        /// How many there are.
        items: u64,
    },
    /// A label map that names no class.
    #[error("`clean.labels`: no class is called `{name}`: there are {known}")]
    NoClass {
        /// What it names.
        name: String,
        /// What there is.
        known: String,
    },
    /// Nothing to fill a column's holes with.
    #[error(
        "column `{column}` has no number in any training row: leave it out of `source.features`, or \
         set `clean.missing` to \"remove\""
    )]
    EmptyColumn {
        /// What it is called.
        column: String,
    },
    /// Too many different numbers for one to be the most frequent.
    #[error(
        "column `{column}` has more than {limit} different numbers, so that the most frequent one says \
         nothing: set `clean.missing` to \"median\""
    )]
    TooManyValues {
        /// What it is called.
        column: String,
        /// How many are counted.
        limit: usize,
    },
    /// All items of a split are set aside.
    #[error(
        "[clean] sets all {items} {split} items aside, most of them as {reason}: repair the data"
    )]
    NothingLeft {
        /// Which split.
        split: crate::Split,
        /// How many there were.
        items: u64,
        /// The commonest cause.
        reason: &'static str,
    },
}

#[cfg(test)]
mod tests;
