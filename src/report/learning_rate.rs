//! The report of a learning-rate range test: how the loss went while the rate grew, and what follows from it.
//!
//! Source: Smith, "Cyclical learning rates for training neural networks", arXiv:1506.01186, section 3.3; smoothing, the end
//! at four times the least loss, and the tenth of the rate of the least loss are fastai's.

use serde::Serialize;

/// The curve ends where the smoothed loss is so many times the least before it.
const DIVERGED: f64 = 4.0;

/// Points that a suggestion needs.
const POINTS_MIN: usize = 10;

/// Everything that a range test has to show for itself. Its names are a promise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RangeTest {
    /// A tenth of the rate at which the smoothed loss is least; none when the loss never falls.
    pub suggested: Option<f64>,
    /// The rate at which it falls fastest.
    pub steepest: Option<f64>,
    /// True when the loss has grown again beyond measure, or was no number at the end.
    pub diverged: bool,
    /// The curve, up to where it diverged.
    pub points: Vec<RatePoint>,
}

/// A point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RatePoint {
    /// The step, from 1.
    pub step: u64,
    /// Its learning rate.
    pub rate: f64,
    /// Its loss.
    pub loss: f64,
    /// The mean of the losses so far, the newest ones counting most.
    pub smoothed: f64,
}

impl RangeTest {
    /// What follows from losses: their steps, rates and values, in their order, of `planned` that there would be in all.
    /// `failed` when the training ended in a loss that is no number.
    pub fn new(losses: &[(u64, f64, f64)], planned: u64, failed: bool) -> Self {
        // About a twentieth of the curve is behind each smoothed value.
        let newest = (20.0 / planned.max(1) as f64).min(0.5);
        let (mut sum, mut weight, mut least) = (0.0, 0.0, f64::INFINITY);
        let (mut points, mut diverged) = (Vec::new(), failed);
        for &(step, rate, loss) in losses {
            sum += newest * (loss - sum);
            weight += newest * (1.0 - weight);
            let smoothed = sum / weight;
            if smoothed > DIVERGED * least || !smoothed.is_finite() {
                diverged = true;
                break;
            }
            least = least.min(smoothed);
            points.push(RatePoint { step, rate, loss, smoothed });
        }
        let (suggested, steepest) = suggestions(&points).unzip();
        RangeTest { suggested, steepest, diverged, points }
    }
}

/// A tenth of the rate of the least loss, and the rate of the fastest fall before it.
fn suggestions(points: &[RatePoint]) -> Option<(f64, f64)> {
    if points.len() < POINTS_MIN {
        return None;
    }
    let least =
        points.iter().enumerate().min_by(|(_, a), (_, b)| a.smoothed.total_cmp(&b.smoothed));
    let (at, least) = least.filter(|(at, _)| *at >= 2)?;
    let slope = |pair: &&[RatePoint]| {
        (pair[2].smoothed - pair[0].smoothed) / libm::log(pair[2].rate / pair[0].rate)
    };
    let falls = points[..=at].windows(3);
    let steepest = falls.min_by(|a, b| slope(a).total_cmp(&slope(b)))?;
    Some((least.rate / 10.0, steepest[1].rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred steps from 1e-6 to 1, with the loss that `loss` gives at the tenth logarithm of the rate.
    fn tested(loss: impl Fn(f64) -> f64) -> RangeTest {
        let point = |step: u64| {
            let exponent = -6.0 + 6.0 * (step - 1) as f64 / 99.0;
            (step, libm::exp10(exponent), loss(exponent))
        };
        RangeTest::new(&(1..=100).map(point).collect::<Vec<_>>(), 100, false)
    }

    #[test]
    fn the_rate_is_a_tenth_of_that_of_the_least_loss_and_the_steepest_lies_before_it() {
        // Falls between 1e-4 and 1e-2, fastest in the middle; flat before; grows after 1e-1.
        let fall = |x: f64| 2.0 / (1.0 + libm::exp(4.0 * (x + 3.0))) + 0.3;
        let test = tested(|x| fall(x) + if x > -1.0 { 40.0 * (x + 1.0) } else { 0.0 });
        let (suggested, steepest) = (test.suggested.unwrap_or(0.0), test.steepest.unwrap_or(0.0));
        assert!((5e-3..3e-2).contains(&suggested), "{suggested}");
        assert!((5e-4..5e-3).contains(&steepest), "{steepest}");
        assert!(test.diverged && test.points.len() < 100, "{}", test.points.len());
    }

    #[test]
    fn a_curve_that_never_falls_suggests_nothing() {
        let test = tested(|x| 3.0 + x / 6.0);
        assert_eq!((test.suggested, test.steepest, test.diverged), (None, None, false));
        assert_eq!(RangeTest::new(&[(1, 1e-6, 2.0)], 100, true).suggested, None);
        assert_eq!(RangeTest::new(&[], 100, false).points, []);
    }

    #[test]
    fn a_loss_that_is_no_number_ends_the_curve() {
        let test = tested(|x| if x > -2.0 { f64::NAN } else { 2.0 });
        assert!(test.diverged && test.points.iter().all(|point| point.smoothed.is_finite()));
    }
}
