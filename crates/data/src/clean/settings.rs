//! What is done about each kind of bad item.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is done about each kind of bad item. Items that cannot be used at all are always set aside.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CleanSettings {
    /// Pictures of one colour.
    pub blank: Action,
    /// Items of one split that are equal, but for the one with the lowest number.
    pub duplicates: Action,
    /// Pictures that only look the same, likewise.
    pub alike: Sought,
    /// Training items that are test items too.
    pub leaks: Action,
    /// Equal items of one split with different labels.
    pub conflicts: Action,
    /// Items that lie far out.
    pub outliers: Sought,
    /// How far: so many times the distance between the quartiles, outwards from them.
    pub outlier_range: f64,
    /// Rows of a table with missing numbers.
    pub missing: Missing,
    /// By a class's name the name that it gets; classes of one name become one. Others keep theirs.
    pub labels: BTreeMap<String, String>,
}

impl Default for CleanSettings {
    /// Everything that can be used is kept, and what is doubtful is counted.
    fn default() -> Self {
        CleanSettings {
            blank: Action::Keep,
            duplicates: Action::Keep,
            alike: Sought::Off,
            leaks: Action::Keep,
            conflicts: Action::Keep,
            outliers: Sought::Off,
            outlier_range: 3.0,
            missing: Missing::Remove,
            labels: BTreeMap::new(),
        }
    }
}

/// What is done about an item that can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is counted, and used.
    Keep,
    /// It is counted, and set aside.
    Remove,
}

/// What is done about items that are looked for only on request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sought {
    /// They are not looked for.
    Off,
    /// They are counted, and used.
    Keep,
    /// They are counted, and set aside.
    Remove,
}

/// What becomes of a row with missing numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// It is set aside.
    Remove,
    /// Each gets the mean of its column in the training rows.
    Mean,
    /// Each gets the median of its column in the training rows.
    Median,
    /// Each gets the most frequent number of its column in the training rows, the least of several.
    MostFrequent,
}
