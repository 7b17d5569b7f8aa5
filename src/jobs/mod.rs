//! Jobs that survive the process: accepted into a journal, carried out one after the other, ended once.
//!
//! In the way of a job: `spec` is what a client asks for and what of it is kept; `desk` accepts it, lists it, takes wishes
//! (the control socket talks to nothing else); `runner` takes the next one; `kinds` has a file for each kind of job; `state` is
//! what lies on disk, and what a new life does with what the last one left. `clock` gives the times that people read.

pub mod spec;
pub mod state;
pub mod desk;
pub mod runner;
pub mod kinds;
mod clock;

pub use desk::Desk;
pub use state::{JobSettings, StateError, StateFolder};
