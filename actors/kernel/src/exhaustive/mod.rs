//! Every death at every point: a small pipeline that really trains, killed at each schedule point in each way, then at
//! each pair of points, then in random orders; and a kernel broken on purpose, to see that all this would notice.
//!
//! A point is a moment at which the deterministic host lets an actor go on. Between two points an actor touches shared state at
//! most once, so that a death on any line in between equals one of these. What is claimed: for this small run in FIFO order, every
//! single death and every pair. Random orders are a sample.
//!
//! The long runs, and the replay of a schedule that a failing test has printed:
//! ```text
//! cargo test --release -p planaria-kernel --lib long_runs::long_ -- --ignored --nocapture --test-threads 1
//! PLANARIA_SCHEDULE='fifo 12 running hang' cargo test -p planaria-kernel --lib replay_ -- --ignored --nocapture
//! ```

mod net;
mod tiny_training;
mod judge;
mod campaign;
mod every_death;
mod every_mutant;
mod long_runs;
