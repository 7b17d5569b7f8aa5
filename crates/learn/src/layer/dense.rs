//! The dense layer: `y = x W + b` with `x [N, D]`, `W [D, U]`, `b [U]`, `y [N, U]`.
//!
//! `W` lies as `[D, U]`, so that all three products read it row by row and nothing is packed.
//! Backward: `dW = X^T dY`, `db = sum of dY over N`, `dX^T = W dY^T`. Sums run over `D`, `N` and
//! `U` in their order.

use super::Build;
use super::quantised::QuantisedDense;
use super::step::{
    Backward, Layer, Layout, Memory, Own, Pass, Rows, Samples, SamplesMut, Tensor, slice, slice_mut,
};
use crate::builder::Builder;
use crate::compute_kernels::elementwise;
use crate::compute_kernels::matrix::{Product, Start, plain};
use crate::compute_kernels::one_row::{self, OneRow};
use crate::compute_kernels::transpose::transpose;
use crate::pulse::Stopped;
use crate::shape::{Problem, Shape, ShapeError};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};
use serde::{Deserialize, Serialize};

/// The settings of a dense layer: every unit sees every feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// How many units.
    pub units: usize,
    /// Whether each unit has a bias.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

impl Dense {
    /// So many units, each with a bias.
    pub const fn new(units: usize) -> Self {
        Dense { units, bias: true }
    }
}

impl Build for Dense {
    fn example() -> Self {
        Dense::new(1)
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let inputs = net.features()?;
        let Dense { units, bias } = *self;
        if units == 0 {
            return Err(net.problem(Problem::Zero { what: "units" }));
        }
        let (places, c) = net.image_before();
        let layout = Layout::Dense { places, c };
        let plan = DensePlan { inputs, units, bias, layout, clamp: false };
        match net.take_input_scale() {
            Some(by) => net.map(QuantisedDense { plan, by }, Shape::Features(units)),
            None => net.map(plan, Shape::Features(units)),
        }
    }
}

/// Rows of `W` that a forward product takes at once: a panel of them stays in the first-level
/// cache.
const FORWARD_ROWS: usize = 128;
/// Rows of `W` that a backward product takes at once: a multiple of every tile.
const BACKWARD_ROWS: usize = 48;

/// The plan for features of one length.
#[derive(Debug)]
pub(crate) struct DensePlan {
    pub(crate) inputs: usize,
    pub(crate) units: usize,
    pub(crate) bias: bool,
    pub(crate) layout: Layout,
    /// ReLU on the way out.
    pub(crate) clamp: bool,
}

impl Layer for DensePlan {
    fn tensors(&self) -> Vec<Tensor> {
        let shape = vec![self.inputs, self.units];
        let mut tensors = vec![Tensor::weight(shape, self.inputs, self.layout)];
        tensors.extend(self.bias.then(|| Tensor::bias(self.units, self.inputs)));
        tensors
    }

    fn memory(&self, batch: usize) -> Memory {
        // dY^T and a block of dX^T.
        let width = padded(batch);
        Memory { scratch: (self.units + BACKWARD_ROWS) * width, ..Memory::default() }
    }

    fn rows(&self) -> Rows {
        Rows::All
    }

    fn reads_input_again(&self) -> bool {
        true
    }

    fn factors(&self) -> Option<[usize; 2]> {
        Some([self.inputs, self.units])
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
        let (w, bias): (ArrayView2<f32>, _) =
            (pass.weights.view(0), Start::bias(pass.weights.bias()));
        if x.nrows() == 1 {
            let (x, y) = (slice(x.row(0)), slice_mut(y.row_mut(0)));
            one_row::multiply(pass.isa, OneRow { x, w, start: bias, clamp: self.clamp, y });
            return pass.beat.work(2 * w.len());
        }
        for first in (0..self.inputs).step_by(FORWARD_ROWS) {
            let end = self.inputs.min(first + FORWARD_ROWS);
            let x = plain(x.slice(s![.., first..end]));
            let (w, ahead) = block(w, first, FORWARD_ROWS);
            let start = if first == 0 { bias } else { Start::Sum };
            let clamp = self.clamp && end == self.inputs;
            let product = Product::new(x, w, start, y.view_mut());
            pass.multiply(Product { clamp, ahead: [ahead, &[], &[]], ..product })?;
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, mut dx, dw } = call;
        let w: ArrayView2<f32> = pass.weights.view(0);
        let keeps_factors = dw.keeps_factors();
        let (mut dw, db): (ArrayViewMut2<f32>, _) = dw.weight_and_bias();
        db.fill(0.0);
        for dy in dy.outer_iter().filter(|_| self.bias) {
            elementwise::add_rows(pass.isa, slice(dy), db);
        }
        let (samples, width) = (dy.nrows(), padded(dy.nrows()));
        let (dy_transposed, dx_transposed) = own.scratch.split_at_mut(self.units * width);
        let dy_transposed = ArrayViewMut2::from_shape((self.units, width), dy_transposed);
        let mut dy_transposed = dy_transposed.expect("the length is the shape's");
        transpose(pass.isa, dy, dy_transposed.slice_mut(s![.., ..samples]));
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
                pass.multiply(Product { ahead: [ahead, &[], &[]], ..product })?;
                let dx = dx.slice_mut(s![.., first..first + rows]);
                transpose(pass.isa, to.slice(s![.., ..samples]), dx);
            }
            if keeps_factors {
                continue;
            }
            let x_transposed = plain(x.slice_move(s![.., first..first + rows]).reversed_axes());
            let (_, from_first) = dw.view_mut().split_at(Axis(0), first);
            let (dw, later) = from_first.split_at(Axis(0), rows);
            let next = rows.min(later.nrows());
            let ahead = slice(later.slice(s![..next, ..]));
            let product = Product::new(x_transposed, dy, Start::Zero, dw);
            pass.multiply(Product { ahead: [ahead, &[], &[]], ..product })?;
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
    use crate::layer::gradient_check::{check_dense, check_layer};

    #[test]
    fn dense_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Features(5), Dense::new(3).into());
        check_layer(Shape::Features(150), Dense::new(17).into());
        check_layer(Shape::Features(9), Dense { units: 4, bias: false }.into());
    }

    #[test]
    fn every_instruction_set_multiplies_features_like_the_reference() {
        for [samples, inputs, units] in [[1, 1, 1], [3, 48, 10], [16, 300, 33], [19, 129, 128]] {
            let layout = Layout::Dense { places: 1, c: inputs };
            let layer = DensePlan { inputs, units, bias: true, layout, clamp: false };
            check_dense(&layer, samples, 1e-5);
        }
    }
}
