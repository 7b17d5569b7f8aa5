//! Floats that begin on a cache line: a vector load of them never touches two lines.

use std::ops::{Deref, DerefMut};

/// One cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A fixed number of floats, at first zero, aligned to 64 bytes.
#[derive(Debug, Clone)]
pub(crate) struct AlignedFloats {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedFloats {
    /// Allocates `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        AlignedFloats { lines: vec![Line([0.0; 16]); len.div_ceil(16)], len }
    }
}

impl Deref for AlignedFloats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `lines` holds at least `len` floats in a row, since a `Line` is 16 floats without
        // padding.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for AlignedFloats {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::AlignedFloats;

    #[test]
    fn aligned_floats_begin_on_a_cache_line() {
        for len in [0, 1, 15, 16, 17, 1_000] {
            let floats = AlignedFloats::zeros(len);
            assert_eq!(floats.len(), len);
            assert_eq!(floats.as_ptr() as usize % 64, 0);
        }
    }
}
