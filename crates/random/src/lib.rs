//! Counter-based random numbers keyed by what they are for, never by who draws them.
//!
//! A [`Stream`] is a pure function of `(seed, purpose, epoch, item)`: whichever worker draws it, whenever, after whatever
//! death, the numbers are the same. [`Permutation`] shuffles `0..n` without holding the shuffled list.

pub mod philox;
pub mod stream;
pub mod permutation;

pub use permutation::Permutation;
pub use stream::{Purpose, Stream};
