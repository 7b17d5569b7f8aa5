//! Convolutions with few filters, several neighbouring pixels of the output at a time.
//!
//! Six filters fill six of a vector's sixteen lanes. But two neighbouring pixels of the output lie
//! side by side in memory, twelve numbers, and are what a convolution with twelve filters computes
//! whose kernel is a column wider and which moves by two: the first six filters have zeros in the
//! last column, the others in the first. This is no approximation; it multiplies some zeros to fill
//! more lanes.

use crate::compute_kernels::convolution::ConvSizes;
use ndarray::{ArrayView4, ArrayView5, ArrayViewMut4, ArrayViewMut5, s};

/// Lanes of the widest vectors. The same on every CPU: sums are of so many parts everywhere.
const LANES: usize = 16;
/// No more pixels than these are computed together.
const PIXELS_MAX: usize = 8;

/// A convolution and how many pixels of its output are computed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pixels {
    /// The convolution as the layer is.
    pub(super) narrow: ConvSizes,
    /// 1 where nothing is gained.
    pub(super) count: usize,
}

impl Pixels {
    /// As many as make the products cheapest by the vectors that they multiply.
    pub(super) fn best(narrow: ConvSizes) -> Pixels {
        let ConvSizes { f, kernel: [_, kw], stride, dilation, groups, .. } = narrow;
        let one = Pixels { narrow, count: 1 };
        if groups != 1 || dilation[1] != 1 || stride[1] != 1 {
            return one;
        }
        // Vectors times columns of the kernel, for a pixel of the output.
        let cost =
            |count: usize| ((count * f).div_ceil(LANES) * (kw + count - 1)) as f32 / count as f32;
        let fits = |count: &usize| narrow.ow().is_multiple_of(*count);
        let counts = (2..=PIXELS_MAX).filter(fits);
        let best =
            counts.fold(1, |best, count| if cost(count) < cost(best) { count } else { best });
        // What is spent on wider filters must be worth it.
        if cost(best) < 0.8 * cost(1) { Pixels { narrow, count: best } } else { one }
    }

    /// True when the layer's own filters are not those of [`Pixels::wide`].
    pub(super) fn is_wide(&self) -> bool {
        self.count > 1
    }

    /// The convolution that computes all of them at once, of the same images.
    pub(super) fn wide(&self) -> ConvSizes {
        let Pixels { narrow, count } = *self;
        let ConvSizes { f, kernel: [kh, kw], stride, .. } = narrow;
        let (kernel, stride) = ([kh, kw + count - 1], [stride[0], stride[1] * count]);
        ConvSizes { f: f * count, kernel, stride, ..narrow }
    }

    /// Writes the wide filters `[KH, KW + pixels - 1, C, pixels, F]` and their biases, if there are any.
    pub(super) fn spread(&self, weight: &[f32], bias: &[f32], wide: &mut [f32]) {
        let filters = self.wide().depth() * self.wide().f;
        let (to, to_bias) = wide.split_at_mut(filters);
        to.fill(0.0);
        let ([kh, kw, c, f], count) = (self.axes(), self.count);
        let weight = ArrayView4::from_shape([kh, kw, c, f], weight);
        let weight = weight.expect("the weight has the layer's sizes");
        let mut to = ArrayViewMut5::from_shape([kh, kw + count - 1, c, count, f], to)
            .expect("there is room for the wide filters");
        for pixel in 0..count {
            to.slice_mut(s![.., pixel..pixel + kw, .., pixel, ..]).assign(&weight);
        }
        for to in to_bias.chunks_exact_mut(f).take(if bias.is_empty() { 0 } else { count }) {
            to.copy_from_slice(bias);
        }
    }

    /// Adds the gradient of the wide filters and of their biases to that of the layer's own, pixel by pixel.
    pub(super) fn gather(&self, wide: &[f32], dw: &mut [f32], db: &mut [f32]) {
        let (from, from_bias) = wide.split_at(self.wide().depth() * self.wide().f);
        let ([kh, kw, c, f], count) = (self.axes(), self.count);
        let mut dw = ArrayViewMut4::from_shape([kh, kw, c, f], dw)
            .expect("the gradient has the layer's sizes");
        let from = ArrayView5::from_shape([kh, kw + count - 1, c, count, f], from)
            .expect("the wide gradient is whole");
        for pixel in 0..count {
            dw += &from.slice(s![.., pixel..pixel + kw, .., pixel, ..]);
        }
        for from in from_bias.chunks_exact(f) {
            db.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    }

    /// Axes of the layer's own weight.
    fn axes(&self) -> [usize; 4] {
        let ConvSizes { c, f, kernel: [kh, kw], .. } = self.narrow;
        [kh, kw, c, f]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pixels a convolution of so many channels and filters over 28 columns computes together.
    fn count(c: usize, f: usize, kernel: usize) -> usize {
        let padding = [kernel / 2; 2];
        Pixels::best(ConvSizes { padding, ..ConvSizes::plain([28, 28, c, f], kernel) }).count
    }

    #[test]
    fn few_filters_fill_the_lanes_with_neighbours_and_many_stay_alone() {
        assert_eq!([count(1, 6, 5), count(1, 8, 5), count(3, 4, 3)], [2, 2, 4]);
        assert_eq!([count(1, 16, 5), count(1, 32, 3), count(1, 6, 1)], [1, 1, 1]);
    }

    #[test]
    fn pixels_that_do_not_fill_the_row_are_not_taken_together() {
        let odd = ConvSizes::plain([15, 15, 1, 6], 5);
        assert_eq!((odd.ow(), Pixels::best(odd).count), (11, 1));
    }

    #[test]
    fn the_wide_convolution_has_the_same_output() {
        let narrow = ConvSizes { padding: [2, 2], ..ConvSizes::plain([28, 28, 1, 6], 5) };
        let wide = Pixels::best(narrow).wide();
        assert_eq!((wide.ow(), wide.f, wide.kernel), (14, 12, [5, 6]));
        assert_eq!((wide.output_len(), wide.oh()), (narrow.output_len(), narrow.oh()));
    }
}
