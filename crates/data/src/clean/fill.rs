//! What the missing numbers of a table become: the mean, the median or the most frequent number of their columns.
//!
//! All three are found by counting whole numbers, so that neither the order of the rows nor the parts in which they are
//! counted change a bit. Mean and most frequent take one pass over the rows, the median two: the first counts the upper halves
//! of all numbers, the second the lower halves of those in the middle. Memory does not grow with the rows.

use super::{CleanError, Missing};
use crate::ranks::{Exact, Ranks, number, ordered};
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
    Upper(Ranks),
    Lower(Exact),
}

impl FillCount {
    /// Nothing counted yet of these columns; nothing at all where rows with holes are set aside.
    pub fn new(missing: Missing, columns: &[usize]) -> FillCount {
        let count = |&column: &usize| {
            let count = match missing {
                Missing::Remove => return None,
                Missing::Mean => Count::Mean(ExactSum::default()),
                Missing::Median => Count::Upper(Ranks::default()),
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
                Count::Upper(ranks) => ranks.add(number),
                Count::Lower(exact) => exact.add(number),
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
                (Count::Upper(ranks), Count::Upper(others)) => ranks.merge(&others),
                (Count::Lower(exact), Count::Lower(others)) => exact.merge(&others),
                _ => unreachable!("all workers count the same in a pass"),
            }
        }
    }

    /// What comes of the pass. `names` are those of all columns; without them they go by their numbers. A column that no
    /// figure can be found of is left out, unless it `has_holes`.
    ///
    /// # Errors
    /// [`CleanError::EmptyColumn`], [`CleanError::TooManyValues`].
    pub fn finish(
        self,
        names: &[String],
        has_holes: impl Fn(usize) -> bool,
    ) -> Result<Fill, CleanError> {
        let name = |column: usize| names.get(column).cloned().unwrap_or_else(|| column.to_string());
        let (mut found, mut again) = (Vec::new(), Vec::new());
        for (column, count) in self.0 {
            let number = match count {
                Count::Mean(sum) => sum.mean(),
                Count::Frequent(values) if values.len() > VALUES_MAX => {
                    if !has_holes(column) {
                        continue;
                    }
                    let (column, limit) = (name(column), VALUES_MAX);
                    return Err(CleanError::TooManyValues { column, limit });
                }
                Count::Frequent(values) => most_frequent(&values),
                Count::Upper(ranks) => match ranks.count() {
                    0 => None,
                    // The two in the middle, which may be one.
                    all => {
                        let middles = ranks.exact(&[(all - 1) / 2, all / 2]);
                        again.push((column, Count::Lower(middles)));
                        continue;
                    }
                },
                Count::Lower(exact) => {
                    let middles: Option<Vec<f32>> = exact.numbers().into_iter().collect();
                    middles.map(|two| (two.into_iter().map(f64::from).sum::<f64>() / 2.0) as f32)
                }
            };
            match number {
                Some(number) => found.push((column, number)),
                None if has_holes(column) => {
                    return Err(CleanError::EmptyColumn { column: name(column) });
                }
                None => {}
            }
        }
        Ok(if again.is_empty() { Fill::Found(found) } else { Fill::Again(FillCount(again)) })
    }
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

/// A sum of numbers without rounding: by exponent the sum of the whole numbers before it. Room for 2^39 numbers.
#[derive(Clone, Debug)]
pub(crate) struct ExactSum {
    by_exponent: Vec<i64>,
    count: u64,
}

impl Default for ExactSum {
    fn default() -> Self {
        ExactSum { by_exponent: vec![0; 256], count: 0 }
    }
}

impl ExactSum {
    pub(crate) fn add(&mut self, number: f32) {
        let bits = number.to_bits();
        let (exponent, fraction) = ((bits >> 23 & 0xff) as usize, i64::from(bits & 0x7f_ffff));
        // Numbers without a leading one have the exponent of the least that have one.
        let whole = if exponent == 0 { fraction } else { fraction | 1 << 23 };
        let signed = if bits >> 31 == 1 { -whole } else { whole };
        self.by_exponent[exponent.max(1)] += signed;
        self.count += 1;
    }

    pub(crate) fn merge(&mut self, other: &ExactSum) {
        self.count += other.count;
        let both = self.by_exponent.iter_mut().zip(&other.by_exponent);
        both.for_each(|(sum, other)| *sum += other);
    }

    /// The mean; rounded, always in the same way.
    pub(crate) fn mean(&self) -> Option<f32> {
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
            match second.finish(&[], |_| true) {
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
