//! A smooth random field of displacements, as if the paper were rubber.
//!
//! Source: Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document
//! analysis", ICDAR 2003, section 2: uniform noise, smoothed by a Gaussian, scaled. Here the noise goes round at the sides, so
//! that a pixel at the border moves as far as one in the middle, and the scale is given in pixels.

use planaria_random::Stream;

/// Where each pixel of the output looks in the image, beside its own place.
pub(super) struct Field {
    /// `[H, W, 2]`: down and across, in pixels.
    displacements: Vec<f32>,
}

impl Field {
    /// Draws a field of `h` by `w` with a standard deviation of `pixels` in both directions, smoothed over `smoothness` pixels.
    /// Takes `h * w` numbers from `stream`.
    pub(super) fn draw(
        (h, w): (usize, usize),
        pixels: f32,
        smoothness: f32,
        stream: &mut Stream,
    ) -> Field {
        let weights = gaussian(smoothness);
        let squares: f32 = weights.iter().map(|weight| weight * weight).sum();
        // Uniform noise from -1 to 1 has a variance of 1/3; smoothing both ways leaves it the square of `squares`.
        let scale = pixels * 3f32.sqrt() / squares / 32_768.0;
        let mut noise = Vec::with_capacity(2 * h * w);
        for _ in 0..h * w {
            let word = stream.next_u32();
            // Each half as a signed number.
            noise.extend([word as i16, (word >> 16) as i16].map(|half| f32::from(half) * scale));
        }
        Field { displacements: smoothed(noise, (h, w), &weights) }
    }

    /// `(down, across)` of a pixel, counted row by row.
    pub(super) fn at(&self, pixel: usize) -> (f32, f32) {
        (self.displacements[2 * pixel], self.displacements[2 * pixel + 1])
    }
}

/// The weights of a Gaussian with a standard deviation of `deviation` pixels, to three deviations on both sides; they sum to 1.
pub(super) fn gaussian(deviation: f32) -> Vec<f32> {
    let deviation = f64::from(deviation).clamp(0.3, 100.0);
    let radius = (3.0 * deviation).ceil() as usize;
    // exp(-x) for x below 6 by its series: the library's differs from machine to machine.
    let x = 1.0 / (2.0 * deviation * deviation);
    let ratio = (1..=30).rev().fold(1.0, |sum, n| 1.0 - x / f64::from(n) * sum);
    // The k-th weight is ratio^(k * k).
    let mut half = vec![1.0];
    let mut step = ratio;
    for k in 0..radius {
        half.push(half[k] * step);
        step *= ratio * ratio;
    }
    let sum = 2.0 * half.iter().sum::<f64>() - 1.0;
    let both = half[1..].iter().rev().chain(&half);
    both.map(|weight| (weight / sum) as f32).collect()
}

/// Smooths a field `[H, W, 2]` along the rows and then along the columns, both closed to rings.
fn smoothed(mut field: Vec<f32>, (h, w): (usize, usize), weights: &[f32]) -> Vec<f32> {
    let radius = weights.len() / 2;
    let mut ring = Vec::with_capacity((h + 2 * radius) * 2 * w);
    for row in field.chunks_exact_mut(2 * w) {
        go_round(row, 2, radius, &mut ring);
        weighted_sum(row, weights, |k| &ring[2 * k..2 * (k + w)]);
    }
    go_round(&field, 2 * w, radius, &mut ring);
    for (y, line) in field.chunks_exact_mut(2 * w).enumerate() {
        weighted_sum(line, weights, |k| &ring[(y + k) * 2 * w..][..2 * w]);
    }
    field
}

/// Writes the ring of `items`, each of `unit` numbers, with `radius` more before the first and after the last.
fn go_round(items: &[f32], unit: usize, radius: usize, ring: &mut Vec<f32>) {
    let n = items.len() / unit;
    ring.clear();
    // Before item 0 comes the end of the ring, as often as the radius reaches round.
    let mut at = (n - radius % n) % n;
    let mut left = n + 2 * radius;
    while left > 0 {
        let count = left.min(n - at);
        ring.extend_from_slice(&items[at * unit..(at + count) * unit]);
        left -= count;
        at = 0;
    }
}

/// Numbers that are summed at once, in registers.
const LANES: usize = 8;

/// Writes the sum of `from(k)` times the k-th weight, in the order of `k`.
pub(super) fn weighted_sum<'a>(
    out: &mut [f32],
    weights: &[f32],
    from: impl Fn(usize) -> &'a [f32],
) {
    let (whole, rest) = out.as_chunks_mut::<LANES>();
    let done = whole.len() * LANES;
    for (at, numbers) in whole.iter_mut().enumerate() {
        let mut sums = [0.0; LANES];
        for (k, weight) in weights.iter().enumerate() {
            let from = &from(k)[at * LANES..][..LANES];
            sums.iter_mut().zip(from).for_each(|(sum, number)| *sum += weight * number);
        }
        *numbers = sums;
    }
    for (number, at) in rest.iter_mut().zip(done..) {
        *number =
            weights.iter().enumerate().fold(0.0, |sum, (k, weight)| sum + weight * from(k)[at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use planaria_random::Purpose;

    #[test]
    fn the_weights_are_those_of_the_librarys_exponential() {
        for deviation in [0.3f32, 0.5, 1.0, 2.5, 4.0, 30.0] {
            let weights = gaussian(deviation);
            let radius = (weights.len() / 2) as f64;
            let value = |k: f64| (-k * k / (2.0 * f64::from(deviation).powi(2))).exp();
            let sum: f64 = (0..weights.len()).map(|k| value(k as f64 - radius)).sum();
            for (k, weight) in weights.iter().enumerate() {
                let expected = value(k as f64 - radius) / sum;
                assert!((f64::from(*weight) - expected).abs() < 1e-7, "{deviation}: weight {k}");
            }
        }
    }

    #[test]
    fn displacements_have_the_deviation_that_was_asked_for_everywhere() {
        let (mut squares, mut corners, mut sum, fields) = (0.0, 0.0, 0.0, 300);
        for item in 0..fields {
            let mut stream = Stream::new(1, Purpose::Augment, 0, item);
            let field = Field::draw((28, 28), 1.5, 4.0, &mut stream);
            for value in &field.displacements {
                squares += value * value;
                sum += value;
            }
            let (left, right) = (field.at(0), field.at(27));
            corners += left.0 * left.0 + right.1 * right.1;
        }
        let count = (fields * 2 * 28 * 28) as f32;
        assert!((squares / count).sqrt() > 1.4 && (squares / count).sqrt() < 1.6);
        assert!((sum / count).abs() < 0.1, "they lead nowhere on average");
        let corner = (corners / (2 * fields) as f32).sqrt();
        assert!((1.2..1.8).contains(&corner), "{corner} at the corners");
    }

    #[test]
    fn smoothing_is_a_sum_around_a_ring_however_small() {
        let weights = gaussian(1.5);
        for (h, w) in [(1, 1), (1, 7), (2, 3), (9, 4), (13, 6)] {
            let field: Vec<f32> = (0..2 * h * w).map(|at| (at as f32 * 0.7).sin()).collect();
            let radius = weights.len() as i64 / 2;
            let round = |place: usize, k: usize, n: usize| {
                (place as i64 + k as i64 - radius).rem_euclid(n as i64) as usize
            };
            let smoothed = smoothed(field.clone(), (h, w), &weights);
            for (at, value) in smoothed.into_iter().enumerate() {
                let (y, x, direction) = (at / (2 * w), at / 2 % w, at % 2);
                let mut expected = 0.0;
                for (i, a) in weights.iter().enumerate() {
                    for (j, b) in weights.iter().enumerate() {
                        let from = (round(y, i, h) * w + round(x, j, w)) * 2 + direction;
                        expected += a * b * field[from];
                    }
                }
                assert!((value - expected).abs() < 1e-5, "{h}x{w} at {y}, {x}");
            }
        }
    }

    #[test]
    fn neighbours_move_alike_also_across_the_border() {
        let mut stream = Stream::new(1, Purpose::Augment, 0, 3);
        let field = Field::draw((20, 30), 2.0, 4.0, &mut stream);
        let far = |(y, x): (f32, f32), (v, u): (f32, f32)| (y - v).abs().max((x - u).abs());
        assert!((0..600).any(|at| far(field.at(at), (0.0, 0.0)) > 2.0), "they move at all");
        for at in 0..600 {
            let (y, x) = (at / 30, at % 30);
            let (right, below) = (y * 30 + (x + 1) % 30, (y + 1) % 20 * 30 + x);
            for neighbour in [right, below] {
                // The differences have a deviation of 2 / 4 / sqrt(2): this is over five of them.
                assert!(far(field.at(at), field.at(neighbour)) < 2.0, "{at} and {neighbour}");
            }
        }
    }
}
