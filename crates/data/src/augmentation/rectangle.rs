//! A rectangle at a random place of an image, by its share of the area and the ratio of its sides.

use std::ops::Range;

use planaria_random::Stream;

/// A ratio of height to width between `least` and `1 / least`, uniform in its logarithm. Takes one number.
pub(super) fn ratio(least: f32, stream: &mut Stream) -> f32 {
    let range = libm::logf(least.clamp(1e-3, 1.0));
    libm::expf(stream.next_between(range, -range))
}

/// The rows and columns of a rectangle with `share` of the area of `(h, w)`: each side is rounded, at least 1 and at most the
/// image's. Takes two numbers.
pub(super) fn placed(
    (h, w): (usize, usize),
    share: f32,
    ratio: f32,
    stream: &mut Stream,
) -> (Range<usize>, Range<usize>) {
    let area = share * (h * w) as f32;
    let side = |length: f32, n: usize| (length.round() as usize).clamp(n.min(1), n);
    let mut span = |length: f32, n: usize| {
        let length = side(length, n);
        let places = (n - length).min(u32::MAX as usize - 1) as u32 + 1;
        let begin = stream.next_below(places) as usize;
        begin..begin + length
    };
    let rows = span((area * ratio).sqrt(), h);
    (rows, span((area / ratio).sqrt(), w))
}
