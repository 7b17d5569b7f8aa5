//! What a graph holds or computes without its input: tensors under all their names, and the sizes
//! that `x.view(x.size(0), -1)` takes from the shape of a value.

use super::messages::{Node, Tensor};
use super::numbers;
use super::source::attribute;
use std::collections::BTreeMap;

/// The most sizes in a list: as many as a tensor has axes.
const SIZES_MAX: usize = 8;

/// The constants of a graph by their names.
#[derive(Debug, Default)]
pub(super) struct Constants<'a> {
    tensors: BTreeMap<&'a str, &'a Tensor>,
    sizes: BTreeMap<&'a str, Sizes>,
}

/// Sizes made from the shape of a value.
#[derive(Debug, Clone, PartialEq)]
enum Sizes {
    /// All of the shape, the batch first.
    Shape,
    /// Some numbers; 0 is the batch, as a `Reshape` has it.
    List(Vec<i64>),
}

impl<'a> Constants<'a> {
    /// The tensors that a graph holds.
    pub(super) fn new(tensors: &'a [Tensor]) -> Self {
        let tensors = tensors.iter().map(|tensor| (&*tensor.name, tensor)).collect();
        Constants { tensors, sizes: BTreeMap::new() }
    }

    /// True for the name of a constant.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name) || self.sizes.contains_key(name)
    }

    /// The tensor of a name, if it is one that the file holds.
    pub(super) fn tensor(&self, name: &str) -> Option<&'a Tensor> {
        self.tensors.get(name).copied()
    }

    /// The sizes of a name; 0 is the batch.
    pub(super) fn sizes(&self, name: &str) -> Option<Vec<i64>> {
        match self.sizes.get(name) {
            Some(Sizes::List(sizes)) => Some(sizes.clone()),
            Some(Sizes::Shape) => None,
            None => {
                let few = |tensor: &&Tensor| {
                    let shape = numbers::shape(tensor);
                    shape.is_ok_and(|shape| shape.iter().product::<usize>() <= SIZES_MAX)
                };
                numbers::integers(self.tensor(name).filter(few)?).ok()
            }
        }
    }

    /// Takes in a node that makes a constant of constants, or sizes of a shape; false for others.
    pub(super) fn fold(&mut self, node: &'a Node) -> bool {
        let [output] = &*node.output else { return false };
        if node.op_type == "Constant" {
            let value = attribute(node, "value").and_then(|attribute| attribute.t.as_ref());
            let folded = value.map(|tensor| self.tensors.insert(output, tensor));
            return folded.is_some();
        }
        let first = node.input.first().map_or("", String::as_str);
        if let ("Identity", Some(tensor)) = (&*node.op_type, self.tensor(first)) {
            self.tensors.insert(output, tensor);
            return true;
        }
        let sizes = match (&*node.op_type, self.sizes.get(first)) {
            ("Shape", _) if node.attribute.is_empty() => Some(Sizes::Shape),
            ("Gather", Some(Sizes::Shape)) => self.batch(node, &[0]),
            ("Slice", Some(Sizes::Shape)) => self.batch(node, &[0, 1]),
            ("Unsqueeze" | "Cast" | "Identity", Some(sizes)) => Some(sizes.clone()),
            ("Concat", _) => self.concat(node),
            _ => None,
        };
        let folded = sizes.map(|sizes| self.sizes.insert(output, sizes));
        folded.is_some()
    }

    /// The batch, if the inputs behind the first are these numbers: an index, or begin and end.
    fn batch(&self, node: &Node, numbers: &[i64]) -> Option<Sizes> {
        let rest = &node.input[1..];
        let fits = rest.len() >= numbers.len()
            && rest
                .iter()
                .zip(numbers)
                .all(|(name, number)| self.sizes(name) == Some(vec![*number]));
        fits.then(|| Sizes::List(vec![0]))
    }

    /// Sizes, one after another, if some are made from a shape.
    fn concat(&self, node: &Node) -> Option<Sizes> {
        if !node.input.iter().any(|name| self.sizes.contains_key(&**name)) {
            return None;
        }
        let mut all = Vec::new();
        for name in &node.input {
            all.extend(self.sizes(name)?);
            if all.len() > SIZES_MAX {
                return None;
            }
        }
        Some(Sizes::List(all))
    }
}
