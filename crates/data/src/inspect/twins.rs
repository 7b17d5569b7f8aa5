//! Items that are, or look, the same: within a split, between the splits, and with different labels.

use std::collections::BTreeMap;

use super::card::{Named, Twins, Twinship};
use super::look::Look;
use crate::Split;

/// Pairs that are listed one by one; all are counted.
const LISTED_MAX: usize = 100;

/// Two pictures look the same when their small pictures correlate at least so much: brightness and contrast do not count.
const CORRELATION_MIN: f64 = 0.98;

/// Bits in which the difference hashes of pictures that look the same may differ: fewer than there are bytes in a hash, so
/// that one byte at least is equal, by which they are found.
const BITS_MAX: u32 = 7;

/// Items with an equal byte of the hash that one is compared with, the latest: a million pictures need not all meet.
const COMPARED_MAX: usize = 2_000;

/// Finds the twins among items that are sorted by their key.
///
/// Each item that has an equal before it is one twin of the first such; else it looks like that one before it with which its
/// small picture correlates most, if it does enough.
pub(super) fn find(looks: &[Look], named: &dyn Fn(&Look) -> Named) -> Twins {
    let mut twins = Twins::default();
    let mut first_with: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    let mut alikes = Alikes::default();
    for (number, look) in looks.iter().enumerate() {
        if let Some(&first) = first_with.get(&look.content) {
            note(&mut twins, Twinship::Equal, (&looks[first], look), named);
            continue;
        }
        first_with.insert(look.content, number);
        let Some(shade) = Shade::of(number, look) else { continue };
        if let Some(alike) = alikes.most_alike(&shade) {
            note(&mut twins, Twinship::Alike, (&looks[alike], look), named);
        }
        alikes.add(shade);
    }
    twins
}

/// An item that others may look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shade<'a> {
    number: usize,
    appearance: u64,
    small: &'a [u8],
    /// The sum of its bytes.
    sum: u64,
    /// The length of its small picture less its mean, times the root of the number of bytes.
    length: f64,
}

impl<'a> Shade<'a> {
    /// None for a picture of nearly one colour, which looks like every other of that colour: that says nothing.
    pub(crate) fn of(number: usize, look: &'a Look) -> Option<Shade<'a>> {
        let (least, greatest) = (look.small.iter().min()?, look.small.iter().max()?);
        if greatest - least < 32 {
            return None;
        }
        let sum: u64 = look.small.iter().map(|&byte| u64::from(byte)).sum();
        let squares = product(&look.small, &look.small);
        let length = ((look.small.len() as u64 * squares - sum * sum) as f64).sqrt();
        Some(Shade { number, appearance: look.appearance, small: &look.small, sum, length })
    }

    /// Pearson's correlation of the small pictures, of sums of whole numbers.
    fn correlation(&self, other: &Shade<'_>) -> f64 {
        let products = self.small.len() as u64 * product(self.small, other.small);
        (products as f64 - (self.sum * other.sum) as f64) / (self.length * other.length)
    }
}

fn product(one: &[u8], other: &[u8]) -> u64 {
    one.iter().zip(other).map(|(&a, &b)| u64::from(a) * u64::from(b)).sum()
}

/// The items so far, by each byte of their difference hashes.
#[derive(Debug, Default)]
pub(crate) struct Alikes<'a> {
    items: Vec<Shade<'a>>,
    /// By place and value of a byte: which of the items have it, the latest last.
    with_byte: BTreeMap<(u8, u8), Vec<u32>>,
}

impl<'a> Alikes<'a> {
    /// The item that correlates most, and enough; the earliest of several.
    pub(crate) fn most_alike(&self, shade: &Shade<'_>) -> Option<usize> {
        let keys = (0..).zip(shade.appearance.to_le_bytes());
        let groups = keys.filter_map(|key| self.with_byte.get(&key));
        let latest = groups.flat_map(|group| &group[group.len().saturating_sub(COMPARED_MAX)..]);
        let near = latest.map(|&place| &self.items[place as usize]);
        let is_near =
            |other: &&Shade<'_>| (other.appearance ^ shade.appearance).count_ones() <= BITS_MAX;
        let correlated = near.filter(is_near).map(|other| (shade.correlation(other), other.number));
        let enough = correlated.filter(|&(correlation, _)| correlation >= CORRELATION_MIN);
        let most = enough.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        most.map(|(_, number)| number)
    }

    /// Lets later items find it.
    pub(crate) fn add(&mut self, shade: Shade<'a>) {
        // At most two splits of REMEMBERED_MAX items each: their places fit.
        let place = self.items.len() as u32;
        for key in (0..).zip(shade.appearance.to_le_bytes()) {
            self.with_byte.entry(key).or_default().push(place);
        }
        self.items.push(shade);
    }
}

fn note(
    twins: &mut Twins,
    kind: Twinship,
    (first, second): (&Look, &Look),
    named: &dyn Fn(&Look) -> Named,
) {
    let counts = match kind {
        Twinship::Equal => &mut twins.equal,
        Twinship::Alike => &mut twins.alike,
    };
    match (first.split, second.split) {
        (Split::Train, Split::Train) => counts.within_train += 1,
        (Split::Test, Split::Test) => counts.within_test += 1,
        _ => counts.leaked += 1,
    }
    let is_conflict = first.label != second.label;
    counts.conflicting += u64::from(is_conflict);
    // Leaks and conflicts are what a person must see: they are listed before the rest.
    let list = match is_conflict || first.split != second.split {
        true => &mut twins.serious,
        false => &mut twins.harmless,
    };
    if list.len() < LISTED_MAX {
        list.push((kind, named(first), named(second)).into());
    }
}
