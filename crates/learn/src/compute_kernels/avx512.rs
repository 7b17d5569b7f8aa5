//! AVX-512: 16 lanes, 32 registers and masks.

use super::arithmetic::Fused;
use super::vector::Vector;
use std::arch::x86_64::*;

// Every block below rests on the same promise, stated at `Vector`: the CPU has AVX-512, and
// pointers are good for the lanes that the method's description names.
impl Vector for __m512 {
    type Arithmetic = Fused;
    const LANES: usize = 16;
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the CPU has AVX-512.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the CPU has AVX-512; 16 floats are readable.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the CPU has AVX-512; 16 floats are writable.
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        // SAFETY: the CPU has AVX-512; lanes outside the mask are not touched.
        unsafe { _mm512_maskz_loadu_ps(first(n), from) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        // SAFETY: the CPU has AVX-512; lanes outside the mask are not touched.
        unsafe { _mm512_mask_storeu_ps(to, first(n), self) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the CPU has AVX-512.
        unsafe { _mm512_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the CPU has AVX-512.
        unsafe { _mm512_sub_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the CPU has AVX-512.
        unsafe { _mm512_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: the CPU has AVX-512.
        unsafe { _mm512_div_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: the CPU has AVX-512.
        unsafe { _mm512_sqrt_ps(self) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, summand: Self) -> Self {
        // SAFETY: the CPU has AVX-512.
        unsafe { _mm512_fmadd_ps(self, factor, summand) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the CPU has AVX-512.
        unsafe { _mm512_max_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: the CPU has AVX-512.
        unsafe { _mm512_abs_ps(self) }
    }

    #[inline(always)]
    unsafe fn if_above(self, bound: Self, yes: Self, no: Self) -> Self {
        // SAFETY: the CPU has AVX-512.
        unsafe { _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self, bound), yes) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        // SAFETY: the CPU has AVX-512; 16 bytes are writable.
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(self))) }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        // SAFETY: the CPU has AVX-512; 16 bytes are readable.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: isize, to: *mut f32, to_stride: isize) {
        // SAFETY: the CPU has AVX-512; the caller promises 16 rows of 16 on both sides.
        unsafe {
            let mut rows = [_mm512_setzero_ps(); 16];
            for row in 0..16 {
                rows[row] = Self::load(from.offset(row as isize * from_stride));
            }
            // Four rows together: number `4 g + j` gets column `4 l + j` of rows `4 g..` in its
            // quarter `l`.
            for g in [0, 4, 8, 12] {
                let [a, b, c, d] = [rows[g], rows[g + 1], rows[g + 2], rows[g + 3]];
                let ab = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                let cd = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
                let ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                let cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
                rows[g] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                rows[g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
                rows[g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high));
                rows[g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high));
            }
            // Then quarters change places: even ones (0x88) and odd ones (0xDD), twice.
            for j in 0..4 {
                let [a, b, c, d] = [rows[j], rows[4 + j], rows[8 + j], rows[12 + j]];
                let even = _mm512_shuffle_f32x4::<0x88>(a, b);
                let even_below = _mm512_shuffle_f32x4::<0x88>(c, d);
                let odd = _mm512_shuffle_f32x4::<0xDD>(a, b);
                let odd_below = _mm512_shuffle_f32x4::<0xDD>(c, d);
                let columns = [
                    _mm512_shuffle_f32x4::<0x88>(even, even_below),
                    _mm512_shuffle_f32x4::<0x88>(odd, odd_below),
                    _mm512_shuffle_f32x4::<0xDD>(even, even_below),
                    _mm512_shuffle_f32x4::<0xDD>(odd, odd_below),
                ];
                for quarter in 0..4 {
                    let column = (4 * quarter + j) as isize;
                    columns[quarter].store(to.offset(column * to_stride));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        // SAFETY: a prefetch touches nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
}

/// The mask of the first `n` lanes.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}
