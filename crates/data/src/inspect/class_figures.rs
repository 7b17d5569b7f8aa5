//! Each class's mean image, and the mean and deviation of each channel: exact sums of integers.

use super::card::{Channel, MeanImage};
use crate::{Fit, Invert, Pixels, fit_to};

/// A mean image is at most so high and wide: larger pictures are shrunk first.
const SIDE_MAX: usize = 64;

/// Sums over the training items.
#[derive(Clone, Debug)]
pub struct ClassFigures {
    /// `(H, W, C)` of the mean images.
    shape: (usize, usize, usize),
    /// By class: how many items, and the sum of their images.
    classes: Vec<(u64, Vec<u64>)>,
    /// By channel: bytes, their sum and the sum of their squares.
    channels: Vec<[u64; 3]>,
}

impl ClassFigures {
    /// Nothing summed yet.
    pub fn new(classes: usize, (h, w, c): (usize, usize, usize)) -> Self {
        let shape = (h.min(SIDE_MAX), w.min(SIDE_MAX), if c == 1 { 1 } else { 3 });
        let empty = (0, vec![0; shape.0 * shape.1 * shape.2]);
        ClassFigures { shape, classes: vec![empty; classes], channels: vec![[0; 3]; shape.2] }
    }

    /// Adds a training item.
    pub fn add(&mut self, label: u8, pixels: &Pixels) {
        let (h, w, c) = self.shape;
        let fitted;
        let image = if pixels.shape() == self.shape {
            pixels
        } else {
            fitted = fit_to(pixels.clone(), h, w, c, Invert::Never, Fit::Stretch);
            &fitted
        };
        let (items, sums) = &mut self.classes[usize::from(label)];
        *items += 1;
        for (sum, &byte) in sums.iter_mut().zip(&image.data) {
            *sum += u64::from(byte);
        }
        for pixel in image.data.chunks_exact(c) {
            for (channel, &byte) in self.channels.iter_mut().zip(pixel) {
                let byte = u64::from(byte);
                *channel = [channel[0] + 1, channel[1] + byte, channel[2] + byte * byte];
            }
        }
    }

    /// Adds what another has summed.
    pub fn merge(&mut self, other: &ClassFigures) {
        for ((items, sums), (more, others)) in self.classes.iter_mut().zip(&other.classes) {
            *items += more;
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
        }
        for (channel, more) in self.channels.iter_mut().zip(&other.channels) {
            channel.iter_mut().zip(more).for_each(|(sum, other)| *sum += other);
        }
    }

    /// Mean and deviation of each channel over 0..1, as `[preprocess]` wants them.
    pub fn channels(&self) -> Vec<Channel> {
        let channel = |&[count, sum, squares]: &[u64; 3]| {
            let count = count.max(1) as f64;
            let mean = sum as f64 / count;
            let variance = (squares as f64 / count - mean * mean).max(0.0);
            Channel { mean: mean / 255.0, deviation: variance.sqrt() / 255.0 }
        };
        self.channels.iter().map(channel).collect()
    }

    /// The mean image of each class; black for a class without items.
    pub fn mean_images(&self) -> Vec<MeanImage> {
        let (h, w, c) = self.shape;
        let image = |(items, sums): &(u64, Vec<u64>)| {
            let count = (*items).max(1);
            let mean = |sum: &u64| ((sum + count / 2) / count) as u8;
            MeanImage { pixels: Pixels::new(h, w, c, sums.iter().map(mean).collect()) }
        };
        self.classes.iter().map(image).collect()
    }
}
