//! What the learning rate is multiplied by at each step.

use serde::{Deserialize, Serialize};

/// How the learning rate changes over a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Always 1.
    #[default]
    Constant,
    /// From 1 down to 0 along half a cosine.
    ///
    /// Source: Loshchilov and Hutter, "SGDR", arXiv:1608.03983, without restarts.
    Cosine,
    /// From 1/25 up to 1 over the first 30 %, then down to 1/250,000, both along half a cosine.
    ///
    /// Source: Smith and Topin, "Super-convergence", arXiv:1708.07120; the numbers are PyTorch's.
    OneCycle,
}

/// The share of the steps in which one-cycle rises.
const RISE: f64 = 0.3;
/// Where one-cycle begins.
const BEGIN: f64 = 1.0 / 25.0;
/// Where one-cycle ends.
const END: f64 = BEGIN / 1e4;

impl Schedule {
    /// The factor of step `step` (from 1) of `total_steps`; later steps have that of the last.
    pub fn factor(&self, step: u64, total_steps: u64) -> f32 {
        let last = total_steps.saturating_sub(1).max(1) as f64;
        let at = step.saturating_sub(1).min(total_steps.saturating_sub(1)) as f64;
        let factor = match self {
            Schedule::Constant => 1.0,
            Schedule::Cosine => between(1.0, 0.0, at / total_steps.max(1) as f64),
            Schedule::OneCycle => {
                let top = (RISE * total_steps as f64 - 1.0).max(0.0);
                if at < top {
                    between(BEGIN, 1.0, at / top)
                } else {
                    between(1.0, END, (at - top) / (last - top).max(1.0))
                }
            }
        };
        factor as f32
    }
}

/// From `from` (at 0) to `to` (at 1) along half a cosine.
fn between(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f32, want: f64) -> bool {
        (f64::from(got) - want).abs() < 1e-6
    }

    #[test]
    fn cosine_begins_at_one_and_passes_its_middle_half_way() {
        assert!(near(Schedule::Cosine.factor(1, 100), 1.0));
        assert!(near(Schedule::Cosine.factor(51, 100), 0.5));
        assert!(Schedule::Cosine.factor(100, 100) < 0.001);
    }

    #[test]
    fn one_cycle_rises_and_falls_as_in_pytorch() {
        // torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10): steps 1, 3, 10
        assert!(near(Schedule::OneCycle.factor(1, 10), 0.04));
        assert!(near(Schedule::OneCycle.factor(3, 10), 1.0));
        assert!(near(Schedule::OneCycle.factor(10, 10), 4e-6));
    }

    #[test]
    fn every_factor_is_between_zero_and_one() {
        for schedule in [Schedule::Constant, Schedule::Cosine, Schedule::OneCycle] {
            for total in 0..30 {
                for step in 1..40 {
                    let factor = schedule.factor(step, total);
                    assert!((0.0..=1.0).contains(&factor), "{schedule:?} {step} {total}: {factor}");
                }
            }
        }
    }
}
