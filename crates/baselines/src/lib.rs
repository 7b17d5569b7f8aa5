//! Classical models to set beside the network: what does the same data give without convolutions?
//!
//! Every [`Baseline`] learns in rounds of about a second. A round is a pure function of the state before it, the tables and
//! the seed, so that a killed one is simply done again. The models come from public libraries, one file for each library.

pub mod table;
pub mod baseline;
mod linfa_models;
mod smartcore_models;

pub use baseline::{BASELINES, Baseline, BaselineError, MakeBaseline, State, accuracy};
pub use table::Table;
