//! Registers of 16 sums of products of bytes, for [`super::quantised`].

use super::quantised_packing::{PANEL, QUAD};

/// Sums of the 16 columns of a panel.
///
/// # Safety
/// Every method may be called only on a CPU that has the instruction set of the implementing type.
/// Pointers are good for 16 floats or integers, 64 bytes of weights, a quad of inputs.
pub(super) trait Sums: Copy {
    /// Rows of a tile.
    const ROWS: usize;
    /// True when there are registers for four panels side by side.
    const WIDE: bool;

    /// Reads integers that lie as floats.
    unsafe fn load(from: *const f32) -> Self;
    /// Adds the products of a quad with the quads of every column.
    unsafe fn add(self, inputs: *const u8, weights: *const u8) -> Self;
    /// Writes `self * scale + bias`, rounded twice, of the first `n` columns.
    unsafe fn finish(
        self,
        scales: *const f32,
        biases: *const f32,
        clamp: bool,
        to: *mut f32,
        n: usize,
    );
}

impl Sums for [i32; PANEL] {
    const ROWS: usize = 4;
    const WIDE: bool = false;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: 16 integers are readable.
        unsafe { from.cast::<Self>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn add(mut self, inputs: *const u8, weights: *const u8) -> Self {
        // SAFETY: a quad of inputs and 64 weights are readable.
        let (inputs, weights) = unsafe {
            (inputs.cast::<[u8; QUAD]>().read(), weights.cast::<[[i8; QUAD]; PANEL]>().read())
        };
        for column in 0..PANEL {
            for term in 0..QUAD {
                self[column] += i32::from(inputs[term]) * i32::from(weights[column][term]);
            }
        }
        self
    }

    #[inline(always)]
    unsafe fn finish(
        self,
        scales: *const f32,
        biases: *const f32,
        clamp: bool,
        to: *mut f32,
        n: usize,
    ) {
        for (column, sum) in self.into_iter().enumerate().take(n) {
            // SAFETY: 16 scales and biases are readable, and `n` results writable.
            unsafe {
                let y = sum as f32 * *scales.add(column) + *biases.add(column);
                *to.add(column) = if !clamp || y > 0.0 { y } else { 0.0 };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    //! The registers of 16 sums on x86.

    use super::super::quantised::{Task, kernel};
    use super::Sums;
    use std::arch::x86_64::*;

    /// # Safety
    /// As [`kernel`]; the CPU has these features.
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vnni,avx2,fma")]
    pub(in super::super) unsafe fn vnni(task: &Task) {
        // SAFETY: the caller's promise.
        unsafe { kernel::<__m512i>(task) }
    }

    /// # Safety
    /// As [`kernel`]; the CPU has these features.
    #[target_feature(enable = "avx2,fma")]
    pub(in super::super) unsafe fn avx2(task: &Task) {
        // SAFETY: the caller's promise.
        unsafe { kernel::<[__m256i; 2]>(task) }
    }

    impl Sums for __m512i {
        const ROWS: usize = 6;
        const WIDE: bool = true;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the CPU has AVX-512; 16 integers are readable.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }

        #[inline(always)]
        unsafe fn add(self, inputs: *const u8, weights: *const u8) -> Self {
            // SAFETY: the CPU has VNNI; a quad of inputs and 64 weights are readable.
            unsafe {
                let inputs = _mm512_set1_epi32(inputs.cast::<i32>().read_unaligned());
                _mm512_dpbusd_epi32(self, inputs, _mm512_loadu_si512(weights.cast()))
            }
        }

        #[inline(always)]
        unsafe fn finish(
            self,
            scales: *const f32,
            biases: *const f32,
            clamp: bool,
            to: *mut f32,
            n: usize,
        ) {
            // SAFETY: the CPU has AVX-512; 16 scales and biases are readable, and lanes outside the
            // mask are not touched.
            unsafe {
                let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(self), _mm512_loadu_ps(scales));
                let y = _mm512_add_ps(scaled, _mm512_loadu_ps(biases));
                let y = if clamp { _mm512_max_ps(y, _mm512_setzero_ps()) } else { y };
                _mm512_mask_storeu_ps(to, ((1u32 << n) - 1) as __mmask16, y);
            }
        }
    }

    impl Sums for [__m256i; 2] {
        const ROWS: usize = 4;
        const WIDE: bool = false;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the CPU has AVX2; 16 integers are readable.
            unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(8).cast())] }
        }

        #[inline(always)]
        unsafe fn add(self, inputs: *const u8, weights: *const u8) -> Self {
            // SAFETY: the CPU has AVX2; a quad of inputs and 64 weights are readable. Two products
            // of at most 127 * 127 fit 16 bits.
            unsafe {
                let (inputs, ones) = (
                    _mm256_set1_epi32(inputs.cast::<i32>().read_unaligned()),
                    _mm256_set1_epi16(1),
                );
                let [low, high] = [0, 32].map(|at| weights.add(at));
                let low = _mm256_maddubs_epi16(inputs, _mm256_loadu_si256(low.cast()));
                let high = _mm256_maddubs_epi16(inputs, _mm256_loadu_si256(high.cast()));
                [
                    _mm256_add_epi32(self[0], _mm256_madd_epi16(low, ones)),
                    _mm256_add_epi32(self[1], _mm256_madd_epi16(high, ones)),
                ]
            }
        }

        #[inline(always)]
        unsafe fn finish(
            self,
            scales: *const f32,
            biases: *const f32,
            clamp: bool,
            to: *mut f32,
            n: usize,
        ) {
            let mut all = [0.0f32; 16];
            // SAFETY: the CPU has AVX2; 16 scales and biases are readable, and `n` results writable.
            unsafe {
                for half in 0..2 {
                    let at = 8 * half;
                    let scale = _mm256_loadu_ps(scales.add(at));
                    let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(self[half]), scale);
                    let y = _mm256_add_ps(scaled, _mm256_loadu_ps(biases.add(at)));
                    let y = if clamp { _mm256_max_ps(y, _mm256_setzero_ps()) } else { y };
                    let to = if n == 16 { to.add(at) } else { all[at..].as_mut_ptr() };
                    _mm256_storeu_ps(to, y);
                }
                if n < 16 {
                    std::ptr::copy_nonoverlapping(all.as_ptr(), to, n);
                }
            }
        }
    }
}
