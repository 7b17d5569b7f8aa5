//! Shifted, turned, and larger or smaller: an affine map in fixed point.
//!
//! Sine and cosine are our own polynomials in plain IEEE arithmetic: equal bits on every machine.

use planaria_random::Stream;

use super::Warp;

/// Fraction bits of a coordinate: a hundredth of a pixel after 10,000 steps, and no image is too large for an `i64`.
pub(super) const FRACTION: u32 = 20;
pub(super) const ONE: f64 = (1u32 << FRACTION) as f64;

/// An affine map: where the first output pixel lies in the image, and the steps down and across.
pub(super) struct Affine {
    pub(super) y: i64,
    pub(super) x: i64,
    pub(super) y_down: i64,
    pub(super) x_down: i64,
    pub(super) y_across: i64,
    pub(super) x_across: i64,
}

impl Affine {
    /// Draws the map from places in the output to places in the image: `p = middle + R(-angle) (q - middle - shift) / scale`.
    /// Takes four numbers from `stream` whatever the settings.
    pub(super) fn draw(warp: &Warp, (h, w): (usize, usize), stream: &mut Stream) -> Affine {
        let down = f64::from(stream.next_between(-warp.shift, warp.shift));
        let across = f64::from(stream.next_between(-warp.shift, warp.shift));
        let (sin, cos) = sin_cos(f64::from(stream.next_between(-warp.rotate, warp.rotate)));
        let scale = f64::from(1.0 + stream.next_between(-warp.scale, warp.scale)).max(1e-3);
        let (sin, cos) = (sin / scale, cos / scale);
        Affine::about_middle((h, w), [[cos, -sin], [sin, cos]], (down, across))
    }

    /// The map `p = middle + matrix (q - middle - shift)`, down before across.
    pub(super) fn about_middle(
        (h, w): (usize, usize),
        matrix: [[f64; 2]; 2],
        (down, across): (f64, f64),
    ) -> Affine {
        let (middle_y, middle_x) = ((h as f64 - 1.0) / 2.0, (w as f64 - 1.0) / 2.0);
        let (from_y, from_x) = (-middle_y - down, -middle_x - across);
        let fixed = |place: f64| (place * ONE).round() as i64;
        let [[y_down, y_across], [x_down, x_across]] = matrix;
        Affine {
            y: fixed(middle_y + y_down * from_y + y_across * from_x),
            x: fixed(middle_x + x_down * from_y + x_across * from_x),
            y_down: fixed(y_down),
            x_down: fixed(x_down),
            y_across: fixed(y_across),
            x_across: fixed(x_across),
        }
    }
}

/// Sine and cosine of an angle in degrees, exact at multiples of 90, within 1e-13 elsewhere, by addition and multiplication.
///
/// Source: Taylor series to x^13 and x^12 on -45 to 45 degrees.
pub(super) fn sin_cos(degrees: f64) -> (f64, f64) {
    let quarters = (degrees / 90.0).round();
    let x = (degrees - quarters * 90.0) * (std::f64::consts::PI / 180.0);
    let square = x * x;
    let series = |last: i32, first: i32| {
        // 1 - x^2/(n (n+1)) (1 - ...), from the innermost term outwards.
        (first..=last)
            .rev()
            .step_by(2)
            .fold(1.0, |sum, n| 1.0 - square / f64::from(n * (n + 1)) * sum)
    };
    let (sin, cos) = (x * series(12, 2), series(11, 1));
    match (quarters as i64).rem_euclid(4) {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_and_cosine_are_those_of_the_library_and_exact_at_right_angles() {
        for tenth in -7_200..=7_200 {
            let degrees = f64::from(tenth) / 10.0;
            let (sin, cos) = sin_cos(degrees);
            let expected = degrees.to_radians().sin_cos();
            assert!((sin - expected.0).abs() < 1e-12 && (cos - expected.1).abs() < 1e-12);
        }
        let right = [0.0, 90.0, 180.0, 270.0, -90.0].map(sin_cos);
        assert_eq!(right, [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0), (-1.0, 0.0)]);
    }
}
