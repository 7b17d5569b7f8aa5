//! What the evaluations of the versions so far have said: which one is the best, and whether the training goes on.
//!
//! All of it is a function of the evaluations in the order of the versions, and of nothing else. With an early stop no step
//! is trained before it is decided that it will be: the training waits at each version that is evaluated.

use crate::{
    plan::Plan,
    results::EvaluationPoint,
    settings::{Metric, ValidationSettings},
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Evaluations that are remembered.
const POINTS_MAX: usize = 1_000;

/// What the evaluations so far have said. A function of the versions alone: a resumed training goes on with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Judgement {
    /// The newest thousand, oldest first.
    pub(crate) evaluations: VecDeque<EvaluationPoint>,
    /// The best version so far on the items set aside, the first of equals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) best: Option<Best>,
    /// What the last gain that an early stop counts was; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gained: Option<f64>,
    /// Evaluations since then.
    #[serde(default)]
    without_gain: u32,
}

/// The best version so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Best {
    /// Steps of training behind it.
    pub(crate) step: u64,
    /// Its metric.
    pub(crate) value: f64,
}

/// How much of the training is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decided {
    /// So many steps will be trained.
    pub(crate) steps: u64,
    /// And no more than these.
    pub(crate) is_all: bool,
}

impl Judgement {
    /// Adds the evaluation of the next version; true when it is the best so far, or nothing chooses among them.
    pub(crate) fn add(
        &mut self,
        point: EvaluationPoint,
        chooses: Option<&ValidationSettings>,
    ) -> bool {
        if self.evaluations.len() == POINTS_MAX {
            self.evaluations.pop_front();
        }
        self.evaluations.push_back(point);
        let Some((settings, found)) = chooses.zip(point.validation) else { return true };
        let (metric, step) = (settings.metric, point.step);
        let value = match metric {
            Metric::Accuracy => found.accuracy,
            Metric::Loss => found.loss,
            Metric::F1 => found.f1,
        };
        // What is not a number is no gain.
        let gains =
            |before: f64, least: f64| value.is_finite() && metric.gain(value, before) > least;
        let least = settings.early_stop.map_or(0.0, |stop| stop.min_delta);
        let has_gained =
            self.gained.map_or_else(|| value.is_finite(), |gained| gains(gained, least));
        self.without_gain = if has_gained { 0 } else { self.without_gain + 1 };
        self.gained = if has_gained { Some(value) } else { self.gained };
        let is_best = self.best.map_or_else(|| value.is_finite(), |best| gains(best.value, 0.0));
        self.best = if is_best { Some(Best { step, value }) } else { self.best };
        is_best
    }

    /// The last version that was evaluated.
    pub(crate) fn last_step(&self) -> Option<u64> {
        self.evaluations.back().map(|point| point.step)
    }

    /// How much of the training is decided.
    pub(crate) fn decided(&self, plan: &Plan) -> Decided {
        let early_stop = plan.settings.train.validation.and_then(|settings| settings.early_stop);
        let Some(stop) = early_stop else {
            return Decided { steps: plan.steps(), is_all: true };
        };
        let last = self.last_step().unwrap_or(0);
        if self.without_gain >= stop.patience {
            return Decided { steps: last, is_all: true };
        }
        let steps = plan.next_evaluated(last);
        Decided { steps, is_all: steps == plan.steps() }
    }

    /// True when this can be what was said of the versions up to `step`.
    pub(crate) fn is_of(&self, step: u64) -> bool {
        let steps = || self.evaluations.iter().map(|point| point.step);
        let last = self.last_step();
        self.evaluations.len() <= POINTS_MAX
            && steps().zip(steps().skip(1)).all(|(before, after)| before < after)
            && last.is_none_or(|last| last <= step)
            && self.best.is_none_or(|best| last.is_some_and(|last| best.step <= last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        results::ValidationPoint,
        settings::{EarlyStop, Part},
    };

    /// What is said of versions with these losses, one after the other; and which were the best when they came.
    fn judged(losses: &[f64], min_delta: f64) -> (Judgement, Vec<bool>) {
        let settings = ValidationSettings {
            items: Part::Items(1),
            metric: Metric::Loss,
            keep_best: true,
            early_stop: Some(EarlyStop { patience: 2, min_delta }),
        };
        let mut judgement = Judgement::default();
        let point = |(step, &loss): (u64, &f64)| {
            let validation = Some(ValidationPoint { loss, accuracy: 0.5, f1: 0.5 });
            EvaluationPoint { step, epoch: 1, loss: 9.0, accuracy: 0.1, validation }
        };
        let points = (1..).zip(losses).map(point);
        let best = points.map(|point| judgement.add(point, Some(&settings))).collect();
        (judgement, best)
    }

    #[test]
    fn the_best_is_the_first_of_equals_and_what_is_no_number_is_never_it() {
        let (judgement, best) = judged(&[f64::NAN, 0.5, 0.4, 0.4, f64::NAN, 0.6], 0.0);
        assert_eq!(best, [false, true, true, false, false, false]);
        assert_eq!(judgement.best, Some(Best { step: 3, value: 0.4 }));
        assert_eq!(judgement.without_gain, 3);
    }

    #[test]
    fn a_gain_no_greater_than_min_delta_is_the_best_but_does_not_put_off_the_end() {
        let (judgement, best) = judged(&[0.5, 0.45, 0.41], 0.1);
        assert_eq!(best, [true, true, true]);
        assert_eq!((judgement.gained, judgement.without_gain), (Some(0.5), 2));
        let (judgement, _) = judged(&[0.5, 0.45, 0.39], 0.1);
        assert_eq!((judgement.gained, judgement.without_gain), (Some(0.39), 0));
    }

    #[test]
    fn a_judgement_knows_of_which_versions_it_can_be() {
        let (mut judgement, _) = judged(&[0.5, 0.4, 0.6], 0.0);
        assert!(judgement.is_of(3) && judgement.is_of(9) && !judgement.is_of(2));
        judgement.best = Some(Best { step: 4, value: 0.1 });
        assert!(!judgement.is_of(9), "nobody has seen that version");
    }
}
