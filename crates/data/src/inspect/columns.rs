//! The columns of a table: what kind of numbers they hold, how many are missing, and how they are spread.
//!
//! Two passes over the rows: [`FirstLook`] finds the range and where the quartiles lie, [`SecondLook`] the quartiles and the
//! histogram. Both are merged from parts; no figure depends on the parts or on the order of the rows.

use crate::{
    Split,
    clean::fill::ExactSum,
    ranks::{Exact, Ranks},
};
use serde::Serialize;
use std::collections::BTreeSet;

/// Bars of a histogram.
pub const BARS: usize = 20;

/// Different numbers of a column that are counted.
const DIFFERENT_MAX: usize = 1_000;

/// A column, as it is told.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ColumnCard {
    /// What it is called, or its number.
    pub name: String,
    /// What kind of numbers it holds.
    pub kind: ColumnKind,
    /// Training rows, and held-out rows, without its number.
    pub missing: [u64; 2],
    /// How many different numbers it has; none when they are more than a thousand.
    pub different: Option<u64>,
    /// Its least number.
    pub least: Option<f32>,
    /// A quarter, a half and three quarters of the training rows' numbers are not greater than these.
    pub quartiles: Vec<Option<f32>>,
    /// Its greatest number.
    pub greatest: Option<f32>,
    /// The mean of the training rows' numbers.
    pub mean: Option<f32>,
    /// How many training rows lie in each of twenty bars of the same width, from the least to the greatest number.
    pub train: Vec<u64>,
    /// Likewise held-out rows.
    pub test: Vec<u64>,
}

/// What kind of numbers a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// None at all.
    Empty,
    /// All are the same.
    Constant,
    /// 0 and 1.
    Truth,
    /// Whole ones.
    Whole,
    /// Any.
    Real,
}

impl ColumnKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            ColumnKind::Empty => "empty",
            ColumnKind::Constant => "constant",
            ColumnKind::Truth => "truth",
            ColumnKind::Whole => "whole",
            ColumnKind::Real => "real",
        }
    }
}

/// The first pass over a column.
#[derive(Clone, Debug)]
pub struct FirstLook {
    missing: [u64; 2],
    least: f32,
    greatest: f32,
    has_fractions: bool,
    different: BTreeSet<u32>,
    sum: ExactSum,
    ranks: Ranks,
}

impl Default for FirstLook {
    fn default() -> Self {
        FirstLook {
            missing: [0; 2],
            least: f32::INFINITY,
            greatest: f32::NEG_INFINITY,
            has_fractions: false,
            different: BTreeSet::new(),
            sum: ExactSum::default(),
            ranks: Ranks::default(),
        }
    }
}

impl FirstLook {
    /// Looks at the number of a row; what is infinite counts as missing.
    pub fn add(&mut self, split: Split, number: f32) {
        if !number.is_finite() {
            self.missing[usize::from(split == Split::Test)] += 1;
            return;
        }
        // Both zeros are one.
        let number = number + 0.0;
        self.least = self.least.min(number);
        self.greatest = self.greatest.max(number);
        self.has_fractions |= number.fract() != 0.0;
        if self.different.len() <= DIFFERENT_MAX {
            self.different.insert(number.to_bits());
        }
        if split == Split::Train {
            self.sum.add(number);
            self.ranks.add(number);
        }
    }

    /// Joins what two workers have seen of the same column.
    pub fn merge(&mut self, other: &FirstLook) {
        self.missing.iter_mut().zip(other.missing).for_each(|(own, other)| *own += other);
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.has_fractions |= other.has_fractions;
        self.different.extend(&other.different);
        self.sum.merge(&other.sum);
        self.ranks.merge(&other.ranks);
    }

    /// The second pass.
    pub fn second(&self) -> SecondLook {
        SecondLook {
            least: f64::from(self.least),
            width: f64::from(self.greatest) - f64::from(self.least),
            quartiles: self.ranks.quartiles(),
            bars: [[0; BARS]; 2],
        }
    }

    fn kind(&self) -> ColumnKind {
        match self.different.len() {
            0 => ColumnKind::Empty,
            1 => ColumnKind::Constant,
            2 if (self.least, self.greatest) == (0.0, 1.0) => ColumnKind::Truth,
            _ if self.has_fractions => ColumnKind::Real,
            _ => ColumnKind::Whole,
        }
    }

    /// What is told of the column.
    pub fn card(&self, second: &SecondLook, name: String) -> ColumnCard {
        let kind = self.kind();
        let is_some = kind != ColumnKind::Empty;
        let bars = |half: usize| if is_some { second.bars[half].to_vec() } else { Vec::new() };
        let count = self.different.len();
        ColumnCard {
            name,
            kind,
            missing: self.missing,
            different: (count <= DIFFERENT_MAX).then_some(count as u64),
            least: is_some.then_some(self.least),
            quartiles: second.quartiles.numbers(),
            greatest: is_some.then_some(self.greatest),
            mean: self.sum.mean(),
            train: bars(0),
            test: bars(1),
        }
    }
}

/// The second pass over a column.
#[derive(Clone, Debug)]
pub struct SecondLook {
    least: f64,
    width: f64,
    quartiles: Exact,
    bars: [[u64; BARS]; 2],
}

impl SecondLook {
    /// Looks at the number of a row.
    pub fn add(&mut self, split: Split, number: f32) {
        if !number.is_finite() {
            return;
        }
        let bar = match self.width {
            width if width > 0.0 => {
                ((f64::from(number) - self.least) / width * BARS as f64) as usize
            }
            _ => 0,
        };
        self.bars[usize::from(split == Split::Test)][bar.min(BARS - 1)] += 1;
        if split == Split::Train {
            self.quartiles.add(number);
        }
    }

    /// Joins what two workers have seen of the same column.
    pub fn merge(&mut self, other: &SecondLook) {
        self.quartiles.merge(&other.quartiles);
        let both = self.bars.iter_mut().flatten().zip(other.bars.iter().flatten());
        both.for_each(|(own, other)| *own += other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The card of a column of which every other number is seen by another worker, and every fifth is held out.
    fn card(numbers: &[f32]) -> ColumnCard {
        let split = |at: usize| if at % 5 == 4 { Split::Test } else { Split::Train };
        let mut first = [FirstLook::default(), FirstLook::default()];
        let all = || numbers.iter().copied().enumerate();
        all().for_each(|(at, number)| first[at % 2].add(split(at), number));
        let [mut first, other] = first;
        first.merge(&other);
        let mut second = [first.second(), first.second()];
        all().for_each(|(at, number)| second[at % 2].add(split(at), number));
        let [mut second, other] = second;
        second.merge(&other);
        first.card(&second, "x".into())
    }

    #[test]
    fn a_column_is_told_with_its_kind_its_holes_and_its_histogram() {
        let numbers: Vec<f32> = (0..100).map(|number| number as f32).collect();
        let whole = card(&numbers);
        assert_eq!((whole.kind, whole.different), (ColumnKind::Whole, Some(100)));
        assert_eq!((whole.least, whole.greatest, whole.mean), (Some(0.0), Some(99.0), Some(49.0)));
        // The eighty training numbers without 4, 9, ...: those of rank 19, 39 and 60.
        assert_eq!(whole.quartiles, [Some(23.0), Some(48.0), Some(75.0)]);
        assert_eq!((whole.train.iter().sum::<u64>(), whole.test.iter().sum::<u64>()), (80, 20));
        assert!(whole.train.iter().all(|bar| *bar == 4), "{whole:?}");
        let holes = card(&[1.5, f32::NAN, 2.0, 2.0, f32::NAN, -0.5]);
        assert_eq!((holes.kind, holes.missing), (ColumnKind::Real, [1, 1]));
    }

    #[test]
    fn truths_constants_and_columns_without_any_number_are_told_apart() {
        assert_eq!(card(&[0.0, 1.0, 1.0, -0.0]).kind, ColumnKind::Truth);
        let constant = card(&[7.0; 6]);
        assert_eq!((constant.kind, constant.train[0]), (ColumnKind::Constant, 5));
        let empty = card(&[f32::NAN; 3]);
        assert_eq!((empty.kind, empty.least, empty.train.len()), (ColumnKind::Empty, None, 0));
        let many: Vec<f32> = (0..3_000).map(|number| number as f32 / 8.0).collect();
        assert_eq!((card(&many).kind, card(&many).different), (ColumnKind::Real, None));
    }
}
