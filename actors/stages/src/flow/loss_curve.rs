//! The losses of a training, thinned to what fits a screen and a report.

use crate::results::LossPoint;
use serde::{Deserialize, Serialize};

/// Points of a curve at most.
const POINTS_MAX: u64 = 1_000;

/// Mean losses of equal stretches of steps. A function of the steps' losses alone: a resumed training goes on with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossCurve {
    /// Steps a point.
    stride: u64,
    points: Vec<LossPoint>,
    /// Of the steps since the last point.
    sum: f64,
    count: u64,
}

impl LossCurve {
    /// The empty curve of a training of so many steps.
    pub(crate) fn new(steps: u64) -> Self {
        let stride = steps.div_ceil(POINTS_MAX).max(1);
        LossCurve { stride, points: Vec::new(), sum: 0.0, count: 0 }
    }

    /// Adds the loss of the step that made version `step`.
    pub(crate) fn add(&mut self, step: u64, loss: f64) {
        self.sum += loss;
        self.count += 1;
        if self.count == self.stride {
            self.points.push(LossPoint { step, loss: self.sum / self.count as f64 });
            (self.sum, self.count) = (0.0, 0);
        }
    }

    /// The points so far; the last one may be of fewer steps than the others.
    pub(crate) fn points(&self) -> Vec<LossPoint> {
        let mut points = self.points.clone();
        if self.count > 0 {
            let step = points.last().map_or(0, |point| point.step) + self.count;
            points.push(LossPoint { step, loss: self.sum / self.count as f64 });
        }
        points
    }

    /// True when this is the curve of a training of `steps` steps after `step` of them.
    pub(crate) fn is_of(&self, step: u64, steps: u64) -> bool {
        let whole = LossCurve::new(steps);
        self.stride == whole.stride
            && self.count < self.stride
            && self.points.len() as u64 == step / self.stride
            && self.count == step % self.stride
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_training_keeps_every_loss_and_a_long_one_means_of_equal_stretches() {
        let mut short = LossCurve::new(3);
        (1..=3).for_each(|step| short.add(step, step as f64));
        let steps: Vec<u64> = short.points().iter().map(|point| point.step).collect();
        assert_eq!(steps, [1, 2, 3]);
        let mut long = LossCurve::new(2_500);
        (1..=2_500).for_each(|step| long.add(step, step as f64));
        let points = long.points();
        assert_eq!(points.len(), 834);
        assert_eq!(points[0], LossPoint { step: 3, loss: 2.0 });
        assert_eq!(points[833], LossPoint { step: 2_500, loss: 2_500.0 }, "the rest");
    }

    #[test]
    fn a_curve_knows_whose_it_is() {
        let mut curve = LossCurve::new(2_500);
        assert!(curve.is_of(0, 2_500) && !curve.is_of(0, 900));
        (1..=7).for_each(|step| curve.add(step, 1.0));
        assert!(curve.is_of(7, 2_500) && !curve.is_of(8, 2_500) && !curve.is_of(4, 2_500));
    }
}
