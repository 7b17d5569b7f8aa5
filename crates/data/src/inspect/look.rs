//! What is remembered of an item: enough to tell twins and strangers, in a few dozen bytes.

use super::card::{Named, SplitName};
use crate::{Fit, Invert, Pixels, Source, Split, fit_to};

/// Rows of the small picture.
pub const ROWS: usize = 16;
/// Columns of the small picture.
pub const COLUMNS: usize = 16;

/// What is remembered of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The half of the data set.
    pub split: Split,
    /// Its number there.
    pub index: u64,
    /// Its class.
    pub label: u8,
    /// The first half of the BLAKE3 hash of its shape and bytes: equal for equal pictures, and for no others.
    pub content: [u8; 16],
    /// The difference hash of its small picture: alike for pictures that look alike.
    pub appearance: u64,
    /// The picture in grey, [`ROWS`] by [`COLUMNS`].
    pub small: [u8; ROWS * COLUMNS],
    /// The mean of all bytes, 0 to 255.
    pub mean: f32,
    /// Their standard deviation.
    pub deviation: f32,
}

impl Look {
    /// Looks at an item's pixels.
    pub fn at((split, index, label): (Split, u64, u8), pixels: &Pixels) -> Self {
        let small = small(pixels);
        let (mean, deviation) = mean_and_deviation(&pixels.data);
        Look {
            split,
            index,
            label,
            content: content(pixels),
            appearance: difference_hash(&small),
            small,
            mean,
            deviation,
        }
    }

    /// What items are sorted by: training items first.
    pub fn key(&self) -> (bool, u64) {
        (self.split == Split::Test, self.index)
    }

    /// The item as a person finds it.
    pub fn named(&self, source: &dyn Source) -> Named {
        Named {
            split: SplitName::from(self.split),
            index: self.index,
            label: self.label,
            name: source.name_of(self.split, self.index),
        }
    }
}

/// The first half of the BLAKE3 hash of a picture's shape and bytes.
pub(crate) fn content(pixels: &Pixels) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for side in [pixels.h, pixels.w, pixels.c] {
        hasher.update(&(side as u64).to_le_bytes());
    }
    hasher.update(&pixels.data);
    let hash = hasher.finalize();
    std::array::from_fn(|at| hash.as_bytes()[at])
}

fn small(pixels: &Pixels) -> [u8; ROWS * COLUMNS] {
    let small = fit_to(pixels.clone(), ROWS, COLUMNS, 1, Invert::Never, Fit::Stretch);
    std::array::from_fn(|at| small.data[at])
}

/// One bit for each of 8x8 cells: whether the cell to its right, around the edge, is brighter.
///
/// Source: Krawetz, "Kind of like that", 2013 (dHash).
fn difference_hash(small: &[u8; ROWS * COLUMNS]) -> u64 {
    let cell = |y: usize, x: usize| -> u32 {
        let places = [(0, 0), (0, 1), (1, 0), (1, 1)];
        places.iter().map(|(dy, dx)| u32::from(small[(2 * y + dy) * COLUMNS + 2 * x + dx])).sum()
    };
    let cells = (0..64).map(|at| (at / 8, at % 8));
    cells.fold(0, |hash, (y, x)| hash << 1 | u64::from(cell(y, x) < cell(y, (x + 1) % 8)))
}

fn mean_and_deviation(bytes: &[u8]) -> (f32, f32) {
    let count = bytes.len().max(1) as f64;
    let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
    let squares: u64 = bytes.iter().map(|&byte| u64::from(byte) * u64::from(byte)).sum();
    let mean = sum as f64 / count;
    let variance = (squares as f64 / count - mean * mean).max(0.0);
    (mean as f32, variance.sqrt() as f32)
}
