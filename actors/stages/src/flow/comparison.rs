//! The classical models beside the network: one fit a model, round after round.
//!
//! Ordinals: 0 makes the tables; then every model has one for each of its rounds, model after model.

use super::{id, samples::Samples};
use crate::{
    compare::{Round, RoundOutcome, Tables, baseline},
    kinds::StageKind,
    plan::Plan,
    results::BaselineResult,
};
use planaria_baselines::{Baseline, State};
use planaria_kernel::{Intake, ItemId};
use std::{sync::Arc, time::Duration};

/// A model on its way.
struct Fit {
    model: Arc<dyn Baseline>,
    /// The ordinal of its round 0.
    first: u64,
    /// Rounds done.
    rounds: u32,
    state: Option<Arc<State>>,
    busy: Duration,
    accuracy: Option<f64>,
}

/// All models.
pub(crate) struct Comparison {
    train_rows: u64,
    fits: Vec<Fit>,
    tables: Option<Arc<Tables>>,
    began: bool,
}

impl Comparison {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let mut next = 1;
        let models = plan.settings.baselines.models.iter().filter_map(|name| baseline(name));
        let fits = models.map(|model| {
            let first = next;
            next += u64::from(model.rounds());
            Fit { model, first, rounds: 0, state: None, busy: Duration::ZERO, accuracy: None }
        });
        Comparison {
            fits: fits.collect(),
            train_rows: (plan.settings.baselines.train_rows as u64).min(plan.train_items),
            tables: None,
            began: false,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.fits.iter().all(|fit| fit.accuracy.is_some())
    }

    /// Begins when the items that the tables are made of are there.
    pub(crate) fn advance(&mut self, samples: &Samples, intake: &mut Intake<'_>) {
        let is_ready = samples.test_is_complete() && samples.train_settled() >= self.train_rows;
        if self.began || self.fits.is_empty() || !is_ready {
            return;
        }
        self.began = true;
        intake.accept(id(StageKind::Compare), ItemId(0));
    }

    pub(crate) fn round(&self, ordinal: u64, samples: &Samples) -> Round {
        let Some(tables) = &self.tables else {
            let rows = 0..self.train_rows;
            let train = rows.filter_map(|position| samples.train_at(position).cloned()).collect();
            return Round::Tables { train, test: samples.test() };
        };
        let fit = &self.fits[self.fit_of(ordinal)];
        Round::Fit {
            model: fit.model.clone(),
            round: fit.rounds,
            state: fit.state.clone(),
            tables: tables.clone(),
        }
    }

    pub(crate) fn committed(
        &mut self,
        ordinal: u64,
        outcome: RoundOutcome,
        busy: Duration,
        intake: &mut Intake<'_>,
    ) {
        match outcome {
            RoundOutcome::Tables(tables) => {
                self.tables = Some(Arc::new(tables));
                for fit in &self.fits {
                    intake.accept(id(StageKind::Compare), ItemId(fit.first));
                }
            }
            RoundOutcome::Fit(state, accuracy) => {
                let at = self.fit_of(ordinal);
                let fit = &mut self.fits[at];
                fit.rounds += 1;
                fit.state = Some(Arc::new(state));
                fit.busy += busy;
                fit.accuracy = accuracy;
                if fit.rounds < fit.model.rounds() {
                    let next = ItemId(fit.first + u64::from(fit.rounds));
                    intake.accept(id(StageKind::Compare), next);
                }
            }
        }
        if self.is_done() {
            self.tables = None; // as large as the data: nobody needs it any more
        }
    }

    pub(crate) fn results(&self) -> Vec<BaselineResult> {
        let result = |fit: &Fit| {
            Some(BaselineResult {
                name: fit.model.name().to_owned(),
                library: fit.model.library().to_owned(),
                accuracy: fit.accuracy?,
                seconds: fit.busy.as_secs_f64(),
                train_rows: self.train_rows as usize,
            })
        };
        self.fits.iter().filter_map(result).collect()
    }

    fn fit_of(&self, ordinal: u64) -> usize {
        self.fits.partition_point(|fit| fit.first <= ordinal) - 1
    }
}
