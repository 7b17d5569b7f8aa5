//! The classical models beside the network: one fit a model, round after round, then all its predictions side by side.
//!
//! Ordinals: 0 makes the tables; then every model has one for each of its rounds and one for each block of held-out items,
//! model after model.

use super::{id, samples::Samples};
use crate::{
    compare::{Round, RoundOutcome, Tables},
    kinds::StageKind,
    plan::Plan,
    results::ComparisonRow,
};
use planaria_baselines::{Baseline, State};
use planaria_kernel::{Intake, ItemId};
use std::{ops::Range, sync::Arc, time::Duration};

/// Held-out items that a model is asked for in one item of the stage.
const BLOCK: usize = 500;

/// A model on its way.
struct Fit {
    model: &'static Baseline,
    /// The ordinal of its round 0.
    first: u64,
    /// Rounds done.
    rounds: u32,
    state: Option<Arc<State>>,
    /// By block: how many predictions were right.
    right: Vec<Option<u64>>,
    fit_busy: Duration,
    predict_busy: Duration,
    /// Once it is compared.
    row: Option<ComparisonRow>,
}

impl Fit {
    fn new(model: &'static Baseline, first: u64) -> Self {
        Fit {
            model,
            first,
            rounds: 0,
            state: None,
            right: Vec::new(),
            fit_busy: Duration::ZERO,
            predict_busy: Duration::ZERO,
            row: None,
        }
    }

    /// The ordinal of its first block.
    fn first_block(&self) -> u64 {
        self.first + u64::from(self.model.rounds())
    }

    fn state(&self) -> &Arc<State> {
        self.state.as_ref().expect("only a fitted model is asked")
    }

    /// Counts a round, and accepts the next, or the blocks after the last.
    fn continued(&mut self, state: State, tables: &Tables, intake: &mut Intake<'_>) {
        self.rounds += 1;
        self.state = Some(Arc::new(state));
        let next = self.first + u64::from(self.rounds);
        let mut items = 1;
        if self.rounds == self.model.rounds() {
            items = blocks(tables.test.rows());
            self.right = vec![None; items];
        }
        for item in next..next + items as u64 {
            intake.accept(id(StageKind::Compare), ItemId(item));
        }
    }

    /// Puts a block's count into its place; all together make a row of the table.
    fn predicted(&mut self, block: usize, right: u64, tables: &Tables) {
        self.right[block] = Some(right);
        let Some(right) = self.right.iter().copied().sum::<Option<u64>>() else { return };
        let (model, rows) = (self.model, tables.train.rows());
        let train_rows = model.rows_used(rows);
        self.row = Some(ComparisonRow {
            name: model.name.to_owned(),
            library: model.library.to_owned(),
            accuracy: right as f64 / tables.test.rows().max(1) as f64,
            fit_seconds: self.fit_busy.as_secs_f64(),
            predict_seconds: self.predict_busy.as_secs_f64(),
            model_bytes: self.state().model_bytes(),
            train_rows: train_rows as u64,
            note: model.note.map(str::to_owned),
            sample_because: model
                .rows_max
                .filter(|_| train_rows < rows)
                .map(|max| max.why.to_owned()),
        });
        self.state = None; // may be as large as the data: nobody needs it any more
    }
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
        let models = plan.settings.baselines.models.iter().filter_map(|name| Baseline::find(name));
        let fits = models.map(|model| {
            let fit = Fit::new(model, next);
            next = fit.first_block() + blocks(plan.test_items as usize) as u64;
            fit
        });
        Comparison {
            fits: fits.collect(),
            train_rows: (plan.settings.baselines.train_rows as u64).min(plan.train_items),
            tables: None,
            began: false,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.fits.iter().all(|fit| fit.row.is_some())
    }

    /// Begins when the items that the tables are made of are there.
    pub(crate) fn advance(&mut self, samples: &Samples, intake: &mut Intake<'_>) {
        let is_ready =
            samples.held_out_are_complete() && samples.train_settled() >= self.train_rows;
        if self.began || self.fits.is_empty() || !is_ready {
            return;
        }
        self.began = true;
        intake.accept(id(StageKind::Compare), ItemId(0));
    }

    pub(crate) fn round(&self, ordinal: u64, samples: &Samples) -> Round {
        let Some(tables) = self.tables.clone() else {
            let rows = 0..self.train_rows;
            let train = rows.filter_map(|position| samples.train_at(position)).collect();
            return Round::Tables { train, test: samples.test() };
        };
        let fit = &self.fits[self.fit_of(ordinal)];
        let model = fit.model;
        if ordinal < fit.first_block() {
            return Round::Fit { model, round: fit.rounds, state: fit.state.clone(), tables };
        }
        let part = part((ordinal - fit.first_block()) as usize, tables.test.rows());
        Round::Predict { model, state: fit.state().clone(), part, tables }
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
            RoundOutcome::Fit(state) => {
                let (fit, tables) = self.in_progress(ordinal);
                fit.fit_busy += busy;
                fit.continued(state, &tables, intake);
            }
            RoundOutcome::Predicted(right) => {
                let (fit, tables) = self.in_progress(ordinal);
                fit.predict_busy += busy;
                fit.predicted((ordinal - fit.first_block()) as usize, right, &tables);
            }
        }
        if self.is_done() {
            self.tables = None; // as large as the data: nobody needs it any more
        }
    }

    /// The models that are compared, in the order of the config.
    pub(crate) fn rows(&self) -> Vec<ComparisonRow> {
        self.fits.iter().filter_map(|fit| fit.row.clone()).collect()
    }

    /// The fit that an item belongs to, and what it is fitted on.
    fn in_progress(&mut self, ordinal: u64) -> (&mut Fit, Arc<Tables>) {
        let tables = self.tables.clone().expect("a model is fitted on the tables");
        let at = self.fit_of(ordinal);
        (&mut self.fits[at], tables)
    }

    fn fit_of(&self, ordinal: u64) -> usize {
        self.fits.partition_point(|fit| fit.first <= ordinal) - 1
    }
}

/// How many blocks so many held-out items make. At least one: that there are none is the model's to say.
fn blocks(rows: usize) -> usize {
    rows.div_ceil(BLOCK).max(1)
}

/// The rows of a block.
fn part(block: usize, rows: usize) -> Range<usize> {
    block * BLOCK..((block + 1) * BLOCK).min(rows)
}
