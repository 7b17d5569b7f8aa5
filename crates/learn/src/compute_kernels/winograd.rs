//! Winograd's F(4x4, 3x3) over whole images: how images are cut into tiles, and the safe doors of
//! the transforms.
//!
//! An image is cut into tiles of 4 x 4 outputs (6 x 6 inputs, overlapping by 2); tiles at the edges
//! may reach over it, where inputs are zero and outputs are dropped. A tile becomes 36 *points*;
//! then a convolution is 36 products of matrices, `M[k] = V[k] U[k]`, a quarter of the direct
//! algorithm's multiplications. Point `k` of tile `t` and channel `c` lies at `k * pitch + t *
//! channels + c`. Several images may stand side by side, so that filters are read once for all.
//!
//! The backward pass is the adjoint of the forward one: `dU = V^T (A dY A^T)` and `dX = B ((A dY
//! A^T) U^T) B^T`, overlapping tiles added in the order of the tiles.

use super::winograd_images::{self as images, Finish, Task, Tiles};
use super::{Isa, dispatch};
use images::{input_gradient_kernel, input_kernel, output_gradient_kernel, output_kernel};
use ndarray::{ArrayView3, ArrayViewMut3, ShapeBuilder};

/// Points of a tile.
pub(crate) const POINTS: usize = 36;

/// A convolution of `images` images by Winograd's algorithm: 3x3, stride 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Rows of the input.
    pub(crate) h: usize,
    /// Columns of the input.
    pub(crate) w: usize,
    /// Rows and columns of zeros around it, at most 2 of each.
    pub(crate) padding: [usize; 2],
    /// Channels of the input, a multiple of 16: of every vector's lanes.
    pub(crate) c: usize,
    /// Channels of the output, a multiple of 16.
    pub(crate) f: usize,
    /// How many images stand side by side.
    pub(crate) images: usize,
}

impl Grid {
    /// Rows of the output.
    pub(crate) fn oh(&self) -> usize {
        self.h + 2 * self.padding[0] - 2
    }

    /// Columns of the output.
    pub(crate) fn ow(&self) -> usize {
        self.w + 2 * self.padding[1] - 2
    }

    /// Tiles of one image.
    pub(crate) fn tiles(&self) -> usize {
        self.oh().div_ceil(4) * self.ow().div_ceil(4)
    }

    /// The distance between points of `channels`: one cache line more than needed, so that the 36
    /// stores of a tile fall into different sets of the cache.
    fn pitch(&self, channels: usize) -> usize {
        self.images * self.tiles() * channels + 16
    }

    /// How many floats `V` takes.
    pub(crate) fn input_points_len(&self) -> usize {
        POINTS * self.pitch(self.c)
    }

    /// How many floats `M` takes.
    pub(crate) fn output_points_len(&self) -> usize {
        POINTS * self.pitch(self.f)
    }

    /// `V` of the first `images` images as `[POINTS, tiles, C]`.
    pub(crate) fn input_points<'a>(&self, images: usize, v: &'a [f32]) -> ArrayView3<'a, f32> {
        self.points(images, self.c, v)
    }

    /// `M` of the first `images` images as `[POINTS, tiles, F]`.
    pub(crate) fn output_points<'a>(&self, images: usize, m: &'a [f32]) -> ArrayView3<'a, f32> {
        self.points(images, self.f, m)
    }

    /// As [`Grid::input_points`], to be written.
    pub(crate) fn input_points_mut<'a>(
        &self,
        images: usize,
        v: &'a mut [f32],
    ) -> ArrayViewMut3<'a, f32> {
        self.points_mut(images, self.c, v)
    }

    /// As [`Grid::output_points`], to be written.
    pub(crate) fn output_points_mut<'a>(
        &self,
        images: usize,
        m: &'a mut [f32],
    ) -> ArrayViewMut3<'a, f32> {
        self.points_mut(images, self.f, m)
    }

    fn points<'a>(&self, images: usize, channels: usize, data: &'a [f32]) -> ArrayView3<'a, f32> {
        let shape = (POINTS, images * self.tiles(), channels);
        ArrayView3::from_shape(shape.strides((self.pitch(channels), channels, 1)), data)
            .expect("there is room for every point")
    }

    fn points_mut<'a>(
        &self,
        images: usize,
        channels: usize,
        data: &'a mut [f32],
    ) -> ArrayViewMut3<'a, f32> {
        let shape = (POINTS, images * self.tiles(), channels);
        ArrayViewMut3::from_shape(shape.strides((self.pitch(channels), channels, 1)), data)
            .expect("there is room for every point")
    }

    /// The input's tiles of image number `image`.
    fn input_tiles(&self, image: usize) -> Tiles {
        self.tiles_of(image, [self.h, self.w], self.padding, self.c)
    }

    /// The output's tiles of image number `image`.
    pub(super) fn output_tiles(&self, image: usize) -> Tiles {
        self.tiles_of(image, [self.oh(), self.ow()], [0, 0], self.f)
    }

    fn tiles_of(
        &self,
        number: usize,
        image: [usize; 2],
        margin: [usize; 2],
        channels: usize,
    ) -> Tiles {
        assert!(number < self.images, "an image has its place");
        assert!(self.padding.iter().all(|&padding| padding <= 2), "a tile holds inputs");
        assert!(channels.is_multiple_of(16), "channels fill whole vectors");
        Tiles {
            rows: self.oh().div_ceil(4),
            columns: self.ow().div_ceil(4),
            image,
            margin,
            channels,
            pitch: self.pitch(channels),
            first: number * self.tiles(),
        }
    }
}

/// Writes `V = B^T d B` of every tile of the image `x [H, W, C]`, number `image`.
///
/// # Panics
/// When a slice has not the length that the grid says.
pub(crate) fn transform_input(isa: Isa, grid: Grid, image: usize, x: &[f32], v: &mut [f32]) {
    let tiles = grid.input_tiles(image);
    check(tiles, x.len(), v.len());
    let task = Task { tiles, from: x.as_ptr(), to: v.as_mut_ptr(), finish: Finish::none() };
    // SAFETY: both slices have the lengths that the tiles ask for, checked above.
    unsafe { dispatch!(isa, input_kernel(&task => &Task)) }
}

/// Writes `y = A^T M A + bias` of every tile, `[OH, OW, F]`; an empty `bias` means zeros; `clamp`
/// replaces negative values by zero (ReLU).
///
/// # Panics
/// As [`transform_input`], or when there is a bias but not for every filter.
pub(crate) fn transform_output(
    isa: Isa,
    grid: Grid,
    image: usize,
    m: &[f32],
    (bias, clamp): (&[f32], bool),
    y: &mut [f32],
) {
    let tiles = grid.output_tiles(image);
    check(tiles, y.len(), m.len());
    assert!(bias.is_empty() || bias.len() == grid.f, "there is a bias for every filter");
    let finish = Finish { bias: if bias.is_empty() { None } else { Some(bias) }, clamp };
    let task = Task { tiles, from: m.as_ptr(), to: y.as_mut_ptr(), finish };
    // SAFETY: all slices have the lengths that the tiles ask for, checked above.
    unsafe { dispatch!(isa, output_kernel(&task => &Task)) }
}

/// Writes `A dY A^T` of every tile of the output's gradient `dy [OH, OW, F]`.
///
/// # Panics
/// As [`transform_input`].
pub(crate) fn transform_output_gradient(
    isa: Isa,
    grid: Grid,
    image: usize,
    dy: &[f32],
    m: &mut [f32],
) {
    let tiles = grid.output_tiles(image);
    check(tiles, dy.len(), m.len());
    let task = Task { tiles, from: dy.as_ptr(), to: m.as_mut_ptr(), finish: Finish::none() };
    // SAFETY: both slices have the lengths that the tiles ask for, checked above.
    unsafe { dispatch!(isa, output_gradient_kernel(&task => &Task)) }
}

/// Writes the image's gradient: the sum of `B dV B^T` over the overlapping tiles, in the order of
/// the tiles.
///
/// # Panics
/// As [`transform_input`].
pub(crate) fn transform_input_gradient(
    isa: Isa,
    grid: Grid,
    image: usize,
    v: &[f32],
    dx: &mut [f32],
) {
    let tiles = grid.input_tiles(image);
    check(tiles, dx.len(), v.len());
    let task = Task { tiles, from: v.as_ptr(), to: dx.as_mut_ptr(), finish: Finish::none() };
    // SAFETY: both slices have the lengths that the tiles ask for, checked above.
    unsafe { dispatch!(isa, input_gradient_kernel(&task => &Task)) }
}

/// What every door asserts of its slices.
fn check(tiles: Tiles, image_len: usize, points_len: usize) {
    let [height, width] = tiles.image;
    assert_eq!(image_len, height * width * tiles.channels, "the image has the grid's shape");
    assert!(points_len >= POINTS * tiles.pitch, "there is room for all points");
}
