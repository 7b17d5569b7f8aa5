//! The config: one TOML file a use, checked as a whole before anything starts.
//!
//! `load` reads it (`RawConfig`), `overlay` lays over it what flags say, `check` turns that into a `Config` or
//! into every fault at once, `explain` says what it would do. `section` reads one table, `fault` is
//! what can be wrong, `source`, `data`, `clean`, `network`, `training` (with `schedule`, `optimiser`, `loss`,
//! `validation` and `sampling`), `cache`, `drift` and `pools` are the longer sections, `fingerprint` is what the result depends on. `sweep` is a
//! config of its own kind: many trainings that differ in some values, the `trials`.

use planaria_stages::PipelineSettings;
use std::path::PathBuf;

use crate::{doors::control_socket::ControlLimits, jobs::JobSettings};

pub mod load;
pub mod overlay;
pub mod units;
pub mod nearest;
pub mod fault;
pub mod section;
pub mod check;
mod source;
mod data;
mod clean;
mod drift;
mod augment;
mod network;
mod training;
mod schedule;
mod optimiser;
mod loss;
mod validation;
mod sampling;
mod cache;
mod pools;
pub mod fingerprint;
pub mod explain;
pub mod sweep;
mod trials;
#[cfg(test)]
mod tests;

/// A config without faults. Who holds one need not check it again.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the pipeline is built from.
    pub pipeline: PipelineSettings,
    /// How the runtime can be steered from outside.
    pub control: ControlSettings,
    /// The jobs of `planaria serve`.
    pub jobs: JobSettings,
}

/// The control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlSettings {
    /// Where it lies.
    pub socket: PathBuf,
    /// Its bounds.
    pub limits: ControlLimits,
}
