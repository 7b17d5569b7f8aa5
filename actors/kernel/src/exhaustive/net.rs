//! A net of 6 inputs, 5 hidden rectified units and 3 outputs in `f32`, whose sums show in their bits in which order they were made.

use planaria_random::{Purpose, Stream};

pub(super) const INPUTS: usize = 6;
const HIDDEN: usize = 5;
pub(super) const OUTPUTS: usize = 3;
/// `w1 [HIDDEN, INPUTS]`, `b1 [HIDDEN]`, `w2 [OUTPUTS, HIDDEN]`, `b2 [OUTPUTS]`, one after the other.
const PARAMETERS: usize = HIDDEN * INPUTS + HIDDEN + OUTPUTS * HIDDEN + OUTPUTS;
const LEARNING_RATE: f32 = 0.05;

pub(super) type Parameters = [f32; PARAMETERS];
pub(super) type Sample = [f32; INPUTS];

/// The first weights.
pub(super) fn initial() -> Parameters {
    let mut stream = Stream::new(1, Purpose::Initialise, 0, 0);
    std::array::from_fn(|_| stream.next_unit() - 0.5)
}

/// An item as its source has it, in [0, 255].
pub(super) fn ingest(item: u64) -> Sample {
    let mut stream = Stream::new(1, Purpose::Shuffle, 0, item);
    std::array::from_fn(|_| 255.0 * stream.next_unit())
}

/// Normalised to [0, 1] and varied, by numbers that belong to the item.
pub(super) fn preprocess(item: u64, raw: &Sample) -> Sample {
    let mut stream = Stream::new(1, Purpose::Augment, 0, item);
    raw.map(|value| value / 255.0 * (0.5 + stream.next_unit()) + 0.01 * stream.next_unit())
}

/// The gradient of half the squared error of `x` with the one-hot target `class`.
pub(super) fn gradient(parameters: &Parameters, x: &Sample, class: usize) -> Parameters {
    let (w1, rest) = parameters.split_at(HIDDEN * INPUTS);
    let (b1, rest) = rest.split_at(HIDDEN);
    let (w2, b2) = rest.split_at(OUTPUTS * HIDDEN);
    let hidden: [f32; HIDDEN] = std::array::from_fn(|k| {
        let sum = (0..INPUTS).map(|j| w1[k * INPUTS + j] * x[j]).sum::<f32>();
        (b1[k] + sum).max(0.0)
    });
    let dy: [f32; OUTPUTS] = std::array::from_fn(|o| {
        let sum = (0..HIDDEN).map(|k| w2[o * HIDDEN + k] * hidden[k]).sum::<f32>();
        b2[o] + sum - f32::from(u8::from(o == class))
    });
    let dh: [f32; HIDDEN] = std::array::from_fn(|k| {
        let sum = (0..OUTPUTS).map(|o| dy[o] * w2[o * HIDDEN + k]).sum::<f32>();
        if hidden[k] > 0.0 { sum } else { 0.0 }
    });
    let dw1 = dh.iter().flat_map(|d| x.iter().map(move |x| d * x));
    let dw2 = dy.iter().flat_map(|d| hidden.iter().map(move |h| d * h));
    let mut all = dw1.chain(dh).chain(dw2).chain(dy);
    std::array::from_fn(|_| all.next().expect("as many as there are parameters"))
}

/// The sum of gradients, in the order in which they are given, as a tree whose shape depends on their number alone.
pub(super) fn sum(gradients: &[Parameters]) -> Parameters {
    match gradients {
        [] => [0.0; PARAMETERS],
        [one] => *one,
        several => {
            let half = several.len().next_power_of_two() / 2;
            let (a, b) = (sum(&several[..half]), sum(&several[half..]));
            std::array::from_fn(|n| a[n] + b[n])
        }
    }
}

/// The weights after a step.
pub(super) fn step(parameters: &Parameters, sum: &Parameters) -> Parameters {
    std::array::from_fn(|n| parameters[n] - LEARNING_RATE * sum[n])
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let (parameters, x) = (initial(), preprocess(3, &ingest(3)));
    let loss = |parameters: &Parameters| {
        let (_, dy) = parameters.split_at(PARAMETERS); // the error itself is the gradient of b2
        debug_assert!(dy.is_empty());
        let errors = &gradient(parameters, &x, 1)[PARAMETERS - OUTPUTS..];
        errors.iter().map(|e| f64::from(*e) * f64::from(*e) / 2.0).sum::<f64>()
    };
    let exact = gradient(&parameters, &x, 1);
    for n in 0..PARAMETERS {
        let (mut up, mut down) = (parameters, parameters);
        up[n] += 1e-2;
        down[n] -= 1e-2;
        let slope = (loss(&up) - loss(&down)) / 2e-2;
        assert!((slope - f64::from(exact[n])).abs() < 1e-3, "{n}: {slope} and {}", exact[n]);
    }
}
