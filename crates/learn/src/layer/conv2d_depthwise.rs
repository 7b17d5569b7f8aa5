//! The depthwise convolution: as many groups as channels, and a filter for each.
//!
//! See `compute_kernels::depthwise`.
//!
//! Source: Howard et al., "MobileNets", arXiv:1704.04861, section 3.1.

use super::conv2d::tensors;
use super::conv2d_direct::padded;
use super::step::{
    Backward, Layer, Memory, Own, Pass, Rows, Samples, SamplesMut, Tensor, slice, slice_mut,
};
use crate::compute_kernels::convolution::{self, ConvSizes};
use crate::compute_kernels::{depthwise, elementwise};
use crate::pulse::Stopped;
use ndarray::IxDyn;

/// The plan for images of one shape.
#[derive(Debug)]
pub(crate) struct Conv2dDepthwise {
    sizes: ConvSizes,
    bias: bool,
    /// ReLU on the way out.
    clamp: bool,
    /// The first axis of a kernel that tensors have: 1 for sequences, which have no rows.
    first_axis: usize,
}

impl Conv2dDepthwise {
    /// The plan, or `None` for sizes that do not fit.
    pub(crate) fn new(sizes: ConvSizes, bias: bool) -> Option<Self> {
        let fits = sizes.groups == sizes.c && sizes.f == sizes.c && sizes.c > 1;
        fits.then_some(Conv2dDepthwise { sizes, bias, clamp: false, first_axis: 0 })
    }

    /// The same for sequences, which are images of one row.
    pub(crate) fn of_sequences(self) -> Self {
        Conv2dDepthwise { first_axis: 1, ..self }
    }
}

impl Layer for Conv2dDepthwise {
    fn tensors(&self) -> Vec<Tensor> {
        tensors(self.sizes, &self.sizes.kernel[self.first_axis..], self.bias)
    }

    fn memory(&self, _batch: usize) -> Memory {
        // The padded image and its gradient.
        let padded = if self.sizes.is_padded() { self.sizes.padded_len() } else { 0 };
        Memory { scratch: 2 * padded, ..Memory::default() }
    }

    fn rows(&self) -> Rows {
        Rows::One
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
        own: &mut Own,
    ) -> Result<(), Stopped> {
        let Conv2dDepthwise { sizes, clamp, .. } = *self;
        let (w, bias) = (pass.weights.slice(0), pass.weights.bias());
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            let (x, y) = (padded(sizes, slice(x), &mut own.scratch), slice_mut(y));
            depthwise::forward(pass.isa, depthwise::Forward { sizes, x, w, bias, clamp, y });
            pass.beat.work(2 * sizes.area() * sizes.output_len())?;
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, mut dx, dw } = call;
        let (sizes, w) = (self.sizes, pass.weights.slice(0));
        let (dw, db) = dw.weight_and_bias::<IxDyn>();
        let dw = slice_mut(dw);
        let middle = own.scratch.len() / 2;
        let (margined, d_margined) = own.scratch.split_at_mut(middle);
        for (i, (x, dy)) in x.outer_iter().zip(dy.outer_iter()).enumerate() {
            let dy = slice(dy);
            if self.bias {
                elementwise::add_rows(pass.isa, dy, db);
            }
            let x = padded(sizes, slice(x), margined);
            let mut dx = dx.as_mut().map(|dx| slice_mut(dx.row_mut(i)));
            let to: &mut [f32] = match &mut dx {
                None => &mut [],
                Some(_) if sizes.is_padded() => d_margined,
                Some(dx) => dx,
            };
            to.fill(0.0);
            let call = depthwise::Backward { sizes, x, w, dy, dw: &mut *dw, dx: to };
            depthwise::backward(pass.isa, call);
            if let Some(dx) = dx.filter(|_| sizes.is_padded()) {
                convolution::crop(sizes, d_margined, dx);
            }
            pass.beat.work(4 * sizes.area() * sizes.output_len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::check_convolution;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn every_instruction_set_convolves_depthwise_like_the_reference(
            h in 1usize..9, w in 1usize..9, c in 2usize..90,
            kernel in [1usize..5, 1usize..4], stride in [1usize..4, 1usize..3],
            dilation in [1usize..3, 1usize..4], padding in [0usize..3, 0usize..3],
        ) {
            let padding = [0, 1].map(|axis| padding[axis].min(dilation[axis] * (kernel[axis] - 1)));
            let sizes = ConvSizes { h, w, c, f: c, kernel, stride, padding, dilation, groups: c };
            if h + 2 * padding[0] >= sizes.reach(0) && w + 2 * padding[1] >= sizes.reach(1) {
                let layer = Conv2dDepthwise::new(sizes, true).expect("these sizes fit");
                check_convolution(&layer, sizes, 1e-5);
            }
        }
    }
}
