//! The dense layer: `y = x W + b` with `x [N, D]`, `W [D, U]`, `b [U]`, `y [N, U]`.
//!
//! `W` lies as `[D, U]`, so that all three products read it row by row and nothing is packed.
//! Backward: `dW = X^T dY`, `db = sum of dY over N`, `dX^T = W dY^T`. Sums run over `D`, `N` and
//! `U` in their order.

use super::{
    Backward, Layer, Memory, Own, Pass, Place, Planned, Samples, SamplesMut, Step, Tensor, slice,
};
use crate::compute_kernels::elementwise;
use crate::compute_kernels::matrix::{Product, Start, plain};
use crate::pulse::Stopped;
use crate::shape::{Shape, ShapeError};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};

/// Rows of `W` that a forward product takes at once: a panel of them stays in the first-level
/// cache.
const FORWARD_ROWS: usize = 128;
/// Rows of `W` that a backward product takes at once: a multiple of every tile.
const BACKWARD_ROWS: usize = 48;

/// The plan for features of one length.
#[derive(Debug)]
pub(crate) struct Dense {
    pub(crate) inputs: usize,
    pub(crate) units: usize,
    /// ReLU on the way out.
    clamp: bool,
}

/// Fits the layer to `x`.
pub(crate) fn plan(place: Place, x: Shape, units: usize) -> Result<Planned, ShapeError> {
    let Place { number: layer, kind } = place;
    let Shape::Features(inputs) = x else {
        return Err(ShapeError::NeedsFeatures { layer, kind, found: x });
    };
    if units == 0 {
        return Err(ShapeError::Zero { layer, kind, what: "units" });
    }
    let dense = Dense { inputs, units, clamp: false };
    Ok(Planned { output: Shape::Features(units), step: Step::Map(Box::new(dense)) })
}

impl Layer for Dense {
    fn tensors(&self) -> Vec<Tensor> {
        let weight =
            Tensor { name: "weight", shape: vec![self.inputs, self.units], fan_in: self.inputs };
        vec![weight, Tensor { name: "bias", shape: vec![self.units], fan_in: self.inputs }]
    }

    fn memory(&self, batch: usize) -> Memory {
        // dY^T and a block of dX^T.
        let width = padded(batch);
        Memory { scratch: (self.units + BACKWARD_ROWS) * width, ..Memory::default() }
    }

    fn takes_shards(&self) -> bool {
        true
    }

    fn reads_input_again(&self) -> bool {
        true
    }

    fn clamp_output(&mut self) -> bool {
        self.clamp = true;
        true
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        _own: &mut Own,
    ) -> Result<(), Stopped> {
        let (w, bias): (ArrayView2<f32>, _) = (pass.weights.weight(), slice(pass.weights.bias));
        for first in (0..self.inputs).step_by(FORWARD_ROWS) {
            let end = self.inputs.min(first + FORWARD_ROWS);
            let x = plain(x.slice(s![.., first..end]));
            let (w, ahead) = block(w, first, FORWARD_ROWS);
            let start = if first == 0 { Start::Bias(bias) } else { Start::Sum };
            let clamp = self.clamp && end == self.inputs;
            let product = Product::new(x, w, start, y.view_mut());
            pass.multiply(Product { clamp, ahead, ..product })?;
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, mut dx, dw } = call;
        let w: ArrayView2<f32> = pass.weights.weight();
        let (mut dw, db): (ArrayViewMut2<f32>, _) = dw.split();
        db.fill(0.0);
        for dy in dy.outer_iter() {
            elementwise::add_rows(pass.isa, slice(dy), db);
        }
        let (samples, width) = (dy.nrows(), padded(dy.nrows()));
        let (dy_transposed, dx_transposed) = own.scratch.split_at_mut(self.units * width);
        let dy_transposed = ArrayViewMut2::from_shape((self.units, width), dy_transposed);
        let mut dy_transposed = dy_transposed.expect("the length is the shape's");
        dy_transposed.slice_mut(s![.., ..samples]).assign(&dy.t());
        dy_transposed.slice_mut(s![.., samples..]).fill(0.0);
        for first in (0..self.inputs).step_by(BACKWARD_ROWS) {
            let rows = BACKWARD_ROWS.min(self.inputs - first);
            if let Some(dx) = &mut dx {
                let (w, ahead) = block(w, first, BACKWARD_ROWS);
                let to = &mut dx_transposed[..rows * width];
                let to = ArrayViewMut2::from_shape((rows, width), to);
                let mut to = to.expect("the length is the shape's");
                let product =
                    Product::new(plain(w), dy_transposed.view(), Start::Zero, to.view_mut());
                pass.multiply(Product { ahead, ..product })?;
                dx.slice_mut(s![.., first..first + rows]).assign(&to.slice(s![.., ..samples]).t());
            }
            let x_transposed = plain(x.slice_move(s![.., first..first + rows]).reversed_axes());
            let (_, from_first) = dw.view_mut().split_at(Axis(0), first);
            let (dw, later) = from_first.split_at(Axis(0), rows);
            let next = rows.min(later.nrows());
            let ahead = slice(later.slice(s![..next, ..]));
            let product = Product::new(x_transposed, dy, Start::Zero, dw);
            pass.multiply(Product { ahead, ..product })?;
        }
        Ok(())
    }
}

/// At most `rows` rows of `w [D, U]` from `first` on, and the numbers of as many behind them: the
/// next block.
fn block<'a>(
    w: ArrayView2<'a, f32>,
    first: usize,
    rows: usize,
) -> (ArrayView2<'a, f32>, &'a [f32]) {
    let end = w.nrows().min(first + rows);
    let next = w.nrows().min(end + (end - first));
    (w.slice_move(s![first..end, ..]), slice(w.slice_move(s![end..next, ..])))
}

/// Samples, rounded up to whole vectors of every instruction set.
fn padded(samples: usize) -> usize {
    samples.next_multiple_of(16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerSpec;
    use crate::layer::gradient_check::{check_dense, check_layer};

    #[test]
    fn dense_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Features(5), LayerSpec::Dense { units: 3 });
        check_layer(Shape::Features(150), LayerSpec::Dense { units: 17 });
    }

    #[test]
    fn every_instruction_set_multiplies_features_like_the_reference() {
        for [samples, inputs, units] in [[1, 1, 1], [3, 48, 10], [16, 300, 33], [19, 129, 128]] {
            check_dense(&Dense { inputs, units, clamp: false }, samples, 1e-5);
        }
    }
}
