//! From frequencies to samples: blocks of 8x8, or fewer samples of the low frequencies alone.
//!
//! Source: Arai, Agui and Nakajima, "A fast DCT-SQ scheme for images", Transactions of the IEICE E71, 1988, in plain f32
//! arithmetic. The smaller ones are the transforms of four and of two points, as in Loeffler, Ligtenberg and Moschytz, "Practical
//! fast 1-D DCT algorithms with 11 multiplications", ICASSP 1989. Coefficients lie column by column (`8 * u + v`).

use super::header::PLACES;

/// A row, or a column, of eight.
type Eight = [f32; 8];

/// What the coefficients are multiplied by, in the order of the file: the steps of quantisation, the norm of the transform, and for
/// whole blocks the factors that the fast transform leaves out.
pub(super) fn factors(quantisation: &[u16; 64], scale: usize) -> [f32; 64] {
    // cos(k pi / 16) sqrt(2), and 1 for k = 0.
    const LEFT_OUT: [f64; 8] = [
        1.0,
        1.387_039_845_322_147_5,
        1.306_562_964_876_376_5,
        1.175_875_602_419_358_8,
        1.0,
        0.785_694_958_387_102_2,
        0.541_196_100_146_197,
        0.275_899_379_282_943_1,
    ];
    std::array::from_fn(|at| {
        let place = usize::from(PLACES[at]);
        let left_out = if scale == 8 { LEFT_OUT[place / 8] * LEFT_OUT[place % 8] } else { 1.0 };
        (f64::from(quantisation[at]) * left_out / 8.0) as f32
    })
}

/// A sample from what the transform gives: moved to the middle of the range, rounded and cut off.
#[inline]
fn sample(value: f32) -> u8 {
    // Beside 2^23 the last bits of an f32 are whole numbers: the addition rounds.
    let light = (value + 128.0).clamp(0.0, 255.0) + 8_388_608.0;
    light.to_bits() as u8
}

/// A block of one value.
#[inline]
pub(super) fn plain(mean: f32, scale: usize, to: &mut [u8], stride: usize) {
    let value = sample(mean);
    for line in to.chunks_mut(stride).take(scale) {
        line[..scale].fill(value);
    }
}

/// All 8x8 samples.
#[inline]
pub(super) fn whole(frequencies: &[f32; 64], to: &mut [u8], stride: usize) {
    let mut rows = [[0.0; 8]; 8];
    for (row, eight) in rows.iter_mut().zip(frequencies.as_chunks::<8>().0) {
        *row = *eight;
    }
    let across = eight_points(&rows);
    let turned: [Eight; 8] = std::array::from_fn(|v| std::array::from_fn(|x| across[x][v]));
    for (row, line) in eight_points(&turned).iter().zip(to.chunks_mut(stride)) {
        for (to, value) in line[..8].iter_mut().zip(row) {
            *to = sample(*value);
        }
    }
}

/// The transform of eight points of which each is eight numbers, side by side.
#[inline]
fn eight_points(x: &[Eight; 8]) -> [Eight; 8] {
    let mut out = [[0.0; 8]; 8];
    for i in 0..8 {
        let (sum, difference) = (x[0][i] + x[4][i], x[0][i] - x[4][i]);
        let side = x[2][i] + x[6][i];
        let turned = (x[2][i] - x[6][i]) * std::f32::consts::SQRT_2 - side;
        let even = [sum + side, difference + turned, difference - turned, sum - side];
        let (z13, z10) = (x[5][i] + x[3][i], x[5][i] - x[3][i]);
        let (z11, z12) = (x[1][i] + x[7][i], x[1][i] - x[7][i]);
        let z5 = (z10 + z12) * 1.847_759;
        let first = z11 + z13;
        let second = z5 - z10 * 2.613_126 - first;
        let third = (z11 - z13) * std::f32::consts::SQRT_2 - second;
        let fourth = z5 - z12 * 1.082_392_2 - third;
        for (at, odd) in [first, second, third, fourth].into_iter().enumerate() {
            out[at][i] = even[at] + odd;
            out[7 - at][i] = even[at] - odd;
        }
    }
    out
}

/// 4x4 samples.
#[inline]
pub(super) fn half(frequencies: &[f32; 64], to: &mut [u8], stride: usize) {
    let columns = [0, 8, 16, 24].map(|u| four_points(|v| frequencies[u + v]));
    for (y, line) in (0..4).zip(to.chunks_mut(stride)) {
        for (to, value) in line[..4].iter_mut().zip(four_points(|u| columns[u][y])) {
            *to = sample(value);
        }
    }
}

/// The transform of four points.
#[inline]
fn four_points(x: impl Fn(usize) -> f32) -> [f32; 4] {
    // sqrt(2) times the cosines of pi/8 and 3 pi/8.
    const FAR: f32 = 1.306_563;
    const NEAR: f32 = 0.541_196_1;
    let (sum, difference) = (x(0) + x(2), x(0) - x(2));
    let (outer, inner) = (x(1) * FAR + x(3) * NEAR, x(1) * NEAR - x(3) * FAR);
    [sum + outer, difference + inner, difference - inner, sum - outer]
}

/// 2x2 samples.
#[inline]
pub(super) fn quarter(frequencies: &[f32; 64], to: &mut [u8], stride: usize) {
    let [mean, down, across, both] = [0, 1, 8, 9].map(|at| frequencies[at]);
    for (side, line) in [1.0, -1.0].into_iter().zip(to.chunks_mut(stride)) {
        let (middle, slope) = (mean + side * down, across + side * both);
        line[..2].copy_from_slice(&[sample(middle + slope), sample(middle - slope)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of T.81, A.3.3, over the first `n` frequencies, at the middles of `n` samples.
    fn by_definition(coefficients: &[f64; 64], n: usize) -> Vec<f64> {
        let wave = |k: usize, x: usize| {
            let norm = if k == 0 { 1.0 } else { 2f64.sqrt() };
            norm * ((2 * x + 1) as f64 * k as f64 * std::f64::consts::PI / (2 * n) as f64).cos()
        };
        let at = |y: usize, x: usize| {
            let terms = (0..n * n)
                .map(|k| coefficients[k % n * 8 + k / n] * wave(k % n, x) * wave(k / n, y));
            terms.sum::<f64>() / 8.0 + 128.0
        };
        (0..n * n).map(|place| at(place / n, place % n).clamp(0.0, 255.0)).collect()
    }

    #[test]
    fn samples_of_every_size_are_those_of_the_definition() {
        for case in 0..200u32 {
            let noise = |at: usize| {
                let word = (case * 64 + at as u32).wrapping_mul(2_654_435_761) >> 8;
                f64::from(word % 401) - 200.0
            };
            // By place; few frequencies are high, as in pictures.
            let coefficients: [f64; 64] =
                std::array::from_fn(|at| (noise(at) / (1 + at / 8 + at % 8) as f64).round());
            for (scale, transform) in
                [(8, whole as fn(&[f32; 64], &mut [u8], usize)), (4, half), (2, quarter)]
            {
                let factors = factors(&[1; 64], scale);
                let mut frequencies = [0.0; 64];
                for (at, factor) in factors.iter().enumerate() {
                    let place = usize::from(PLACES[at]);
                    frequencies[place] = coefficients[place] as f32 * factor;
                }
                let mut samples = vec![0; 10 * scale];
                transform(&frequencies, &mut samples, 10);
                for (place, expected) in by_definition(&coefficients, scale).into_iter().enumerate()
                {
                    let found = samples[place / scale * 10 + place % scale];
                    assert!(
                        (f64::from(found) - expected).abs() < 0.51,
                        "{scale}: {found}, {expected}"
                    );
                }
            }
        }
    }
}
