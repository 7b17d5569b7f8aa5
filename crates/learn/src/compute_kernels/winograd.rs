//! The two-dimensional transforms of Winograd's F(4x4, 3x3) over whole images, channels side by
//! side in the vectors.
//!
//! An image is cut into tiles of 4 x 4 outputs (6 x 6 inputs, overlapping by 2). A tile becomes 36
//! *points*; then a convolution is 36 products of matrices, `M[k] = V[k] U[k]`, a quarter of the
//! direct algorithm's multiplications. Point `k` of tile `t` and channel `c` lies at `k * pitch + t
//! * channels + c`.
//!
//! The backward pass is the adjoint of the forward one: `dU = V^T (A dY A^T)` and `dX = B ((A dY
//! A^T) U^T) B^T`, overlapping tiles added in the order of the tiles.

use super::vector::Vector;
use super::winograd_points::{
    G, input_to_points, output_to_points, points_to_input, points_to_output,
};
use super::{Isa, dispatch};
use ndarray::{ArrayView3, ArrayViewMut3, ShapeBuilder};

/// Points of a tile.
pub(crate) const POINTS: usize = 36;

/// How an image of `channels` is cut into tiles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    pub(crate) tile_rows: usize,
    pub(crate) tile_columns: usize,
    /// A multiple of 16: of every vector's lanes.
    pub(crate) channels: usize,
}

impl Grid {
    /// The number of tiles.
    pub(crate) fn tiles(&self) -> usize {
        self.tile_rows * self.tile_columns
    }

    /// The distance between points: one cache line more than needed, so that the 36 stores of a
    /// tile fall into different sets of the cache.
    pub(crate) fn pitch(&self) -> usize {
        self.tiles() * self.channels + 16
    }

    /// How many floats the points of an image take.
    pub(crate) fn points_len(&self) -> usize {
        POINTS * self.pitch()
    }

    /// The points as `[POINTS, tiles, channels]`.
    pub(crate) fn points<'a>(&self, points: &'a [f32]) -> ArrayView3<'a, f32> {
        let shape = (POINTS, self.tiles(), self.channels);
        ArrayView3::from_shape(shape.strides((self.pitch(), self.channels, 1)), points)
            .expect("there is room for every point")
    }

    /// As [`Grid::points`], to be written.
    pub(crate) fn points_mut<'a>(&self, points: &'a mut [f32]) -> ArrayViewMut3<'a, f32> {
        let shape = (POINTS, self.tiles(), self.channels);
        ArrayViewMut3::from_shape(shape.strides((self.pitch(), self.channels, 1)), points)
            .expect("there is room for every point")
    }

    /// How many floats the inputs have: `[4 * tile_rows + 2, 4 * tile_columns + 2, channels]`.
    pub(crate) fn input_len(&self) -> usize {
        (4 * self.tile_rows + 2) * (4 * self.tile_columns + 2) * self.channels
    }

    /// How many floats the outputs have: `[4 * tile_rows, 4 * tile_columns, channels]`.
    pub(crate) fn output_len(&self) -> usize {
        16 * self.tiles() * self.channels
    }
}

/// Writes `V = B^T d B` of every tile of the image `x`.
///
/// # Panics
/// When a slice is shorter than the grid says.
pub(crate) fn transform_input(isa: Isa, grid: Grid, x: &[f32], points: &mut [f32]) {
    check(grid, x.len() >= grid.input_len(), points.len());
    let task = Task {
        grid,
        from: x.as_ptr(),
        to: points.as_mut_ptr(),
        bias: std::ptr::null(),
        clamp: false,
    };
    // SAFETY: both slices have the lengths that the grid asks for, checked above.
    unsafe { dispatch!(isa, input_kernel(&task => &Task)) }
}

/// Writes `y = A^T M A + bias` of every tile; `clamp` replaces negative values by zero (ReLU).
///
/// # Panics
/// When a slice is shorter than the grid says.
pub(crate) fn transform_output(
    isa: Isa,
    grid: Grid,
    points: &[f32],
    bias: &[f32],
    clamp: bool,
    y: &mut [f32],
) {
    check(grid, y.len() >= grid.output_len() && bias.len() >= grid.channels, points.len());
    let task = Task { grid, from: points.as_ptr(), to: y.as_mut_ptr(), bias: bias.as_ptr(), clamp };
    // SAFETY: all slices have the lengths that the grid asks for, checked above.
    unsafe { dispatch!(isa, output_kernel(&task => &Task)) }
}

/// Writes `A dY A^T` of every tile of the output's gradient.
///
/// # Panics
/// When a slice is shorter than the grid says.
pub(crate) fn transform_output_gradient(isa: Isa, grid: Grid, dy: &[f32], points: &mut [f32]) {
    check(grid, dy.len() >= grid.output_len(), points.len());
    let task = Task {
        grid,
        from: dy.as_ptr(),
        to: points.as_mut_ptr(),
        bias: std::ptr::null(),
        clamp: false,
    };
    // SAFETY: both slices have the lengths that the grid asks for, checked above.
    unsafe { dispatch!(isa, output_gradient_kernel(&task => &Task)) }
}

/// Writes the image's gradient: the sum of `B dV B^T` over the overlapping tiles, in the order of
/// the tiles.
///
/// # Panics
/// When a slice is shorter than the grid says.
pub(crate) fn transform_input_gradient(isa: Isa, grid: Grid, points: &[f32], dx: &mut [f32]) {
    check(grid, dx.len() >= grid.input_len(), points.len());
    let task = Task {
        grid,
        from: points.as_ptr(),
        to: dx.as_mut_ptr(),
        bias: std::ptr::null(),
        clamp: false,
    };
    // SAFETY: both slices have the lengths that the grid asks for, checked above.
    unsafe { dispatch!(isa, input_gradient_kernel(&task => &Task)) }
}

/// Writes `U = G g G^T`: nine taps of `n` filters, `[9, n]`, to `[36, n]`; `n` is a multiple of 16.
///
/// # Panics
/// When a slice is too short.
pub(crate) fn transform_filters(isa: Isa, n: usize, filters: &[f32], points: &mut [f32]) {
    assert!(
        n.is_multiple_of(16) && filters.len() >= 9 * n && points.len() >= POINTS * n,
        "filters and their points fit"
    );
    let task = FilterTask { n, from: filters.as_ptr(), to: points.as_mut_ptr() };
    // SAFETY: both slices were checked above.
    unsafe { dispatch!(isa, filter_kernel(&task => &FilterTask)) }
}

/// Adds `G^T dU G` to the filters' gradient `[9, n]`; `n` is a multiple of 16.
///
/// # Panics
/// When a slice is too short.
pub(crate) fn transform_filter_gradient(isa: Isa, n: usize, points: &[f32], filters: &mut [f32]) {
    assert!(
        n.is_multiple_of(16) && filters.len() >= 9 * n && points.len() >= POINTS * n,
        "filters and their points fit"
    );
    let task = FilterTask { n, from: points.as_ptr(), to: filters.as_mut_ptr() };
    // SAFETY: both slices were checked above.
    unsafe { dispatch!(isa, filter_gradient_kernel(&task => &FilterTask)) }
}

/// What every door asserts of a grid and its slices.
fn check(grid: Grid, images_fit: bool, points_len: usize) {
    assert!(grid.channels.is_multiple_of(16), "channels fill whole vectors");
    assert!(images_fit, "the image and the bias have the grid's shape");
    assert!(points_len >= grid.points_len(), "there is room for all points");
}

/// The checked arguments of a transform of images.
struct Task {
    grid: Grid,
    from: *const f32,
    to: *mut f32,
    bias: *const f32,
    clamp: bool,
}

/// The checked arguments of a transform of filters.
struct FilterTask {
    n: usize,
    from: *const f32,
    to: *mut f32,
}

/// # Safety
/// The CPU has `V`; `from` holds an image, `to` the points of `task.grid`.
#[inline(always)]
unsafe fn input_kernel<V: Vector>(task: &Task) {
    let Grid { tile_rows, tile_columns, channels } = task.grid;
    let (width, pitch) = ((4 * tile_columns + 2) * channels, task.grid.pitch());
    for tile in 0..tile_rows * tile_columns {
        let origin = tile / tile_columns * 4 * width + tile % tile_columns * 4 * channels;
        for channel in (0..channels).step_by(V::LANES) {
            // SAFETY: row and column of a tile are below 6, so inside the image; points are within
            // `pitch`.
            unsafe {
                let x = task.from.add(origin + channel);
                let mut half = [[V::splat(0.0); 6]; 6];
                for column in 0..6 {
                    let mut d = [V::splat(0.0); 6];
                    for row in 0..6 {
                        d[row] = V::load(x.add(row * width + column * channels));
                    }
                    let points = input_to_points(d);
                    for row in 0..6 {
                        half[row][column] = points[row];
                    }
                }
                let to = task.to.add(tile * channels + channel);
                for row in 0..6 {
                    let points = input_to_points(half[row]);
                    for column in 0..6 {
                        points[column].store(to.add((row * 6 + column) * pitch));
                    }
                }
            }
        }
    }
}

/// # Safety
/// The CPU has `V`; `from` holds the points, `bias` the channels, `to` an output of `task.grid`.
#[inline(always)]
unsafe fn output_kernel<V: Vector>(task: &Task) {
    let Grid { tile_rows, tile_columns, channels } = task.grid;
    let (width, pitch) = (4 * tile_columns * channels, task.grid.pitch());
    for tile in 0..tile_rows * tile_columns {
        let origin = tile / tile_columns * 4 * width + tile % tile_columns * 4 * channels;
        for channel in (0..channels).step_by(V::LANES) {
            // SAFETY: row and column of a tile are below 4, so inside the output; points are within
            // `pitch`.
            unsafe {
                let from = task.from.add(tile * channels + channel);
                let bias = V::load(task.bias.add(channel));
                let mut half = [[V::splat(0.0); 6]; 4];
                for column in 0..6 {
                    let mut m = [V::splat(0.0); 6];
                    for row in 0..6 {
                        m[row] = V::load(from.add((row * 6 + column) * pitch));
                    }
                    let outputs = points_to_output(m);
                    for row in 0..4 {
                        half[row][column] = outputs[row];
                    }
                }
                let y = task.to.add(origin + channel);
                for row in 0..4 {
                    let outputs = points_to_output(half[row]);
                    for column in 0..4 {
                        let sum = outputs[column].add(bias);
                        let sum = if task.clamp { V::splat(0.0).max(sum) } else { sum };
                        sum.store(y.add(row * width + column * channels));
                    }
                }
            }
        }
    }
}

/// # Safety
/// The CPU has `V`; `from` holds an output's gradient, `to` the points of `task.grid`.
#[inline(always)]
unsafe fn output_gradient_kernel<V: Vector>(task: &Task) {
    let Grid { tile_rows, tile_columns, channels } = task.grid;
    let (width, pitch) = (4 * tile_columns * channels, task.grid.pitch());
    for tile in 0..tile_rows * tile_columns {
        let origin = tile / tile_columns * 4 * width + tile % tile_columns * 4 * channels;
        for channel in (0..channels).step_by(V::LANES) {
            // SAFETY: row and column of a tile are below 4, so inside the output; points are within
            // `pitch`.
            unsafe {
                let dy = task.from.add(origin + channel);
                let mut half = [[V::splat(0.0); 4]; 6];
                for column in 0..4 {
                    let mut d = [V::splat(0.0); 4];
                    for row in 0..4 {
                        d[row] = V::load(dy.add(row * width + column * channels));
                    }
                    let points = output_to_points(d);
                    for row in 0..6 {
                        half[row][column] = points[row];
                    }
                }
                let to = task.to.add(tile * channels + channel);
                for row in 0..6 {
                    let points = output_to_points(half[row]);
                    for column in 0..6 {
                        points[column].store(to.add((row * 6 + column) * pitch));
                    }
                }
            }
        }
    }
}

/// # Safety
/// The CPU has `V`; `from` holds the points, `to` an image of `task.grid`.
#[inline(always)]
unsafe fn input_gradient_kernel<V: Vector>(task: &Task) {
    let Grid { tile_rows, tile_columns, channels } = task.grid;
    let (width, pitch) = ((4 * tile_columns + 2) * channels, task.grid.pitch());
    for tile in 0..tile_rows * tile_columns {
        let (below, right) = (tile >= tile_columns, tile % tile_columns > 0);
        let origin = tile / tile_columns * 4 * width + tile % tile_columns * 4 * channels;
        for channel in (0..channels).step_by(V::LANES) {
            // SAFETY: row and column of a tile are below 6, so inside the image; points are within
            // `pitch`.
            unsafe {
                let from = task.from.add(tile * channels + channel);
                let mut half = [[V::splat(0.0); 6]; 6];
                for column in 0..6 {
                    let mut q = [V::splat(0.0); 6];
                    for row in 0..6 {
                        q[row] = V::load(from.add((row * 6 + column) * pitch));
                    }
                    let inputs = points_to_input(q);
                    for row in 0..6 {
                        half[row][column] = inputs[row];
                    }
                }
                let dx = task.to.add(origin + channel);
                for row in 0..6 {
                    let inputs = points_to_input(half[row]);
                    for column in 0..6 {
                        let to = dx.add(row * width + column * channels);
                        // The first two rows and columns were begun by the tiles above and to the
                        // left.
                        let begun = (below && row < 2) || (right && column < 2);
                        if begun {
                            V::load(to).add(inputs[column]).store(to)
                        } else {
                            inputs[column].store(to)
                        }
                    }
                }
            }
        }
    }
}

/// # Safety
/// The CPU has `V`; `from` holds `[9, n]`, `to` `[36, n]`; `n` is a multiple of the lanes.
#[inline(always)]
unsafe fn filter_kernel<V: Vector>(task: &FilterTask) {
    let n = task.n;
    for at in (0..n).step_by(V::LANES) {
        // SAFETY: taps are below 9, points below 36.
        unsafe {
            let mut half = [[V::splat(0.0); 3]; 6];
            for column in 0..3 {
                let mut g = [V::splat(0.0); 3];
                for row in 0..3 {
                    g[row] = V::load(task.from.add((row * 3 + column) * n + at));
                }
                for point in 0..6 {
                    half[point][column] = weigh(G[point], g);
                }
            }
            for row in 0..6 {
                for column in 0..6 {
                    weigh(G[column], half[row]).store(task.to.add((row * 6 + column) * n + at));
                }
            }
        }
    }
}

/// `weights . values`.
///
/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn weigh<V: Vector>(weights: [f32; 3], values: [V; 3]) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        let last = values[2].mul(V::splat(weights[2]));
        let two = values[1].mul_add(V::splat(weights[1]), last);
        values[0].mul_add(V::splat(weights[0]), two)
    }
}

/// # Safety
/// The CPU has `V`; `from` holds `[36, n]`, `to` `[9, n]`; `n` is a multiple of the lanes.
#[inline(always)]
unsafe fn filter_gradient_kernel<V: Vector>(task: &FilterTask) {
    let n = task.n;
    for at in (0..n).step_by(V::LANES) {
        // SAFETY: taps are below 9, points below 36.
        unsafe {
            let mut half = [[V::splat(0.0); 6]; 3];
            for row in 0..6 {
                for column in 0..6 {
                    let point = V::load(task.from.add((row * 6 + column) * n + at));
                    for tap in 0..3 {
                        half[tap][column] = point.mul_add(V::splat(G[row][tap]), half[tap][column]);
                    }
                }
            }
            for row in 0..3 {
                for column in 0..3 {
                    let to = task.to.add((row * 3 + column) * n + at);
                    let mut sum = V::load(to);
                    for point in 0..6 {
                        sum = half[row][point].mul_add(V::splat(G[point][column]), sum);
                    }
                    sum.store(to);
                }
            }
        }
    }
}
