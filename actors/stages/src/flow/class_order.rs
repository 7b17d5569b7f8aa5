//! The order of an epoch in which each class has the share that the config gives it.
//!
//! An epoch has as many places as there are training items. Each class gets its part of them, to the place; within a class no
//! item comes again before all of them have come, over the epochs too. All of it is a pure function of (seed, epoch, place): only
//! which items a class has is held, and nothing is drawn in advance.

use crate::settings::ClassShares;
use planaria_random::{Permutation, Purpose, Stream};

/// Which item stands at which place.
#[derive(Debug)]
pub(crate) struct ClassOrder {
    seed: u64,
    /// By class: the positions of its items in the first epoch's order.
    items: Vec<Vec<u32>>,
    /// By class: where its part of an epoch begins; and the end of the last one's.
    begins: Vec<u64>,
}

impl ClassOrder {
    /// Divides `places` among `classes`; `labels` are the items that are there, as their positions and labels. A class without
    /// items gets no place.
    pub(crate) fn new(
        seed: u64,
        shares: &ClassShares,
        (classes, places): (usize, u64),
        labels: impl Iterator<Item = (u32, u8)>,
    ) -> ClassOrder {
        let mut items = vec![Vec::new(); classes];
        for (position, label) in labels {
            items[usize::from(label)].push(position);
        }
        let share = |class: usize| match shares {
            ClassShares::Equal => 1.0,
            ClassShares::Given(shares) => shares.get(class).copied().unwrap_or(0.0),
        };
        let weight = |class: usize| if items[class].is_empty() { 0.0 } else { share(class) };
        let weights: Vec<f64> = (0..classes).map(weight).collect();
        let mut begins = vec![0];
        for part in parts(&weights, places) {
            begins.push(begins[begins.len() - 1] + part);
        }
        ClassOrder { seed, items, begins }
    }

    /// The position in the first epoch's order of what stands at `place` of an epoch; none when there is no item at all.
    pub(crate) fn position(&self, epoch: u32, place: u64) -> Option<u64> {
        let places = self.begins[self.begins.len() - 1];
        if place >= places {
            return None;
        }
        // The classes come mixed: the places are shuffled, and the classes' parts lie beside each other behind that.
        let place = Permutation::new(places, self.seed, Purpose::Shuffle, epoch).item_at(place);
        let class = self.begins.partition_point(|begin| *begin <= place) - 1;
        let (items, begin) = (&self.items[class], self.begins[class]);
        let part = self.begins[class + 1] - begin;
        let turn = u64::from(epoch) * part + (place - begin);
        let (round, turn) = (turn / items.len() as u64, turn % items.len() as u64);
        let stream = Stream::new(self.seed, Purpose::Sample, class as u32, round);
        let order = Permutation::of(items.len() as u64, stream);
        Some(u64::from(items[order.item_at(turn) as usize]))
    }
}

/// Divides `places` by weights: each gets the whole part of what is due to it, and the largest rests get one more, the first of
/// equal ones first.
fn parts(weights: &[f64], places: u64) -> Vec<u64> {
    /// Weights in whole numbers: so that sums and rests are exact.
    const ONE: f64 = (1u64 << 32) as f64;
    let largest = weights.iter().copied().fold(0.0, f64::max);
    if largest <= 0.0 {
        return vec![0; weights.len()];
    }
    let weights: Vec<u128> = weights.iter().map(|w| (w / largest * ONE) as u128).collect();
    let sum: u128 = weights.iter().sum();
    let due = |weight: &u128| (weight * u128::from(places) / sum) as u64;
    let mut parts: Vec<u64> = weights.iter().map(due).collect();
    let mut by_rest: Vec<usize> = (0..weights.len()).collect();
    by_rest.sort_by_key(|&at| std::cmp::Reverse(weights[at] * u128::from(places) % sum));
    let left = places - parts.iter().sum::<u64>();
    for &at in by_rest.iter().take(left as usize) {
        parts[at] += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// 90 items of class 0, 9 of class 2, one of class 3; none of class 1.
    fn order(shares: &ClassShares) -> ClassOrder {
        let label = |position: u32| match position % 100 {
            0..90 => 0,
            90..99 => 2,
            _ => 3,
        };
        ClassOrder::new(7, shares, (4, 100), (0..100).map(|at| (at, label(at))))
    }

    /// How often each position comes in some epochs.
    fn counts(order: &ClassOrder, epochs: std::ops::Range<u32>) -> BTreeMap<u64, u64> {
        let mut counts = BTreeMap::new();
        for place in epochs.flat_map(|epoch| (0..100).map(move |place| (epoch, place))) {
            let position = order.position(place.0, place.1).expect("there are items");
            *counts.entry(position).or_default() += 1;
        }
        counts
    }

    #[test]
    fn each_class_that_has_items_comes_as_often_and_all_its_items_before_any_comes_again() {
        let order = order(&ClassShares::Equal);
        let once = counts(&order, 0..1);
        let of = |counts: &BTreeMap<u64, u64>, range: std::ops::Range<u64>| {
            counts.range(range).map(|(_, count)| *count).collect::<Vec<_>>()
        };
        assert_eq!(of(&once, 0..90), vec![1; 34], "34 of 90 items, each once");
        assert_eq!(of(&once, 90..99).iter().sum::<u64>(), 33);
        assert!(of(&once, 90..99).iter().all(|count| [3, 4].contains(count)), "{once:?}");
        assert_eq!(of(&once, 99..100), [33]);
        let often = counts(&order, 0..45);
        assert_eq!(of(&often, 0..90), vec![17; 90], "34 * 45 / 90 times each");
        assert_eq!(of(&often, 90..99), vec![165; 9]);
    }

    #[test]
    fn shares_are_kept_to_the_place() {
        let order = order(&ClassShares::Given(vec![1.0, 5.0, 2.0, 0.0]));
        let sums = counts(&order, 0..1).into_iter().fold([0; 3], |mut sums, (position, count)| {
            sums[if position < 90 {
                0
            } else if position < 99 {
                1
            } else {
                2
            }] += count;
            sums
        });
        assert_eq!(sums, [33, 67, 0]);
        assert_eq!(parts(&[1.0, 1.0, 1.0], 100), [34, 33, 33]);
        assert_eq!(parts(&[1.0, 0.0, 3.0], 8), [2, 0, 6]);
        assert_eq!(parts(&[0.0, 0.0], 8), [0, 0]);
    }

    #[test]
    fn the_classes_come_mixed_and_otherwise_in_each_epoch_and_with_each_seed() {
        let labels = |seed: u64, epoch: u32| {
            let items = (0..100).map(|at| (at, (at % 2) as u8));
            let order = ClassOrder::new(seed, &ClassShares::Equal, (2, 100), items);
            let position = |place| order.position(epoch, place).expect("there are items");
            (0..100).map(|place| position(place) % 2).collect::<Vec<_>>()
        };
        let first = labels(1, 0);
        let changes = first.windows(2).filter(|pair| pair[0] != pair[1]).count();
        // 49.5 on average, with a deviation of 5.
        assert!((25..75).contains(&changes), "{changes} changes of class");
        assert_ne!(labels(1, 1), first);
        assert_ne!(labels(2, 0), first);
        assert_eq!(labels(1, 0), first);
    }

    #[test]
    fn without_any_item_no_place_has_one() {
        let order = ClassOrder::new(1, &ClassShares::Equal, (3, 10), std::iter::empty());
        assert_eq!(order.position(0, 0), None);
    }
}
