//! The dense layer: `y = x W + b` with `x [N, D]`, `W [D, U]`, `b [U]`, `y [N, U]`.
//!
//! `W` lies as `[D, U]`, so that all three products read it row by row and nothing is packed.
//! Backward: `dW = X^T dY`, `db = sum of dY over N`, `dX^T = W dY^T`. Sums run over `D`, `N` and
//! `U` in their order.

use super::{Backward, Layer, Memory, Own, Pass, Place, Planned, Rows, RowsMut, Step, Tensor};
use crate::compute_kernels::elementwise;
use crate::compute_kernels::matrix::{Extent, Left, Right, Start, Target};
use crate::pulse::Stopped;
use crate::shape::{Shape, ShapeError};

/// Rows of `W` that a forward product takes at once: a panel of them stays in the first-level
/// cache.
const FORWARD_ROWS: usize = 128;
/// Rows of `W` that a backward product takes at once: a multiple of every tile.
const BACKWARD_ROWS: usize = 48;

/// The plan for features of one length.
#[derive(Debug)]
pub(crate) struct Dense {
    inputs: usize,
    units: usize,
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

    fn forward(&self, pass: &mut Pass, x: Rows, y: RowsMut, _own: &mut Own) -> Result<(), Stopped> {
        let (weights, bias) = pass.weights.split_at(self.inputs * self.units);
        for first in (0..self.inputs).step_by(FORWARD_ROWS) {
            let inners = FORWARD_ROWS.min(self.inputs - first);
            let extent = Extent { rows: x.count, columns: self.units, outers: 1, inners };
            let a = Left {
                data: &x.data[first..],
                row_stride: x.pitch,
                outer_stride: 0,
                inner_stride: 1,
            };
            let here = &weights[first * self.units..];
            let ahead = after(here, inners * self.units);
            let b = Right { data: here, stride: self.units, ahead };
            let start = if first == 0 { Start::Bias(bias) } else { Start::Sum };
            let clamp = self.clamp && first + inners == self.inputs;
            let c = Target { data: &mut *y.data, stride: y.pitch, clamp };
            pass.multiply(extent, a, b, start, c)?;
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, mut dx, dw } = call;
        let (weights, _) = pass.weights.split_at(self.inputs * self.units);
        let (dw, db) = dw.split_at_mut(self.inputs * self.units);
        let width = padded(dy.count);
        let (dy_transposed, block) = own.scratch.split_at_mut(self.units * width);
        dy_transposed.fill(0.0);
        db.fill(0.0);
        for i in 0..dy.count {
            elementwise::add_rows(pass.isa, dy.row(i), db);
            for (unit, &value) in dy.row(i).iter().enumerate() {
                dy_transposed[unit * width + i] = value;
            }
        }
        for first in (0..self.inputs).step_by(BACKWARD_ROWS) {
            let rows = BACKWARD_ROWS.min(self.inputs - first);
            if let Some(dx) = &mut dx {
                let (weights, block) = (&weights[first * self.units..], &mut block[..rows * width]);
                self.input_gradient(pass, weights, dy_transposed, block)?;
                transpose(block, width, first..first + rows, dx);
            }
            let x = Rows { data: &x.data[first..], len: rows, ..x };
            self.weight_gradient(pass, x, dy, &mut dw[first * self.units..])?;
        }
        Ok(())
    }
}

impl Dense {
    /// Writes rows of `dX^T = W dY^T`; `weights` begins with those rows of `W`.
    fn input_gradient(
        &self,
        pass: &mut Pass,
        weights: &[f32],
        dy_transposed: &[f32],
        dx_transposed: &mut [f32],
    ) -> Result<(), Stopped> {
        let width = dy_transposed.len() / self.units;
        let rows = dx_transposed.len() / width;
        let extent = Extent { rows, columns: width, outers: 1, inners: self.units };
        let a = Left { data: weights, row_stride: self.units, outer_stride: 0, inner_stride: 1 };
        let ahead = after(weights, rows * self.units);
        let b = Right { data: dy_transposed, stride: width, ahead };
        let c = Target { data: dx_transposed, stride: width, clamp: false };
        pass.multiply(extent, a, b, Start::Zero, c)
    }

    /// Writes the rows of `dW = X^T dY` that belong to the columns of `x`; `dw` begins with them.
    fn weight_gradient(
        &self,
        pass: &mut Pass,
        x: Rows,
        dy: Rows,
        dw: &mut [f32],
    ) -> Result<(), Stopped> {
        let len = x.len * self.units;
        let (dw, later) = dw.split_at_mut(len);
        let extent = Extent { rows: x.len, columns: self.units, outers: 1, inners: x.count };
        let a = Left { data: x.data, row_stride: 1, outer_stride: 0, inner_stride: x.pitch };
        let b = Right { data: dy.data, stride: dy.pitch, ahead: &later[..len.min(later.len())] };
        let c = Target { data: dw, stride: self.units, clamp: false };
        pass.multiply(extent, a, b, Start::Zero, c)
    }
}

/// As much again behind the first `len` numbers, or what there is: the next block.
fn after(weights: &[f32], len: usize) -> &[f32] {
    &weights[len..weights.len().min(2 * len).max(len)]
}

/// Samples, rounded up to whole vectors of every instruction set.
fn padded(samples: usize) -> usize {
    samples.next_multiple_of(16)
}

/// Writes `block [columns, width]` as the columns `columns` of `dx`.
fn transpose(block: &[f32], width: usize, columns: std::ops::Range<usize>, dx: &mut RowsMut) {
    for i in 0..dx.count {
        let row = &mut dx.row(i)[columns.clone()];
        for (value, from) in row.iter_mut().zip(block[i..].iter().step_by(width)) {
            *value = *from;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::layer::LayerSpec;
    use crate::layer::gradient_check::check_layer;
    use crate::shape::Shape;

    #[test]
    fn dense_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Features(5), LayerSpec::Dense { units: 3 });
        check_layer(Shape::Features(150), LayerSpec::Dense { units: 17 });
    }
}
