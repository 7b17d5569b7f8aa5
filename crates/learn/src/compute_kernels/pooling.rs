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
    let Cells { h, w, c } = task.cells;
    for cell in 0..(h / 2) * (w / 2) {
        let corner = cell / (w / 2) * 2 * w + cell % (w / 2) * 2;
        let at = [corner * c, (corner + 1) * c, (corner + w) * c, (corner + w + 1) * c];
        let whole = c - c % V::LANES;
        // SAFETY: the four corners lie in the image, the cell in the output; the last channels go
        // one by one.
        unsafe {
            for channel in (0..whole).step_by(V::LANES) {
                let mut best = V::load(task.x.add(at[0] + channel));
                let mut place = V::splat(0.0);
                for other in 1..4 {
                    let value = V::load(task.x.add(at[other] + channel));
                    place = value.if_above(best, V::splat(other as f32), place);
                    best = value.if_above(best, value, best);
                }
                let best = if task.clamp { V::splat(0.0).max(best) } else { best };
                best.store(task.y.add(cell * c + channel));
                place.store_bytes(task.places.add(cell * c + channel));
            }
            let rest = c - whole;
            if rest > 0 {
                let mut best = V::load_first(task.x.add(at[0] + whole), rest);
                let mut place = V::splat(0.0);
                for other in 1..4 {
                    let value = V::load_first(task.x.add(at[other] + whole), rest);
                    place = value.if_above(best, V::splat(other as f32), place);
                    best = value.if_above(best, value, best);
                }
                let best = if task.clamp { V::splat(0.0).max(best) } else { best };
                best.store_first(task.y.add(cell * c + whole), rest);
                let mut bytes = [0u8; 16];
                place.store_bytes(bytes.as_mut_ptr());
                let to = task.places.add(cell * c + whole);
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, rest);
            }
        }
    }
}

/// # Safety
/// The CPU has `V`; the pointers are good for `task.cells`.
#[inline(always)]
unsafe fn unpool_kernel<V: Vector>(task: &Unpool) {
    let Cells { h, w, c } = task.cells;
    for cell in 0..(h / 2) * (w / 2) {
        let corner = cell / (w / 2) * 2 * w + cell % (w / 2) * 2;
        let at = [corner * c, (corner + 1) * c, (corner + w) * c, (corner + w + 1) * c];
        let whole = c - c % V::LANES;
        // SAFETY: as in `pool_kernel`.
        unsafe {
            let zero = V::splat(0.0);
            for channel in (0..whole).step_by(V::LANES) {
                let dy = V::load(task.dy.add(cell * c + channel));
                let place = V::load_bytes(task.places.add(cell * c + channel));
                for other in 0..4 {
                    let away = place.sub(V::splat(other as f32)).abs();
                    away.if_above(V::splat(0.5), zero, dy).store(task.dx.add(at[other] + channel));
                }
            }
            for channel in whole..c {
                let place = usize::from(*task.places.add(cell * c + channel));
                for other in 0..4 {
                    let dy = *task.dy.add(cell * c + channel);
                    *task.dx.add(at[other] + channel) = if other == place { dy } else { 0.0 };
                }
            }
        }
    }
}
