//! Several operators that are one layer: `x * sigmoid(x)` and the two formulas of GELU.
//!
//! Each begins with a value that several operators read, and nothing else reads what flows within.

use super::super::numbers;
use super::super::read::{Flow, Reader, Step};
use super::super::source::Source;
use super::activation::{CUBE, SQRT_2_OVER_PI};
use super::one;
use crate::layer::LayerSpec;
use crate::layer::gelu::{Approximate, Gelu};
use crate::layer::silu::Silu;
use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

/// How far a number of a formula may be off: exporters round it as they like.
const ROUNDING: f32 = 1e-4;

/// The layer that some of the readers of `x` are together, if there is one, and which they are.
pub(in super::super) fn read<'a>(
    reader: &Reader<'_, 'a>,
    x: Flow<'a>,
    readers: &[usize],
) -> Option<(Step<'a>, Vec<usize>)> {
    let pattern = Pattern { source: reader.source, x: x.name, readers };
    let gelu = |approximate| LayerSpec::from(Gelu { approximate });
    let (layer, (name, used)) = pattern
        .silu()
        .map(|found| (Silu {}.into(), found))
        .or_else(|| pattern.gelu().map(|found| (gelu(Approximate::None), found)))
        .or_else(|| pattern.gelu_tanh().map(|found| (gelu(Approximate::Tanh), found)))?;
    Some((one(layer, Flow { name, ..x }), used))
}

/// A value and who reads it. Nodes are meant by their numbers.
struct Pattern<'s, 'a> {
    source: &'s Source<'a>,
    x: &'a str,
    readers: &'s [usize],
}

/// What a pattern makes, and which readers of `x` it is made of.
type Found<'a> = (&'a str, Vec<usize>);

impl<'a> Pattern<'_, 'a> {
    /// `x * sigmoid(x)`.
    fn silu(&self) -> Option<Found<'a>> {
        let mut sigmoids = self.readers.iter().filter(|&&node| self.is(node, "Sigmoid"));
        sigmoids.find_map(|&sigmoid| {
            let product = self.only(self.output(sigmoid)?, "Mul")?;
            let other = self.beside(product, self.output(sigmoid)?)?;
            (other == self.x).then_some((self.output(product)?, vec![sigmoid, product]))
        })
    }

    /// `x * (1 + erf(x / sqrt(2))) / 2`.
    fn gelu(&self) -> Option<Found<'a>> {
        let scaled = self.reader(|node| {
            let is_root = self.source.nodes[node].input.first().is_some_and(|name| name == self.x);
            (self.is(node, "Div") && is_root && self.is_with(node, self.x, SQRT_2))
                || (self.is(node, "Mul") && self.is_with(node, self.x, FRAC_1_SQRT_2))
        })?;
        let bend = self.output(self.only(self.output(scaled)?, "Erf")?)?;
        let (name, gated) = self.gated(bend)?;
        Some((name, vec![scaled, gated]))
    }

    /// `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2`.
    fn gelu_tanh(&self) -> Option<Found<'a>> {
        let power = self.reader(|node| self.is(node, "Pow") && self.is_with(node, self.x, 3.0));
        let (cube, mut used) = match power {
            Some(power) => (power, vec![power]),
            None => {
                let square = self.reader(|node| {
                    self.is(node, "Mul") && self.beside(node, self.x) == Some(self.x)
                })?;
                let cube = self.only(self.output(square)?, "Mul")?;
                if self.beside(cube, self.output(square)?)? != self.x {
                    return None;
                }
                (cube, vec![square, cube])
            }
        };
        let cube = self.with(self.output(cube)?, "Mul", CUBE)?;
        let sum = self.only(cube, "Add")?;
        if self.beside(sum, cube)? != self.x {
            return None;
        }
        let scaled = self.with(self.output(sum)?, "Mul", SQRT_2_OVER_PI)?;
        let bend = self.output(self.only(scaled, "Tanh")?)?;
        let (name, gated) = self.gated(bend)?;
        used.extend([sum, gated]);
        Some((name, used))
    }

    /// What `x * (1 + bend) / 2` makes, whichever product comes first, and the one that reads `x`.
    fn gated(&self, bend: &str) -> Option<(&'a str, usize)> {
        let gate = self.with(bend, "Add", 1.0)?;
        let product = self.only(gate, "Mul")?;
        let other = self.beside(product, gate)?;
        if other == self.x {
            return Some((self.with(self.output(product)?, "Mul", 0.5)?, product));
        }
        let half = self.reader(|node| {
            self.is(node, "Mul")
                && self.output(node) == Some(other)
                && self.is_with(node, self.x, 0.5)
        })?;
        Some((self.output(product)?, half))
    }

    /// One of the readers of `x`.
    fn reader(&self, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        self.readers.iter().copied().find(|&node| is_it(node))
    }

    /// The one reader of a value within, if it is this operator.
    fn only(&self, value: &str, operator: &str) -> Option<usize> {
        let &[node] = self.source.readers(value) else { return None };
        (self.is(node, operator) && self.source.output != value).then_some(node)
    }

    /// What the one reader of a value makes, if it is this operator with this number.
    fn with(&self, value: &str, operator: &str, number: f32) -> Option<&'a str> {
        let node = self.only(value, operator)?;
        self.output(node).filter(|_| self.is_with(node, value, number))
    }

    fn is(&self, node: usize, operator: &str) -> bool {
        self.source.nodes[node].op_type == operator
    }

    /// What a node makes.
    fn output(&self, node: usize) -> Option<&'a str> {
        match &*self.source.nodes[node].output {
            [output] => Some(output),
            _ => None,
        }
    }

    /// What a node of two inputs takes beside `value`.
    fn beside(&self, node: usize, value: &str) -> Option<&'a str> {
        match &*self.source.nodes[node].input {
            [one, other] if one == value => Some(other),
            [one, other] if other == value => Some(one),
            _ => None,
        }
    }

    /// True when a node takes the value and this number.
    fn is_with(&self, node: usize, value: &str, number: f32) -> bool {
        let tensor = self.beside(node, value);
        let tensor = tensor.and_then(|name| self.source.constants.tensor(name));
        let tensor = tensor.filter(|tensor| {
            numbers::shape(tensor).is_ok_and(|shape| shape.iter().product::<usize>() == 1)
        });
        let found = tensor.and_then(|tensor| numbers::floats(tensor).ok());
        found.is_some_and(|found| (found[0] - number).abs() <= ROUNDING)
    }
}
