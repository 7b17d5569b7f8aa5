//! Winograd's output transform with 2x2 max-pooling behind it, in one pass: tiles of 4 x 4 outputs
//! hold whole cells, so that outputs before pooling need not exist, and neither do their gradients.
//!
//! The results have the bits of [`winograd::transform_output`](super::winograd::transform_output)
//! followed by [`pooling::pool`](super::pooling::pool), and likewise backward. A last odd row or
//! column is left out.

use super::vector::Vector;
use super::winograd::{Grid, POINTS};
use super::winograd_images::{Finish, Tile, Tiles};
use super::winograd_points::{FromPoints, OutputToPoints, PointsToOutput, ToPoints};
use super::{Isa, dispatch};

/// What [`transform_output`] writes, `[OH / 2, OW / 2, F]`, and how.
#[derive(Debug)]
pub(crate) struct Pooled<'a> {
    /// One a filter, or none.
    pub(crate) bias: &'a [f32],
    /// Replaces negative results by zero (ReLU).
    pub(crate) clamp: bool,
    pub(crate) y: &'a mut [f32],
    /// Which of the four pixels of a cell was the greatest, row by row, the first of equals.
    pub(crate) places: &'a mut [u8],
}

/// Writes the greatest of each cell of `A^T M A + bias`, for image number `image`.
///
/// # Panics
/// When a slice has not the length that the grid says.
pub(crate) fn transform_output(isa: Isa, grid: Grid, image: usize, m: &[f32], pooled: Pooled) {
    let tiles = grid.output_tiles(image);
    let Pooled { bias, clamp, y, places } = pooled;
    check(tiles, m.len(), [y.len(), places.len()]);
    assert!(bias.is_empty() || bias.len() == grid.f, "there is a bias for every filter");
    let finish = Finish { bias: if bias.is_empty() { None } else { Some(bias) }, clamp };
    let (from, y, places) = (m.as_ptr(), y.as_mut_ptr(), places.as_mut_ptr());
    let task = PoolTask { tiles, from, y, places, finish };
    // SAFETY: all slices have the lengths that the tiles ask for, checked above.
    unsafe { dispatch!(isa, pool_kernel(&task => &PoolTask)) }
}

/// Writes `A dY A^T`, where `dY` holds `dy [OH / 2, OW / 2, F]` at `places` and zeros elsewhere.
///
/// # Panics
/// As [`transform_output`].
pub(crate) fn transform_gradient(
    isa: Isa,
    grid: Grid,
    image: usize,
    (dy, places): (&[f32], &[u8]),
    m: &mut [f32],
) {
    let tiles = grid.output_tiles(image);
    check(tiles, m.len(), [dy.len(), places.len()]);
    let (dy, places, to) = (dy.as_ptr(), places.as_ptr(), m.as_mut_ptr());
    let task = UnpoolTask { tiles, dy, places, to };
    // SAFETY: all slices have the lengths that the tiles ask for, checked above.
    unsafe { dispatch!(isa, unpool_kernel(&task => &UnpoolTask)) }
}

fn check(tiles: Tiles, points_len: usize, lens: [usize; 2]) {
    let [height, width] = tiles.image;
    let cells = (height / 2) * (width / 2) * tiles.channels;
    assert!(lens == [cells, cells], "the pooled image has the grid's shape");
    assert!(points_len >= POINTS * tiles.pitch, "there is room for all points");
}

/// The checked arguments of [`transform_output`].
struct PoolTask<'a> {
    tiles: Tiles,
    from: *const f32,
    y: *mut f32,
    places: *mut u8,
    finish: Finish<'a>,
}

/// The checked arguments of [`transform_gradient`].
struct UnpoolTask {
    tiles: Tiles,
    dy: *const f32,
    places: *const u8,
    to: *mut f32,
}

/// Where cell `[down, across]` of the tile lies in the pooled image, unless it is cut off.
#[inline(always)]
fn cell(tiles: &Tiles, tile: &Tile, [down, across]: [usize; 2]) -> Option<usize> {
    let inside = tile.rows.end >= 2 * down + 2 && tile.columns.end >= 2 * across + 2;
    let (row, column) = (2 * tile.row + down, 2 * tile.column + across);
    inside.then_some((row * (tiles.image[1] / 2) + column) * tiles.channels)
}

/// # Safety
/// The CPU has `V`; `from` holds the points, `y` and `places` the cells of `task.tiles`, and there
/// are as many biases as channels, if any.
#[inline(always)]
unsafe fn pool_kernel<V: Vector>(task: &PoolTask) {
    let tiles = &task.tiles;
    for number in 0..tiles.rows * tiles.columns {
        let tile = Tile::new(tiles, number, 4);
        for channel in (0..tiles.channels).step_by(V::LANES) {
            // SAFETY: the caller's promise.
            unsafe { pool_tile::<V>(task, &tile, channel) };
        }
    }
}

/// # Safety
/// As `pool_kernel`; `tile` is one of the tiles and `channel` the first of a whole vector.
#[inline(always)]
unsafe fn pool_tile<V: Vector>(task: &PoolTask, tile: &Tile, channel: usize) {
    let pitch = task.tiles.pitch;
    // SAFETY: points are within `pitch`, and only cells in the image are written.
    unsafe {
        let from = task.from.add(tile.points + channel);
        let mut half = [[V::splat(0.0); 6]; 4];
        for column in 0..6 {
            let mut points = [V::splat(0.0); 6];
            for row in 0..6 {
                points[row] = V::load(from.add((row * 6 + column) * pitch));
            }
            let values = PointsToOutput::apply(points);
            for row in 0..4 {
                half[row][column] = values[row];
            }
        }
        let bias = match task.finish.bias {
            Some(bias) => V::load(bias.as_ptr().add(channel)),
            None => V::splat(0.0),
        };
        for down in 0..2 {
            let above = PointsToOutput::apply(half[2 * down]);
            let below = PointsToOutput::apply(half[2 * down + 1]);
            for across in 0..2 {
                let Some(at) = cell(&task.tiles, tile, [down, across]) else { continue };
                let (left, right) = (2 * across, 2 * across + 1);
                let mut best = above[left].add(bias);
                let mut place = V::splat(0.0);
                for (number, value) in [above[right], below[left], below[right]].iter().enumerate()
                {
                    let value = value.add(bias);
                    place = value.if_above(best, V::splat((number + 1) as f32), place);
                    best = value.if_above(best, value, best);
                }
                let best = if task.finish.clamp { V::splat(0.0).max(best) } else { best };
                best.store(task.y.add(at + channel));
                place.store_bytes(task.places.add(at + channel));
            }
        }
    }
}

/// # Safety
/// The CPU has `V`; `dy` and `places` hold the cells, `to` the points of `task.tiles`.
#[inline(always)]
unsafe fn unpool_kernel<V: Vector>(task: &UnpoolTask) {
    let tiles = &task.tiles;
    for number in 0..tiles.rows * tiles.columns {
        let tile = Tile::new(tiles, number, 4);
        for channel in (0..tiles.channels).step_by(V::LANES) {
            // SAFETY: the caller's promise.
            unsafe { unpool_tile::<V>(task, &tile, channel) };
        }
    }
}

/// # Safety
/// As `unpool_kernel`; `tile` is one of the tiles and `channel` the first of a whole vector.
#[inline(always)]
unsafe fn unpool_tile<V: Vector>(task: &UnpoolTask, tile: &Tile, channel: usize) {
    let pitch = task.tiles.pitch;
    // SAFETY: points are within `pitch`, and only cells in the image are read.
    unsafe {
        let zero = V::splat(0.0);
        // Column by column.
        let mut d = [[zero; 4]; 4];
        for down in 0..2 {
            for across in 0..2 {
                let Some(at) = cell(&task.tiles, tile, [down, across]) else { continue };
                let dy = V::load(task.dy.add(at + channel));
                let place = V::load_bytes(task.places.add(at + channel));
                for other in 0..4 {
                    let away = place.sub(V::splat(other as f32)).abs();
                    let (row, column) = (2 * down + other / 2, 2 * across + other % 2);
                    d[column][row] = away.if_above(V::splat(0.5), zero, dy);
                }
            }
        }
        let mut half = [[zero; 4]; 6];
        for column in 0..4 {
            let points = OutputToPoints::apply(d[column]);
            for row in 0..6 {
                half[row][column] = points[row];
            }
        }
        let to = task.to.add(tile.points + channel);
        for row in 0..6 {
            let points = OutputToPoints::apply(half[row]);
            for column in 0..6 {
                points[column].store(to.add((row * 6 + column) * pitch));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute_kernels::pooling::{self, Cells};
    use crate::compute_kernels::winograd;
    use crate::layer::gradient_check::numbers;

    #[test]
    fn pooled_transforms_have_the_bits_of_transform_and_pooling() {
        for [h, w] in [[6, 6], [4, 5], [9, 7], [12, 3], [2, 2]] {
            let grid = Grid { h, w, padding: [1, 1], c: 16, f: 32, images: 2 };
            let cells = Cells { h, w, c: 32 };
            let (m, bias) = (numbers(grid.output_points_len(), 1), numbers(32, 2));
            let (len, pooled_len) = (h * w * 32, (h / 2) * (w / 2) * 32);
            let dy = numbers(pooled_len, 3);
            for isa in Isa::available() {
                for clamp in [false, true] {
                    let (mut whole, mut y) = (vec![0.0; len], vec![0.0; pooled_len]);
                    let mut places = vec![0; pooled_len];
                    winograd::transform_output(isa, grid, 1, &m, (&bias, false), &mut whole);
                    let to = pooling::Pooled { y: &mut y, places: &mut places, clamp };
                    pooling::pool(isa, cells, &whole, to);
                    let (mut found, mut noted) = (vec![9.0; pooled_len], vec![9; pooled_len]);
                    let to = Pooled { bias: &bias, clamp, y: &mut found, places: &mut noted };
                    transform_output(isa, grid, 1, &m, to);
                    assert_eq!((&found, &noted), (&y, &places), "{isa:?} {h}x{w}");
                    let (mut points, mut one_pass) = (m.clone(), m.clone());
                    pooling::unpool(isa, cells, &dy, &places, &mut whole);
                    winograd::transform_output_gradient(isa, grid, 1, &whole, &mut points);
                    transform_gradient(isa, grid, 1, (&dy, &places), &mut one_pass);
                    assert_eq!(points, one_pass, "{isa:?} {h}x{w}");
                }
            }
        }
    }
}
