//! The depthwise convolution: every channel has one filter of its own.
//!
//! `x` is an image with its margin, `[H + 2 padding, W + 2 padding, C]`; `w [KH, KW, 1, C]`. There is
//! one multiplication for each number read, so channels fill the vectors and nothing is arranged
//! anew. Sums run over `KH, KW`; the weights' gradient over the output's places.

use super::arithmetic::Arithmetic;
use super::convolution::ConvSizes;
use super::{Isa, compile};

/// Channels that are worked on together, in registers.
const WIDTH: usize = 64;

/// Writes `y [OH, OW, C]`: `bias` (or zero, when it is empty) plus the sums; `clamp` replaces
/// negative results by zero (ReLU).
#[derive(Debug)]
pub(crate) struct Forward<'a> {
    pub(crate) sizes: ConvSizes,
    pub(crate) x: &'a [f32],
    pub(crate) w: &'a [f32],
    pub(crate) bias: &'a [f32],
    pub(crate) clamp: bool,
    pub(crate) y: &'a mut [f32],
}

/// Adds to `dw` and, unless it is empty, to `dx [H + 2 padding, W + 2 padding, C]` the gradients for
/// `dy [OH, OW, C]`.
#[derive(Debug)]
pub(crate) struct Backward<'a> {
    pub(crate) sizes: ConvSizes,
    pub(crate) x: &'a [f32],
    pub(crate) w: &'a [f32],
    pub(crate) dy: &'a [f32],
    pub(crate) dw: &'a mut [f32],
    pub(crate) dx: &'a mut [f32],
}

/// Convolves one image.
///
/// # Panics
/// When the sizes are not those of a depthwise convolution, or lengths are not theirs.
pub(crate) fn forward(isa: Isa, call: Forward) {
    let Forward { sizes, x, w, bias, ref y, .. } = call;
    check(sizes, x.len(), w.len(), y.len());
    assert!(bias.is_empty() || bias.len() == sizes.c, "a channel has a bias");
    compile!(isa, forward_kernel(call => Forward));
}

/// Goes back through one image.
///
/// # Panics
/// As [`forward`].
pub(crate) fn backward(isa: Isa, call: Backward) {
    let Backward { sizes, x, w, dy, ref dw, ref dx } = call;
    check(sizes, x.len(), w.len(), dy.len());
    assert_eq!(dw.len(), w.len(), "a weight has a gradient");
    assert!(dx.is_empty() || dx.len() == x.len(), "an image and its gradient have one shape");
    compile!(isa, backward_kernel(call => Backward));
}

fn check(sizes: ConvSizes, x: usize, w: usize, y: usize) {
    assert!(sizes.groups == sizes.c && sizes.f == sizes.c, "every channel has its filter");
    assert!(x == sizes.padded_len() && w == sizes.area() * sizes.c, "image and weights are whole");
    assert_eq!(y, sizes.output_len(), "the output is whole");
}

/// Calls `work(output's place, x's place, kernel's place)` for every pixel of every patch, as
/// numbers of pixels, the kernel's places innermost.
#[inline(always)]
fn walk(sizes: ConvSizes, mut work: impl FnMut(usize, usize, usize)) {
    let ConvSizes { kernel: [kh, kw], stride, dilation, .. } = sizes;
    for row in 0..sizes.oh() {
        for column in 0..sizes.ow() {
            for place in 0..kh * kw {
                let y = row * stride[0] + place / kw * dilation[0];
                let x = column * stride[1] + place % kw * dilation[1];
                work(row * sizes.ow() + column, y * sizes.padded_w() + x, place);
            }
        }
    }
}

#[inline(always)]
fn forward_kernel<A: Arithmetic>(call: Forward) {
    let Forward { sizes, x, w, bias, clamp, y } = call;
    let (c, last) = (sizes.c, sizes.area() - 1);
    for first in (0..c).step_by(WIDTH) {
        let width = WIDTH.min(c - first);
        walk(sizes, |to, from, place| {
            let y = &mut y[to * c + first..][..width];
            if place == 0 {
                match bias {
                    [] => y.fill(0.0),
                    bias => y.copy_from_slice(&bias[first..first + width]),
                }
            }
            let (x, w) = (&x[from * c + first..][..width], &w[place * c + first..][..width]);
            for (y, (&x, &w)) in y.iter_mut().zip(x.iter().zip(w)) {
                *y = A::mul_add(x, w, *y);
            }
            if place == last && clamp {
                for y in y {
                    *y = if 0.0 > *y { 0.0 } else { *y };
                }
            }
        });
    }
}

#[inline(always)]
fn backward_kernel<A: Arithmetic>(call: Backward) {
    let Backward { sizes, x, w, dy, dw, dx } = call;
    let c = sizes.c;
    for first in (0..c).step_by(WIDTH) {
        let width = WIDTH.min(c - first);
        walk(sizes, |to, from, place| {
            let dy = &dy[to * c + first..][..width];
            let x = &x[from * c + first..][..width];
            let dw = &mut dw[place * c + first..][..width];
            for (dw, (&x, &dy)) in dw.iter_mut().zip(x.iter().zip(dy)) {
                *dw = A::mul_add(x, dy, *dw);
            }
            if !dx.is_empty() {
                let w = &w[place * c + first..][..width];
                let dx = &mut dx[from * c + first..][..width];
                for (dx, (&w, &dy)) in dx.iter_mut().zip(w.iter().zip(dy)) {
                    *dx = A::mul_add(w, dy, *dx);
                }
            }
        });
    }
}
