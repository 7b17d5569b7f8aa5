//! What is done to each number by itself, and sums down columns.

use super::vector::Vector;
use super::{Isa, dispatch};

/// Replaces negative values by zero.
pub(crate) fn clamp(isa: Isa, y: &mut [f32]) {
    let task = Pair { len: y.len(), other: std::ptr::null(), own: y.as_mut_ptr() };
    // SAFETY: `own` is good for `len`; `other` is not read.
    unsafe { dispatch!(isa, clamp_kernel(&task => &Pair)) }
}

/// Sets `dy` to zero wherever `y` is not positive.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn mask(isa: Isa, y: &[f32], dy: &mut [f32]) {
    assert_eq!(y.len(), dy.len(), "a value and its gradient have one shape");
    let task = Pair { len: y.len(), other: y.as_ptr(), own: dy.as_mut_ptr() };
    // SAFETY: both are good for `len`.
    unsafe { dispatch!(isa, mask_kernel(&task => &Pair)) }
}

/// Writes `a + b`.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn add(isa: Isa, a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(a.len() == out.len() && b.len() == out.len(), "a sum's parts have one length");
    let task = Sum { len: out.len(), a: a.as_ptr(), b: b.as_ptr(), out: out.as_mut_ptr() };
    // SAFETY: all are good for `len`.
    unsafe { dispatch!(isa, add_kernel(&task => &Sum)) }
}

/// Writes `out + other` to `out`.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn add_to(isa: Isa, other: &[f32], out: &mut [f32]) {
    assert_eq!(other.len(), out.len(), "a sum's parts have one length");
    let out_ptr = out.as_mut_ptr();
    let task = Sum { len: out.len(), a: out_ptr, b: other.as_ptr(), out: out_ptr };
    // SAFETY: all are good for `len`; each number is read before it is written.
    unsafe { dispatch!(isa, add_kernel(&task => &Sum)) }
}

/// Adds to `sums [columns]` the rows of `rows [n, columns]`, from the first to the last.
///
/// # Panics
/// When `rows` is not whole rows.
pub(crate) fn add_rows(isa: Isa, rows: &[f32], sums: &mut [f32]) {
    assert!(!sums.is_empty() && rows.len().is_multiple_of(sums.len()), "rows are whole");
    let task = Rows {
        n: rows.len() / sums.len(),
        columns: sums.len(),
        rows: rows.as_ptr(),
        sums: sums.as_mut_ptr(),
    };
    // SAFETY: `rows` holds `n * columns`, `sums` `columns`.
    unsafe { dispatch!(isa, add_rows_kernel(&task => &Rows)) }
}

/// The checked arguments of the functions of two slices of one length.
struct Pair {
    len: usize,
    other: *const f32,
    own: *mut f32,
}

/// The checked arguments of [`add`].
struct Sum {
    len: usize,
    a: *const f32,
    b: *const f32,
    out: *mut f32,
}

/// The checked arguments of [`add_rows`].
struct Rows {
    n: usize,
    columns: usize,
    rows: *const f32,
    sums: *mut f32,
}

/// # Safety
/// The CPU has `V`; `own` is good for `len`.
#[inline(always)]
unsafe fn clamp_kernel<V: Vector>(task: &Pair) {
    let whole = task.len - task.len % V::LANES;
    // SAFETY: `at` steps through whole vectors; the rest is less than one.
    unsafe {
        for at in (0..whole).step_by(V::LANES) {
            V::splat(0.0).max(V::load(task.own.add(at))).store(task.own.add(at));
        }
        let rest = task.len - whole;
        let last = task.own.add(whole);
        V::splat(0.0).max(V::load_first(last, rest)).store_first(last, rest);
    }
}

/// # Safety
/// The CPU has `V`; both pointers are good for `len`.
#[inline(always)]
unsafe fn mask_kernel<V: Vector>(task: &Pair) {
    let whole = task.len - task.len % V::LANES;
    // SAFETY: `at` steps through whole vectors; the rest is less than one.
    unsafe {
        let zero = V::splat(0.0);
        for at in (0..whole).step_by(V::LANES) {
            let (y, dy) = (V::load(task.other.add(at)), V::load(task.own.add(at)));
            y.if_above(zero, dy, zero).store(task.own.add(at));
        }
        let rest = task.len - whole;
        let (y, last) = (V::load_first(task.other.add(whole), rest), task.own.add(whole));
        y.if_above(zero, V::load_first(last, rest), zero).store_first(last, rest);
    }
}

/// # Safety
/// The CPU has `V`; all pointers are good for `len`.
#[inline(always)]
unsafe fn add_kernel<V: Vector>(task: &Sum) {
    let whole = task.len - task.len % V::LANES;
    // SAFETY: `at` steps through whole vectors; the rest is less than one.
    unsafe {
        for at in (0..whole).step_by(V::LANES) {
            V::load(task.a.add(at)).add(V::load(task.b.add(at))).store(task.out.add(at));
        }
        let rest = task.len - whole;
        let (a, b) =
            (V::load_first(task.a.add(whole), rest), V::load_first(task.b.add(whole), rest));
        a.add(b).store_first(task.out.add(whole), rest);
    }
}

/// # Safety
/// The CPU has `V`; `rows` holds `n * columns`, `sums` `columns`.
#[inline(always)]
unsafe fn add_rows_kernel<V: Vector>(task: &Rows) {
    let columns = task.columns;
    let mut column = 0;
    // SAFETY: every row is read from `column` for one to four vectors, or for the `rest` of its
    // columns.
    unsafe {
        while columns - column >= 4 * V::LANES {
            let mut sums = [V::splat(0.0); 4];
            for j in 0..4 {
                sums[j] = V::load(task.sums.add(column + j * V::LANES));
            }
            for row in 0..task.n {
                for j in 0..4 {
                    sums[j] =
                        sums[j].add(V::load(task.rows.add(row * columns + column + j * V::LANES)));
                }
            }
            for j in 0..4 {
                sums[j].store(task.sums.add(column + j * V::LANES));
            }
            column += 4 * V::LANES;
        }
        while column < columns {
            let rest = (columns - column).min(V::LANES);
            let mut sum = V::load_first(task.sums.add(column), rest);
            for row in 0..task.n {
                sum = sum.add(V::load_first(task.rows.add(row * columns + column), rest));
            }
            sum.store_first(task.sums.add(column), rest);
            column += rest;
        }
    }
}
