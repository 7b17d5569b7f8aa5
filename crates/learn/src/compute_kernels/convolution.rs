//! The sizes of a convolution, margins around images, and the way back from patches to an image.
//!
//! `x [H, W, C]`, `w [KH, KW, C / groups, F]` give `y [OH, OW, F]` with `OH = (H + 2 padding -
//! dilation (KH - 1) - 1) / stride + 1`, rounded down, likewise `OW`.
//!
//! Source: Dumoulin and Visin, "A guide to convolution arithmetic", arXiv:1603.07285, chapter 2.

use super::arithmetic::Arithmetic;
use super::{Isa, compile};

/// The sizes of a convolution; pairs are of rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConvSizes {
    /// Rows of the input.
    pub(crate) h: usize,
    /// Columns of the input.
    pub(crate) w: usize,
    /// Channels of the input.
    pub(crate) c: usize,
    /// Filters: channels of the output.
    pub(crate) f: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Divides `c` and `f`: the first `f / groups` filters see the first `c / groups` channels.
    pub(crate) groups: usize,
}

impl ConvSizes {
    /// A square kernel over all channels, stride 1, no padding.
    #[cfg(test)]
    pub(crate) fn plain([h, w, c, f]: [usize; 4], kernel: usize) -> Self {
        let (kernel, stride) = ([kernel; 2], [1, 1]);
        let (padding, dilation, groups) = ([0, 0], [1, 1], 1);
        ConvSizes { h, w, c, f, kernel, stride, padding, dilation, groups }
    }

    /// Rows of the padded input.
    pub(crate) fn padded_h(&self) -> usize {
        self.h + 2 * self.padding[0]
    }

    /// Columns of the padded input.
    pub(crate) fn padded_w(&self) -> usize {
        self.w + 2 * self.padding[1]
    }

    /// How far a kernel reaches, from its first to its last row (0) or column (1), both counted.
    pub(crate) fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }

    /// Rows of the output.
    pub(crate) fn oh(&self) -> usize {
        (self.padded_h() - self.reach(0)) / self.stride[0] + 1
    }

    /// Columns of the output.
    pub(crate) fn ow(&self) -> usize {
        (self.padded_w() - self.reach(1)) / self.stride[1] + 1
    }

    /// Channels that a filter sees.
    pub(crate) fn group_c(&self) -> usize {
        self.c / self.groups
    }

    /// Filters that see the same channels.
    pub(crate) fn group_f(&self) -> usize {
        self.f / self.groups
    }

    /// Places of the kernel.
    pub(crate) fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Terms of a sum of the forward pass.
    pub(crate) fn depth(&self) -> usize {
        self.area() * self.group_c()
    }

    /// How many numbers the input has.
    pub(crate) fn input_len(&self) -> usize {
        self.h * self.w * self.c
    }

    /// How many numbers the padded input has.
    pub(crate) fn padded_len(&self) -> usize {
        self.padded_h() * self.padded_w() * self.c
    }

    /// How many numbers the output has.
    pub(crate) fn output_len(&self) -> usize {
        self.oh() * self.ow() * self.f
    }

    /// True when there is a margin around the input.
    pub(crate) fn is_padded(&self) -> bool {
        self.padding != [0, 0]
    }

    /// The rows of the image within the padded one, each as where it begins in both.
    fn rows(&self) -> impl Iterator<Item = (usize, usize)> {
        let ConvSizes { h, w, c, padding, .. } = *self;
        let padded_row = self.padded_w() * c;
        (0..h).map(move |row| (row * w * c, (row + padding[0]) * padded_row + padding[1] * c))
    }
}

/// Copies the image `x` into the middle of `padded [H + 2 padding, W + 2 padding, C]`; its margin is
/// not written.
///
/// # Panics
/// When the lengths are not those of `sizes`.
pub(crate) fn pad(sizes: ConvSizes, x: &[f32], padded: &mut [f32]) {
    assert!(x.len() == sizes.input_len() && padded.len() == sizes.padded_len(), "images are whole");
    let row = sizes.w * sizes.c;
    for (from, to) in sizes.rows() {
        padded[to..to + row].copy_from_slice(&x[from..from + row]);
    }
}

/// Copies the middle of `padded` to the image `x`.
///
/// # Panics
/// As [`pad`].
pub(crate) fn crop(sizes: ConvSizes, padded: &[f32], x: &mut [f32]) {
    assert!(x.len() == sizes.input_len() && padded.len() == sizes.padded_len(), "images are whole");
    let row = sizes.w * sizes.c;
    for (to, from) in sizes.rows() {
        x[to..to + row].copy_from_slice(&padded[from..from + row]);
    }
}

/// Adds the patches of row `row` of the output, `[OW, KH, KW, C / groups]` of the group `group`, to
/// the padded image that they were read from.
///
/// Output columns come one after another, and so do the kernel's places.
///
/// # Panics
/// When a length is not that of `sizes`.
pub(crate) fn add_patches(
    isa: Isa,
    sizes: ConvSizes,
    [row, group]: [usize; 2],
    patches: &[f32],
    padded: &mut [f32],
) {
    assert!(row < sizes.oh() && group < sizes.groups, "the patches are the image's");
    assert_eq!(patches.len(), sizes.ow() * sizes.depth(), "there is a patch for every column");
    assert_eq!(padded.len(), sizes.padded_len(), "the image is whole");
    let task = AddPatches { sizes, row, group, patches, padded };
    compile!(isa, add_patches_kernel(task => AddPatches));
}

/// The arguments of [`add_patches`].
struct AddPatches<'a> {
    sizes: ConvSizes,
    row: usize,
    group: usize,
    patches: &'a [f32],
    padded: &'a mut [f32],
}

#[inline(always)]
fn add_patches_kernel<A: Arithmetic>(task: AddPatches) {
    let AddPatches { sizes, row, group, patches, padded } = task;
    let ConvSizes { c, kernel: [_, kw], stride, dilation, .. } = sizes;
    let group_c = sizes.group_c();
    // Neighbours in a patch's row are neighbours in the image.
    let is_run = dilation[1] == 1 && sizes.groups == 1;
    let (run, runs) = if is_run { (kw * group_c, 1) } else { (group_c, kw) };
    for (column, patch) in patches.chunks_exact(sizes.depth()).enumerate() {
        for (place, part) in patch.chunks_exact(run).enumerate() {
            let y = row * stride[0] + place / runs * dilation[0];
            let x = column * stride[1] + place % runs * dilation[1];
            let at = (y * sizes.padded_w() + x) * c + group * group_c;
            for (to, part) in padded[at..at + run].iter_mut().zip(part) {
                *to += part;
            }
        }
    }
}
