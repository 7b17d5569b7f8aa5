//! What the kernel promises, one module a promise.

#[path = "../support/mod.rs"]
mod support;

mod delivery;
mod supervision;
mod escalation;
mod bad_input;
