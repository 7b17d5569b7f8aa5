//! What the layers of smooth functions plan: a function of each number by itself.
//!
//! The way back reads `x` again and computes what it needs once more: an in-place layer behind may
//! have changed `y`.

use super::step::{
    Backward, Layer, Memory, Own, Pass, Rows, Samples, SamplesMut, slice, slice_mut,
};
use crate::compute_kernels::activation::{self, Activation};
use crate::pulse::Stopped;

/// Numbers that are computed between two looks at the pulse; a few blocks fit into the first-level
/// cache.
const BLOCK: usize = 2_048;

/// About how many operations one number costs.
const COST: usize = 32;

/// One of the functions, for samples of any length.
#[derive(Debug)]
pub(crate) struct Smooth(pub(crate) Activation);

impl Layer for Smooth {
    fn memory(&self, _batch: usize) -> Memory {
        let scratch = if self.0.slope_reads_output() { BLOCK } else { 0 };
        Memory { scratch, ..Memory::default() }
    }

    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn reads_input_again(&self) -> bool {
        true
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        _own: &mut Own,
    ) -> Result<(), Stopped> {
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            for (x, y) in slice(x).chunks(BLOCK).zip(slice_mut(y).chunks_mut(BLOCK)) {
                activation::apply(pass.isa, self.0, x, y);
                pass.beat.work(COST * x.len())?;
            }
        }
        Ok(())
    }

    /// `dx = dy * slope`, from `x` or from `y`, made once more.
    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Some(mut dx) = call.dx else { return Ok(()) };
        dx.assign(&call.dy);
        for (x, dx) in call.x.outer_iter().zip(dx.outer_iter_mut()) {
            for (x, dx) in slice(x).chunks(BLOCK).zip(slice_mut(dx).chunks_mut(BLOCK)) {
                if self.0.slope_reads_output() {
                    let y = &mut own.scratch[..x.len()];
                    activation::apply(pass.isa, self.0, x, y);
                    activation::multiply_by_slope(pass.isa, self.0, y, dx);
                } else {
                    activation::multiply_by_slope(pass.isa, self.0, x, dx);
                }
                pass.beat.work(COST * x.len())?;
            }
        }
        Ok(())
    }
}
