//! The first weights.

use planaria_random::{Purpose, Stream};

/// Fills tensor number `tensor` with numbers uniform over `+-1 / sqrt(fan_in)`, a pure function of
/// seed and tensor.
pub(crate) fn fill_uniform(seed: u64, tensor: u64, fan_in: usize, values: &mut [f32]) {
    let bound = (1.0 / (fan_in as f64).sqrt()) as f32;
    let mut stream = Stream::new(seed, Purpose::Initialise, 0, tensor);
    for value in values {
        *value = stream.next_between(-bound, bound);
    }
}
