//! From versions of the weights to the model that answers: evaluate, deploy.
//!
//! One version at a time, in their order. Ordinals: an item of evaluate is `number * blocks + block`, of deploy the number.

use super::{id, samples::Samples};
use crate::{
    deploy::{Candidate, Deployed},
    evaluate::Block,
    kinds::StageKind,
    model::{Model, Preprocessing, Weights},
    plan::Plan,
    results::EvaluationPoint,
};
use planaria_kernel::{Intake, ItemId};
use planaria_learn::Score;
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

/// Versions that may wait for their evaluation; with more, training waits.
const WAITING_MAX: usize = 2;

/// Files of the newest versions that are kept.
const FILES_KEPT: usize = 2;

/// Evaluations that are remembered.
const POINTS_MAX: usize = 1_000;

/// What the evaluations so far have said. A function of the versions alone: a resumed training goes on with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Judgement {
    /// The newest thousand, oldest first.
    pub(crate) evaluations: VecDeque<EvaluationPoint>,
}

impl Judgement {
    fn add(&mut self, point: EvaluationPoint) {
        if self.evaluations.len() == POINTS_MAX {
            self.evaluations.pop_front();
        }
        self.evaluations.push_back(point);
    }

    /// The last version that was evaluated.
    pub(crate) fn last_step(&self) -> Option<u64> {
        self.evaluations.back().map(|point| point.step)
    }

    /// True when this can be what was said of the versions up to `step`.
    pub(crate) fn is_of(&self, step: u64) -> bool {
        let steps = || self.evaluations.iter().map(|point| point.step);
        self.evaluations.len() <= POINTS_MAX
            && steps().zip(steps().skip(1)).all(|(before, after)| before < after)
            && self.last_step().is_none_or(|last| last <= step)
    }
}

/// A version of the weights.
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
    pub(crate) score: Arc<Score>,
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
    scores: Vec<Option<Score>>,
    /// All of them, once they are there.
    score: Option<Arc<Score>>,
    busy: Duration,
}

/// Versions on their way to answering.
pub(crate) struct Evaluation {
    plan: Arc<Plan>,
    waiting: VecDeque<Version>,
    current: Option<Current>,
    /// Versions deployed so far: the number of the current one.
    number: u64,
    deployed: Option<Deployment>,
    judgement: Judgement,
    /// Of the versions deployed, oldest first.
    files: VecDeque<PathBuf>,
}

impl Evaluation {
    /// Nothing judged yet, or what an earlier process has.
    pub(crate) fn new(plan: Arc<Plan>, judgement: Judgement) -> Self {
        Evaluation {
            plan,
            judgement,
            waiting: VecDeque::new(),
            current: None,
            number: 0,
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
    pub(crate) fn judged(&self, step: u64) -> Option<Judgement> {
        let unscored = self.current.iter().filter(|current| current.score.is_none());
        let mut on_their_way = unscored.map(|current| &current.version).chain(&self.waiting);
        let is_over = on_their_way.all(|version| version.step > step);
        is_over.then(|| self.judgement.clone())
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
        if self.current.is_some() || !samples.test_is_complete() {
            return;
        }
        let Some(version) = self.waiting.pop_front() else { return };
        let blocks = self.plan.test_blocks();
        for block in 0..blocks {
            intake.accept(id(StageKind::Evaluate), ItemId(self.number * blocks + block));
        }
        let scores = vec![const { None }; blocks as usize];
        self.current = Some(Current { version, scores, score: None, busy: Duration::ZERO });
    }

    pub(crate) fn block(&self, ordinal: u64, samples: &Samples) -> Block {
        let weights = self.current().version.weights.clone();
        Block { weights, samples: samples.test_block(ordinal % self.plan.test_blocks()) }
    }

    /// Puts a block's score into its place; all together make a candidate.
    pub(crate) fn scored(
        &mut self,
        ordinal: u64,
        score: Score,
        busy: Duration,
        intake: &mut Intake<'_>,
    ) {
        let block = (ordinal % self.plan.test_blocks()) as usize;
        let classes = self.plan.network.classes();
        let current = self.current.as_mut().expect("a score belongs to the current version");
        current.scores[block] = Some(score);
        current.busy += busy;
        if current.scores.iter().all(Option::is_some) {
            let mut total = Score::new(classes);
            current.scores.iter().flatten().for_each(|score| total.merge(score));
            let step = current.version.step;
            // A resumed process deploys the last version again: it has been judged.
            if self.judgement.last_step().is_none_or(|last| last < step) {
                let epoch = self.plan.epoch_of(step.saturating_sub(1)) + 1;
                let (loss, accuracy) = (total.mean_loss(), total.accuracy());
                self.judgement.add(EvaluationPoint { step, epoch, loss, accuracy });
            }
            current.score = Some(Arc::new(total));
            intake.accept(id(StageKind::Deploy), ItemId(self.number));
        }
    }

    pub(crate) fn candidate(&self) -> Candidate {
        let current = self.current();
        let score = current.score.clone().expect("only a scored version is deployed");
        let retired = (self.files.len() >= FILES_KEPT).then(|| self.files[0].clone());
        Candidate { model: self.model(), step: current.version.step, score, retired }
    }

    /// The current version answers from now on.
    pub(crate) fn was_deployed(&mut self, deployed: Deployed, intake: &mut Intake<'_>) {
        let model = self.model();
        let current = self.current.take().expect("a version is deployed once");
        let Deployed { file, file_bytes, weights_sha256 } = deployed;
        if self.files.len() >= FILES_KEPT {
            self.files.pop_front();
        }
        self.files.push_back(file.clone());
        let score = current.score.expect("only a scored version is deployed");
        let step = current.version.step;
        let evaluation_busy = current.busy;
        self.deployed = Some(Deployment {
            model,
            step,
            score,
            file,
            file_bytes,
            weights_sha256,
            evaluation_busy,
        });
        self.number += 1;
        intake.raise_limit(id(StageKind::Predict), super::NO_LIMIT);
    }

    fn model(&self) -> Arc<Model> {
        let settings = &self.plan.settings;
        Arc::new(Model {
            network: self.plan.network.clone(),
            weights: self.current().version.weights.clone(),
            preprocessing: Preprocessing {
                mean: settings.normalise.mean.clone(),
                deviation: settings.normalise.deviation.clone(),
                invert: settings.predict.invert,
                fit: settings.predict.fit,
            },
            class_names: self.plan.source.class_names().to_vec(),
            limits: settings.limits,
            version: self.number + 1,
        })
    }

    fn current(&self) -> &Current {
        self.current.as_ref().expect("an item of evaluate or deploy belongs to the current version")
    }
}
