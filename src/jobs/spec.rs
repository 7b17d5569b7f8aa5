//! What a client asks for (`JobRequest`: a job file, or `params` of `submit`), and what of it is kept (`JobSpec`: the request
//! with the texts of its config files, as they were when it was accepted).

use planaria_journal::{JobId, NewJob};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    cli::{ModelFormat, PrecisionFlag},
    config::{
        Config, check,
        fault::Faults,
        load::{LoadError, RawConfig},
        nearest,
        overlay::LaidValue,
    },
};

/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 200;

/// Priorities go from minus this to this.
const PRIORITY_MAX: i64 = 100;

/// Every kind of job.
pub const JOB_KINDS: [&str; 6] = ["train", "compare", "predict", "evaluate", "inspect", "export"];

/// Why a job is not accepted.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum SpecError {
    #[error("a job is a table: `kind = \"train\"`, `config = \"mnist.toml\"`, ...")]
    NoTable,
    #[error("the job has no `kind`: one of {}", JOB_KINDS.join(", "))]
    NoKind,
    #[error("no kind of job is called `{kind}`{hint}")]
    UnknownKind { kind: String, hint: String },
    #[error("the job: {0}")]
    Field(String),
    #[error("the job's `{field}` is {path}: give an absolute path", path = path.display())]
    Relative { field: &'static str, path: PathBuf },
    #[error("the job's `{field}`: {path} does not exist", path = path.display())]
    Missing { field: &'static str, path: PathBuf },
    #[error("the job's `priority` is {found}: choose one from -{PRIORITY_MAX} to {PRIORITY_MAX}")]
    Priority { found: i64 },
    #[error("an idempotency key has 1 to {KEY_BYTES_MAX} bytes")]
    Key,
    #[error(
        "the job needs a `model`, a file, or `model_of`, the number of a job that made one; not both"
    )]
    WhichModel,
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the job's config: {0}")]
    Config(Box<Faults>),
    #[error("the job's `set`: `{key}`: {reason}")]
    Set { key: String, reason: String },
    #[error("what the journal holds of this job is not understood: {0}")]
    Kept(#[from] serde_json::Error),
}

/// What a client asks for. Paths are absolute by the time a runtime sees them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum JobRequest {
    /// A training, evaluated; gives a model.
    Train(Training),
    /// The same, beside every classical model there is, or those that are named.
    Compare(Comparison),
    /// The classes of a picture, or of all pictures of a folder.
    Predict(Predicting),
    /// The score of a model on a config's test items.
    Evaluate(Evaluating),
    /// What a data set holds.
    Inspect(Inspecting),
    /// A model in another format.
    Export(Exporting),
}

/// `kind = "train"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The config, a TOML file.
    pub config: PathBuf,
    /// What is laid over it: `"train.epochs" = 3`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Value>,
}

/// `kind = "compare"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The config, a TOML file.
    pub config: PathBuf,
    /// What is laid over it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Value>,
    /// The classical models; all of them when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
}

/// Which model: a file, or what another job has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhichModel {
    /// A model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// A job that has made one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_of: Option<JobId>,
}

/// `kind = "predict"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicting {
    /// By which model.
    #[serde(flatten)]
    pub which: WhichModel,
    /// A picture, or a folder of pictures.
    pub input: PathBuf,
}

/// `kind = "evaluate"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluating {
    /// Which model.
    #[serde(flatten)]
    pub which: WhichModel,
    /// The config with the test items.
    pub config: PathBuf,
    /// What is laid over it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Value>,
}

/// `kind = "inspect"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inspecting {
    /// A config, or a data set.
    pub data: PathBuf,
    /// The column of a table that holds the classes; `label` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// `kind = "export"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exporting {
    /// Which model.
    #[serde(flatten)]
    pub which: WhichModel,
    /// In which format.
    pub format: ModelFormat,
    /// How a safetensors file holds the weights.
    #[serde(default = "full")]
    pub precision: PrecisionFlag,
}

fn full() -> PrecisionFlag {
    PrecisionFlag::F32
}

/// What is kept of a request: all that the job needs, but for what is too large for the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The request.
    pub request: JobRequest,
    /// The text of its config when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// A request with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// What is to be done.
    pub request: JobRequest,
    /// The greater one goes first.
    pub priority: i64,
}

impl Submission {
    /// Understands a job file or the `params` of `submit`.
    ///
    /// # Errors
    /// [`SpecError`] with the field that is wrong.
    pub fn parse(job: Value) -> Result<Submission, SpecError> {
        let Value::Object(mut job) = job else { return Err(SpecError::NoTable) };
        let priority = match job.remove("priority") {
            None => 0,
            Some(value) => value.as_i64().ok_or_else(|| {
                SpecError::Field(format!("`priority` is {value}: give a whole number"))
            })?,
        };
        if !(-PRIORITY_MAX..=PRIORITY_MAX).contains(&priority) {
            return Err(SpecError::Priority { found: priority });
        }
        check_kind(&job)?;
        check_fields(&job)?;
        let request: JobRequest = serde_json::from_value(Value::Object(job))
            .map_err(|error| SpecError::Field(error.to_string()))?;
        if let Some(which) = request.which()
            && which.model.is_some() == which.model_of.is_some()
        {
            return Err(SpecError::WhichModel);
        }
        Ok(Submission { request, priority })
    }

    /// The journal's row for it.
    ///
    /// # Errors
    /// [`SpecError`]: a file that is not there, a config with faults.
    pub fn accept(self, key: Option<String>) -> Result<NewJob, SpecError> {
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            return Err(SpecError::Key);
        }
        self.request.check_paths()?;
        let request = serde_json::to_string(&self.request)?;
        let kind = self.request.kind().to_owned();
        let config = self.request.config();
        let config = config.map(RawConfig::from_file).transpose()?.map(|raw| raw.text);
        let spec = JobSpec { request: self.request, config };
        spec.checked_config()?;
        let spec = serde_json::to_string(&spec)?;
        let request_sha256 = planaria_durable::blob_store::sha256(request.as_bytes());
        Ok(NewJob { kind, spec, request_sha256, key, priority: self.priority })
    }
}

fn check_kind(job: &Map<String, Value>) -> Result<(), SpecError> {
    let kind = job.get("kind").and_then(Value::as_str).ok_or(SpecError::NoKind)?;
    if JOB_KINDS.contains(&kind) {
        return Ok(());
    }
    let hint = nearest::hint(kind, JOB_KINDS);
    Err(SpecError::UnknownKind { kind: kind.into(), hint })
}

/// Fields that some kind knows; what a kind has no use for is refused here, where `serde` cannot.
fn check_fields(job: &Map<String, Value>) -> Result<(), SpecError> {
    let kind = job.get("kind").and_then(Value::as_str).unwrap_or_default();
    let known: &[&str] = match kind {
        "train" => &["config", "set"],
        "compare" => &["config", "set", "models"],
        "predict" => &["model", "model_of", "input"],
        "evaluate" => &["model", "model_of", "config", "set"],
        "inspect" => &["data", "label"],
        _ => &["model", "model_of", "format", "precision"],
    };
    let unknown = job.keys().find(|key| *key != "kind" && !known.contains(&key.as_str()));
    match unknown {
        None => Ok(()),
        Some(key) => {
            let hint = nearest::hint(key, known.iter().copied());
            Err(SpecError::Field(format!("`{key}` is not known to kind `{kind}`{hint}")))
        }
    }
}

impl JobRequest {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            JobRequest::Train(_) => "train",
            JobRequest::Compare(_) => "compare",
            JobRequest::Predict(_) => "predict",
            JobRequest::Evaluate(_) => "evaluate",
            JobRequest::Inspect(_) => "inspect",
            JobRequest::Export(_) => "export",
        }
    }

    /// The config that it names.
    fn config(&self) -> Option<&Path> {
        match self {
            JobRequest::Train(job) => Some(&job.config),
            JobRequest::Compare(job) => Some(&job.config),
            JobRequest::Evaluate(job) => Some(&job.config),
            JobRequest::Predict(_) | JobRequest::Inspect(_) | JobRequest::Export(_) => None,
        }
    }

    /// What is laid over the config.
    fn set(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            JobRequest::Train(job) => Some(&job.set),
            JobRequest::Compare(job) => Some(&job.set),
            JobRequest::Evaluate(job) => Some(&job.set),
            JobRequest::Predict(_) | JobRequest::Inspect(_) | JobRequest::Export(_) => None,
        }
    }

    fn which(&self) -> Option<&WhichModel> {
        match self {
            JobRequest::Predict(job) => Some(&job.which),
            JobRequest::Evaluate(job) => Some(&job.which),
            JobRequest::Export(job) => Some(&job.which),
            JobRequest::Train(_) | JobRequest::Compare(_) | JobRequest::Inspect(_) => None,
        }
    }

    fn check_paths(&self) -> Result<(), SpecError> {
        let other = match self {
            JobRequest::Predict(job) => Some(("input", job.input.as_path())),
            JobRequest::Inspect(job) => Some(("data", job.data.as_path())),
            _ => None,
        };
        let model = self.which().and_then(|which| Some(("model", which.model.as_deref()?)));
        let config = self.config().map(|config| ("config", config));
        for (field, path) in [config, model, other].into_iter().flatten() {
            if !path.is_absolute() {
                return Err(SpecError::Relative { field, path: path.into() });
            }
            let is_named = field == "data" && path.ends_with("mnist");
            if !path.exists() && !is_named {
                return Err(SpecError::Missing { field, path: path.into() });
            }
        }
        Ok(())
    }
}

impl JobSpec {
    /// The config as it was when the job was accepted, checked; `None` for a kind without one.
    ///
    /// # Errors
    /// [`SpecError`]: what is wrong with it.
    pub fn checked_config(&self) -> Result<Option<Config>, SpecError> {
        let (Some(path), Some(text)) = (self.request.config(), &self.config) else {
            return Ok(None);
        };
        let mut raw = RawConfig::from_text(path, text);
        for (key, value) in self.request.set().into_iter().flatten() {
            raw.overlay(key, &format!("set {key}"), Some(laid(key, value)?));
        }
        if let JobRequest::Compare(job) = &self.request {
            let all = planaria_baselines::BASELINES.iter().map(|model| model.key.to_owned());
            let models = job.models.clone().unwrap_or_else(|| all.collect());
            let models = laid("baselines.models", &Value::from(models))?;
            raw.overlay("baselines.models", "models", Some(models));
        }
        let checked = check::check(&raw);
        checked.map(Some).map_err(|faults| SpecError::Config(Box::new(faults)))
    }
}

/// A value of JSON as TOML writes it.
fn laid(key: &str, value: &Value) -> Result<LaidValue, SpecError> {
    let toml = toml::Value::try_from(value);
    let toml =
        toml.map_err(|error| SpecError::Set { key: key.into(), reason: error.to_string() })?;
    Ok(LaidValue::toml(toml.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(job: Value) -> String {
        Submission::parse(job).expect_err("this job is wrong").to_string()
    }

    #[test]
    fn a_job_that_cannot_be_is_told_what_is_wrong_with_it() {
        for (job, message) in [
            (json!([]), "a job is a table"),
            (json!({}), "has no `kind`"),
            (json!({ "kind": "trian" }), "no kind of job is called `trian`: did you mean `train`?"),
            (json!({ "kind": "train" }), "missing field `config`"),
            (
                json!({ "kind": "train", "confg": "/a" }),
                "`confg` is not known to kind `train`: did",
            ),
            (json!({ "kind": "train", "config": "/a", "priority": 101 }), "from -100 to 100"),
            (json!({ "kind": "train", "config": "/a", "priority": "x" }), "give a whole number"),
            (json!({ "kind": "predict", "input": "/a" }), "needs a `model`"),
            (json!({ "kind": "predict", "input": "/a", "model": "/m", "model_of": 3 }), "not both"),
        ] {
            let error = told(job.clone());
            assert!(error.contains(message), "{job}: {error}");
        }
    }

    #[test]
    fn what_is_accepted_holds_the_config_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("a.toml");
        std::fs::write(&path, "seed = 3").expect("a config");
        let job = json!({ "kind": "train", "config": path, "set": { "train.epochs": 2,
            "train.schedule": "cosine" } });
        let job = Submission::parse(job).expect("a good job").accept(None).expect("accepted");
        std::fs::write(&path, "seed = 4").expect("a config");
        let spec: JobSpec = serde_json::from_str(&job.spec).expect("our own text");
        let config = spec.checked_config().expect("a good config").expect("there is one");
        assert_eq!((config.pipeline.seed, config.pipeline.train.epochs), (3, 2));
    }

    #[test]
    fn files_that_are_not_there_and_faults_of_the_config_are_told_at_acceptance() {
        let accept = |job: Value| {
            let error = Submission::parse(job).expect("a good job").accept(None);
            error.expect_err("this job is wrong").to_string()
        };
        let told = accept(json!({ "kind": "train", "config": "/nowhere/a.toml" }));
        assert!(told.contains("/nowhere/a.toml does not exist"), "{told}");
        let told = accept(json!({ "kind": "train", "config": "a.toml" }));
        assert!(told.contains("absolute"), "{told}");
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("a.toml");
        std::fs::write(&path, "").expect("a config");
        let job = json!({ "kind": "train", "config": path, "set": { "train.epochs": 0 } });
        let told = accept(job);
        assert!(told.contains("set train.epochs: 0 is out of range"), "{told}");
    }
}
