//! What the missing numbers of a table become: the mean, the median or the most frequent number of their columns.
//!
//! All three are found by counting whole numbers, so that neither the order of the rows nor the parts in which they are
//! counted change a bit. Mean and most frequent take one pass over the rows, the median two: the first counts the upper halves
//! of all numbers, the second the lower halves of those in the middle. Memory does not grow with the rows.

use super::{CleanError, Missing};
use std::collections::BTreeMap;

/// Different numbers of a column that are counted for the most frequent one.
const VALUES_MAX: usize = 1 << 20;

/// Columns that are counted in one pass: the median of each takes up to half a megabyte.
pub const COLUMNS_AT_ONCE: usize = 32;

/// What a pass over the training rows counts of some columns.
#[derive(Clone, Debug)]
pub struct FillCount(Vec<(usize, Count)>);

/// What comes of a pass.
#[derive(Debug)]
pub enum Fill {
    /// Another pass is needed.
    Again(FillCount),
    /// By column what its missing numbers become.
    Found(Vec<(usize, f32)>),
}

#[derive(Clone, Debug)]
enum Count {
    Mean(ExactSum),
    Frequent(BTreeMap<u32, u64>),
    Upper(Vec<u32>),
    Lower(Lower),
}

/// The numbers whose upper halves are those of the two in the middle.
#[derive(Clone, Debug)]
struct Lower {
    /// The upper half, and how many of its numbers lie before the one that is looked for.
    middles: [(u16, u64); 2],
    /// By lower half: how many.
    counts: [Vec<u32>; 2],
}

/// All values of 16 bits.
const HALVES: usize = 1 << 16;

impl FillCount {
    /// Nothing counted yet of these columns; nothing at all where rows with holes are set aside.
    pub fn new(missing: Missing, columns: &[usize]) -> FillCount {
        let count = |&column: &usize| {
            let count = match missing {
                Missing::Remove => return None,
                Missing::Mean => Count::Mean(ExactSum::default()),
                Missing::Median => Count::Upper(vec![0; HALVES]),
                Missing::MostFrequent => Count::Frequent(BTreeMap::new()),
            };
            Some((column, count))
        };
        FillCount(columns.iter().filter_map(count).collect())
    }

    /// Counts a row.
    ///
    /// # Panics
    /// When it has fewer columns than are counted.
    pub fn add(&mut self, row: &[f32]) {
        for (column, count) in &mut self.0 {
            let number = row[*column];
            if !number.is_finite() {
                continue;
            }
            match count {
                Count::Mean(sum) => sum.add(number),
                Count::Frequent(values) => {
                    // One more than is allowed is enough to know that there are too many.
                    if values.len() <= VALUES_MAX {
                        *values.entry(ordered(number)).or_default() += 1;
                    }
                }
                Count::Upper(counts) => counts[(ordered(number) >> 16) as usize] += 1,
                Count::Lower(lower) => lower.add(ordered(number)),
            }
        }
    }

    /// Counts what another has counted in the same pass.
    pub fn merge(&mut self, other: FillCount) {
        for ((_, count), (_, other)) in self.0.iter_mut().zip(other.0) {
            match (count, other) {
                (Count::Mean(sum), Count::Mean(other)) => sum.merge(&other),
                (Count::Frequent(values), Count::Frequent(others)) => {
                    for (value, more) in others {
                        *values.entry(value).or_default() += more;
                    }
                }
                (Count::Upper(counts), Count::Upper(others)) => add_all(counts, &others),
                (Count::Lower(lower), Count::Lower(others)) => {
                    for (counts, others) in lower.counts.iter_mut().zip(&others.counts) {
                        add_all(counts, others);
                    }
                }
                _ => unreachable!("all workers count the same in a pass"),
            }
        }
    }

    /// What comes of the pass. `names` are those of all columns; without them they go by their numbers.
    ///
    /// # Errors
    /// [`CleanError::EmptyColumn`], [`CleanError::TooManyValues`].
    pub fn finish(self, names: &[String]) -> Result<Fill, CleanError> {
        let name = |column: usize| names.get(column).cloned().unwrap_or_else(|| column.to_string());
        let (mut found, mut again) = (Vec::new(), Vec::new());
        for (column, count) in self.0 {
            let number = match count {
                Count::Mean(sum) => sum.mean(),
                Count::Frequent(values) if values.len() > VALUES_MAX => {
                    let (column, limit) = (name(column), VALUES_MAX);
                    return Err(CleanError::TooManyValues { column, limit });
                }
                Count::Frequent(values) => most_frequent(&values),
                Count::Upper(counts) => match Lower::within(&counts) {
                    None => None,
                    Some(lower) => {
                        again.push((column, Count::Lower(lower)));
                        continue;
                    }
                },
                Count::Lower(lower) => Some(lower.median()),
            };
            let empty = || CleanError::EmptyColumn { column: name(column) };
            found.push((column, number.ok_or_else(empty)?));
        }
        Ok(if again.is_empty() { Fill::Found(found) } else { Fill::Again(FillCount(again)) })
    }
}

fn add_all(counts: &mut [u32], others: &[u32]) {
    counts.iter_mut().zip(others).for_each(|(count, other)| *count += other);
}

/// The most frequent number, the least of several.
fn most_frequent(values: &BTreeMap<u32, u64>) -> Option<f32> {
    let mut most = None;
    for (&value, &times) in values {
        if most.is_none_or(|(_, most)| times > most) {
            most = Some((value, times));
        }
    }
    most.map(|(value, _)| number(value))
}

/// Bits that are ordered as the numbers are; both zeros are one.
fn ordered(number: f32) -> u32 {
    let bits = (number + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The number with these ordered bits.
fn number(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

impl Lower {
    /// Where the two numbers in the middle lie, which may be one; none without any number.
    fn within(counts: &[u32]) -> Option<Lower> {
        let all: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        let last = all.checked_sub(1)?;
        let middle = |rank: u64| {
            let (half, before) = at_rank(counts, rank);
            (half as u16, rank - before)
        };
        let middles = [middle(last / 2), middle(all / 2)];
        Some(Lower { middles, counts: [vec![0; HALVES], vec![0; HALVES]] })
    }

    fn add(&mut self, ordered: u32) {
        for ((half, _), counts) in self.middles.iter().zip(&mut self.counts) {
            if ordered >> 16 == u32::from(*half) {
                counts[(ordered & 0xffff) as usize] += 1;
            }
        }
    }

    fn median(&self) -> f32 {
        let both = self.middles.iter().zip(&self.counts);
        let numbers = both.map(|((half, rank), counts)| {
            let (low, _) = at_rank(counts, *rank);
            f64::from(number(u32::from(*half) << 16 | low as u32))
        });
        (numbers.sum::<f64>() / 2.0) as f32
    }
}

/// The place of the count in which the number of this rank lies, and how many lie in the places before.
fn at_rank(counts: &[u32], rank: u64) -> (usize, u64) {
    let mut before = 0;
    for (place, &count) in counts.iter().enumerate() {
        if rank < before + u64::from(count) {
            return (place, before);
        }
        before += u64::from(count);
    }
    (counts.len() - 1, before)
}

/// A sum of numbers without rounding: by exponent the sum of the whole numbers before it. Room for 2^39 numbers.
#[derive(Clone, Debug)]
struct ExactSum {
    by_exponent: Vec<i64>,
    count: u64,
}

impl Default for ExactSum {
    fn default() -> Self {
        ExactSum { by_exponent: vec![0; 256], count: 0 }
    }
}

impl ExactSum {
    fn add(&mut self, number: f32) {
        let bits = number.to_bits();
        let (exponent, fraction) = ((bits >> 23 & 0xff) as usize, i64::from(bits & 0x7f_ffff));
        // Numbers without a leading one have the exponent of the least that have one.
        let whole = if exponent == 0 { fraction } else { fraction | 1 << 23 };
        let signed = if bits >> 31 == 1 { -whole } else { whole };
        self.by_exponent[exponent.max(1)] += signed;
        self.count += 1;
    }

    fn merge(&mut self, other: &ExactSum) {
        self.count += other.count;
        let both = self.by_exponent.iter_mut().zip(&other.by_exponent);
        both.for_each(|(sum, other)| *sum += other);
    }

    /// The mean; rounded, always in the same way.
    fn mean(&self) -> Option<f32> {
        // 2 to the power of `exponent - 150`: the least of a number's 24 bits.
        let unit = |exponent: usize| f64::from_bits((exponent as u64 + 1023 - 150) << 52);
        let parts = self.by_exponent.iter().enumerate().rev();
        let sum: f64 = parts.map(|(exponent, &whole)| whole as f64 * unit(exponent)).sum();
        (self.count > 0).then(|| (sum / self.count as f64) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the holes of a column of these numbers become, counted in two parts that are joined.
    fn filled(missing: Missing, numbers: &[f32], cut: usize) -> Option<f32> {
        let mut count = FillCount::new(missing, &[1]);
        loop {
            let parts = numbers.split_at(cut.min(numbers.len()));
            let counted = |part: &[f32]| {
                let mut counted = count.clone();
                part.iter().for_each(|number| counted.add(&[7.0, *number]));
                counted
            };
            let (first, mut second) = (counted(parts.0), counted(parts.1));
            second.merge(first);
            match second.finish(&[]) {
                Ok(Fill::Again(next)) => count = next,
                Ok(Fill::Found(found)) => return found.first().map(|(_, number)| *number),
                Err(CleanError::EmptyColumn { column }) if column == "1" => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn mean_median_and_most_frequent_are_those_of_a_few_numbers() {
        let numbers = [3.0, f32::NAN, -1.0, 3.0, -0.0, 0.0, 1e30, -1e30, 2.5];
        // By hand, of -1e30, -1, 0, 0, 2.5, 3, 3, 1e30.
        assert_eq!(filled(Missing::Mean, &numbers, 4), Some(7.5 / 8.0));
        assert_eq!(filled(Missing::Median, &numbers, 4), Some(1.25));
        assert_eq!(filled(Missing::MostFrequent, &numbers, 4), Some(0.0), "the least of two");
        assert_eq!(filled(Missing::Remove, &numbers, 4), None);
        for missing in [Missing::Mean, Missing::Median, Missing::MostFrequent] {
            assert_eq!(filled(missing, &[f32::NAN], 0), None, "there is no number");
            assert_eq!(filled(missing, &[-4.5], 1), Some(-4.5));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

        #[test]
        fn neither_order_nor_parts_change_a_bit(
            numbers in prop::collection::vec(-1e6f32..1e6, 1..60),
            cut in 0..60usize,
            turned in 0..60usize,
        ) {
            let mut other = numbers.clone();
            other.rotate_left(turned % numbers.len());
            for missing in [Missing::Mean, Missing::Median, Missing::MostFrequent] {
                let whole = filled(missing, &numbers, 0).map(f32::to_bits);
                prop_assert_eq!(filled(missing, &other, cut).map(f32::to_bits), whole);
            }
            let mean = numbers.iter().map(|&number| f64::from(number)).sum::<f64>() / numbers.len() as f64;
            let found = filled(Missing::Mean, &numbers, cut).expect("there are numbers");
            prop_assert!((f64::from(found) - mean).abs() <= 1e-6 * mean.abs().max(1.0), "{found} {mean}");
            let mut sorted = numbers.clone();
            sorted.sort_by(f32::total_cmp);
            let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
            let median = ((f64::from(low) + f64::from(high)) / 2.0) as f32;
            prop_assert_eq!(filled(Missing::Median, &numbers, cut), Some(median));
        }
    }
}
