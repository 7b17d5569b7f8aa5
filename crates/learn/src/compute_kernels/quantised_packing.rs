//! How floats become bytes for [`super::quantised`]: inputs by one scale, weights by one a column.

use super::arithmetic::Arithmetic;
use super::{Isa, compile};
use serde::{Deserialize, Serialize};

/// The greatest input.
pub(crate) const INPUT_MAX: f32 = 127.0;
/// The greatest weight; the least is its negative.
pub(crate) const WEIGHT_MAX: f32 = 127.0;
/// Columns of a panel.
pub(super) const PANEL: usize = 16;
/// Terms of a sum that are multiplied at once.
pub(super) const QUAD: usize = 4;

/// How floats become inputs: `q = round(x / scale) + zero`, within 0 and 127.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputScale {
    pub(crate) scale: f32,
    /// What stands for 0.
    pub(crate) zero: u8,
}

impl InputScale {
    /// True for one that [`InputScale::of`] may give.
    pub(crate) fn is_usable(self) -> bool {
        let InputScale { scale, zero } = self;
        scale.is_normal() && scale > 0.0 && f32::from(zero) <= INPUT_MAX
    }

    /// For inputs from `min` to `max`, widened to hold 0, which is exact.
    pub(crate) fn of(min: f32, max: f32) -> InputScale {
        let (min, max) = (min.min(0.0), max.max(0.0));
        let scale = max / INPUT_MAX - min / INPUT_MAX;
        if !scale.is_normal() {
            return InputScale { scale: 1.0, zero: 0 };
        }
        InputScale { scale, zero: (-min / scale).round_ties_even() as u8 }
    }
}

/// Writes `x` as inputs.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn quantise(isa: Isa, by: InputScale, x: &[f32], to: &mut [u8]) {
    assert_eq!(x.len(), to.len(), "every number becomes a byte");
    let task = Quantise { factor: 1.0 / by.scale, zero: f32::from(by.zero), x, to };
    compile!(isa, quantise_kernel(task => Quantise));
}

/// The arguments of [`quantise`].
struct Quantise<'a> {
    factor: f32,
    zero: f32,
    x: &'a [f32],
    to: &'a mut [u8],
}

#[inline(always)]
fn quantise_kernel<A: Arithmetic>(task: Quantise) {
    /// Added to a number up to 2^22, it leaves the nearest whole number in the lowest bits.
    const MAGIC: f32 = 8_388_608.0;
    for (x, to) in task.x.iter().zip(task.to) {
        // Two roundings with every instruction set, so that the integers are the same.
        let q = x * task.factor + task.zero;
        let q = if q > 0.0 { q } else { 0.0 };
        let q = if q < INPUT_MAX { q } else { INPUT_MAX };
        *to = (q + MAGIC).to_bits() as u8;
    }
}

/// The sizes of packed weights: `runs` rows of the kernel, or 1, of `len` terms each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedSizes {
    pub(crate) runs: usize,
    pub(crate) len: usize,
    pub(crate) columns: usize,
}

impl PackedSizes {
    fn panels(self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// Quads of one column.
    fn quads(self) -> usize {
        self.runs * self.len.div_ceil(QUAD)
    }

    /// Floats' room for scales, biases, offsets and weights.
    pub(crate) fn room(self) -> usize {
        self.panels() * PANEL * (3 + self.quads())
    }

    /// Where scales end, biases end and offsets end, in floats.
    pub(super) fn ends(self) -> [usize; 3] {
        [1, 2, 3].map(|part| part * self.panels() * PANEL)
    }
}

/// Bytes in the memory of floats.
pub(super) fn bytes(floats: &[f32]) -> &[u8] {
    // SAFETY: a float is four bytes without padding, and any bytes are valid.
    unsafe { std::slice::from_raw_parts(floats.as_ptr().cast(), 4 * floats.len()) }
}

/// As [`bytes`], to be written.
pub(crate) fn bytes_mut(floats: &mut [f32]) -> &mut [u8] {
    // SAFETY: as above; any four bytes are a valid float, and the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(floats.as_mut_ptr().cast(), 4 * floats.len()) }
}

/// The step of each column of `weight [terms, columns]`: its greatest weight becomes 127.
///
/// A step has 16 leading bits. So a byte times a step is exact, and bytes made of such products are
/// the same again.
pub(crate) fn column_scales(weight: &[f32], columns: usize) -> Vec<f32> {
    let mut greatest = vec![0.0f32; columns];
    for row in weight.chunks_exact(columns.max(1)) {
        greatest.iter_mut().zip(row).for_each(|(greatest, w)| *greatest = greatest.max(w.abs()));
    }
    let scale = |greatest: f32| match greatest / WEIGHT_MAX {
        // Rounded up, so that no weight is beyond 127.
        scale if scale.is_normal() => f32::from_bits((scale.to_bits() + 0xff) & !0xff),
        _ => 1.0,
    };
    greatest.into_iter().map(scale).collect()
}

/// A weight as a byte.
pub(crate) fn to_byte(weight: f32, scale: f32) -> i8 {
    (weight / scale).round_ties_even().clamp(-WEIGHT_MAX, WEIGHT_MAX) as i8
}

/// Packs `weight [runs * len, columns]` and `bias`, which may be empty, for inputs of `by`: every
/// column gets the scale at which its greatest weight is 127.
///
/// # Panics
/// When lengths are not those of `sizes`.
pub(crate) fn pack(
    sizes: PackedSizes,
    by: InputScale,
    weight: &[f32],
    bias: &[f32],
    packed: &mut [f32],
) {
    let PackedSizes { runs, len, columns } = sizes;
    assert_eq!(weight.len(), runs * len * columns, "the weight has the layer's sizes");
    assert_eq!(packed.len(), sizes.room(), "there is room for the weights");
    packed.fill(0.0);
    let ends = sizes.ends();
    let (head, weights) = packed.split_at_mut(ends[2]);
    let weights = bytes_mut(weights);
    for (column, scale) in column_scales(weight, columns).into_iter().enumerate() {
        let mut sum = 0i32;
        for (term, w) in weight[column..].iter().step_by(columns).enumerate() {
            let q = to_byte(*w, scale);
            sum += i32::from(q);
            let quad = term / len * len.div_ceil(QUAD) + term % len / QUAD;
            let row = (column / PANEL * sizes.quads() + quad) * PANEL + column % PANEL;
            weights[row * QUAD + term % len % QUAD] = q as u8;
        }
        head[column] = scale * by.scale;
        head[ends[0] + column] = bias.get(column).copied().unwrap_or(0.0);
        // Sums begin with it: what inputs that mean 0 would add is taken away.
        head[ends[1] + column] = f32::from_bits((-i32::from(by.zero) * sum) as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::numbers;

    #[test]
    fn inputs_are_rounded_to_the_nearest_step_and_kept_in_range() {
        let by = InputScale::of(-1.0, 3.0);
        assert_eq!(by.zero, 32);
        let x =
            [0.0, by.scale, 1.4 * by.scale, -1.6 * by.scale, -9.0, 9.0, f32::NAN, 2.5 * by.scale];
        for isa in Isa::available() {
            let mut to = [0; 8];
            quantise(isa, by, &x, &mut to);
            assert_eq!(to[..7], [32, 33, 33, 30, 0, 127, 0], "{isa:?}");
            assert!(to[7] == 34 || to[7] == 35, "{isa:?}");
        }
        assert_eq!(InputScale::of(0.0, 0.0), InputScale { scale: 1.0, zero: 0 });
    }

    #[test]
    fn weights_made_of_their_bytes_have_the_same_bytes_and_steps_again() {
        let columns = 7;
        let mut weight = numbers(31 * columns, 1);
        weight.iter_mut().step_by(columns).for_each(|w| *w = 0.0);
        weight.iter_mut().skip(1).step_by(columns).for_each(|w| *w *= 1e-20);
        let scales = column_scales(&weight, columns);
        assert_eq!(scales[0], 1.0, "a column of zeros");
        let bytes = |weight: &[f32]| -> Vec<i8> {
            weight.iter().enumerate().map(|(at, w)| to_byte(*w, scales[at % columns])).collect()
        };
        let first = bytes(&weight);
        let rounded: Vec<f32> =
            first.iter().enumerate().map(|(at, q)| f32::from(*q) * scales[at % columns]).collect();
        assert_eq!(column_scales(&rounded, columns), scales);
        assert_eq!(bytes(&rounded), first);
        for (column, scale) in scales.iter().enumerate().skip(1) {
            let greatest =
                first.iter().skip(column).step_by(columns).map(|q| q.unsigned_abs()).max();
            assert_eq!(greatest, Some(127), "column {column} of step {scale}");
        }
        let error = weight
            .iter()
            .zip(&rounded)
            .enumerate()
            .map(|(at, (w, r))| (w - r).abs() / scales[at % columns]);
        assert!(error.fold(0.0, f32::max) <= 0.5001);
    }
}
