//! What a data set holds, learnt in one pass: counts, sizes, classes, means, twins, doubtful labels.
//!
//! Each worker looks at items into an [`Inspection`] of its own; those are merged, and [`Inspection::finish`] makes the
//! [`DataCard`]. All sums are of integers and all lists are sorted by the items' numbers, so the card is the same in
//! whatever order, and by however many workers, the items were looked at.

pub mod look;
pub mod class_figures;
pub mod twins;
pub mod doubts;
pub mod card;
pub mod columns;
pub mod table;

use std::collections::BTreeMap;

use crate::{Pixels, Source, Split};
use card::{DataCard, Reason, Size, SplitCard, SplitName};
use class_figures::ClassFigures;
use look::Look;

/// Items of a split that are remembered for the search of twins and doubts, from the first: about 330 bytes each.
pub const REMEMBERED_MAX: u64 = 1_000_000;

/// How many different sizes, and how many unusable items, are listed one by one: the least sizes and the first items.
const LISTED_MAX: usize = 1_000;

/// All that has been seen so far.
#[derive(Clone, Debug)]
pub struct Inspection {
    splits: [SplitCard; 2],
    sizes: BTreeMap<(usize, usize, usize), u64>,
    sizes_unlisted: u64,
    figures: ClassFigures,
    looks: Vec<Look>,
    not_remembered: u64,
    unusable: BTreeMap<(SplitName, u64), String>,
    formats: BTreeMap<&'static str, u64>,
}

/// An item, as it was found.
#[derive(Debug)]
pub struct Found<'a> {
    /// The half of the data set.
    pub split: Split,
    /// Its number there.
    pub index: u64,
    /// How many bytes it takes encoded; 0 when it cannot be read.
    pub bytes: u64,
    /// The format of its file, when it is one of a picture.
    pub format: Option<&'static str>,
    /// Its class and its pixels, or why it has none.
    pub seen: Result<(u8, &'a Pixels), String>,
}

impl Inspection {
    /// Nothing seen yet of a data set with so many classes, whose items come to `(H, W, C)`.
    pub fn new(classes: usize, shape: (usize, usize, usize)) -> Self {
        Inspection {
            splits: [SplitCard::new(classes), SplitCard::new(classes)],
            sizes: BTreeMap::new(),
            sizes_unlisted: 0,
            figures: ClassFigures::new(classes, shape),
            looks: Vec::new(),
            not_remembered: 0,
            unusable: BTreeMap::new(),
            formats: BTreeMap::new(),
        }
    }

    /// Looks at one item.
    ///
    /// # Panics
    /// When the label is not below the number of classes: sources check theirs.
    pub fn add(&mut self, found: Found<'_>) {
        let Found { split, index, bytes, format, seen } = found;
        if let Some(format) = format {
            *self.formats.entry(format).or_default() += 1;
        }
        let card = &mut self.splits[usize::from(split == Split::Test)];
        card.items += 1;
        card.bytes += bytes;
        card.bytes_least = card.bytes_least.min(bytes);
        card.bytes_greatest = card.bytes_greatest.max(bytes);
        match seen {
            Ok((label, pixels)) => {
                card.by_class[usize::from(label)] += 1;
                self.add_pixels((split, index, label), pixels);
            }
            Err(what) => {
                card.unusable += 1;
                self.list_unusable((split.into(), index), what);
            }
        }
    }

    fn add_pixels(&mut self, item: (Split, u64, u8), pixels: &Pixels) {
        self.count_size(pixels.shape(), 1);
        let (split, index, label) = item;
        if split == Split::Train {
            self.figures.add(label, pixels);
        }
        if index < REMEMBERED_MAX {
            self.looks.push(Look::at(item, pixels));
        } else {
            self.not_remembered += 1;
        }
    }

    fn count_size(&mut self, shape: (usize, usize, usize), items: u64) {
        *self.sizes.entry(shape).or_default() += items;
        // The least sizes stay, in whatever order they come: a size that has left is never among them again.
        if self.sizes.len() > LISTED_MAX {
            let greatest = self.sizes.pop_last();
            self.sizes_unlisted += greatest.map_or(0, |(_, items)| items);
        }
    }

    fn list_unusable(&mut self, item: (SplitName, u64), what: String) {
        self.unusable.insert(item, what);
        if self.unusable.len() > LISTED_MAX {
            self.unusable.pop_last();
        }
    }

    /// Joins what two workers have seen of the same data set.
    pub fn merge(&mut self, other: Inspection) {
        for (card, more) in self.splits.iter_mut().zip(&other.splits) {
            card.merge(more);
        }
        for (shape, items) in other.sizes {
            self.count_size(shape, items);
        }
        self.sizes_unlisted += other.sizes_unlisted;
        self.figures.merge(&other.figures);
        self.not_remembered += other.not_remembered;
        self.looks.extend(other.looks);
        for (format, items) in other.formats {
            *self.formats.entry(format).or_default() += items;
        }
        for (item, what) in other.unusable {
            self.list_unusable(item, what);
        }
    }

    /// Draws the conclusions. The source gives the names.
    pub fn finish(mut self, source: &dyn Source) -> DataCard {
        self.looks.sort_unstable_by_key(Look::key);
        let reason = |((split, index), what): ((SplitName, u64), String)| Reason {
            split,
            index,
            name: source.name_of(split.into(), index),
            what,
        };
        let shape = source.shape();
        let size = |(&(h, w, c), &items): (&(usize, usize, usize), &u64)| Size {
            h,
            w,
            c,
            items,
            is_wanted: (h, w) == (shape.0, shape.1),
        };
        let mut sizes: Vec<Size> = self.sizes.iter().map(size).collect();
        sizes.sort_by_key(|size| std::cmp::Reverse(size.items));
        let named = |look: &Look| look.named(source);
        let twins = twins::find(&self.looks, &named);
        let doubts = doubts::find(&self.looks, source.classes(), &named);
        let [train, test] = self.splits;
        DataCard {
            source: source.describe(),
            sha256: source.sha256().to_owned(),
            shape: [shape.0, shape.1, shape.2],
            class_names: class_names(source),
            train,
            test,
            formats: self.formats,
            sizes,
            sizes_unlisted: self.sizes_unlisted,
            channels: self.figures.channels(),
            mean_images: self.figures.mean_images(),
            unusable: self.unusable.into_iter().map(reason).collect(),
            twins,
            doubts,
            remembered: self.looks.len() as u64,
            not_remembered: self.not_remembered,
        }
    }
}

/// The names of the classes, or their numbers.
fn class_names(source: &dyn Source) -> Vec<String> {
    match source.class_names() {
        [] => (0..source.classes()).map(|class| class.to_string()).collect(),
        names => names.to_vec(),
    }
}

#[cfg(test)]
mod tests;
