//! Inverted drop-out: while training, each number is zero with probability `rate`, else divided by
//! `1 - rate`.
//!
//! Which ones is a pure function of `(seed, epoch, item, layer)`, whatever worker or batch the item
//! is in: 16 bits of the item's stream, spread by Philox, decide each number, so the rate is exact
//! to 2^-16, and the scale belongs to the rate that is really drawn.
//!
//! Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
//! JMLR 15 (2014).

use super::Build;
use super::step::{InPlace, Memory, Own, Pass, Samples, SamplesMut, slice, slice_mut};
use crate::builder::Builder;
use crate::compute_kernels::draws;
use crate::shape::{Problem, ShapeError};
use planaria_random::{Purpose, Stream};
use serde::{Deserialize, Serialize};

/// The settings of drop-out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// The share that is switched off, at least 0 and less than 1.
    #[serde(default = "default_rate")]
    pub rate: f32,
}

fn default_rate() -> f32 {
    0.5
}

impl Build for Dropout {
    fn example() -> Self {
        Dropout { rate: 0.5 }
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let rate = self.rate;
        if !(0.0..1.0).contains(&rate) {
            let (name, range) = ("rate", "at least 0 and less than 1");
            return Err(net.problem(Problem::OutOfRange { name, value: rate.into(), range }));
        }
        let threshold = (rate * 65_536.0).round().min(65_535.0) as u16;
        let scale = (65_536.0 / (65_536.0 - f64::from(threshold))) as f32;
        net.in_place(Switch { number: net.number(), len: net.shape().len(), threshold, scale })
    }
}

/// The plan for one rate and one length.
#[derive(Debug)]
struct Switch {
    /// The layer's number: its sub-stream of every item's.
    number: u32,
    /// Numbers a sample.
    len: usize,
    /// A draw of 16 bits below this switches off.
    threshold: u16,
    /// What the others are multiplied by.
    scale: f32,
}

impl InPlace for Switch {
    fn memory(&self) -> Memory {
        Memory {
            saved: self.len,
            words: self.len.div_ceil(2).next_multiple_of(4),
            ..Memory::default()
        }
    }

    fn spares_readers(&self) -> bool {
        true
    }

    fn forward(&self, pass: &mut Pass, mut y: SamplesMut, own: &mut Own) {
        let Some(draws) = pass.draws else { return };
        let Own { saved, words, .. } = own;
        for (sample, y) in (pass.first..).zip(y.outer_iter_mut()) {
            let item = draws.items[sample];
            let mut stream =
                Stream::new(draws.seed, Purpose::Dropout, draws.epoch, item).substream(self.number);
            let words = slice_mut(words.view_mut());
            draws::fill(pass.isa, [stream.next_u32(), stream.next_u32()], words);
            let kept = slice_mut(saved.row_mut(sample));
            draws::choose(pass.isa, self.threshold, &words[..self.len.div_ceil(2)], kept);
            draws::keep(pass.isa, self.scale, kept, slice_mut(y));
        }
    }

    fn backward(&self, pass: &mut Pass, _y: Samples, mut dy: SamplesMut, own: &mut Own) {
        for (sample, dy) in (pass.first..).zip(dy.outer_iter_mut()) {
            draws::keep(pass.isa, self.scale, slice(own.saved.row(sample)), slice_mut(dy));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;
    use crate::layer::gradient_check::{check_layer, run_in_place};

    #[test]
    fn dropout_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 3, w: 4, c: 5 }, Dropout { rate: 0.5 }.into());
        check_layer(Shape::Features(101), Dropout { rate: 0.1 }.into());
    }

    #[test]
    fn dropout_keeps_the_mean_and_switches_off_its_share() {
        for rate in [0.0, 0.25, 0.5, 0.9] {
            let y = run_in_place(Dropout { rate }.into(), &[1.0; 100_001], 5);
            let off = y.iter().filter(|&&y| y == 0.0).count() as f32 / y.len() as f32;
            let mean = y.iter().sum::<f32>() / y.len() as f32;
            // Five standard deviations of a share of 100,001 are below 0.008.
            assert!((off - rate).abs() < 0.008, "{off} for {rate}");
            assert!((mean - 1.0).abs() < 0.008 / (1.0 - rate), "{mean} for {rate}");
        }
    }

    #[test]
    fn every_item_is_dropped_differently_and_always_alike() {
        let run = |item| run_in_place(Dropout { rate: 0.5 }.into(), &[1.0; 64], item);
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn a_rate_outside_zero_to_one_is_refused() {
        for rate in [-0.1, 1.0, f32::NAN, f32::INFINITY] {
            let error = crate::Network::new(Shape::Features(1), &[Dropout { rate }.into()]);
            let text = error.unwrap_err().to_string();
            assert!(text.starts_with("layer 0 (dropout) has rate ="), "{text}");
        }
    }
}
