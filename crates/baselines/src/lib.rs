//! Classical models to set beside the network: what does the same data give without convolutions?
//!
//! Every [`Baseline`] learns in rounds of about a second. A round is a pure function of the state before it, the table and
//! the seed, so that a killed one is simply done again. A [`State`] is bytes, so that it can be kept, sent and compared; their
//! number is the model's size. The models come from public libraries, one file a model.

pub mod table;
pub mod baseline;
pub mod error;
mod model;
mod shares;
mod linfa_models;
mod smartcore_models;

pub use baseline::{BASELINES, Baseline, RowsMax, State, accuracy};
pub use error::BaselineError;
pub use table::Table;
