//! Winograd's transforms of filters: `[3, 3, n]` to `[POINTS, n]`, and the gradient's way back.

use super::vector::Vector;
use super::winograd::POINTS;
use super::winograd_points::G;
use super::{Isa, dispatch};

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

/// The checked arguments of a transform of filters.
struct FilterTask {
    n: usize,
    from: *const f32,
    to: *mut f32,
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
