//! From versions of the weights to the model that answers: evaluate, deploy.
//!
//! One version at a time, in their order. Which are deployed: all, or those that are the best so far on the items set aside.
//! Ordinals: an item of evaluate is `number * blocks + block`, with the number of the evaluation; of deploy the number of the
//! deployment, both from 0.

use super::{
    id,
    judgement::{Decided, Judgement},
    samples::Samples,
};
use crate::{
    deploy::{Candidate, Deployed},
    evaluate::{Block, Scores, Watched},
    kinds::StageKind,
    model::{Model, Preprocessing, Weights},
    plan::Plan,
    results::{EvaluationPoint, ValidationPoint},
};
use planaria_data::drift::Profile;
use planaria_kernel::{Intake, ItemId};
use planaria_learn::Score;
use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

/// Versions that may wait for their evaluation; with more, training waits.
const WAITING_MAX: usize = 2;

/// Files of the newest versions that are kept.
const FILES_KEPT: usize = 2;

/// A version of the weights.
#[derive(Clone)]
pub(crate) struct Version {
    /// Steps of training behind it.
    pub(crate) step: u64,
    pub(crate) weights: Arc<Weights>,
}

/// A deployed model.
#[derive(Clone)]
pub(crate) struct Deployment {
    pub(crate) model: Arc<Model>,
    pub(crate) step: u64,
    pub(crate) scores: Arc<Scores>,
    pub(crate) file: PathBuf,
    /// Size of the file.
    pub(crate) file_bytes: u64,
    pub(crate) weights_sha256: String,
    /// Time of its evaluation, summed over the blocks.
    pub(crate) evaluation_busy: Duration,
}

/// The version that is being evaluated or deployed.
struct Current {
    version: Version,
    /// By block.
    blocks: Vec<Option<Score>>,
    /// Likewise the items that drift is told by.
    watched: Vec<Arc<Vec<Watched>>>,
    /// All of them, once they are there.
    scores: Option<Arc<Scores>>,
    busy: Duration,
}

/// What all evaluations up to a version have said.
pub(crate) struct Judged {
    pub(crate) judgement: Judgement,
    /// The best version so far, where it is kept.
    pub(crate) best: Option<Version>,
}

/// Versions on their way to answering.
pub(crate) struct Evaluation {
    plan: Arc<Plan>,
    waiting: VecDeque<Version>,
    current: Option<Current>,
    /// Evaluations that are over: the number of the current one.
    number: u64,
    /// Versions deployed so far.
    deployments: u64,
    deployed: Option<Deployment>,
    judgement: Judgement,
    /// The best version so far, where it is kept.
    best: Option<Version>,
    /// Of the versions deployed, oldest first.
    files: VecDeque<PathBuf>,
}

impl Evaluation {
    /// Nothing judged yet, or what an earlier process has.
    pub(crate) fn new(plan: Arc<Plan>, judged: Judged) -> Self {
        Evaluation {
            plan,
            judgement: judged.judgement,
            best: judged.best,
            waiting: VecDeque::new(),
            current: None,
            number: 0,
            deployments: 0,
            deployed: None,
            files: VecDeque::new(),
        }
    }

    /// The model that answers now.
    pub(crate) fn deployed(&self) -> Option<&Deployment> {
        self.deployed.as_ref()
    }

    /// True while another step may be trained.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.current.is_none()
    }

    /// What the evaluations have said of the versions up to `step`; none while one of them is on its way.
    pub(crate) fn judged(&self, step: u64) -> Option<Judged> {
        let unscored = self.current.iter().filter(|current| current.scores.is_none());
        let mut on_their_way = unscored.map(|current| &current.version).chain(&self.waiting);
        let is_over = on_their_way.all(|version| version.step > step);
        is_over.then(|| Judged { judgement: self.judgement.clone(), best: self.best.clone() })
    }

    /// How much of the training is decided by now.
    pub(crate) fn decided(&self) -> Decided {
        self.judgement.decided(&self.plan)
    }

    /// Lets what an earlier process has deployed answer again: the best version, or the newest when it was evaluated.
    pub(crate) fn resume(&mut self, newest: Version) {
        let is_judged = self.judgement.last_step() == Some(newest.step);
        let newest = (is_judged && !self.plan.keeps_best()).then_some(newest);
        self.waiting.extend(self.best.clone().or(newest));
    }

    /// What the evaluations so far have said.
    pub(crate) fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    pub(crate) fn request(&mut self, version: Version) {
        self.waiting.push_back(version);
    }

    /// Begins the next evaluation when the held-out items are there.
    pub(crate) fn advance(&mut self, samples: &Samples, intake: &mut Intake<'_>) {
        if self.current.is_some() || !samples.held_out_are_complete() {
            return;
        }
        let Some(version) = self.waiting.pop_front() else { return };
        let count = self.plan.blocks();
        for block in 0..count {
            intake.accept(id(StageKind::Evaluate), ItemId(self.number * count + block));
        }
        let blocks = vec![const { None }; count as usize];
        let watched = vec![Arc::default(); count as usize];
        let busy = Duration::ZERO;
        self.current = Some(Current { version, blocks, watched, scores: None, busy });
    }

    pub(crate) fn block(&self, ordinal: u64, samples: &Samples) -> Block {
        let weights = self.current().version.weights.clone();
        let block = ordinal % self.plan.blocks();
        Block { weights, samples: samples.block(block) }
    }

    /// Puts a block's score into its place; all together judge the version, and may make a candidate of it.
    pub(crate) fn scored(
        &mut self,
        ordinal: u64,
        (score, watched): (Score, Vec<Watched>),
        busy: Duration,
        intake: &mut Intake<'_>,
    ) {
        let block = (ordinal % self.plan.blocks()) as usize;
        let current = self.current.as_mut().expect("a score belongs to the current version");
        current.blocks[block] = Some(score);
        current.watched[block] = Arc::new(watched);
        current.busy += busy;
        if !current.blocks.iter().all(Option::is_some) {
            return;
        }
        let (test, validation) = current.blocks.split_at(self.plan.test_blocks() as usize);
        let total = |blocks: &[Option<Score>]| {
            let mut total = Score::new(self.plan.network.classes());
            blocks.iter().flatten().for_each(|score| total.merge(score));
            total
        };
        let validation = (!validation.is_empty()).then(|| total(validation));
        let scores = Arc::new(Scores { test: total(test), validation });
        current.scores = Some(scores.clone());
        if self.is_chosen(&scores) {
            intake.accept(id(StageKind::Deploy), ItemId(self.deployments));
        } else {
            self.current = None;
            self.number += 1;
        }
    }

    /// Judges the current version, unless an earlier process has; true when it is to be deployed.
    fn is_chosen(&mut self, scores: &Scores) -> bool {
        let version = self.current().version.clone();
        if self.judgement.last_step().is_some_and(|last| last >= version.step) {
            return true;
        }
        let point = EvaluationPoint {
            step: version.step,
            epoch: self.plan.epoch_of(version.step.saturating_sub(1)) + 1,
            loss: scores.test.mean_loss(),
            accuracy: scores.test.accuracy(),
            validation: scores.validation.as_ref().map(|score| ValidationPoint {
                loss: score.mean_loss(),
                accuracy: score.accuracy(),
                f1: score.macro_average().f1,
            }),
        };
        let is_best = self.judgement.add(point, self.plan.settings.train.validation.as_ref());
        if !self.plan.keeps_best() {
            return true;
        }
        if is_best {
            self.best = Some(version);
        }
        is_best
    }

    pub(crate) fn candidate(&self) -> Candidate {
        let current = self.current();
        let scores = current.scores.clone().expect("only a scored version is deployed");
        let retired = (self.files.len() >= FILES_KEPT).then(|| self.files[0].clone());
        let (model, watched) = (self.model(None), current.watched.clone());
        Candidate { model, step: current.version.step, scores, watched, retired }
    }

    /// The current version answers from now on.
    pub(crate) fn was_deployed(&mut self, deployed: Deployed, intake: &mut Intake<'_>) {
        let Deployed { file, file_bytes, weights_sha256, profile } = deployed;
        let model = self.model(profile);
        let current = self.current.take().expect("a version is deployed once");
        if self.files.len() >= FILES_KEPT {
            self.files.pop_front();
        }
        self.files.push_back(file.clone());
        let scores = current.scores.expect("only a scored version is deployed");
        let step = current.version.step;
        let evaluation_busy = current.busy;
        self.deployed = Some(Deployment {
            model,
            step,
            scores,
            file,
            file_bytes,
            weights_sha256,
            evaluation_busy,
        });
        self.number += 1;
        self.deployments += 1;
        intake.raise_limit(id(StageKind::Predict), super::NO_LIMIT);
    }

    fn model(&self, profile: Option<Arc<Profile>>) -> Arc<Model> {
        let settings = &self.plan.settings;
        Arc::new(Model {
            network: self.plan.network.clone(),
            loss: settings.train.loss.clone(),
            weights: self.current().version.weights.clone(),
            preprocessing: Preprocessing {
                mean: settings.normalise.mean.clone(),
                deviation: settings.normalise.deviation.clone(),
                invert: settings.predict.invert,
                fit: settings.predict.fit,
                fill: self.plan.opened.fill().to_vec(),
                views: settings.predict.views,
            },
            class_names: self.plan.source.class_names().to_vec(),
            limits: settings.limits,
            profile,
            version: self.deployments + 1,
        })
    }

    fn current(&self) -> &Current {
        self.current.as_ref().expect("an item of evaluate or deploy belongs to the current version")
    }
}
