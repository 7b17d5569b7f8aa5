//! Numbers by their ranks, exactly, in two passes: the first counts the upper halves of all numbers, the second the lower
//! halves of those that lie where one is looked for. So neither their order nor the parts in which they are counted
//! change a bit, and memory does not grow with them.

use std::collections::BTreeMap;

/// All values of 16 bits.
const HALVES: usize = 1 << 16;

/// What the first pass counts.
///
/// ```
/// use planaria_data::ranks::Ranks;
/// let numbers = [3.0, 1.0, 2.0];
/// let mut ranks = Ranks::default();
/// numbers.iter().for_each(|number| ranks.add(*number));
/// let mut exact = ranks.exact(&[0, 1, 9]);
/// numbers.iter().for_each(|number| exact.add(*number));
/// assert_eq!(exact.numbers(), [Some(1.0), Some(2.0), None]);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ranks {
    upper: Vec<u32>,
}

impl Default for Ranks {
    fn default() -> Self {
        Ranks { upper: vec![0; HALVES] }
    }
}

impl Ranks {
    /// Counts a number; what is none, or infinite, has no rank.
    pub fn add(&mut self, number: f32) {
        if number.is_finite() {
            self.upper[(ordered(number) >> 16) as usize] += 1;
        }
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Ranks) {
        add_all(&mut self.upper, &other.upper);
    }

    /// How many numbers were counted.
    pub fn count(&self) -> u64 {
        self.upper.iter().map(|&count| u64::from(count)).sum()
    }

    /// The second pass, for the numbers of these ranks, from 0.
    pub fn exact(&self, ranks: &[u64]) -> Exact {
        let mut exact = Exact { wanted: Vec::new(), lower: BTreeMap::new() };
        for &rank in ranks {
            let place = at_rank(&self.upper, rank).map(|(half, before)| {
                exact.lower.entry(half).or_insert_with(|| vec![0; HALVES]);
                (half, rank - before)
            });
            exact.wanted.push(place);
        }
        exact
    }

    /// The second pass, for the numbers with a quarter, a half and three quarters of the others before them.
    pub fn quartiles(&self) -> Exact {
        let last = self.count().saturating_sub(1);
        self.exact(&[last / 4, last / 2, last - last / 4])
    }
}

/// What the second pass counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exact {
    /// The upper half of each number that is looked for, and its rank among those with the same.
    wanted: Vec<Option<(u16, u64)>>,
    /// By upper half: how many numbers have each lower half.
    lower: BTreeMap<u16, Vec<u32>>,
}

impl Exact {
    /// Counts a number that the first pass has counted, too.
    pub fn add(&mut self, number: f32) {
        let ordered = ordered(number);
        let counts = self.lower.get_mut(&((ordered >> 16) as u16));
        if let Some(counts) = counts.filter(|_| number.is_finite()) {
            counts[(ordered & 0xffff) as usize] += 1;
        }
    }

    /// Counts what another has counted in the same pass.
    pub fn merge(&mut self, other: &Exact) {
        let both = self.lower.values_mut().zip(other.lower.values());
        both.for_each(|(own, other)| add_all(own, other));
    }

    /// The numbers of the ranks that were asked for, in that order; none of a rank that no number has.
    pub fn numbers(&self) -> Vec<Option<f32>> {
        let number_at = |place: &Option<(u16, u64)>| {
            let (upper, rank) = (*place)?;
            let (lower, _) = at_rank(&self.lower[&upper], rank)?;
            Some(number(u32::from(upper) << 16 | u32::from(lower)))
        };
        self.wanted.iter().map(number_at).collect()
    }
}

fn add_all(counts: &mut [u32], others: &[u32]) {
    counts.iter_mut().zip(others).for_each(|(count, other)| *count += other);
}

/// The half in whose count the number of this rank lies, and how many lie in the halves before; none beyond the last rank.
fn at_rank(counts: &[u32], rank: u64) -> Option<(u16, u64)> {
    let mut before = 0;
    for (half, &count) in (0..=u16::MAX).zip(counts) {
        if rank < before + u64::from(count) {
            return Some((half, before));
        }
        before += u64::from(count);
    }
    None
}

/// Bits that are ordered as the numbers are; both zeros are one.
pub(crate) fn ordered(number: f32) -> u32 {
    let bits = (number + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The number with these ordered bits.
pub(crate) fn number(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_has_no_ranks_and_what_is_no_number_is_not_counted() {
        let mut ranks = Ranks::default();
        [f32::NAN, f32::INFINITY].into_iter().for_each(|number| ranks.add(number));
        assert_eq!((ranks.count(), ranks.quartiles().numbers()), (0, vec![None; 3]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

        #[test]
        fn neither_order_nor_parts_change_a_rank_and_it_is_that_of_the_sorted_numbers(
            numbers in prop::collection::vec(prop_oneof![-1e6f32..1e6, -2.0f32..2.0], 1..60),
            cut in 0..60usize,
        ) {
            let (first, second) = numbers.split_at(cut.min(numbers.len()));
            let mut ranks = [Ranks::default(), Ranks::default()];
            first.iter().for_each(|number| ranks[0].add(*number));
            second.iter().rev().for_each(|number| ranks[1].add(*number));
            let [whole, other] = &mut ranks;
            whole.merge(other);
            let all: Vec<u64> = (0..=numbers.len() as u64).collect();
            let mut exact = [whole.exact(&all), whole.exact(&all)];
            numbers.iter().enumerate().for_each(|(at, number)| exact[at % 2].add(*number));
            let [whole, other] = &mut exact;
            whole.merge(other);
            let mut sorted: Vec<Option<f32>> = numbers.iter().copied().map(Some).collect();
            sorted.sort_by(|a, b| a.partial_cmp(b).expect("they are numbers"));
            sorted.push(None);
            prop_assert_eq!(whole.numbers(), sorted);
        }
    }
}
