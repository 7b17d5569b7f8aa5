//! A register of floats: the only thing that differs between instruction sets.
//!
//! Every compute kernel is written once over [`Vector`] and compiled once an instruction set (see
//! `dispatch!`). All methods are `inline(always)`, so that they take over the target features of
//! the kernel that they end up in. No method passes a closure: a closure would be compiled without
//! those features.

use super::arithmetic::Arithmetic;
use std::marker::PhantomData;

/// `LANES` floats that are computed on together.
///
/// # Safety
/// Every method may be called only on a CPU that has the instruction set of the implementing type.
/// Methods that take a pointer read or write `LANES` elements there, or the first `n <= LANES`
/// where `n` is given; no alignment is needed.
pub(super) trait Vector: Copy {
    /// How a multiply-add is rounded.
    type Arithmetic: Arithmetic;
    /// How many floats one register holds.
    const LANES: usize;
    /// True when 32 registers allow tiles of four vectors by six rows; else 16 registers allow two
    /// by six.
    const WIDE: bool;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Lanes from `n` on are zero.
    unsafe fn load_first(from: *const f32, n: usize) -> Self;
    unsafe fn store_first(self, to: *mut f32, n: usize);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    /// `self * factor + summand`, as [`Vector::Arithmetic`] rounds it.
    unsafe fn mul_add(self, factor: Self, summand: Self) -> Self;
    /// `self` where it is greater, else `other`: so not-a-number in `other` stays.
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn abs(self) -> Self;
    /// `yes` in the lanes where `self > bound`, else `no`.
    unsafe fn if_above(self, bound: Self, yes: Self, no: Self) -> Self;
    /// Writes the lanes, whole numbers from 0 to 255, as bytes.
    unsafe fn store_bytes(self, to: *mut u8);
    /// Reads bytes as floats from 0 to 255.
    unsafe fn load_bytes(from: *const u8) -> Self;
    /// Writes `to[j, i] = from[i, j]` of a block of `LANES` rows and columns; strides are from row to
    /// row.
    unsafe fn transpose(from: *const f32, from_stride: isize, to: *mut f32, to_stride: isize);
    /// Calls the line of `from` into the cache; only a hint, any address will do.
    unsafe fn prefetch(from: *const f32);
}

/// Four lanes that any compiler turns into whatever the target has.
#[derive(Clone, Copy)]
pub(super) struct Portable<A>([f32; 4], PhantomData<A>);

macro_rules! lanes {
    ($index:ident => $value:expr) => {{
        let mut lanes = [0.0f32; 4];
        let mut $index = 0;
        while $index < 4 {
            lanes[$index] = $value;
            $index += 1;
        }
        Portable(lanes, PhantomData)
    }};
}

impl<A: Arithmetic> Vector for Portable<A> {
    type Arithmetic = A;
    const LANES: usize = 4;
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Portable([value; 4], PhantomData)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises four readable floats; an array of floats is read without
        // alignment.
        Portable(unsafe { from.cast::<[f32; 4]>().read_unaligned() }, PhantomData)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises four writable floats.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        // SAFETY: the caller promises `n` readable floats; no other is touched.
        lanes!(i => if i < n { unsafe { *from.add(i) } } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        for (i, value) in self.0.into_iter().enumerate().take(n) {
            // SAFETY: the caller promises `n` writable floats.
            unsafe { *to.add(i) = value };
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        lanes!(i => self.0[i] + other.0[i])
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        lanes!(i => self.0[i] - other.0[i])
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        lanes!(i => self.0[i] * other.0[i])
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        lanes!(i => self.0[i] / other.0[i])
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        lanes!(i => self.0[i].sqrt())
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, summand: Self) -> Self {
        lanes!(i => A::mul_add(self.0[i], factor.0[i], summand.0[i]))
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        lanes!(i => if self.0[i] > other.0[i] { self.0[i] } else { other.0[i] })
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        lanes!(i => self.0[i].abs())
    }

    #[inline(always)]
    unsafe fn if_above(self, bound: Self, yes: Self, no: Self) -> Self {
        lanes!(i => if self.0[i] > bound.0[i] { yes.0[i] } else { no.0[i] })
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        for (i, value) in self.0.into_iter().enumerate() {
            // SAFETY: the caller promises four writable bytes.
            unsafe { *to.add(i) = value as u8 };
        }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        // SAFETY: the caller promises four readable bytes.
        lanes!(i => f32::from(unsafe { *from.add(i) }))
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: isize, to: *mut f32, to_stride: isize) {
        for row in 0..4 {
            for column in 0..4 {
                // SAFETY: the caller promises four rows of four on both sides.
                unsafe {
                    let value = *from.offset(row * from_stride + column);
                    *to.offset(column * to_stride + row) = value;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn prefetch(_from: *const f32) {}
}
