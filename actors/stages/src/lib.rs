//! The way of one item, from raw bytes to a prediction: one module a stage, and the flow that joins them.
//!
//! A stage's worker is a pure function of its task; it knows no other stage. What follows from an outcome is decided in
//! `flow`, under the kernel's lock, in places that do not depend on who was first. [`Pipeline`] is the handle on it all.
//!
//! In the order of an item's way:

pub mod kinds;
pub mod settings;
mod cleaning;
mod inspect_table;
mod quarantine;
mod plan;
mod stage;
mod ingest;
mod decode;
mod preprocess;
mod cache;
mod augment;
mod batch;
mod class_weights;
mod fine_tune;
mod train;
mod checkpoint;
mod resume;
mod evaluate;
pub mod model;
pub mod measure;
mod deploy;
mod predict;
mod compare;
mod flow;
mod assemble;
pub mod status;
pub mod results;
pub mod events;
pub mod chaos;
pub mod pipeline;
pub mod rehearsal;
mod view;

pub use chaos::ChaosPlan;
pub use cleaning::{OpenError, Opened};
pub use events::{EventPage, PipelineEvent, What};
pub use fine_tune::FineTuneError;
pub use inspect_table::inspect_table;
pub use kinds::{STAGES, StageKind};
pub use measure::{Items, ItemsOfConfig, MeasureError};
pub use model::{
    CLASS_NAMES, OpenModelError, PREPROCESSING, PredictError, Prediction, Preprocessing, SavedModel,
};
pub use pipeline::{Death, JobError, KillError, Pipeline, ScaleError, Scaled, StartError};
pub use plan::item_shape;
pub use planaria_kernel::Strategy;
pub use quarantine::{Quarantine, QuarantineError, Quarantined, Retried, retry};
pub use results::{
    BaselineResult, BestVersion, CacheResult, ClassResult, ComparisonRow, DeadLetter,
    EvaluationPoint, LossPoint, Results, ScoreResult, StageResult, TrainingResult, ValidationPoint,
};
pub use resume::ResumeError;
pub use settings::PipelineSettings;
pub use status::Status;
