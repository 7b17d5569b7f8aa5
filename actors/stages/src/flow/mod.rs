//! What follows from what: the pipeline's state beside its ledgers, changed by commits alone.
//!
//! Every outcome goes to a place of its own (an item's, a shard's, a block's); what depends on several waits until all
//! their places are full. So no result depends on who was first, and whatever dies leaves full places behind.

mod checkpoints;
mod comparison;
mod drift_watch;
mod evaluation;
mod judgement;
mod loss_curve;
mod predictions;
pub(crate) mod samples;
mod class_order;
mod training;

pub(crate) use evaluation::{Deployment, Judged, Version};
pub(crate) use judgement::Judgement;
pub(crate) use loss_curve::LossCurve;
pub(crate) use predictions::Reply;

use crate::{
    augment::Varied,
    evaluate::Scored,
    kinds::{STAGES, StageKind},
    plan::Plan,
    results::{ComparisonRow, DeadLetter},
    resume::Resumed,
    stage::{Outcome, Task},
};
use checkpoints::Checkpoints;
use comparison::Comparison;
use evaluation::Evaluation;
use planaria_kernel::{Done, ExitCause, Flow, Intake, ItemId, StageId};
use predictions::Predictions;
use samples::Samples;
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::watch;
use training::{Published, Training};

/// How far the job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Something is still to be trained, evaluated, deployed or compared.
    Running,
    /// All of it is done.
    Done,
    /// It cannot be done, for this reason.
    Failed(String),
}

/// The state of a pipeline.
pub(crate) struct PipelineFlow {
    pub(crate) samples: Samples,
    pub(crate) training: Training,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) evaluation: Evaluation,
    pub(crate) predictions: Predictions,
    pub(crate) comparison: Comparison,
    pub(crate) progress: watch::Sender<Progress>,
    dead_letters: Vec<DeadLetter>,
    draining: bool,
}

/// All ordinals: the limit of a stage that may lease whatever it has accepted.
const NO_LIMIT: ItemId = ItemId(u64::MAX - 1);

/// Dead letters that are kept with their causes; all are counted.
const DEAD_LETTERS_MAX: usize = 1_000;

/// The number of a stage in the kernel.
pub(crate) fn id(kind: StageKind) -> StageId {
    let at = STAGES.iter().position(|stage| *stage == kind);
    StageId(at.expect("every kind is in the list") as u16)
}

impl PipelineFlow {
    /// The state before the first step, or after those that `resumed` knows of.
    pub(crate) fn new(plan: Arc<Plan>, resumed: Option<Resumed>) -> Self {
        let mut files = VecDeque::new();
        let mut judged = Judged { judgement: Judgement::default(), best: None };
        let training = match resumed {
            None => Training::new(plan.clone()),
            Some(resumed) => {
                (files, judged) = (resumed.files, resumed.judged);
                let (step, losses) = (resumed.step, resumed.losses);
                Training::resumed(plan.clone(), step, resumed.parameters, &resumed.planes, losses)
            }
        };
        PipelineFlow {
            samples: Samples::new(plan.clone(), training.first_positions()),
            checkpoints: Checkpoints::new(&plan, files),
            evaluation: Evaluation::new(plan.clone(), judged),
            training,
            predictions: Predictions::new(&plan.settings),
            comparison: Comparison::new(plan),
            progress: watch::Sender::new(Progress::Running),
            dead_letters: Vec::new(),
            draining: false,
        }
    }

    /// Accepts the first items.
    pub(crate) fn begin(&mut self, intake: &mut Intake<'_>) {
        self.predictions.begin(intake);
        self.training.begin(intake);
        self.evaluation.resume(self.training.version());
        self.advance(intake);
    }

    /// Admits nothing more; what is accepted ends.
    pub(crate) fn drain(&mut self, intake: &mut Intake<'_>) {
        self.draining = true;
        // Limits follow what is admitted, and nothing is: what is already here must not wait for it.
        for kind in [StageKind::Ingest, StageKind::Decode, StageKind::Predict] {
            intake.raise_limit(id(kind), NO_LIMIT);
        }
        self.predictions.close();
    }

    /// Nobody works any more: whoever still waits for an answer is told so.
    pub(crate) fn end(&mut self) {
        self.predictions.refuse_all();
    }

    /// The items given up so far, the first of them with their causes.
    pub(crate) fn dead_letters(&self) -> &[DeadLetter] {
        &self.dead_letters
    }

    /// True once `drain` was called.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    /// A picture to be answered. The reply comes through `reply`, at once when it cannot be accepted.
    pub(crate) fn ask(&mut self, image: Vec<u8>, reply: Reply, intake: &mut Intake<'_>) {
        self.predictions.ask(image, reply, intake);
    }

    /// The figures of the baselines that are done.
    pub(crate) fn compared(&self) -> Vec<ComparisonRow> {
        self.comparison.rows()
    }

    /// Admits what has become possible, stage by stage.
    fn advance(&mut self, intake: &mut Intake<'_>) {
        if self.draining || *self.progress.borrow() != Progress::Running {
            return;
        }
        self.training.decide(self.evaluation.decided());
        let reach = self.training.reach(intake);
        if self.training.is_done() {
            self.samples.let_go();
        }
        self.samples.advance(reach, intake);
        self.training.advance(&self.samples, intake);
        let evaluation = &self.evaluation;
        self.checkpoints.advance(|step| evaluation.judged(step), intake);
        self.evaluation.advance(&self.samples, intake);
        if self.evaluation.has_room() && self.checkpoints.has_room() {
            self.training.begin_step(intake);
        }
        self.comparison.advance(&self.samples, intake);
        let is_done = self.training.is_done()
            && self.evaluation.is_idle()
            && self.checkpoints.is_idle()
            && self.comparison.is_done()
            && self.samples.is_done();
        if is_done {
            self.progress.send_replace(Progress::Done);
        }
    }

    fn fail(&mut self, reason: String) {
        self.progress.send_if_modified(|progress| {
            let is_first = !matches!(progress, Progress::Failed(_));
            if is_first {
                *progress = Progress::Failed(reason);
            }
            is_first
        });
    }
}

impl Flow for PipelineFlow {
    type Input = Task;
    type Output = Outcome;

    fn input(&mut self, stage: StageId, item: ItemId) -> Task {
        let ordinal = item.0;
        match STAGES[usize::from(stage.0)] {
            StageKind::Ingest => Task::Ingest(self.samples.address(ordinal)),
            StageKind::Decode => Task::Decode(self.samples.raw(ordinal)),
            StageKind::Preprocess => Task::Preprocess(self.samples.decoded(ordinal)),
            StageKind::Augment => Task::Augment(self.training.original(ordinal, &self.samples)),
            StageKind::Batch => Task::Batch(self.training.members(ordinal)),
            StageKind::Train => Task::Train(self.training.task(ordinal)),
            StageKind::Checkpoint => Task::Checkpoint(self.checkpoints.task()),
            StageKind::Evaluate => Task::Evaluate(self.evaluation.block(ordinal, &self.samples)),
            StageKind::Deploy => Task::Deploy(self.evaluation.candidate()),
            StageKind::Predict => {
                Task::Predict(self.predictions.request(ordinal, self.evaluation.deployed()))
            }
            StageKind::Compare => Task::Compare(self.comparison.round(ordinal, &self.samples)),
        }
    }

    fn commit(&mut self, _: StageId, item: ItemId, done: Done<Outcome>, intake: &mut Intake<'_>) {
        let ordinal = item.0;
        match done.output {
            Outcome::Ingest(raw) => self.samples.ingested(ordinal, raw, intake),
            Outcome::Decode(pixels) => self.samples.was_decoded(ordinal, pixels, intake),
            Outcome::Preprocess(preprocessed) => self.samples.preprocessed(ordinal, preprocessed),
            Outcome::Augment(Varied { image, recalled }) => {
                self.samples.remember(recalled);
                self.training.augmented(ordinal, Some(image), &mut self.samples, intake);
            }
            Outcome::Batch(batch) => match self.training.batched(ordinal, batch) {
                Ok(()) => {}
                Err(reason) => self.fail(reason),
            },
            Outcome::Train(outcome) => match self.training.committed(ordinal, outcome, intake) {
                Ok(Published { version, snapshot }) => {
                    version.into_iter().for_each(|version| self.evaluation.request(version));
                    snapshot.into_iter().for_each(|snapshot| self.checkpoints.request(snapshot));
                }
                Err(reason) => self.fail(format!("{reason}; {}", self.checkpoints.advice())),
            },
            Outcome::Evaluate(Scored { score, recalled, watched }) => {
                self.samples.remember(recalled);
                self.evaluation.scored(ordinal, (score, watched), done.busy, intake);
            }
            Outcome::Checkpoint(written) => self.checkpoints.written(written),
            Outcome::Deploy(deployed) => {
                self.evaluation.was_deployed(deployed, intake);
                self.predictions.deployed(self.evaluation.deployed());
            }
            Outcome::Predict(answer) => self.predictions.answered(ordinal, answer, intake),
            Outcome::Compare(outcome) => {
                self.comparison.committed(ordinal, outcome, done.busy, intake);
            }
        }
        self.advance(intake);
    }

    fn give_up(
        &mut self,
        stage: StageId,
        item: ItemId,
        cause: &ExitCause,
        intake: &mut Intake<'_>,
    ) {
        let ordinal = item.0;
        let kind = STAGES[usize::from(stage.0)];
        if self.dead_letters.len() < DEAD_LETTERS_MAX {
            let (stage, cause) = (kind.name().to_owned(), cause.to_string());
            let is_of_source = kind <= StageKind::Preprocess;
            let name = if is_of_source { self.samples.name(ordinal) } else { None };
            self.dead_letters.push(DeadLetter { stage, item: ordinal, name, cause });
        }
        match kind {
            StageKind::Ingest | StageKind::Decode | StageKind::Preprocess => {
                self.samples.lost(kind, ordinal, intake);
            }
            StageKind::Augment => self.training.augmented(ordinal, None, &mut self.samples, intake),
            StageKind::Predict => self.predictions.gave_up(ordinal, cause, intake),
            StageKind::Batch
            | StageKind::Train
            | StageKind::Checkpoint
            | StageKind::Evaluate
            | StageKind::Deploy
            | StageKind::Compare => {
                self.fail(format!("{kind} gave up item {ordinal}, last by {cause}"));
            }
        }
        self.advance(intake);
    }
}
