//! The first weights: pure functions of (seed, number of the tensor).
//!
//! Normal numbers are made by Box and Muller's rule in f64 with `libm`'s functions: the same bits
//! on every machine.

use crate::layer::step::Initial;
use crate::{Named, Network, ParameterSpec, Role};
use planaria_random::{Purpose, Stream};
use serde::{Deserialize, Serialize};

/// Every initialiser by its name in a config, with its defaults.
pub const INITIALISERS: [Named<Initialiser>; 14] = [
    ("pytorch", || Initialiser::Pytorch),
    ("kaiming-uniform", || Initialiser::KaimingUniform),
    ("kaiming-normal", || Initialiser::KaimingNormal),
    ("xavier-uniform", || Initialiser::XavierUniform),
    ("xavier-normal", || Initialiser::XavierNormal),
    ("lecun-uniform", || Initialiser::LecunUniform),
    ("lecun-normal", || Initialiser::LecunNormal),
    ("normal", || Initialiser::Normal { deviation: 0.02 }),
    ("truncated-normal", || Initialiser::TruncatedNormal { deviation: 0.02 }),
    ("orthogonal", || Initialiser::Orthogonal { gain: 1.0 }),
    ("dirac", || Initialiser::Dirac),
    ("zeros", || Initialiser::Zeros),
    ("ones", || Initialiser::Ones),
    ("constant", || Initialiser::Constant { value: 0.0 }),
];

/// Where the weights of a layer begin. Biases begin at zero, but for [`Initialiser::Pytorch`].
///
/// A sum of the layer has `fan_in` terms; each of its inputs goes into `fan_out` sums.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Initialiser {
    /// Uniform over `+-1 / sqrt(fan_in)`, biases too: what `kaiming_uniform_(a=sqrt(5))` comes to.
    ///
    /// Source: `reset_parameters` of PyTorch's `Linear` and `Conv2d`.
    #[default]
    Pytorch,
    /// Uniform with the variance `2 / fan_in`: keeps the signal's size through layers with ReLU.
    ///
    /// Source: He et al., "Delving deep into rectifiers", arXiv:1502.01852, equation 10.
    KaimingUniform,
    /// As [`Initialiser::KaimingUniform`], normal.
    KaimingNormal,
    /// Uniform with the variance `2 / (fan_in + fan_out)`: a compromise between the signal's size
    /// forward and backward.
    ///
    /// Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    /// networks", AISTATS 2010, equation 16.
    XavierUniform,
    /// As [`Initialiser::XavierUniform`], normal.
    XavierNormal,
    /// Uniform with the variance `1 / fan_in`.
    ///
    /// Source: LeCun et al., "Efficient backprop", 1998, section 4.6.
    LecunUniform,
    /// As [`Initialiser::LecunUniform`], normal.
    LecunNormal,
    /// Normal with this deviation.
    Normal {
        /// The standard deviation.
        deviation: f32,
    },
    /// Normal, drawn again until it is within two deviations.
    ///
    /// Source: Dosovitskiy et al., "An image is worth 16x16 words", arXiv:2010.11929, whose code
    /// made it usual, with 0.02.
    TruncatedNormal {
        /// The standard deviation before anything is cut off.
        deviation: f32,
    },
    /// The weights of one output are orthogonal to those of every other (of one input, where
    /// outputs are more), each of the length `gain`.
    ///
    /// Source: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear
    /// neural networks", arXiv:1312.6120.
    Orthogonal {
        /// The length of each.
        gain: f32,
    },
    /// The first filters of a convolution hand on their channels: filter `c` is the pixel in the middle of channel `c`.
    /// Filters beyond the channels, kernels without a middle and dense layers begin as with [`Initialiser::Pytorch`].
    ///
    /// Source: Zagoruyko and Komodakis, "DiracNets", arXiv:1706.00388; so used by Jordan, "94% on CIFAR-10 in 3.29
    /// seconds on a single GPU", arXiv:2404.00498, section 3.2.
    Dirac,
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// One number everywhere.
    Constant {
        /// The number.
        value: f32,
    },
}

/// The sizes of a tensor of weights whose last axis are the layer's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fans {
    /// How many terms a sum has.
    pub(crate) fan_in: usize,
    /// Into how many sums an input goes.
    pub(crate) fan_out: usize,
    /// The last axis.
    pub(crate) outputs: usize,
    /// Of how many pixels a term can be: 1 but for convolutions.
    pub(crate) places: usize,
}

impl Initialiser {
    /// Fills the weights of tensor number `tensor`.
    ///
    /// # Panics
    /// When there are not as many as `fan_in * outputs`.
    pub(crate) fn fill(&self, seed: u64, tensor: u64, fans: Fans, values: &mut [f32]) {
        let Fans { fan_in, fan_out, outputs, .. } = fans;
        assert_eq!(values.len(), fan_in * outputs, "a weight for every term of every sum");
        let stream = || Stream::new(seed, Purpose::Initialise, 0, tensor);
        let (inward, both) = (1.0 / fan_in as f64, 2.0 / (fan_in + fan_out) as f64);
        match *self {
            Initialiser::Pytorch => fill_uniform(seed, tensor, fan_in, values),
            Initialiser::KaimingUniform => uniform(stream(), 2.0 * inward, values),
            Initialiser::KaimingNormal => normal(stream(), (2.0 * inward).sqrt(), values),
            Initialiser::XavierUniform => uniform(stream(), both, values),
            Initialiser::XavierNormal => normal(stream(), both.sqrt(), values),
            Initialiser::LecunUniform => uniform(stream(), inward, values),
            Initialiser::LecunNormal => normal(stream(), inward.sqrt(), values),
            Initialiser::Normal { deviation } => normal(stream(), f64::from(deviation), values),
            Initialiser::TruncatedNormal { deviation } => {
                truncated(stream(), f64::from(deviation), values);
            }
            Initialiser::Orthogonal { gain } => {
                orthogonal(stream(), f64::from(gain), outputs, values);
            }
            Initialiser::Dirac => {
                fill_uniform(seed, tensor, fan_in, values);
                hand_on(fans, values);
            }
            Initialiser::Zeros => values.fill(0.0),
            Initialiser::Ones => values.fill(1.0),
            Initialiser::Constant { value } => values.fill(value),
        }
    }
}

impl Network {
    /// The parameters that a training with `seed` begins with, keyed by the tensor's number: weights
    /// by `initialiser`; what normalises begins as it were not there.
    pub fn initialise(&self, initialiser: &Initialiser, seed: u64) -> Vec<f32> {
        let mut parameters = vec![0.0; self.parameter_count()];
        for (number, spec) in self.parameters().iter().enumerate() {
            let (number, tensor) = (number as u64, &mut parameters[spec.range()]);
            match (spec.initial, spec.role) {
                (Initial::Constant(value), _) => tensor.fill(value),
                (Initial::Normal, _) => {
                    normal(Stream::new(seed, Purpose::Initialise, 0, number), 1.0, tensor);
                }
                (Initial::Uniform { fan_in }, Role::Weight) => {
                    initialiser.fill(seed, number, Fans::of(spec, fan_in), tensor);
                }
                (Initial::Uniform { fan_in }, _) => match initialiser {
                    Initialiser::Pytorch | Initialiser::Dirac => {
                        fill_uniform(seed, number, fan_in, tensor);
                    }
                    _ => tensor.fill(0.0),
                },
            }
        }
        parameters
    }
}

impl Fans {
    /// Those of a tensor `[.., inputs, outputs]`.
    fn of(spec: &ParameterSpec, fan_in: usize) -> Fans {
        let outputs = spec.len / fan_in.max(1);
        let places: usize = spec.shape.iter().rev().skip(2).product();
        Fans { fan_in, fan_out: places * outputs, outputs, places }
    }
}

/// Fills tensor number `tensor` with numbers uniform over `+-1 / sqrt(fan_in)`, a pure function of
/// seed and tensor.
pub(crate) fn fill_uniform(seed: u64, tensor: u64, fan_in: usize, values: &mut [f32]) {
    let bound = (1.0 / (fan_in as f64).sqrt()) as f32;
    let mut stream = Stream::new(seed, Purpose::Initialise, 0, tensor);
    for value in values {
        *value = stream.next_between(-bound, bound);
    }
}

/// Makes the first columns of `[places, channels, outputs]` the middle pixel of a channel each.
fn hand_on(Fans { fan_in, outputs, places, .. }: Fans, values: &mut [f32]) {
    if places == 1 || places.is_multiple_of(2) {
        return;
    }
    let channels = fan_in / places;
    for output in 0..channels.min(outputs) {
        values.iter_mut().skip(output).step_by(outputs).for_each(|weight| *weight = 0.0);
        values[(places / 2 * channels + output) * outputs + output] = 1.0;
    }
}

/// Uniform numbers around zero of this variance.
fn uniform(mut stream: Stream, variance: f64, values: &mut [f32]) {
    let bound = (3.0 * variance).sqrt() as f32;
    values.fill_with(|| stream.next_between(-bound, bound));
}

/// Normal numbers around zero of this deviation.
fn normal(mut stream: Stream, deviation: f64, values: &mut [f32]) {
    for pair in values.chunks_mut(2) {
        let normals = two_normals(&mut stream);
        for (value, normal) in pair.iter_mut().zip(normals) {
            *value = (normal * deviation) as f32;
        }
    }
}

/// Normal numbers within two deviations.
fn truncated(mut stream: Stream, deviation: f64, values: &mut [f32]) {
    for value in values {
        // One in 22 is outside: after 64 of them the next one is clamped, which nobody will see.
        let draw = (0..64).map(|_| two_normals(&mut stream)[0]).find(|normal| normal.abs() <= 2.0);
        *value = (draw.unwrap_or(2.0) * deviation) as f32;
    }
}

/// Two independent normal numbers.
///
/// Source: Box and Muller, "A note on the generation of random normal deviates", 1958.
fn two_normals(stream: &mut Stream) -> [f64; 2] {
    // Above 0 and at most 1, in steps of 2^-32.
    let [first, second] = [stream.next_u32(), stream.next_u32()]
        .map(|word| (f64::from(word) + 1.0) / 4_294_967_296.0);
    let radius = (-2.0 * libm::log(first)).sqrt();
    let angle = std::f64::consts::TAU * second;
    [radius * libm::cos(angle), radius * libm::sin(angle)]
}

/// Makes the columns `[.., outputs]` orthogonal, or the rows where these are fewer, each of length
/// `gain`.
///
/// Gram and Schmidt's rule, twice over each: once leaves what rounding has spoilt. Normal numbers
/// have no preferred direction, and so the result has none.
fn orthogonal(mut stream: Stream, gain: f64, outputs: usize, values: &mut [f32]) {
    let inputs = values.len() / outputs.max(1);
    let (count, len) = (outputs.min(inputs), outputs.max(inputs));
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(count);
    while rows.len() < count {
        let mut row: Vec<f64> = Vec::with_capacity(len + 1);
        while row.len() < len {
            row.extend(two_normals(&mut stream));
        }
        row.truncate(len);
        for _ in 0..2 {
            for other in &rows {
                let along = dot(&row, other);
                row.iter_mut().zip(other).for_each(|(x, other)| *x -= along * other);
            }
            let length = dot(&row, &row).sqrt();
            row.iter_mut().for_each(|x| *x /= length);
        }
        rows.push(row);
    }
    for (at, value) in values.iter_mut().enumerate() {
        let (input, output) = (at / outputs, at % outputs);
        let (row, place) = if outputs <= inputs { (output, input) } else { (input, output) };
        *value = (gain * rows[row][place]) as f32;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(initialiser: Initialiser, seed: u64, inputs: usize, outputs: usize) -> Vec<f32> {
        let mut values = vec![9.0; inputs * outputs];
        let fans = Fans { fan_in: inputs, fan_out: outputs, outputs, places: 1 };
        initialiser.fill(seed, 3, fans, &mut values);
        values
    }

    #[test]
    fn variances_are_those_of_the_papers() {
        let (inputs, outputs) = (300, 200);
        let cases = [
            (Initialiser::Pytorch, 1.0 / 900.0),
            (Initialiser::KaimingUniform, 2.0 / 300.0),
            (Initialiser::KaimingNormal, 2.0 / 300.0),
            (Initialiser::XavierUniform, 2.0 / 500.0),
            (Initialiser::XavierNormal, 2.0 / 500.0),
            (Initialiser::LecunUniform, 1.0 / 300.0),
            (Initialiser::LecunNormal, 1.0 / 300.0),
            (Initialiser::Normal { deviation: 0.5 }, 0.25),
            // The variance of a standard normal number within two deviations.
            (Initialiser::TruncatedNormal { deviation: 0.1 }, 0.01 * 0.773_741),
        ];
        for (initialiser, variance) in cases {
            let values = filled(initialiser, 1, inputs, outputs);
            let n = values.len() as f64;
            let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let found = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n;
            // 60,000 numbers: five deviations of both estimates.
            assert!(mean.abs() < 5.0 * (variance / n).sqrt(), "{initialiser:?}: mean {mean}");
            let error = (found / variance - 1.0).abs();
            assert!(error < 5.0 * (2.0 / n).sqrt(), "{initialiser:?}: {found} for {variance}");
        }
        let within = filled(Initialiser::TruncatedNormal { deviation: 0.1 }, 2, inputs, outputs);
        assert!(within.iter().all(|x| x.abs() <= 0.2));
        let normal = filled(Initialiser::Normal { deviation: 0.1 }, 2, inputs, outputs);
        // 4.55 % of all normal numbers.
        let outside = normal.iter().filter(|x| x.abs() > 0.2).count();
        assert!((2_500..2_960).contains(&outside), "{outside}");
    }

    #[test]
    fn orthogonal_weights_are_orthogonal() {
        for (inputs, outputs) in [(27, 8), (8, 27), (5, 5), (1, 3), (3, 1)] {
            let values = filled(Initialiser::Orthogonal { gain: 2.0 }, 1, inputs, outputs);
            let column = |output: usize| -> Vec<f64> {
                (0..inputs).map(|input| f64::from(values[input * outputs + output])).collect()
            };
            let row = |input: usize| -> Vec<f64> {
                values[input * outputs..][..outputs].iter().map(|&x| f64::from(x)).collect()
            };
            let vectors: Vec<Vec<f64>> = if outputs <= inputs {
                (0..outputs).map(column).collect()
            } else {
                (0..inputs).map(row).collect()
            };
            for (a, one) in vectors.iter().enumerate() {
                for (b, other) in vectors.iter().enumerate() {
                    let expected = if a == b { 4.0 } else { 0.0 };
                    assert!((dot(one, other) - expected).abs() < 1e-6, "{inputs} {outputs}");
                }
            }
        }
    }

    #[test]
    fn dirac_filters_hand_on_their_channels_as_far_as_there_are() {
        let fans = Fans { fan_in: 9 * 2, fan_out: 9 * 3, outputs: 3, places: 9 };
        let mut values = vec![9.0; 9 * 2 * 3];
        Initialiser::Dirac.fill(1, 3, fans, &mut values);
        for (at, &weight) in values.iter().enumerate() {
            let (place, channel, filter) = (at / 6, at / 3 % 2, at % 3);
            if filter < 2 {
                let is_middle = place == 4 && channel == filter;
                assert_eq!(weight, if is_middle { 1.0 } else { 0.0 }, "{place} {channel} {filter}");
            } else {
                assert!(weight != 0.0 && weight.abs() < 0.24, "as PyTorch begins: {weight}");
            }
        }
        assert_eq!(filled(Initialiser::Dirac, 1, 7, 5), filled(Initialiser::Pytorch, 1, 7, 5));
    }

    #[test]
    fn constants_are_what_they_say() {
        assert!(filled(Initialiser::Zeros, 1, 3, 2).iter().all(|&x| x == 0.0));
        assert!(filled(Initialiser::Ones, 1, 3, 2).iter().all(|&x| x == 1.0));
        assert!(filled(Initialiser::Constant { value: 0.5 }, 1, 3, 2).iter().all(|&x| x == 0.5));
    }

    #[test]
    fn every_initialiser_depends_on_the_seed_alone_and_is_known_by_its_name() {
        for (name, initialiser) in INITIALISERS {
            let initialiser = initialiser();
            let values = filled(initialiser, 1, 7, 5);
            assert_eq!(filled(initialiser, 1, 7, 5), values, "{name}");
            let is_constant = values.iter().all(|&x| x == values[0]);
            assert_eq!(filled(initialiser, 2, 7, 5) == values, is_constant, "{name}");
            let json = serde_json::to_value(initialiser).unwrap();
            assert_eq!(json["kind"], name);
            assert_eq!(serde_json::from_value::<Initialiser>(json).unwrap(), initialiser);
        }
    }
}
