//! The data card: what is told of a data set, to people and to programs.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{Pixels, Split};

/// What a data set holds.
#[derive(Clone, Debug, Serialize)]
pub struct DataCard {
    /// One line by the source itself.
    pub source: String,
    /// The SHA-256 of the training data, as the source defines it.
    pub sha256: String,
    /// `[H, W, C]` that the items come to.
    pub shape: [usize; 3],
    /// The names of the classes, or their numbers.
    pub class_names: Vec<String>,
    /// The training items.
    pub train: SplitCard,
    /// The held-out items.
    pub test: SplitCard,
    /// How many items are files of which format.
    pub formats: BTreeMap<&'static str, u64>,
    /// The sizes of the pictures, the most frequent first.
    pub sizes: Vec<Size>,
    /// Items of sizes that are not listed.
    pub sizes_unlisted: u64,
    /// Mean and deviation of the training items' channels.
    pub channels: Vec<Channel>,
    /// Each class's mean over the training items.
    #[serde(skip)]
    pub mean_images: Vec<MeanImage>,
    /// Items that give no pixels.
    pub unusable: Vec<Reason>,
    /// Items that are there twice.
    pub twins: Twins,
    /// Items that are unlike the rest.
    pub doubts: Doubts,
    /// Items among which twins and doubts were looked for.
    pub remembered: u64,
    /// Items that were only counted.
    pub not_remembered: u64,
}

/// One half of the data set.
#[derive(Clone, Debug, Serialize)]
pub struct SplitCard {
    /// All items.
    pub items: u64,
    /// Those that give no pixels.
    pub unusable: u64,
    /// Usable items by class.
    pub by_class: Vec<u64>,
    /// Encoded bytes of all items.
    pub bytes: u64,
    /// Bytes of the least item.
    pub bytes_least: u64,
    /// Bytes of the greatest item.
    pub bytes_greatest: u64,
}

impl SplitCard {
    pub(super) fn new(classes: usize) -> Self {
        SplitCard {
            items: 0,
            unusable: 0,
            by_class: vec![0; classes],
            bytes: 0,
            bytes_least: u64::MAX,
            bytes_greatest: 0,
        }
    }

    pub(super) fn merge(&mut self, other: &SplitCard) {
        self.items += other.items;
        self.unusable += other.unusable;
        self.by_class.iter_mut().zip(&other.by_class).for_each(|(count, more)| *count += more);
        self.bytes += other.bytes;
        self.bytes_least = self.bytes_least.min(other.bytes_least);
        self.bytes_greatest = self.bytes_greatest.max(other.bytes_greatest);
    }
}

/// Pictures of one size.
#[derive(Clone, Debug, Serialize)]
pub struct Size {
    /// Height in pixels.
    pub h: usize,
    /// Width in pixels.
    pub w: usize,
    /// Channels.
    pub c: usize,
    /// How many.
    pub items: u64,
    /// Whether it is the size that items come to.
    pub is_wanted: bool,
}

/// A channel's figures over 0..1.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Channel {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub deviation: f64,
}

/// A class's mean.
#[derive(Clone, Debug)]
pub struct MeanImage {
    /// The picture.
    pub pixels: Pixels,
}

/// A split's name in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitName {
    /// Items to learn from.
    Train,
    /// Items to measure on.
    Test,
}

impl From<Split> for SplitName {
    fn from(split: Split) -> Self {
        match split {
            Split::Train => SplitName::Train,
            Split::Test => SplitName::Test,
        }
    }
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Train => Split::Train,
            SplitName::Test => Split::Test,
        }
    }
}

/// An item as a person finds it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Named {
    /// The half of the data set.
    pub split: SplitName,
    /// Its number there.
    pub index: u64,
    /// Its class.
    pub label: u8,
    /// What the source calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An item that gives no pixels.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    /// The half of the data set.
    pub split: SplitName,
    /// Its number there.
    pub index: u64,
    /// What the source calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why.
    pub what: String,
}

/// How two items are twins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Twinship {
    /// The same pixels.
    Equal,
    /// Other pixels that look the same.
    Alike,
}

/// Items that are there twice.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Twins {
    /// Of the same pixels.
    pub equal: TwinCounts,
    /// That look the same.
    pub alike: TwinCounts,
    /// Pairs between the splits or of different classes.
    pub serious: Vec<Pair>,
    /// Other pairs.
    pub harmless: Vec<Pair>,
}

/// Items that have a twin before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TwinCounts {
    /// Both are training items.
    pub within_train: u64,
    /// Both are held-out items.
    pub within_test: u64,
    /// A held-out item is among the training items: the measured accuracy flatters.
    pub leaked: u64,
    /// The two have different labels.
    pub conflicting: u64,
}

/// Two items.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// How they are twins.
    pub kind: Twinship,
    /// The earlier one.
    pub first: Named,
    /// The later one.
    pub second: Named,
}

impl From<(Twinship, Named, Named)> for Pair {
    fn from((kind, first, second): (Twinship, Named, Named)) -> Self {
        Pair { kind, first, second }
    }
}

/// Items that are unlike the rest.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Doubts {
    /// Pictures of one colour.
    pub blank: u64,
    /// Pictures whose brightness or contrast is far from that of all others.
    pub strange: u64,
    /// Pictures that look more like another class's mean than like their own's.
    pub looks_like_another: u64,
    /// Blank and strange ones.
    pub listed: Vec<Doubt>,
    /// Labels to look at, the most doubtful first.
    pub labels: Vec<Doubt>,
}

/// An item to look at.
#[derive(Clone, Debug, Serialize)]
pub struct Doubt {
    /// Why.
    pub kind: DoubtKind,
    /// Which.
    pub item: Named,
}

/// Why an item is doubtful.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoubtKind {
    /// One colour.
    Blank,
    /// Far brighter, darker, flatter or starker than the others.
    Strange,
    /// Like another class.
    LooksLike {
        /// That class.
        class: u8,
        /// How many times farther its own class is.
        ratio: f64,
    },
}
