//! The same functions as plain loops: the definition of right. Never "improved".

use super::matrix::{Extent, Left, Right, Start, Target};

/// See `matrix::multiply`.
pub(crate) fn multiply(extent: Extent, a: Left, b: Right, start: Start, c: Target) {
    for row in 0..extent.rows {
        for column in 0..extent.columns {
            let at = row * c.stride + column;
            let mut sum = match start {
                Start::Zero => 0.0,
                Start::Sum => f64::from(c.data[at]),
                Start::Bias(bias) => f64::from(bias[column]),
            };
            for outer in 0..extent.outers {
                for inner in 0..extent.inners {
                    let left = a.data
                        [row * a.row_stride + outer * a.outer_stride + inner * a.inner_stride];
                    let right = b.data[(outer * extent.inners + inner) * b.stride + column];
                    sum += f64::from(left) * f64::from(right);
                }
            }
            c.data[at] = if c.clamp && sum < 0.0 { 0.0 } else { sum as f32 };
        }
    }
}

/// A valid 3x3 convolution: `x [H, W, C]`, `w [3, 3, C, F]`, `bias [F]` give `[H - 2, W - 2, F]`.
pub(crate) fn convolve(
    x: &[f32],
    [h, w, c]: [usize; 3],
    weights: &[f32],
    bias: &[f32],
) -> Vec<f32> {
    let f = bias.len();
    let mut y = Vec::new();
    for row in 0..h - 2 {
        for column in 0..w - 2 {
            for filter in 0..f {
                let mut sum = f64::from(bias[filter]);
                for tap in 0..9 {
                    for channel in 0..c {
                        let at = ((row + tap / 3) * w + column + tap % 3) * c + channel;
                        sum +=
                            f64::from(x[at]) * f64::from(weights[(tap * c + channel) * f + filter]);
                    }
                }
                y.push(sum as f32);
            }
        }
    }
    y
}

/// The gradients of a valid 3x3 convolution for `dy [H - 2, W - 2, F]`: of the image, the weights
/// and the bias.
pub(crate) fn convolve_backward(
    x: &[f32],
    [h, w, c]: [usize; 3],
    weights: &[f32],
    dy: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let f = weights.len() / (9 * c);
    let (mut dx, mut dw, mut db) =
        (vec![0.0f64; x.len()], vec![0.0f64; weights.len()], vec![0.0f64; f]);
    for (at, &dy) in dy.iter().enumerate() {
        let (filter, column, row) = (at % f, at / f % (w - 2), at / f / (w - 2));
        db[filter] += f64::from(dy);
        for tap in 0..9 {
            for channel in 0..c {
                let from = ((row + tap / 3) * w + column + tap % 3) * c + channel;
                let by = (tap * c + channel) * f + filter;
                dx[from] += f64::from(dy) * f64::from(weights[by]);
                dw[by] += f64::from(dy) * f64::from(x[from]);
            }
        }
    }
    assert_eq!(dy.len(), (h - 2) * (w - 2) * f);
    let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    (single(dx), single(dw), single(db))
}

/// 2x2 max-pooling: `x [H, W, C]` gives values and the place (0 to 3, row by row) of the first
/// greatest of each cell.
pub(crate) fn pool(x: &[f32], [h, w, c]: [usize; 3]) -> (Vec<f32>, Vec<u8>) {
    let (mut y, mut places) = (Vec::new(), Vec::new());
    for row in 0..h / 2 {
        for column in 0..w / 2 {
            for channel in 0..c {
                let at = |place: usize| {
                    ((2 * row + place / 2) * w + 2 * column + place % 2) * c + channel
                };
                let mut best = 0;
                for place in 1..4 {
                    if x[at(place)] > x[at(best)] {
                        best = place;
                    }
                }
                y.push(x[at(best)]);
                places.push(best as u8);
            }
        }
    }
    (y, places)
}
