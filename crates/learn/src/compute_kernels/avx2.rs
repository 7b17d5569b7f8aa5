//! AVX2: 8 lanes and fused multiply-add, 16 registers.

use super::arithmetic::Fused;
use super::vector::Vector;
use std::arch::x86_64::*;

// Every block below rests on the same promise, stated at `Vector`: the CPU has AVX2, and pointers
// are good for the lanes that the method's description names.
impl Vector for __m256 {
    type Arithmetic = Fused;
    const LANES: usize = 8;
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the CPU has AVX2.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the CPU has AVX2; 8 floats are readable.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the CPU has AVX2; 8 floats are writable.
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        // SAFETY: the CPU has AVX2; lanes outside the mask are not touched.
        unsafe { _mm256_maskload_ps(from, first(n)) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        // SAFETY: the CPU has AVX2; lanes outside the mask are not touched.
        unsafe { _mm256_maskstore_ps(to, first(n), self) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the CPU has AVX2.
        unsafe { _mm256_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the CPU has AVX2.
        unsafe { _mm256_sub_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the CPU has AVX2.
        unsafe { _mm256_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: the CPU has AVX2.
        unsafe { _mm256_div_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: the CPU has AVX2.
        unsafe { _mm256_sqrt_ps(self) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, summand: Self) -> Self {
        // SAFETY: the CPU has AVX2.
        unsafe { _mm256_fmadd_ps(self, factor, summand) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the CPU has AVX2.
        unsafe { _mm256_max_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: the CPU has AVX2.
        unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self) }
    }

    #[inline(always)]
    unsafe fn if_above(self, bound: Self, yes: Self, no: Self) -> Self {
        // SAFETY: the CPU has AVX2.
        unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(self, bound)) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        // SAFETY: the CPU has AVX2; 8 bytes are writable. Both halves hold their four bytes in
        // every 32-bit word.
        unsafe {
            let whole = _mm256_cvtps_epi32(self);
            let pairs = _mm256_packus_epi32(whole, whole);
            let bytes = _mm256_packus_epi16(pairs, pairs);
            let low = _mm256_extract_epi32::<0>(bytes) as u32;
            let high = _mm256_extract_epi32::<4>(bytes) as u32;
            to.cast::<u64>().write_unaligned(u64::from(low) | u64::from(high) << 32);
        }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        // SAFETY: the CPU has AVX2; 8 bytes are readable.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: isize, to: *mut f32, to_stride: isize) {
        // SAFETY: the CPU has AVX2; the caller promises 8 rows of 8 on both sides.
        unsafe {
            let mut rows = [_mm256_setzero_ps(); 8];
            for row in 0..8 {
                rows[row] = Self::load(from.offset(row as isize * from_stride));
            }
            // Four rows together: number `4 g + j` gets column `4 l + j` of rows `4 g..` in its half
            // `l`.
            for g in [0, 4] {
                let [a, b, c, d] = [rows[g], rows[g + 1], rows[g + 2], rows[g + 3]];
                let ab = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
                let cd = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
                let ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
                let cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
                rows[g] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
                rows[g + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
                rows[g + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab_high, cd_high));
                rows[g + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab_high, cd_high));
            }
            for j in 0..4 {
                let (above, below) = (rows[j], rows[4 + j]);
                let left = _mm256_permute2f128_ps::<0x20>(above, below);
                let right = _mm256_permute2f128_ps::<0x31>(above, below);
                left.store(to.offset(j as isize * to_stride));
                right.store(to.offset((4 + j) as isize * to_stride));
            }
        }
    }

    #[inline(always)]
    unsafe fn prefetch(from: *const f32) {
        // SAFETY: a prefetch touches nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
}

/// The mask of the first `n` lanes: all bits set in each of them.
///
/// # Safety
/// The CPU has AVX2.
#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    // SAFETY: the caller promises AVX2.
    unsafe {
        let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lane)
    }
}
