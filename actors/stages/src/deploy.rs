//! An evaluated model -> a file, whole or not at all; its commit makes it the one that answers.

use crate::{
    evaluate::{Scores, Watched},
    model::{Model, PROFILE},
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{
    Codec,
    drift::{self, Profile},
};
use planaria_durable::whole_file;
use planaria_kernel::{Pulse, WorkerError};
use planaria_learn::weights_sha256;
use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A model that is to answer from now on.
pub(crate) struct Candidate {
    pub(crate) model: Arc<Model>,
    /// Steps of training behind it.
    pub(crate) step: u64,
    pub(crate) scores: Arc<Scores>,
    /// By block of the evaluation: the items that drift is told by.
    pub(crate) watched: Vec<Arc<Vec<Watched>>>,
    /// A file of an earlier version that nobody needs any more.
    pub(crate) retired: Option<PathBuf>,
}

/// A deployed model's file.
pub(crate) struct Deployed {
    pub(crate) file: PathBuf,
    /// Size of the file.
    pub(crate) file_bytes: u64,
    pub(crate) weights_sha256: String,
    /// What later items are compared with, where drift is told.
    pub(crate) profile: Option<Arc<Profile>>,
}

/// Writes one model.
pub(crate) struct Deploy(pub(crate) Arc<Plan>);

impl Stage for Deploy {
    type Task = Candidate;
    type Made = Deployed;

    fn accept(task: Task) -> Option<Candidate> {
        if let Task::Deploy(candidate) = task { Some(candidate) } else { None }
    }

    fn answer(made: Deployed) -> Outcome {
        Outcome::Deploy(made)
    }

    fn work(&mut self, candidate: Candidate, pulse: &Pulse) -> Result<Deployed, WorkerError> {
        pulse.beat()?;
        let Candidate { model, step, scores, watched, retired } = candidate;
        let plan = &self.0;
        let weights_sha256 = weights_sha256(&model.weights.parameters);
        let mut metadata = metadata(plan, step, &scores, &weights_sha256);
        let profile = profile(plan, &watched);
        if let Some(profile) = &profile {
            let profile = serde_json::to_string(&**profile).map_err(failed)?;
            metadata.insert(PROFILE.to_owned(), profile);
        }
        let bytes = model.to_bytes(metadata).map_err(failed)?;
        pulse.beat()?;
        let file = file_name(plan, step, &weights_sha256);
        // Its name is its content: a worker taken for dead that wakes up late writes the same bytes again.
        whole_file::write(&file, &bytes).map_err(failed)?;
        if let Some(retired) = retired {
            remove(&retired)?;
        }
        Ok(Deployed { file, file_bytes: bytes.len() as u64, weights_sha256, profile })
    }
}

/// What the items that drift is told by were like; none when it is not told.
fn profile(plan: &Plan, watched: &[Arc<Vec<Watched>>]) -> Option<Arc<Profile>> {
    let items = watched.iter().flat_map(|block| block.iter());
    items.clone().next()?;
    let source = &*plan.source;
    let is_table = matches!(source.codec(), Codec::Floats { .. });
    let names = drift::figure_names(source.shape(), is_table, source.feature_names());
    let items = items.map(|item| (&item.figures[..], item.class));
    Some(Arc::new(Profile::of(names, items, plan.network.classes())))
}

fn file_name(plan: &Plan, step: u64, weights_sha256: &str) -> PathBuf {
    let name = &plan.settings.network.name;
    let hash = &weights_sha256[..12];
    models_folder(plan).join(format!("{name}-step-{step:06}-{hash}.safetensors"))
}

/// Where models are kept.
pub(crate) fn models_folder(plan: &Plan) -> PathBuf {
    plan.settings.state_dir.join("models")
}

/// Removes a file; one that is gone already is fine.
///
/// # Errors
/// Ends the worker that removes it.
pub(crate) fn remove(file: &Path) -> Result<(), WorkerError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(failed(format!("cannot remove {}: {error}", file.display())))
        }
        _ => Ok(()),
    }
}

/// What the file says of the model, beside how to use it.
fn metadata(
    plan: &Plan,
    step: u64,
    scores: &Scores,
    weights_sha256: &str,
) -> BTreeMap<String, String> {
    let settings = &plan.settings;
    let pairs = [
        ("planaria_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("network", settings.network.name.clone()),
        ("config_sha256", settings.config_sha256.clone()),
        ("seed", settings.seed.to_string()),
        ("step", step.to_string()),
        ("epoch", (plan.epoch_of(step.saturating_sub(1)) + 1).to_string()),
        ("test_accuracy", scores.test.accuracy().to_string()),
        ("test_loss", scores.test.mean_loss().to_string()),
        ("training_data_sha256", plan.source.sha256().to_owned()),
        ("weights_sha256", weights_sha256.to_owned()),
    ];
    let from = plan.origin_sha256().map(|sha256| ("from_weights_sha256", sha256.to_owned()));
    let validation = scores.validation.iter().flat_map(|score| {
        [
            ("validation_accuracy", score.accuracy().to_string()),
            ("validation_loss", score.mean_loss().to_string()),
        ]
    });
    pairs
        .into_iter()
        .chain(from)
        .chain(validation)
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
