//! Winograd's transforms of the tiles of one image, channels side by side in the vectors.
//!
//! All four are one of two: a tile of an image becomes points, or points become a tile.

use super::vector::Vector;
use super::winograd_points::{
    FromPoints, InputToPoints, OutputToPoints, PointsToInput, PointsToOutput, ToPoints,
};
use std::ops::Range;

/// The tiles of an image: they begin every 4 rows and columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Rows and columns of the image.
    pub(super) image: [usize; 2],
    /// So much above and to the left of the image the first tile begins.
    pub(super) margin: [usize; 2],
    pub(super) channels: usize,
    /// From point to point.
    pub(super) pitch: usize,
    /// The number of the image's first tile among those of all images.
    pub(super) first: usize,
}

impl Tiles {
    /// The rows (axis 0) or columns (1) of tile number `number` that lie in the image, of `side`.
    #[inline(always)]
    fn inside(&self, axis: usize, number: usize, side: usize) -> Range<usize> {
        let (begin, margin) = (4 * number, self.margin[axis]);
        let end = (self.image[axis] + margin).saturating_sub(begin).min(side);
        margin.saturating_sub(begin).min(end)..end
    }
}

/// What is done to outputs before they are stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finish<'a> {
    pub(super) bias: Option<&'a [f32]>,
    pub(super) clamp: bool,
}

impl Finish<'_> {
    /// Nothing.
    pub(super) fn none() -> Self {
        Finish { bias: None, clamp: false }
    }
}

/// The checked arguments of a transform of an image.
pub(super) struct Task<'a> {
    pub(super) tiles: Tiles,
    pub(super) from: *const f32,
    pub(super) to: *mut f32,
    pub(super) finish: Finish<'a>,
}

/// One tile: where it is, and what of it lies in the image.
pub(super) struct Tile {
    pub(super) row: usize,
    pub(super) column: usize,
    /// Where its first pixel lies, counted from the image's first number; may be before it.
    origin: isize,
    /// Where its points lie.
    pub(super) points: usize,
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Tile {
    #[inline(always)]
    pub(super) fn new(tiles: &Tiles, number: usize, side: usize) -> Tile {
        let (row, column) = (number / tiles.columns, number % tiles.columns);
        let (y, x) = (4 * row as isize, 4 * column as isize);
        let [above, left] = tiles.margin.map(|margin| margin as isize);
        let origin = (y - above) * tiles.image[1] as isize + x - left;
        Tile {
            row,
            column,
            origin: origin * tiles.channels as isize,
            points: (tiles.first + number) * tiles.channels,
            rows: tiles.inside(0, row, side),
            columns: tiles.inside(1, column, side),
        }
    }

    /// True when all of it lies in the image.
    #[inline(always)]
    fn is_whole(&self, side: usize) -> bool {
        self.rows == (0..side) && self.columns == (0..side)
    }
}

/// # Safety
/// The CPU has `V`; `from` holds an image, `to` the points of `task.tiles`.
#[inline(always)]
pub(super) unsafe fn input_kernel<V: Vector>(task: &Task) {
    // SAFETY: the caller's promise.
    unsafe { to_points::<V, InputToPoints, 6>(task) }
}

/// # Safety
/// The CPU has `V`; `from` holds an output's gradient, `to` the points of `task.tiles`.
#[inline(always)]
pub(super) unsafe fn output_gradient_kernel<V: Vector>(task: &Task) {
    // SAFETY: the caller's promise.
    unsafe { to_points::<V, OutputToPoints, 4>(task) }
}

/// # Safety
/// The CPU has `V`; `from` holds the points, `to` an output of `task.tiles`, and there are as many
/// biases as channels, if any.
#[inline(always)]
pub(super) unsafe fn output_kernel<V: Vector>(task: &Task) {
    // SAFETY: the caller's promise.
    unsafe { from_points::<V, PointsToOutput, 4, false>(task) }
}

/// # Safety
/// The CPU has `V`; `from` holds the points, `to` an image of `task.tiles`.
#[inline(always)]
pub(super) unsafe fn input_gradient_kernel<V: Vector>(task: &Task) {
    // SAFETY: the caller's promise.
    unsafe { from_points::<V, PointsToInput, 6, true>(task) }
}

/// # Safety
/// The CPU has `V`; `from` holds an image, `to` the points of `task.tiles`.
#[inline(always)]
unsafe fn to_points<V: Vector, T: ToPoints<N>, const N: usize>(task: &Task) {
    let tiles = &task.tiles;
    for number in 0..tiles.rows * tiles.columns {
        let tile = Tile::new(tiles, number, N);
        for channel in (0..tiles.channels).step_by(V::LANES) {
            // SAFETY: the caller's promise; `false` only for tiles that lie in the image.
            unsafe {
                if tile.is_whole(N) {
                    tile_to_points::<V, T, N, false>(task, &tile, channel);
                } else {
                    tile_to_points::<V, T, N, true>(task, &tile, channel);
                }
            }
        }
    }
}

/// Transforms one tile; `EDGE`: what lies outside of the image is zero, else all lies inside.
///
/// # Safety
/// As `to_points`; `tile` is one of them and `channel` the first of a whole vector.
#[inline(always)]
unsafe fn tile_to_points<V: Vector, T: ToPoints<N>, const N: usize, const EDGE: bool>(
    task: &Task,
    tile: &Tile,
    channel: usize,
) {
    let Tiles { image: [_, width], channels, pitch, .. } = task.tiles;
    // SAFETY: only pixels in the image are read, and points are within `pitch`.
    unsafe {
        let from = task.from.wrapping_offset(tile.origin).wrapping_add(channel);
        let mut half = [[V::splat(0.0); N]; 6];
        for column in 0..N {
            let mut d = [V::splat(0.0); N];
            for row in 0..N {
                let inside = tile.rows.contains(&row) && tile.columns.contains(&column);
                if !EDGE || inside {
                    d[row] = V::load(from.wrapping_add((row * width + column) * channels));
                }
            }
            let points = T::apply(d);
            for row in 0..6 {
                half[row][column] = points[row];
            }
        }
        let to = task.to.add(tile.points + channel);
        for row in 0..6 {
            let points = T::apply(half[row]);
            for column in 0..6 {
                points[column].store(to.add((row * 6 + column) * pitch));
            }
        }
    }
}

/// `OVERLAP`: tiles share two rows and columns, where they are added; else each is finished by
/// itself.
///
/// # Safety
/// The CPU has `V`; `from` holds the points, `to` an image of `task.tiles`, and there are as many
/// biases as channels, if any.
#[inline(always)]
unsafe fn from_points<V: Vector, T: FromPoints<N>, const N: usize, const OVERLAP: bool>(
    task: &Task,
) {
    let tiles = &task.tiles;
    for number in 0..tiles.rows * tiles.columns {
        let tile = Tile::new(tiles, number, N);
        for channel in (0..tiles.channels).step_by(V::LANES) {
            // SAFETY: the caller's promise; `false` only for tiles that lie in the image.
            unsafe {
                if tile.is_whole(N) {
                    points_to_tile::<V, T, N, OVERLAP, false>(task, &tile, channel);
                } else {
                    points_to_tile::<V, T, N, OVERLAP, true>(task, &tile, channel);
                }
            }
        }
    }
}

/// Transforms back one tile; `EDGE`: what lies outside of the image is dropped.
///
/// # Safety
/// As `from_points`; `tile` is one of them and `channel` the first of a whole vector.
#[inline(always)]
unsafe fn points_to_tile<
    V: Vector,
    T: FromPoints<N>,
    const N: usize,
    const OVERLAP: bool,
    const EDGE: bool,
>(
    task: &Task,
    tile: &Tile,
    channel: usize,
) {
    let Tiles { image: [_, width], channels, pitch, .. } = task.tiles;
    // SAFETY: only pixels in the image are touched, and points are within `pitch`.
    unsafe {
        let from = task.from.add(tile.points + channel);
        let mut half = [[V::splat(0.0); 6]; N];
        for column in 0..6 {
            let mut points = [V::splat(0.0); 6];
            for row in 0..6 {
                points[row] = V::load(from.add((row * 6 + column) * pitch));
            }
            let values = T::apply(points);
            for row in 0..N {
                half[row][column] = values[row];
            }
        }
        let bias = match task.finish.bias {
            Some(bias) => V::load(bias.as_ptr().add(channel)),
            None => V::splat(0.0),
        };
        let to = task.to.wrapping_offset(tile.origin).wrapping_add(channel);
        for row in 0..N {
            let values = T::apply(half[row]);
            for column in 0..N {
                if EDGE && !(tile.rows.contains(&row) && tile.columns.contains(&column)) {
                    continue;
                }
                let to = to.wrapping_add((row * width + column) * channels);
                if OVERLAP {
                    // The first two rows and columns were begun by the tiles above and to the left.
                    let begun = (tile.row > 0 && row < 2) || (tile.column > 0 && column < 2);
                    let value = values[column];
                    if begun { V::load(to).add(value).store(to) } else { value.store(to) }
                } else {
                    let value = values[column].add(bias);
                    let value = if task.finish.clamp { V::splat(0.0).max(value) } else { value };
                    value.store(to);
                }
            }
        }
    }
}
