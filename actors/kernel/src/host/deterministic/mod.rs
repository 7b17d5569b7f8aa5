//! The parts of the deterministic host.

pub(in crate::host) mod schedule;
pub(in crate::host) mod shrink;
pub(in crate::host) mod history;
pub(in crate::host) mod world;
pub(in crate::host) mod handles;
