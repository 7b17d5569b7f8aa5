//! A model: weights, and everything that is needed to answer a picture with them.

use planaria_data::{
    Codec, Fit, Invert, Limits, Normalise, Numbers, PerChannel, Values,
    drift::{Binned, Drift, DriftLimits, Profile, Recent},
    fit_to,
};
use planaria_kernel::Interrupt;
use planaria_learn::{
    LOSSES, Loss, ModelError, Network, Predictor, Shape, Views, Workspace, model_file,
    ndarray::Array2, weights_sha256,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// The key of a model file's metadata that holds its [`Preprocessing`].
pub const PREPROCESSING: &str = "preprocessing";

/// The key of a model file's metadata that holds the names of its classes; not there when they have none.
pub const CLASS_NAMES: &str = "class_names";

/// The key of a model file's metadata that holds the [`Profile`] of the items it was measured on; not there when drift is not told.
pub const PROFILE: &str = "profile";

/// The key of a model file's metadata that says what it was trained with, by its name in [`LOSSES`]; without it by
/// cross-entropy.
pub const LOSS: &str = "loss";

/// The largest model file that is read: no weights of ours come near it.
pub(crate) const FILE_BYTES_MAX: u64 = 2 << 30;

/// How a user's picture becomes what the network expects: the same in the pipeline and with a saved model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Standardisation of numbers in [0, 1].
    pub mean: PerChannel,
    /// Its deviation.
    pub deviation: PerChannel,
    /// When brightness is inverted.
    pub invert: Invert,
    /// How the picture is brought to the input's size.
    pub fit: Fit,
    /// By feature what a missing number becomes, as `clean.missing` found it in the training rows; empty when nothing is filled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fill: Vec<Option<f32>>,
    /// How often the network looks at it, and how.
    #[serde(default, skip_serializing_if = "Views::is_one")]
    pub views: Views,
}

impl Preprocessing {
    fn normalise(&self) -> Normalise {
        Normalise { mean: self.mean.clone(), deviation: self.deviation.clone() }
    }
}

/// A version of the weights, made ready to predict by whoever does so first.
#[derive(Debug)]
pub(crate) struct Weights {
    pub(crate) parameters: Arc<Vec<f32>>,
    predictor: OnceLock<Predictor>,
}

impl Weights {
    pub(crate) fn new(parameters: Arc<Vec<f32>>) -> Arc<Self> {
        Arc::new(Weights { parameters, predictor: OnceLock::new() })
    }

    /// Weights whose predictor is there already.
    fn ready(parameters: Vec<f32>, predictor: Predictor) -> Arc<Self> {
        Arc::new(Weights { parameters: Arc::new(parameters), predictor: predictor.into() })
    }

    /// These weights in `network`, trained with `loss`, ready to predict by these views.
    pub(crate) fn predictor(&self, network: &Network, loss: &Loss, views: Views) -> &Predictor {
        let ready = || {
            let predictor = Predictor::new(network, &self.parameters);
            predictor.with_loss(loss.clone()).with_views(views)
        };
        self.predictor.get_or_init(ready)
    }
}

/// Weights with their network and preprocessing.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) network: Arc<Network>,
    /// What it was trained with: it says what its outputs mean.
    pub(crate) loss: Loss,
    pub(crate) weights: Arc<Weights>,
    pub(crate) preprocessing: Preprocessing,
    /// In their order; empty when they have only numbers.
    pub(crate) class_names: Vec<String>,
    pub(crate) limits: Limits,
    /// The items that it was measured on, where drift is told.
    pub(crate) profile: Option<Arc<Profile>>,
    /// Counts deployments, from 1; 0 for a saved model.
    pub(crate) version: u64,
}

/// The answer to a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The class with the greatest probability.
    pub class: usize,
    /// Its probability.
    pub probability: f32,
    /// The probabilities of all classes.
    pub probabilities: Vec<f32>,
    /// What they are called, in the same order; empty when they have only numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// The version of the model that answered; 0 for a saved model.
    pub model: u64,
}

/// Why a picture has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PredictError {
    /// Too many requests wait.
    #[error("busy: {capacity} predictions are waiting; ask again later")]
    Busy {
        /// How many may wait.
        capacity: usize,
    },
    /// The bytes are no picture that can be read.
    #[error("{reason}")]
    BadImage {
        /// What is wrong with them.
        reason: String,
    },
    /// No answer came in time.
    #[error("no answer within {deadline_ms} ms: is a model deployed yet? (`planaria status`)")]
    Deadline {
        /// How long was waited.
        deadline_ms: u64,
    },
    /// Every worker that tried it failed.
    #[error("given up after too many attempts, last by {cause}")]
    DeadLetter {
        /// How the last one failed.
        cause: String,
    },
    /// The pipeline stops before it could answer.
    #[error("the pipeline is stopping")]
    Stopping,
}

/// The answer to a picture, and how it lies in the model's profile, if it has one.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) prediction: Result<Prediction, PredictError>,
    pub(crate) binned: Option<Binned>,
}

impl Answered {
    fn bad(reason: String) -> Answered {
        Answered { prediction: Err(PredictError::BadImage { reason }), binned: None }
    }
}

impl Model {
    /// Decodes, fits and classifies one picture.
    ///
    /// # Errors
    /// The error of `pulse`; a picture that cannot be read is an answer.
    pub(crate) fn predict<E>(
        &self,
        image: &[u8],
        workspace: &mut Workspace,
        pulse: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Answered, E> {
        let values = match self.decode(image) {
            Ok(values) => values,
            Err(reason) => return Ok(Answered::bad(reason)),
        };
        pulse()?;
        let mut numbers = vec![0.0; values.count()];
        self.preprocessing.normalise().apply_to(&values, &mut numbers);
        let mut probabilities = Array2::zeros((1, self.network.classes()));
        let images = self.network.input().samples(&numbers);
        let predictor = self.predictor();
        if let Err(error) = self.network.check_input(images.view()) {
            return Ok(Answered::bad(error.to_string()));
        }
        predictor.predict(images, workspace, probabilities.view_mut(), pulse)?;
        let (probabilities, _) = probabilities.into_raw_vec_and_offset();
        let class = greatest(probabilities.iter().copied());
        let probability = probabilities[class];
        let (class_names, model) = (self.class_names.clone(), self.version);
        let binned = self.profile.as_ref().map(|profile| profile.binned(&values, class));
        let prediction = Prediction { class, probability, probabilities, class_names, model };
        Ok(Answered { prediction: Ok(prediction), binned })
    }

    /// The weights, ready to predict.
    fn predictor(&self) -> &Predictor {
        self.weights.predictor(&self.network, &self.loss, self.preprocessing.views)
    }

    /// A picture as the network takes it, or a row of numbers for a network of features; else what is wrong with it.
    fn decode(&self, bytes: &[u8]) -> Result<Values, String> {
        let (h, w, c) = image_shape(&self.network);
        if let Shape::Features(d) = self.network.input() {
            return Numbers::of_text(bytes, d, &self.preprocessing.fill).map(Values::Numbers);
        }
        let pixels = Codec::Image.decode(bytes, &self.limits).map_err(|error| error.to_string())?;
        let Preprocessing { invert, fit, .. } = self.preprocessing;
        Ok(fit_to(pixels, h, w, c, invert, fit).into())
    }

    /// The bytes of a safetensors file with `metadata` beside what [`SavedModel::open`] needs.
    pub(crate) fn to_bytes(
        &self,
        mut metadata: BTreeMap<String, String>,
    ) -> Result<Vec<u8>, ModelError> {
        let preprocessing =
            serde_json::to_string(&self.preprocessing).expect("plain fields always serialise");
        metadata.insert(PREPROCESSING.to_owned(), preprocessing);
        metadata.insert(LOSS.to_owned(), self.loss.name().to_owned());
        if !self.class_names.is_empty() {
            let names = serde_json::to_string(&self.class_names).expect("texts always serialise");
            metadata.insert(CLASS_NAMES.to_owned(), names);
        }
        model_file::encode(&self.network, &self.weights.parameters, &metadata)
    }
}

/// The place of the greatest of these, the first of several.
pub(crate) fn greatest(probabilities: impl Iterator<Item = f32>) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (place, probability) in probabilities.enumerate() {
        if probability > best.1 {
            best = (place, probability);
        }
    }
    best.0
}

/// A model from a file, with no runtime alive.
#[derive(Debug)]
pub struct SavedModel {
    model: Model,
    workspace: Workspace,
    /// What it has answered so far.
    recent: Option<Recent>,
    weights_sha256: String,
    metadata: BTreeMap<String, String>,
}

/// Why a model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenModelError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is far larger than any model.
    #[error("{path}: {bytes} bytes are too many for a model (at most {limit}): is it one?")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Its bytes are no model of ours.
    #[error("{path} is no usable model")]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ModelError,
    },
    /// It does not say how pictures are preprocessed.
    #[error(
        "{path}: its metadata has no usable `{PREPROCESSING}` ({reason}): was it saved by planaria?"
    )]
    Preprocessing {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It was trained with a loss that is not known.
    #[error("{path}: its metadata's `{LOSS}` cannot be used ({reason}): was it saved by planaria?")]
    Loss {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What it says of the items that it was measured on cannot be used.
    #[error("{path}: its metadata's `{PROFILE}` cannot be used ({reason}): remove or repair it")]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It does not say what its classes are called in a way that can be understood.
    #[error(
        "{path}: its metadata's `{CLASS_NAMES}` cannot be used ({reason}): remove or repair it"
    )]
    ClassNames {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl SavedModel {
    /// Reads and checks a model file.
    ///
    /// # Errors
    /// [`OpenModelError`], naming the file.
    pub fn open(path: &Path) -> Result<SavedModel, OpenModelError> {
        let read = |source| OpenModelError::Read { path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(read)?.len();
        if size > FILE_BYTES_MAX {
            let (path, limit) = (path.to_owned(), FILE_BYTES_MAX);
            return Err(OpenModelError::TooLarge { path, bytes: size, limit });
        }
        let bytes = std::fs::read(path).map_err(read)?;
        let unusable = |source| OpenModelError::Model { path: path.to_owned(), source };
        let (network, file) = model_file::decode(&bytes).map_err(unusable)?;
        let preprocessing = preprocessing(&file.metadata, &network)
            .map_err(|reason| OpenModelError::Preprocessing { path: path.to_owned(), reason })?;
        let class_names = class_names(&file.metadata, &network)
            .map_err(|reason| OpenModelError::ClassNames { path: path.to_owned(), reason })?;
        let loss = loss(&file.metadata)
            .map_err(|reason| OpenModelError::Loss { path: path.to_owned(), reason })?;
        let profile = profile(&file.metadata, &network)
            .map_err(|reason| OpenModelError::Profile { path: path.to_owned(), reason })?;
        let predictor = Predictor::of_file(&network, &file).map_err(unusable)?;
        let predictor = predictor.with_loss(loss.clone()).with_views(preprocessing.views);
        let network = Arc::new(network);
        let workspace = predictor.workspace(1);
        let weights_sha256 = weights_sha256(&file.parameters);
        let weights = Weights::ready(file.parameters, predictor);
        let limits = Limits::default();
        let version = 0;
        let model =
            Model { network, loss, weights, preprocessing, class_names, limits, profile, version };
        Ok(SavedModel { model, workspace, recent: None, weights_sha256, metadata: file.metadata })
    }

    /// Answers one picture, given as the bytes of an image file.
    ///
    /// # Errors
    /// [`PredictError::BadImage`] when it cannot be read.
    pub fn predict(&mut self, image: &[u8]) -> Result<Prediction, PredictError> {
        let mut never = || Ok::<(), Infallible>(());
        match self.model.predict(image, &mut self.workspace, &mut never) {
            Ok(Answered { prediction, binned }) => {
                let profile = self.model.profile.as_ref();
                if let Some((profile, binned)) = profile.zip(binned) {
                    self.recent.get_or_insert_with(|| profile.recent()).add(&binned);
                }
                prediction
            }
            Err(never) => match never {},
        }
    }

    /// How all pictures that it has answered differ from those that it was measured on; none before the first, or when its file
    /// does not say what those were like.
    pub fn drift(&self, limits: DriftLimits) -> Option<Drift> {
        let recent = self.recent.as_ref()?;
        Some(self.model.profile.as_ref()?.compare(recent, limits))
    }

    /// The network with its weights, ready to predict.
    pub fn predictor(&self) -> &Predictor {
        self.model.predictor()
    }

    /// The network; its own plan is one of floats.
    pub fn network(&self) -> &Network {
        &self.model.network
    }

    /// The weights, laid out as [`Network::parameters`] says.
    pub fn parameters(&self) -> &[f32] {
        &self.model.weights.parameters
    }

    /// Appends the normalised numbers of an item that has the network's shape.
    pub(crate) fn numbers(&self, values: &Values, out: &mut Vec<f32>) {
        let begin = out.len();
        out.resize(begin + values.count(), 0.0);
        self.model.preprocessing.normalise().apply_to(values, &mut out[begin..]);
    }

    /// SHA-256 of the weights, in hex.
    pub fn weights_sha256(&self) -> &str {
        &self.weights_sha256
    }

    /// What the file says of itself.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }
}

/// Reads how pictures are preprocessed, and proves that those of the network can be.
fn preprocessing(
    metadata: &BTreeMap<String, String>,
    network: &Network,
) -> Result<Preprocessing, String> {
    let text = metadata.get(PREPROCESSING).map(String::as_str).unwrap_or("");
    let preprocessing: Preprocessing =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let (_, _, channels) = image_shape(network);
    preprocessing.normalise().check(channels).map_err(|error| error.to_string())?;
    let fill = &preprocessing.fill;
    if !fill.is_empty() && fill.len() != channels {
        return Err(format!("{} numbers to fill {channels} features with", fill.len()));
    }
    if fill.iter().flatten().any(|number| !number.is_finite()) {
        return Err("a number to fill with is not finite".into());
    }
    preprocessing.views.check(network.input())?;
    Ok(preprocessing)
}

/// Reads what the model was trained with: its settings do not matter any more.
fn loss(metadata: &BTreeMap<String, String>) -> Result<Loss, String> {
    let Some(name) = metadata.get(LOSS) else { return Ok(Loss::default()) };
    let known = LOSSES.iter().find(|(known, _)| known == name);
    known.map(|(_, loss)| loss()).ok_or_else(|| format!("no loss is called {name:?}"))
}

/// Reads what the items were like that the model was measured on.
fn profile(
    metadata: &BTreeMap<String, String>,
    network: &Network,
) -> Result<Option<Arc<Profile>>, String> {
    let Some(text) = metadata.get(PROFILE) else { return Ok(None) };
    let profile: Profile = serde_json::from_str(text).map_err(|error| error.to_string())?;
    profile.check(network.classes())?;
    Ok(Some(Arc::new(profile)))
}

/// Reads the names of the classes; none are no names.
fn class_names(
    metadata: &BTreeMap<String, String>,
    network: &Network,
) -> Result<Vec<String>, String> {
    let Some(text) = metadata.get(CLASS_NAMES) else { return Ok(Vec::new()) };
    let names: Vec<String> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if names.len() > network.classes() {
        return Err(format!("{} names for {} outputs", names.len(), network.classes()));
    }
    if names.iter().any(|name| name.contains(char::is_control)) {
        return Err("a name holds control characters".into());
    }
    Ok(names)
}

/// The `(H, W, C)` of the images that a network takes; each feature is a channel.
fn image_shape(network: &Network) -> (usize, usize, usize) {
    match network.input() {
        Shape::Image { h, w, c } => (h, w, c),
        Shape::Sequence { length, channels } => (length, channels, 1),
        Shape::Features(d) => (1, 1, d),
    }
}

/// A workspace for one picture at a time, kept from picture to picture of the same network.
#[derive(Default)]
pub(crate) struct OnePicture(Option<(Arc<Network>, Workspace)>);

impl OnePicture {
    /// Answers with `model`, in memory that fits its network.
    pub(crate) fn predict(
        &mut self,
        model: &Model,
        image: &[u8],
        pulse: &mut dyn FnMut() -> Result<(), Interrupt>,
    ) -> Result<Answered, Interrupt> {
        let fits = |kept: &&mut (Arc<Network>, Workspace)| Arc::ptr_eq(&kept.0, &model.network);
        let workspace = match self.0.as_mut().filter(fits) {
            Some((_, workspace)) => workspace,
            None => {
                &mut self.0.insert((model.network.clone(), model.network.prediction_workspace(1))).1
            }
        };
        model.predict(image, workspace, pulse)
    }
}
