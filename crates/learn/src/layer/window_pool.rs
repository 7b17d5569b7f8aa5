//! Pooling of any windows: what the pooling layers build unless there is a faster way.
//!
//! See `compute_kernels::windows`. Max-pooling looks for the greatest again on the way back, in `x`:
//! so windows may be of any size.

use super::pair::Pair;
use super::step::{
    Backward, Layer, Memory, Own, Pass, Rows, Samples, SamplesMut, slice, slice_mut,
};
use crate::builder::Builder;
use crate::compute_kernels::elementwise;
use crate::compute_kernels::windows::{self, Divisor, Windows};
use crate::pulse::Stopped;
use crate::shape::{Problem, Shape, ShapeError};

/// What becomes of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// Its greatest.
    Max,
    /// Its mean.
    Average(Divisor),
}

/// The plan for images of one shape.
#[derive(Debug)]
pub(crate) struct WindowPool {
    windows: Windows,
    pooling: Pooling,
    /// ReLU on the way out.
    clamp: bool,
}

impl WindowPool {
    pub(crate) fn new(windows: Windows, pooling: Pooling) -> Self {
        WindowPool { windows, pooling, clamp: false }
    }

    fn work(&self) -> usize {
        let [kh, kw] = self.windows.kernel;
        self.windows.oh() * self.windows.ow() * self.windows.c * kh * kw
    }
}

/// The windows of `kernel` over the current image, every `stride`, or why there are none.
pub(crate) fn fit(
    net: &Builder,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
) -> Result<Windows, ShapeError> {
    const LIMIT: usize = 1 << 16;
    let (kernel, stride, padding) = (kernel.0, stride.0, padding.0);
    for axis in [0, 1] {
        for (size, what) in
            [(kernel[axis], "rows or columns of its kernel"), (stride[axis], "stride")]
        {
            if size == 0 {
                return Err(net.problem(Problem::Zero { what }));
            }
            if size > LIMIT {
                let (name, value, range) = ("kernel or stride", size as f64, "at most 65536");
                return Err(net.problem(Problem::OutOfRange { name, value, range }));
            }
        }
        if padding[axis] > kernel[axis] / 2 {
            let (name, value) = ("padding", padding[axis] as f64);
            let range = "at most half of the kernel";
            return Err(net.problem(Problem::OutOfRange { name, value, range }));
        }
    }
    let least = [0, 1].map(|axis| kernel[axis].saturating_sub(2 * padding[axis]).max(1));
    let [h, w, c] = net.image(Pair(least))?;
    Ok(Windows { h, w, c, kernel, stride, padding })
}

/// The shape of what they give.
pub(crate) fn output(windows: Windows) -> Shape {
    Shape::Image { h: windows.oh(), w: windows.ow(), c: windows.c }
}

impl Layer for WindowPool {
    fn memory(&self, _batch: usize) -> Memory {
        Memory::default()
    }

    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn reads_input_again(&self) -> bool {
        self.pooling == Pooling::Max
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
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            let (x, y) = (slice(x), slice_mut(y));
            match self.pooling {
                Pooling::Max => windows::max(pass.isa, self.windows, x, y),
                Pooling::Average(by) => windows::average(pass.isa, self.windows, by, x, y),
            }
            if self.clamp {
                elementwise::clamp(pass.isa, y);
            }
            pass.beat.work(self.work())?;
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, _own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, dx, .. } = call;
        let Some(mut dx) = dx else { return Ok(()) };
        for (row, (dy, dx)) in dy.outer_iter().zip(dx.outer_iter_mut()).enumerate() {
            let (isa, dy, dx) = (pass.isa, slice(dy), slice_mut(dx));
            match self.pooling {
                Pooling::Max => windows::max_backward(isa, self.windows, slice(x.row(row)), dy, dx),
                Pooling::Average(by) => {
                    windows::average_backward(isa, self.windows, by, dy, dx);
                }
            }
            pass.beat.work(2 * self.work())?;
        }
        Ok(())
    }
}
