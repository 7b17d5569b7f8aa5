//! What the learning rate is multiplied by at each step: pure functions of the step, the number of
//! steps and the number of steps an epoch.
//!
//! Cosines and powers are `libm`'s: their bits are the same on every machine.

use crate::Named;
use serde::{Deserialize, Serialize};

/// Every schedule by its name in a config, with its defaults.
pub const SCHEDULES: [Named<Schedule>; 8] = [
    ("constant", || Schedule::Constant),
    ("step", || Schedule::Step(Step::default())),
    ("milestones", || Schedule::Milestones(Milestones::default())),
    ("cosine", || Schedule::Cosine(Cosine::default())),
    ("one-cycle", || Schedule::OneCycle(OneCycle::default())),
    ("triangular", || Schedule::Triangular(Triangular::default())),
    ("exponential", || Schedule::Exponential(Exponential::default())),
    ("warm-up", || Schedule::WarmUp(WarmUp::default())),
];

/// How the learning rate changes over a training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Schedule {
    /// Always 1.
    #[default]
    Constant,
    /// Less after every so many epochs.
    Step(Step),
    /// Less after certain epochs.
    Milestones(Milestones),
    /// From 1 down along half a cosine.
    Cosine(Cosine),
    /// Up to 1, then down, both along half a cosine.
    OneCycle(OneCycle),
    /// Up to 1, then down, both in a line.
    Triangular(Triangular),
    /// From one factor to another, multiplied alike at every step: to find a learning rate.
    Exponential(Exponential),
    /// Another schedule after a slow beginning.
    WarmUp(WarmUp),
}

/// `factor` to the number of whole periods that are over, as PyTorch's `StepLR`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// Epochs a period, at least 1.
    pub epochs: u32,
    /// What the rate is multiplied by after each.
    pub factor: f64,
}

/// `factor` to the number of milestones that are behind, as PyTorch's `MultiStepLR`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Milestones {
    /// After how many epochs.
    pub epochs: Vec<u32>,
    /// What the rate is multiplied by after each.
    pub factor: f64,
}

/// From 1 down to `floor` along half a cosine, as PyTorch's `CosineAnnealingLR`.
///
/// Source: Loshchilov and Hutter, "SGDR", arXiv:1608.03983, without restarts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cosine {
    /// Where it would be one step after the last.
    pub floor: f64,
}

/// From `begin` up to 1 over the share `peak`, then down to `floor`, both along half a cosine, as
/// PyTorch's `OneCycleLR`.
///
/// Source: Smith and Topin, "Super-convergence", arXiv:1708.07120; the numbers are PyTorch's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneCycle {
    /// The share of the steps in which it rises.
    pub peak: f64,
    /// Where it begins.
    pub begin: f64,
    /// Where it ends.
    pub floor: f64,
}

/// From `begin` up to 1 over the share `peak`, then down to `floor`, both in a line.
///
/// Source: Smith, "Cyclical learning rates", arXiv:1506.01186, one cycle of it; the begin is that
/// of Jordan, "94 % on CIFAR-10 in 3.29 seconds", arXiv:2404.00498.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Triangular {
    /// The share of the steps in which it rises.
    pub peak: f64,
    /// Where it begins.
    pub begin: f64,
    /// Where it would be one step after the last.
    pub floor: f64,
}

/// From `begin` to `end`, every step by the same factor.
///
/// Source: Smith, "Cyclical learning rates", arXiv:1506.01186, section 3.3, with the exponential
/// growth that has become usual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exponential {
    /// The factor of the first step, above 0.
    pub begin: f64,
    /// The factor of the last step, above 0.
    pub end: f64,
}

/// A line from 0 (one step before the first) to the first factor of another schedule, then that
/// schedule: over the steps that are left, but for epochs, which count from the very beginning.
///
/// Source: Goyal et al., "Accurate, large minibatch SGD", arXiv:1706.02677, section 2.2.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WarmUp {
    /// So many steps.
    pub steps: u64,
    /// And the steps of so many epochs.
    pub epochs: f64,
    /// What comes then.
    pub then: Box<Schedule>,
}

impl Default for Step {
    fn default() -> Self {
        Step { epochs: 30, factor: 0.1 }
    }
}

impl Default for Milestones {
    fn default() -> Self {
        Milestones { epochs: Vec::new(), factor: 0.1 }
    }
}

impl Default for OneCycle {
    fn default() -> Self {
        OneCycle { peak: 0.3, begin: 0.04, floor: 4e-6 }
    }
}

impl Default for Triangular {
    fn default() -> Self {
        Triangular { peak: 0.2, begin: 0.2, floor: 0.0 }
    }
}

impl Default for Exponential {
    fn default() -> Self {
        Exponential { begin: 1e-6, end: 1.0 }
    }
}

/// Where a training is.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// Steps done, less than `total`.
    at: u64,
    /// Steps in all, at least 1.
    total: u64,
    /// Steps an epoch, at least 1.
    per_epoch: u64,
    /// Steps that a warm-up took before.
    warm: u64,
}

impl Schedule {
    /// The factor of step `step` (from 1) of `total`, of which an epoch has `per_epoch`; later
    /// steps have that of the last.
    pub fn factor(&self, step: u64, total: u64, per_epoch: u64) -> f32 {
        let (total, per_epoch) = (total.max(1), per_epoch.max(1));
        let at = step.saturating_sub(1).min(total - 1);
        self.at(Clock { at, total, per_epoch, warm: 0 }) as f32
    }

    fn at(&self, clock: Clock) -> f64 {
        let share = clock.at as f64 / clock.total as f64;
        match self {
            Schedule::Constant => 1.0,
            Schedule::Step(Step { epochs, factor }) => {
                libm::pow(*factor, (clock.epoch() / u64::from(*epochs).max(1)) as f64)
            }
            Schedule::Milestones(Milestones { epochs, factor }) => {
                let behind = epochs.iter().filter(|&&epoch| u64::from(epoch) <= clock.epoch());
                libm::pow(*factor, behind.count() as f64)
            }
            Schedule::Cosine(Cosine { floor }) => wave(1.0, *floor, share),
            Schedule::OneCycle(cycle) => cycle.at(clock),
            Schedule::Triangular(Triangular { peak, begin, floor }) => {
                if share < *peak {
                    line(*begin, 1.0, share / peak)
                } else {
                    line(1.0, *floor, (share - peak) / (1.0 - peak).max(f64::MIN_POSITIVE))
                }
            }
            Schedule::Exponential(Exponential { begin, end }) => {
                begin * libm::pow(end / begin, clock.at as f64 / (clock.total - 1).max(1) as f64)
            }
            Schedule::WarmUp(warm_up) => warm_up.at(clock),
        }
    }
}

impl OneCycle {
    fn at(&self, clock: Clock) -> f64 {
        let top = (self.peak * clock.total as f64 - 1.0).max(0.0);
        let at = clock.at as f64;
        if at < top {
            wave(self.begin, 1.0, at / top)
        } else {
            wave(1.0, self.floor, (at - top) / ((clock.total - 1) as f64 - top).max(1.0))
        }
    }
}

impl WarmUp {
    fn at(&self, clock: Clock) -> f64 {
        let epochs = (self.epochs * clock.per_epoch as f64) as u64;
        let warm = self.steps.saturating_add(epochs).min(clock.total - 1);
        let (total, before) = (clock.total - warm, clock.warm + warm);
        let rest = Clock { at: clock.at.saturating_sub(warm), total, warm: before, ..clock };
        let rising = ((clock.at + 1) as f64 / (warm + 1) as f64).min(1.0);
        rising * self.then.at(rest)
    }
}

impl Clock {
    /// Epochs done since the very beginning.
    fn epoch(&self) -> u64 {
        (self.at + self.warm) / self.per_epoch
    }
}

/// From `from` (at 0) to `to` (at 1) along half a cosine.
fn wave(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * share))
}

/// From `from` (at 0) to `to` (at 1) in a line.
fn line(from: f64, to: f64, share: f64) -> f64 {
    from + (to - from) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f32, want: f64) -> bool {
        (f64::from(got) - want).abs() < 1e-6
    }

    #[test]
    fn cosine_begins_at_one_and_passes_its_middle_half_way() {
        let cosine = Schedule::Cosine(Cosine::default());
        assert!(near(cosine.factor(1, 100, 10), 1.0));
        assert!(near(cosine.factor(51, 100, 10), 0.5));
        assert!(cosine.factor(100, 100, 10) < 0.001);
        let above = Schedule::Cosine(Cosine { floor: 0.2 });
        assert!(near(above.factor(51, 100, 10), 0.6));
    }

    #[test]
    fn one_cycle_rises_and_falls_as_in_pytorch() {
        // torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10): steps 1, 3, 10
        let cycle = Schedule::OneCycle(OneCycle::default());
        assert!(near(cycle.factor(1, 10, 5), 0.04));
        assert!(near(cycle.factor(3, 10, 5), 1.0));
        assert!(near(cycle.factor(10, 10, 5), 4e-6));
    }

    #[test]
    fn a_triangle_passes_its_corners() {
        let triangle = Schedule::Triangular(Triangular { peak: 0.25, begin: 0.2, floor: 0.1 });
        let factors = [1, 11, 26, 101].map(|step| triangle.factor(step, 1_000, 1));
        let triangle = |step| triangle.factor(step, 100, 10);
        assert!(near(triangle(1), 0.2) && near(triangle(26), 1.0) && near(triangle(63), 0.556));
        assert!(factors.windows(2).all(|pair| pair[0] < pair[1]), "{factors:?}");
    }

    #[test]
    fn epochs_count_from_the_beginning_whatever_was_warmed_up() {
        let then = Schedule::Milestones(Milestones { epochs: vec![4, 6], factor: 0.5 });
        let schedule =
            Schedule::WarmUp(WarmUp { steps: 0, epochs: 2.0, then: Box::new(then.clone()) });
        for step in 21..=80 {
            assert_eq!(schedule.factor(step, 80, 10), then.factor(step, 80, 10), "{step}");
        }
        assert!(near(schedule.factor(1, 80, 10), 1.0 / 21.0));
        assert!(near(schedule.factor(20, 80, 10), 20.0 / 21.0));
        assert!(near(schedule.factor(41, 80, 10), 0.5) && near(schedule.factor(61, 80, 10), 0.25));
    }

    #[test]
    fn a_warm_up_ends_where_the_other_begins_and_leaves_it_the_rest() {
        let then = Schedule::Cosine(Cosine::default());
        let schedule =
            Schedule::WarmUp(WarmUp { steps: 20, epochs: 0.0, then: Box::new(then.clone()) });
        for step in 1..=80 {
            let found = schedule.factor(step + 20, 100, 10);
            assert_eq!(found, then.factor(step, 80, 10), "{step}");
        }
        // Longer than the training: it only rises.
        let endless = WarmUp { steps: u64::MAX, epochs: 1e300, then: Box::new(then) };
        let endless = Schedule::WarmUp(endless);
        assert!(
            (1..100).all(|step| endless.factor(step, 100, 9) < endless.factor(step + 1, 100, 9))
        );
    }

    #[test]
    fn exponential_multiplies_every_step_alike() {
        let range = Schedule::Exponential(Exponential { begin: 1e-4, end: 1.0 });
        let factors: Vec<f32> = (1..=5).map(|step| range.factor(step, 5, 1)).collect();
        for (found, want) in factors.into_iter().zip([1e-4, 1e-3, 1e-2, 1e-1, 1.0]) {
            assert!((f64::from(found) / want - 1.0).abs() < 1e-6, "{found} {want}");
        }
    }

    #[test]
    fn every_factor_is_between_zero_and_one() {
        for (name, schedule) in SCHEDULES {
            let schedule = schedule();
            for total in 0..30 {
                for step in 1..40 {
                    let factor = schedule.factor(step, total, 7);
                    assert!((0.0..=1.0).contains(&factor), "{name} {step} {total}: {factor}");
                }
            }
        }
    }

    #[test]
    fn every_schedule_is_written_under_its_name_and_read_again() {
        for (name, schedule) in SCHEDULES {
            let json = serde_json::to_value(schedule()).unwrap();
            assert_eq!(json["kind"], name);
            assert_eq!(serde_json::from_value::<Schedule>(json).unwrap(), schedule());
            let bare = serde_json::json!({ "kind": name });
            assert_eq!(serde_json::from_value::<Schedule>(bare).unwrap(), schedule());
            let strange = serde_json::json!({ "kind": name, "rate": 1 });
            let refused = serde_json::from_value::<Schedule>(strange).is_err();
            // serde itself takes any field of a variant that has none.
            assert!(refused || name == "constant", "{name}");
        }
    }
}
