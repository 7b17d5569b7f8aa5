//! The promises of docs/GUARANTEES.md that only a whole pipeline can show, one module a contract.
//!
//! Tests wait for events, with a bound, and never assert a time: none can fail because a machine is slow.

#[path = "../support/pipelines.rs"]
mod pipelines;

mod bounds;
mod delivery;
mod determinism;
mod drift;
mod supervision;
mod durability;
mod trust;
