//! The state of a training -> a file, whole or not at all, off the training's way.

use crate::{
    deploy::remove,
    flow::{Judged, Judgement, LossCurve},
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
    train::UpdatedSlice,
};
use planaria_durable::whole_file;
use planaria_kernel::{Pulse, WorkerError};
use planaria_learn::checkpoint_file;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// What a checkpoint of this program calls itself. It changes when the same bytes come to mean something else.
pub(crate) const FORMAT: &str = "planaria checkpoint 1";

/// A version of the weights with all that the next step needs. It shares the training's memory; nothing is copied.
pub(crate) struct Snapshot {
    /// Steps of training behind it.
    pub(crate) step: u64,
    pub(crate) parameters: Arc<Vec<f32>>,
    /// What the optimiser remembers, slice by slice.
    pub(crate) slices: Vec<Arc<UpdatedSlice>>,
    pub(crate) losses: LossCurve,
}

/// A complete checkpoint to be written.
pub(crate) struct Keeping {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) judged: Arc<Judged>,
    /// Files of earlier ones that nobody needs once this one is there.
    pub(crate) retired: Vec<PathBuf>,
}

/// A checkpoint's file.
pub(crate) struct Written {
    pub(crate) file: PathBuf,
}

/// What has happened up to a checkpoint, as its file says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    pub(crate) losses: LossCurve,
    pub(crate) judgement: Judgement,
}

/// Writes one checkpoint.
pub(crate) struct Checkpoint(pub(crate) Arc<Plan>);

impl Stage for Checkpoint {
    type Task = Keeping;
    type Made = Written;

    fn accept(task: Task) -> Option<Keeping> {
        if let Task::Checkpoint(keeping) = task { Some(keeping) } else { None }
    }

    fn answer(made: Written) -> Outcome {
        Outcome::Checkpoint(made)
    }

    fn work(&mut self, keeping: Keeping, pulse: &Pulse) -> Result<Written, WorkerError> {
        pulse.beat()?;
        let bytes = encode(&self.0, &keeping)?;
        pulse.beat()?;
        let file = folder(&self.0).join(file_name(&self.0, keeping.snapshot.step));
        // Its bytes are those of its step: a worker taken for dead that wakes up late writes the same ones again.
        whole_file::write(&file, &bytes).map_err(failed)?;
        for retired in keeping.retired.iter().filter(|retired| **retired != file) {
            remove(retired)?;
        }
        Ok(Written { file })
    }
}

/// Where checkpoints are kept.
pub(crate) fn folder(plan: &Plan) -> PathBuf {
    plan.settings.state_dir.join("checkpoints")
}

/// What the names of this config's checkpoints begin with; their step follows.
pub(crate) fn name_prefix(plan: &Plan) -> String {
    let settings = &plan.settings;
    let config = settings.config_sha256.get(..12).unwrap_or(&settings.config_sha256);
    format!("{}-{config}-step-", settings.network.name)
}

/// What their names end with.
pub(crate) const NAME_END: &str = ".checkpoint";

fn file_name(plan: &Plan, step: u64) -> String {
    format!("{}{step:08}{NAME_END}", name_prefix(plan))
}

/// The texts that must be the same for a checkpoint to be of this training: its key, and what belongs there.
pub(crate) fn identity(plan: &Plan) -> Vec<(&'static str, String)> {
    let settings = &plan.settings;
    let mut texts = vec![
        ("format", FORMAT.to_owned()),
        ("config", settings.config.clone()),
        ("config_sha256", settings.config_sha256.clone()),
        ("training_data_sha256", plan.source.sha256().to_owned()),
    ];
    texts.extend(plan.origin_sha256().map(|sha256| ("from_weights_sha256", sha256.to_owned())));
    texts
}

fn encode(plan: &Plan, keeping: &Keeping) -> Result<Vec<u8>, WorkerError> {
    let snapshot = &keeping.snapshot;
    let Judged { judgement, best } = &*keeping.judged;
    let judgement = judgement.clone();
    let history = History { losses: snapshot.losses.clone(), judgement };
    let mut texts: BTreeMap<String, String> =
        identity(plan).into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
    texts.insert("planaria_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    texts.insert("compute_kernels".to_owned(), planaria_learn::isa().to_owned());
    texts.insert("step".to_owned(), snapshot.step.to_string());
    texts.insert("history".to_owned(), serde_json::to_string(&history).map_err(failed)?);
    let mut tensors = vec![("parameters".to_owned(), vec![snapshot.parameters.as_slice()])];
    let planes = plan.state_planes();
    for plane in 0..planes {
        let pieces = snapshot.slices.iter().map(|slice| slice.plane(plane, planes)).collect();
        tensors.push((state_name(plane), pieces));
    }
    if let Some(best) = best {
        tensors.push((BEST.to_owned(), vec![best.weights.parameters.as_slice()]));
    }
    checkpoint_file::encode(&texts, &tensors).map_err(failed)
}

/// The name of the tensor of the best version's parameters.
pub(crate) const BEST: &str = "best";

/// The name of the tensor of all parameters' n-th number of state.
pub(crate) fn state_name(plane: usize) -> String {
    format!("optimiser.{plane}")
}
