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
};
use planaria_kernel::{Intake, ItemId};
use planaria_learn::Score;
use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

/// Versions that may wait for their evaluation; with more, training waits.
const WAITING_MAX: usize = 2;

/// Files of the newest versions that are kept.
const FILES_KEPT: usize = 2;

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
    /// Of the versions deployed, oldest first.
    files: VecDeque<PathBuf>,
}

impl Evaluation {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Evaluation {
            plan,
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
