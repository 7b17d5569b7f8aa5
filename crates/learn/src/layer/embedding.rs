//! An embedding: a row of numbers for each id, such as a word's. `x [L]`, ids as whole numbers from
//! 0, gives `y [L, C]`, with `y[l] = weight[x[l]]` and `weight [ids, C]`.
//!
//! It is the first layer of a net for [`Shape::Features`]: ids have no gradient. The gradient of a
//! row is the sum over the places that read it, in the order of the samples and their places.
//!
//! [`Network::check_input`](crate::Network::check_input) tells whether samples are ids; a pass over
//! others panics.
//!
//! Source: Bengio, Ducharme, Vincent and Jauvin, "A neural probabilistic language model", JMLR 3
//! (2003).

use super::Build;
use super::step::{
    Backward, Initial, Layer, Layout, Own, Pass, Refused, Rows, Samples, SamplesMut, Tensor, slice,
    slice_mut,
};
use crate::builder::Builder;
use crate::compute_kernels::elementwise;
use crate::network::Role;
use crate::pulse::Stopped;
use crate::shape::{Problem, Shape, ShapeError};
use serde::{Deserialize, Serialize};

/// The settings of an embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// How many ids there are, at most 2^24: every float is whole beyond.
    pub ids: usize,
    /// Numbers for each.
    pub channels: usize,
}

/// The ids that floats can tell apart.
const IDS_MAX: usize = 1 << 24;

impl Build for Embedding {
    fn example() -> Self {
        Embedding { ids: 2, channels: 1 }
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let Embedding { ids, channels } = *self;
        for (count, what) in [(ids, "ids"), (channels, "channels")] {
            if count == 0 {
                return Err(net.problem(Problem::Zero { what }));
            }
        }
        if ids > IDS_MAX {
            let (name, range) = ("ids", "at most 16777216");
            return Err(net.problem(Problem::OutOfRange { name, value: ids as f64, range }));
        }
        let length = net.raw_features()?;
        net.map(EmbeddingPlan { ids, channels }, Shape::Sequence { length, channels })
    }
}

/// The plan for texts of any length.
#[derive(Debug)]
struct EmbeddingPlan {
    ids: usize,
    channels: usize,
}

impl EmbeddingPlan {
    /// The id that `x` is, if it is one.
    fn id(&self, x: f32) -> Option<usize> {
        let id = x as usize;
        (id as f32 == x && id < self.ids).then_some(id)
    }

    /// Where the row of `x` lies in the weight.
    ///
    /// # Panics
    /// When `x` is no id.
    fn row(&self, x: f32) -> std::ops::Range<usize> {
        let id = self.id(x).expect("the input has been checked: it is ids");
        id * self.channels..(id + 1) * self.channels
    }
}

impl Layer for EmbeddingPlan {
    fn tensors(&self) -> Vec<Tensor> {
        let (initial, layout) = (Initial::Normal, Layout::Same);
        let shape = vec![self.ids, self.channels];
        vec![Tensor { name: "weight", shape, role: Role::Weight, initial, layout }]
    }

    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn reads_input_again(&self) -> bool {
        true
    }

    fn refused(&self, x: &[f32]) -> Option<Refused> {
        let place = x.iter().position(|&x| self.id(x).is_none())?;
        Some(Refused { place, ids: self.ids })
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        _own: &mut Own,
    ) -> Result<(), Stopped> {
        let weight = pass.weights.slice(0);
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            for (&x, y) in x.iter().zip(slice_mut(y).chunks_exact_mut(self.channels)) {
                y.copy_from_slice(&weight[self.row(x)]);
            }
            pass.beat.work(x.len() * self.channels)?;
        }
        Ok(())
    }

    /// Ids have no gradient: it is zero where somebody asks.
    fn backward(&self, pass: &mut Pass, call: Backward, _own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, dx, dw } = call;
        let [dw] = dw.slices();
        for (x, dy) in x.outer_iter().zip(dy.outer_iter()) {
            for (&x, dy) in x.iter().zip(slice(dy).chunks_exact(self.channels)) {
                elementwise::add_to(pass.isa, dy, &mut dw[self.row(x)]);
            }
            pass.beat.work(x.len() * self.channels)?;
        }
        if let Some(mut dx) = dx {
            dx.fill(0.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::formula_check::{SAMPLES, check_formula_at};
    use crate::layer::{LayerSpec, dense::Dense, flatten::Flatten, relu::Relu};
    use crate::{InputError, Network};

    #[test]
    fn embedding_is_its_formula_on_every_instruction_set() {
        for [length, ids, channels] in [[1, 1, 1], [5, 4, 3], [7, 9, 17]] {
            // Some ids twice in a sample, some in none.
            let input = (0..SAMPLES * length).map(|at| (at * at % ids) as f32).collect();
            let x = Shape::Features(length);
            check_formula_at(x, Embedding { ids, channels }.into(), input, |x, weight| {
                let row = |x: &f64| &weight[x.round() as usize * channels..][..channels];
                x.iter().flat_map(row).copied().collect()
            });
        }
    }

    fn network(layers: Vec<LayerSpec>) -> Result<Network, ShapeError> {
        let end = [Flatten {}.into(), Dense::new(2).into()];
        Network::new(Shape::Features(3), &[layers, end.to_vec()].concat())
    }

    #[test]
    fn what_is_no_id_is_found_with_its_place() {
        let network = network(vec![Embedding { ids: 4, channels: 2 }.into()]).unwrap();
        let check = |x: &[f32]| network.check_input(network.input().samples(x));
        assert_eq!(check(&[0.0, 3.0, 1.0, 2.0, -0.0, 3.0]), Ok(()));
        for found in [4.0, -1.0, 0.5, f32::NAN, f32::INFINITY, 1e30] {
            let error = check(&[0.0, 1.0, 2.0, 1.0, found, 9.0]).unwrap_err();
            let InputError::NoId { sample: 1, place: 1, ids: 4, .. } = error else {
                panic!("{error}");
            };
            let text = error.to_string();
            let beginning = format!("sample 1, place 1: {found} is no id of layer 0 (embedding)");
            assert!(text.starts_with(&beginning), "{text}");
        }
    }

    #[test]
    fn an_embedding_that_does_not_read_the_input_or_is_empty_is_refused() {
        let embedding = LayerSpec::from(Embedding { ids: 4, channels: 2 });
        let refused = [
            (vec![Relu {}.into(), embedding.clone()], "layer 1 (embedding) reads whole numbers"),
            (vec![Dense::new(3).into(), embedding], "layer 1 (embedding) reads whole numbers"),
            (vec![Embedding { ids: 0, channels: 2 }.into()], "layer 0 (embedding) has 0 ids"),
            (vec![Embedding { ids: 2, channels: 0 }.into()], "has 0 channels"),
            (vec![Embedding { ids: 1 << 25, channels: 1 }.into()], "has ids = 33554432"),
        ];
        for (layers, reason) in refused {
            let error = network(layers).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}\nlacks {reason}");
        }
    }
}
