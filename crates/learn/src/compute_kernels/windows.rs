//! Max and average pooling with any window, stride and padding, over one image.
//!
//! `x [H, W, C]` gives `y [OH, OW, C]` with `OH = (H + 2 padding - kernel) / stride + 1`, rounded
//! down, likewise `OW`. Windows are walked row by row, and so are their pixels: sums and gradients
//! are added in this order. The 2x2 windows that most nets use have a faster way in
//! [`pooling`](super::pooling).

use super::arithmetic::Arithmetic;
use super::{Isa, compile};
use std::ops::Range;

/// Channels that are worked on together, in registers.
const WIDTH: usize = 64;

/// The windows over an image `[h, w, c]`; pairs are of rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Windows {
    pub(crate) h: usize,
    pub(crate) w: usize,
    pub(crate) c: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    /// Less than the kernel: every window holds a pixel of the image.
    pub(crate) padding: [usize; 2],
}

impl Windows {
    /// Rows of the output.
    pub(crate) fn oh(&self) -> usize {
        (self.h + 2 * self.padding[0] - self.kernel[0]) / self.stride[0] + 1
    }

    /// Columns of the output.
    pub(crate) fn ow(&self) -> usize {
        (self.w + 2 * self.padding[1] - self.kernel[1]) / self.stride[1] + 1
    }

    /// The pixels of the image that a window covers, along one axis: it is number `at`, the image
    /// has `len`.
    #[inline(always)]
    fn covered(&self, axis: usize, at: usize, len: usize) -> Range<usize> {
        let first = at * self.stride[axis];
        let end = (first + self.kernel[axis]).saturating_sub(self.padding[axis]).min(len);
        first.saturating_sub(self.padding[axis]).min(end)..end
    }

    fn check(&self, x_len: usize, y_len: usize) {
        let Windows { h, w, c, kernel, stride, padding } = *self;
        assert!(stride[0] > 0 && stride[1] > 0, "windows move");
        assert!(padding[0] < kernel[0] && padding[1] < kernel[1], "a window is not all padding");
        let fits = h + 2 * padding[0] >= kernel[0] && w + 2 * padding[1] >= kernel[1];
        assert!(fits, "a window fits the image");
        assert!(x_len == h * w * c && y_len == self.oh() * self.ow() * c, "the images are whole");
    }

    /// Calls `work(window's rows, its columns, first channel, number in y)` for every window and
    /// every [`WIDTH`] channels.
    #[inline(always)]
    fn walk(&self, mut work: impl FnMut(Range<usize>, Range<usize>, usize, usize)) {
        for row in 0..self.oh() {
            let rows = self.covered(0, row, self.h);
            for column in 0..self.ow() {
                let columns = self.covered(1, column, self.w);
                for channel in (0..self.c).step_by(WIDTH) {
                    let at = (row * self.ow() + column) * self.c + channel;
                    work(rows.clone(), columns.clone(), channel, at);
                }
            }
        }
    }
}

/// Writes the greatest of each window; not-a-number wins, as in PyTorch.
///
/// # Panics
/// When a length is not that of `windows`, or they do not fit the image.
pub(crate) fn max(isa: Isa, windows: Windows, x: &[f32], y: &mut [f32]) {
    windows.check(x.len(), y.len());
    let task = (windows, x, y);
    compile!(isa, max_kernel(task => (Windows, &[f32], &mut [f32])));
}

#[inline(always)]
fn max_kernel<A: Arithmetic>((windows, x, y): (Windows, &[f32], &mut [f32])) {
    let Windows { w, c, .. } = windows;
    windows.walk(|rows, columns, channel, at| {
        let y = &mut y[at..at + WIDTH.min(c - channel)];
        y.fill(f32::NEG_INFINITY);
        for row in rows {
            for column in columns.clone() {
                let x = &x[(row * w + column) * c + channel..][..y.len()];
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = if is_greater(x, *y) { x } else { *y };
                }
            }
        }
    });
}

/// True when `x` is greater or not a number, and `top` is a number.
#[inline(always)]
fn is_greater(x: f32, top: f32) -> bool {
    (x > top) | ((x.is_nan()) & (!top.is_nan()))
}

/// Adds each window's gradient to the place of its greatest in `dx`, the first of equals; the place
/// is looked for again in `x`.
///
/// # Panics
/// As [`max`].
pub(crate) fn max_backward(isa: Isa, windows: Windows, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    windows.check(x.len(), dy.len());
    assert_eq!(x.len(), dx.len(), "an image and its gradient have one shape");
    dx.fill(0.0);
    let task = (windows, x, dy, dx);
    compile!(isa, max_backward_kernel(task => (Windows, &[f32], &[f32], &mut [f32])));
}

#[inline(always)]
fn max_backward_kernel<A: Arithmetic>((windows, x, dy, dx): (Windows, &[f32], &[f32], &mut [f32])) {
    let Windows { w, c, .. } = windows;
    windows.walk(|rows, columns, channel, at| {
        let width = WIDTH.min(c - channel);
        let first = (rows.start * w + columns.start) as u32;
        let (mut tops, mut places) = ([f32::NEG_INFINITY; WIDTH], [first; WIDTH]);
        for row in rows {
            for column in columns.clone() {
                let pixel = row * w + column;
                let x = &x[pixel * c + channel..][..width];
                for ((top, place), &x) in tops.iter_mut().zip(&mut places).zip(x) {
                    let is_top = is_greater(x, *top);
                    *place = if is_top { pixel as u32 } else { *place };
                    *top = if is_top { x } else { *top };
                }
            }
        }
        for (lane, (&place, &dy)) in places.iter().zip(&dy[at..at + width]).enumerate() {
            dx[place as usize * c + channel + lane] += dy;
        }
    });
}

/// What the sum of a window is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Divisor {
    /// The size of the window, padding too: PyTorch's default.
    Window,
    /// The pixels of the image that it covers.
    Covered,
}

impl Divisor {
    #[inline(always)]
    fn of(self, windows: Windows, rows: &Range<usize>, columns: &Range<usize>) -> f32 {
        match self {
            Divisor::Window => (windows.kernel[0] * windows.kernel[1]) as f32,
            Divisor::Covered => (rows.len() * columns.len()) as f32,
        }
    }
}

/// Writes the mean of each window.
///
/// # Panics
/// As [`max`].
pub(crate) fn average(isa: Isa, windows: Windows, divisor: Divisor, x: &[f32], y: &mut [f32]) {
    windows.check(x.len(), y.len());
    let task = (windows, divisor, x, y);
    compile!(isa, average_kernel(task => (Windows, Divisor, &[f32], &mut [f32])));
}

#[inline(always)]
fn average_kernel<A: Arithmetic>((windows, divisor, x, y): (Windows, Divisor, &[f32], &mut [f32])) {
    let Windows { w, c, .. } = windows;
    windows.walk(|rows, columns, channel, at| {
        let y = &mut y[at..at + WIDTH.min(c - channel)];
        let divisor = divisor.of(windows, &rows, &columns);
        y.fill(0.0);
        for row in rows {
            for column in columns.clone() {
                let x = &x[(row * w + column) * c + channel..][..y.len()];
                for (y, &x) in y.iter_mut().zip(x) {
                    *y += x;
                }
            }
        }
        for y in y {
            *y /= divisor;
        }
    });
}

/// Writes the gradient of the image: each window's is shared out among its pixels.
///
/// # Panics
/// As [`max`].
pub(crate) fn average_backward(
    isa: Isa,
    windows: Windows,
    divisor: Divisor,
    dy: &[f32],
    dx: &mut [f32],
) {
    windows.check(dx.len(), dy.len());
    dx.fill(0.0);
    let task = (windows, divisor, dy, dx);
    compile!(isa, average_backward_kernel(task => (Windows, Divisor, &[f32], &mut [f32])));
}

#[inline(always)]
fn average_backward_kernel<A: Arithmetic>(
    (windows, divisor, dy, dx): (Windows, Divisor, &[f32], &mut [f32]),
) {
    let Windows { w, c, .. } = windows;
    windows.walk(|rows, columns, channel, at| {
        let dy = &dy[at..at + WIDTH.min(c - channel)];
        let divisor = divisor.of(windows, &rows, &columns);
        for row in rows {
            for column in columns.clone() {
                let dx = &mut dx[(row * w + column) * c + channel..][..dy.len()];
                for (dx, &dy) in dx.iter_mut().zip(dy) {
                    *dx += dy / divisor;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::numbers;
    use proptest::prelude::*;

    /// Every pixel of every window: numbers in `x`, and in `y`; windows may lie over the edge.
    fn pairs(windows: Windows) -> Vec<(usize, usize)> {
        let Windows { h, w, c, kernel, stride, padding } = windows;
        let mut pairs = Vec::new();
        for (row, column) in (0..windows.oh()).flat_map(|r| (0..windows.ow()).map(move |c| (r, c)))
        {
            for (i, j) in (0..kernel[0]).flat_map(|i| (0..kernel[1]).map(move |j| (i, j))) {
                let (y, x) = (row * stride[0] + i, column * stride[1] + j);
                let inside = y >= padding[0] && x >= padding[1];
                let (y, x) = (y.wrapping_sub(padding[0]), x.wrapping_sub(padding[1]));
                if inside && y < h && x < w {
                    for channel in 0..c {
                        let to = (row * windows.ow() + column) * c + channel;
                        pairs.push(((y * w + x) * c + channel, to));
                    }
                }
            }
        }
        pairs
    }

    fn check(windows: Windows) {
        let (x_len, y_len) =
            (windows.h * windows.w * windows.c, windows.oh() * windows.ow() * windows.c);
        // Few different values, so that many windows have equal ones.
        let x: Vec<f32> = numbers(x_len, 1).iter().map(|x| (x * 4.0).round()).collect();
        let dy: Vec<f32> = numbers(y_len, 2).iter().map(|x| (x * 64.0).round()).collect();
        let pairs = pairs(windows);
        let (mut top, mut place) = (vec![f32::NEG_INFINITY; y_len], vec![0; y_len]);
        let (mut sum, mut covered) = (vec![0.0; y_len], vec![0.0; y_len]);
        for &(from, to) in &pairs {
            if x[from] > top[to] {
                (top[to], place[to]) = (x[from], from);
            }
            sum[to] += x[from];
            covered[to] += 1.0f32;
        }
        let mut spread = vec![0.0; x_len];
        (0..y_len).for_each(|at| spread[place[at]] += dy[at]);
        let area = (windows.kernel[0] * windows.kernel[1]) as f32;
        for isa in Isa::available() {
            let (mut y, mut dx) = (vec![9.0; y_len], vec![9.0; x_len]);
            max(isa, windows, &x, &mut y);
            assert_eq!(y, top, "{isa:?} {windows:?}");
            max_backward(isa, windows, &x, &dy, &mut dx);
            assert_eq!(dx, spread, "{isa:?} {windows:?}");
            for (divisor, size) in [(Divisor::Window, None), (Divisor::Covered, Some(&covered))] {
                let size = |at: usize| size.map_or(area, |covered| covered[at]);
                average(isa, windows, divisor, &x, &mut y);
                let mean: Vec<f32> = (0..y_len).map(|at| sum[at] / size(at)).collect();
                assert_eq!(y, mean, "{isa:?} {windows:?} {divisor:?}");
                average_backward(isa, windows, divisor, &dy, &mut dx);
                let mut shared = vec![0.0; x_len];
                pairs.iter().for_each(|&(from, to)| shared[from] += dy[to] / size(to));
                let off = dx.iter().zip(&shared).map(|(a, b)| (a - b).abs());
                assert!(off.fold(0.0, f32::max) < 1e-4, "{isa:?} {windows:?} {divisor:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_instruction_set_pools_any_window_like_plain_loops(
            h in 1usize..9, w in 1usize..9, c in 1usize..70, kernel in [1usize..5, 1usize..5],
            stride in [1usize..4, 1usize..4], padding in [0usize..4, 0usize..4],
        ) {
            let padding = [padding[0].min(kernel[0] - 1), padding[1].min(kernel[1] - 1)];
            let windows = Windows { h, w, c, kernel, stride, padding };
            if h + 2 * padding[0] >= kernel[0] && w + 2 * padding[1] >= kernel[1] {
                check(windows);
            }
        }
    }

    #[test]
    fn a_window_may_be_the_whole_image() {
        let (kernel, stride, padding) = ([7, 5], [1, 1], [0, 0]);
        check(Windows { h: 7, w: 5, c: 130, kernel, stride, padding });
    }

    #[test]
    fn not_a_number_is_handed_on() {
        let windows = Windows { h: 1, w: 3, c: 1, kernel: [1, 3], stride: [1, 1], padding: [0, 0] };
        for isa in Isa::available() {
            let (mut y, mut dx) = ([0.0], [0.0; 3]);
            max(isa, windows, &[1.0, f32::NAN, 2.0], &mut y);
            assert!(y[0].is_nan());
            max_backward(isa, windows, &[1.0, f32::NAN, 2.0], &[5.0], &mut dx);
            assert_eq!(dx, [0.0, 5.0, 0.0]);
        }
    }
}
