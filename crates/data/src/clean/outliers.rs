//! Items that lie far out: one of their numbers is far beyond the quartiles of the training items.
//!
//! Quartiles and not the mean and the deviation, because a few outliers would move these so far that they hide
//! themselves (J. W. Tukey, *Exploratory Data Analysis*, 1977, whose "far out" is beyond three times the distance between the
//! quartiles). Of a row every column is looked at, of a picture its brightness and its contrast.

use crate::{Pixels, Split, ranks::Exact};

/// What is looked at of a picture: the mean of its bytes, and their deviation.
pub const PICTURE_FIGURES: [&str; 2] = ["brightness", "contrast"];

/// The [`PICTURE_FIGURES`] of a picture: of whole numbers, so that they are the same everywhere.
pub(crate) fn of_picture(pixels: &Pixels) -> [f32; 2] {
    let count = pixels.data.len().max(1) as u64;
    let (sum, squares) = pixels.data.iter().fold((0u64, 0u64), |(sum, squares), &byte| {
        (sum + u64::from(byte), squares + u64::from(byte) * u64::from(byte))
    });
    let variance = u128::from(count) * u128::from(squares) - u128::from(sum) * u128::from(sum);
    let deviation = (variance as f64).sqrt() / count as f64;
    [(sum as f64 / count as f64) as f32, deviation as f32]
}

/// The quartiles of a number, and beyond what it is far out.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Fence {
    quartiles: (f32, f32),
    least: f64,
    most: f64,
}

/// By number of an item, beyond what it is far out; nothing is where the quartiles are equal.
#[derive(Clone, PartialEq, Debug)]
pub struct Fences(Vec<Option<Fence>>);

/// An item that lies far out.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FarOut {
    /// Its split.
    pub split: Split,
    /// Its number there, in the source as it lies.
    pub index: u32,
    /// Which of its numbers is far out, the first of several.
    pub place: u32,
    /// That number.
    pub number: f32,
}

impl Fences {
    /// Beyond `range` times the distance between the quartiles, outwards from them.
    pub fn of(quartiles: &[Exact], range: f64) -> Fences {
        let fence = |quartiles: &Exact| {
            let [low, _, high] = quartiles.numbers()[..] else { return None };
            let quartiles = (low?, high?);
            let (low, high) = (f64::from(quartiles.0), f64::from(quartiles.1));
            let reach = range * (high - low);
            (reach > 0.0).then_some(Fence { quartiles, least: low - reach, most: high + reach })
        };
        Fences(quartiles.iter().map(fence).collect())
    }

    /// The first number of an item that is far out, with its place. What is no number is not.
    pub fn beyond(&self, numbers: impl Iterator<Item = f32>) -> Option<(u32, f32)> {
        let both = (0..).zip(numbers.zip(&self.0));
        let is_far = |&(_, (number, fence)): &(u32, (f32, &Option<Fence>))| {
            let number = f64::from(number);
            fence.is_some_and(|fence| number < fence.least || number > fence.most)
        };
        let mut far = both.filter(is_far).map(|(place, (number, _))| (place, number));
        far.next()
    }

    /// In words why an item is far out; `name` is that of its number.
    pub(super) fn cause(&self, far: &FarOut, name: &str) -> String {
        let number = far.number;
        match self.0.get(far.place as usize).copied().flatten() {
            Some(Fence { quartiles: (low, high), .. }) => format!(
                "its {name} is {number}, while half of the training items lie between {low} and {high}"
            ),
            None => format!("its {name} is {number}"),
        }
    }
}
