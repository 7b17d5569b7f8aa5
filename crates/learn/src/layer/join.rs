//! One value into another: added to it, or copied into a strip of its channels.

use super::step::{Samples, SamplesMut, slice, slice_mut};
use crate::compute_kernels::{Isa, elementwise};

/// Where a value goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Join {
    /// Channels of the value.
    pub(crate) width: usize,
    /// Channels of what it goes into.
    pub(crate) total: usize,
    /// The first of its own among them.
    pub(crate) offset: usize,
    /// Added to what is there; else it replaces it.
    pub(crate) adds: bool,
    /// ReLU on the way out.
    pub(crate) clamp: bool,
}

impl Join {
    /// A value of `len` numbers that is added to another of as many.
    pub(crate) fn sum(len: usize) -> Self {
        Join { width: len, total: len, offset: 0, adds: true, clamp: false }
    }

    /// Puts `x` into `y`.
    pub(crate) fn forward(&self, isa: Isa, x: Samples, mut y: SamplesMut) {
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            let (x, y) = (slice(x), slice_mut(y));
            for (x, y) in x.chunks_exact(self.width).zip(y.chunks_exact_mut(self.total)) {
                let y = &mut y[self.offset..][..self.width];
                if self.adds {
                    elementwise::add_to(isa, x, y)
                } else {
                    y.copy_from_slice(x)
                }
                if self.clamp {
                    elementwise::clamp(isa, y);
                }
            }
        }
    }

    /// Takes the gradient of `x` out of that of `y`: adds it to `dx` when `to_others`, else writes
    /// it.
    pub(crate) fn backward(&self, isa: Isa, dy: Samples, mut dx: SamplesMut, to_others: bool) {
        for (dy, dx) in dy.outer_iter().zip(dx.outer_iter_mut()) {
            let (dy, dx) = (slice(dy), slice_mut(dx));
            for (dy, dx) in dy.chunks_exact(self.total).zip(dx.chunks_exact_mut(self.width)) {
                let dy = &dy[self.offset..][..self.width];
                if to_others { elementwise::add_to(isa, dy, dx) } else { dx.copy_from_slice(dy) }
            }
        }
    }
}
