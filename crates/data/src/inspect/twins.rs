//! Items that are, or look, the same: within a split, between the splits, and with different labels.

use std::collections::BTreeMap;

use super::card::{Named, Twins, Twinship};
use super::look::Look;
use crate::Split;

/// Pairs that are listed one by one; all are counted.
const LISTED_MAX: usize = 100;

/// Two pictures look the same when their small pictures differ by at most so much, on average of their 72 bytes.
const ALIKE_MAX: u32 = 3;

/// Items of equal appearance that one is compared with: a thousand blank pictures need not meet each other.
const COMPARED_MAX: usize = 32;

/// Finds the twins among items that are sorted by their key.
///
/// Each item that has an equal before it is one twin of the first such; one whose difference hash is equal but for one bit
/// at most, and whose small picture is nearly the same, looks like the nearest of those before it.
pub(super) fn find(looks: &[Look], named: &dyn Fn(&Look) -> Named) -> Twins {
    let mut twins = Twins::default();
    let mut first_with: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    let mut by_appearance: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (number, look) in looks.iter().enumerate() {
        if let Some(&first) = first_with.get(&look.content) {
            note(&mut twins, Twinship::Equal, (&looks[first], look), named);
            continue;
        }
        if let Some(alike) = most_alike(looks, look, &by_appearance) {
            note(&mut twins, Twinship::Alike, (&looks[alike], look), named);
        }
        first_with.insert(look.content, number);
        let group = by_appearance.entry(look.appearance).or_default();
        if group.len() < COMPARED_MAX {
            group.push(number);
        }
    }
    twins
}

/// The earlier item that looks the same and differs least.
fn most_alike(
    looks: &[Look],
    look: &Look,
    by_appearance: &BTreeMap<u64, Vec<usize>>,
) -> Option<usize> {
    if is_flat(look) {
        return None;
    }
    let flips = (0..u64::BITS).map(|bit| look.appearance ^ 1 << bit);
    let groups = std::iter::once(look.appearance).chain(flips);
    let near = groups.filter_map(|hash| by_appearance.get(&hash)).flatten().copied();
    let distances = near.map(|other| (distance(look, &looks[other]), other));
    let limit = ALIKE_MAX * look.small.len() as u32;
    distances.filter(|&(distance, _)| distance <= limit).min().map(|(_, other)| other)
}

/// A picture of nearly one colour looks like every other of that colour: that says nothing.
fn is_flat(look: &Look) -> bool {
    let (least, greatest) = (look.small.iter().min(), look.small.iter().max());
    least.zip(greatest).is_none_or(|(least, greatest)| greatest - least < 32)
}

fn distance(one: &Look, other: &Look) -> u32 {
    let pairs = one.small.iter().zip(&other.small);
    pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
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
