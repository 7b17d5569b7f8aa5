//! 2x2 max-pooling and its backward pass over one image.

use super::vector::Vector;
use super::{Isa, dispatch};

/// The image that is pooled, `[h, w, c]`; a last odd row or column is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cells {
    pub(crate) h: usize,
    pub(crate) w: usize,
    pub(crate) c: usize,
}

impl Cells {
    fn input_len(&self) -> usize {
        self.h * self.w * self.c
    }

    fn output_len(&self) -> usize {
        (self.h / 2) * (self.w / 2) * self.c
    }
}

/// Where [`pool`] writes; `clamp` replaces negative results by zero (ReLU).
#[derive(Debug)]
pub(crate) struct Pooled<'a> {
    pub(crate) y: &'a mut [f32],
    pub(crate) places: &'a mut [u8],
    pub(crate) clamp: bool,
}

/// Writes the greatest of each 2x2 cell, and in `places` which of the four it was (row by row, the
/// first of equals).
///
/// # Panics
/// When a slice is shorter than `cells` says.
pub(crate) fn pool(isa: Isa, cells: Cells, x: &[f32], pooled: Pooled) {
    let Pooled { y, places, clamp } = pooled;
    assert!(x.len() >= cells.input_len(), "the image is whole");
    assert!(
        y.len() >= cells.output_len() && places.len() >= cells.output_len(),
        "there is room for every cell"
    );
    let task = Pool { cells, x: x.as_ptr(), y: y.as_mut_ptr(), places: places.as_mut_ptr(), clamp };
    // SAFETY: the slices were checked above.
    unsafe { dispatch!(isa, pool_kernel(&task => &Pool)) }
}

/// Writes each cell's gradient to the place that `pool` noted, and zero to all others.
///
/// # Panics
/// When a slice is shorter than `cells` says.
pub(crate) fn unpool(isa: Isa, cells: Cells, dy: &[f32], places: &[u8], dx: &mut [f32]) {
    assert!(dx.len() >= cells.input_len(), "there is room for the image");
    assert!(
        dy.len() >= cells.output_len() && places.len() >= cells.output_len(),
        "every cell is there"
    );
    if !cells.h.is_multiple_of(2) || !cells.w.is_multiple_of(2) {
        dx[..cells.input_len()].fill(0.0);
    }
    let task = Unpool { cells, dy: dy.as_ptr(), places: places.as_ptr(), dx: dx.as_mut_ptr() };
    // SAFETY: the slices were checked above.
    unsafe { dispatch!(isa, unpool_kernel(&task => &Unpool)) }
}

/// The checked arguments of [`pool`].
struct Pool {
    cells: Cells,
    x: *const f32,
    y: *mut f32,
    places: *mut u8,
    clamp: bool,
}

/// The checked arguments of [`unpool`].
struct Unpool {
    cells: Cells,
    dy: *const f32,
    places: *const u8,
    dx: *mut f32,
}

/// # Safety
/// The CPU has `V`; the pointers are good for `task.cells`.
#[inline(always)]
unsafe fn pool_kernel<V: Vector>(task: &Pool) {
    let (c, end) = (task.cells.c, task.cells.output_len());
    // SAFETY: the four corners lie in the image, the cell in the output, `count` channels of it and
    // `left` numbers of the output are left.
    let pool_cell = |cell: usize, corners: [usize; 4]| unsafe {
        for channel in (0..c).step_by(V::LANES) {
            let count = (c - channel).min(V::LANES);
            let mut best = load::<V>(task.x.add(corners[0] + channel), count);
            let mut place = V::splat(0.0);
            for (other, corner) in corners.into_iter().enumerate().skip(1) {
                let value = load::<V>(task.x.add(corner + channel), count);
                place = value.if_above(best, V::splat(other as f32), place);
                best = value.if_above(best, value, best);
            }
            let best = if task.clamp { V::splat(0.0).max(best) } else { best };
            store(best, task.y.add(cell + channel), count);
            let (to, left) = (task.places.add(cell + channel), end - cell - channel);
            if left >= V::LANES {
                // Those beyond `count` belong to the next cells, which are written later.
                place.store_bytes(to);
            } else {
                let mut bytes = [0u8; 16];
                place.store_bytes(bytes.as_mut_ptr());
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, count);
            }
        }
    };
    for_each_cell(task.cells, pool_cell);
}

/// # Safety
/// The CPU has `V`; the pointers are good for `task.cells`.
#[inline(always)]
unsafe fn unpool_kernel<V: Vector>(task: &Unpool) {
    let (c, end) = (task.cells.c, task.cells.output_len());
    // SAFETY: as in `pool_kernel`.
    let unpool_cell = |cell: usize, corners: [usize; 4]| unsafe {
        for channel in (0..c).step_by(V::LANES) {
            let count = (c - channel).min(V::LANES);
            let dy = load::<V>(task.dy.add(cell + channel), count);
            let (from, left) = (task.places.add(cell + channel), end - cell - channel);
            let place = if left >= V::LANES {
                V::load_bytes(from)
            } else {
                let mut bytes = [0u8; 16];
                std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), count);
                V::load_bytes(bytes.as_ptr())
            };
            for (other, corner) in corners.into_iter().enumerate() {
                let away = place.sub(V::splat(other as f32)).abs();
                let dx = away.if_above(V::splat(0.5), V::splat(0.0), dy);
                store(dx, task.dx.add(corner + channel), count);
            }
        }
    };
    for_each_cell(task.cells, unpool_cell);
}

/// Calls `work` for each cell with where its channels begin in the output, and those of its four
/// corners in the image.
#[inline(always)]
fn for_each_cell(cells: Cells, mut work: impl FnMut(usize, [usize; 4])) {
    let Cells { h, w, c } = cells;
    for row in 0..h / 2 {
        for column in 0..w / 2 {
            let (cell, corner) = ((row * (w / 2) + column) * c, (2 * row * w + 2 * column) * c);
            work(cell, [corner, corner + c, corner + w * c, corner + (w + 1) * c]);
        }
    }
}

/// # Safety
/// The CPU has `V`; `from` is good for `count` numbers, no more than the lanes.
#[inline(always)]
unsafe fn load<V: Vector>(from: *const f32, count: usize) -> V {
    // SAFETY: the caller promises it.
    unsafe { if count == V::LANES { V::load(from) } else { V::load_first(from, count) } }
}

/// # Safety
/// The CPU has `V`; `to` is good for `count` numbers, no more than the lanes.
#[inline(always)]
unsafe fn store<V: Vector>(value: V, to: *mut f32, count: usize) {
    // SAFETY: the caller promises it.
    unsafe { if count == V::LANES { value.store(to) } else { value.store_first(to, count) } }
}
