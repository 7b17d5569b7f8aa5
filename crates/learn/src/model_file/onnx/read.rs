//! A graph becomes a net: layers in the order in which values flow, branches where one is read
//! twice.
//!
//! The walk goes from the input along what reads each value. Where several read it, every branch is
//! walked to the operator in which they meet: an `Add` makes a residual block, a `Concat` branches
//! side by side. Each operator is passed at most once, and branches stand in one another to a
//! bounded depth.

use super::messages::{Node, ValueInfo, data_type};
use super::numbers;
use super::operators::{self, patterns};
use super::source::{Source, operator_error};
use super::write::shape_behind;
use super::{OnnxError, shown};
use crate::layer::{LayerSpec, concat::Concat, residual::Residual};
use crate::model_file::LAYERS_MAX;
use crate::model_file::tensors::FileTensor;
use crate::{Shape, ShapeError};

/// How deep branches may stand in one another: as deep as a net's layers.
const DEPTH_MAX: usize = 16;
/// The most numbers of all tensors: 2^28, as of a net.
const NUMBERS_MAX: usize = 1 << 28;

/// What flows at some place of the graph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Shape,
    /// Places and channels of the image that the features were, which lie channel by channel and
    /// not, as in our nets, place by place.
    pub(super) image: Option<[usize; 2]>,
    /// True for an image or a sequence whose channels are the last axis: between transpositions.
    pub(super) channels_last: bool,
}

impl Flow<'_> {
    /// Axes of the value, with the batch.
    pub(super) fn rank(&self) -> i64 {
        match self.shape {
            Shape::Image { .. } => 4,
            Shape::Sequence { .. } => 3,
            Shape::Features(_) => 2,
        }
    }

    /// The axis of the channels.
    pub(super) fn channel_axis(&self) -> i64 {
        if self.channels_last { self.rank() - 1 } else { 1 }
    }

    /// An axis that may be counted from the end, from the beginning.
    pub(super) fn axis_from_begin(&self, axis: i64) -> i64 {
        if axis < 0 { axis.saturating_add(self.rank()) } else { axis }
    }

    /// True when `axis`, which may be counted from the end, is that of the channels.
    pub(super) fn is_channel_axis(&self, axis: i64) -> bool {
        self.axis_from_begin(axis) == self.channel_axis()
    }
}

/// What an operator, or several, are in a net.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// The layers, each with its tensors.
    pub(super) layers: Vec<(LayerSpec, Vec<(&'static str, FileTensor)>)>,
    /// What flows behind them, with the shape of before: layers say how it changes.
    pub(super) flow: Flow<'a>,
}

/// Layers, one after another, and where they end.
#[derive(Debug)]
pub(super) struct Branch<'a> {
    pub(super) layers: Vec<LayerSpec>,
    /// By the names that they have in the net.
    pub(super) tensors: Vec<(String, FileTensor)>,
    /// The tensors of layers whose features lie channel by channel: of how many places and channels.
    pub(super) flattened: Vec<(String, [usize; 2])>,
    end: Flow<'a>,
    /// The node in which it meets others; `None` at the output.
    join: Option<usize>,
}

/// The walk.
pub(super) struct Reader<'s, 'a> {
    pub(super) source: &'s Source<'a>,
    numbers_left: usize,
    layers_left: usize,
}

/// The layers of a graph, and the shape of its input.
///
/// # Errors
/// When the graph is anything but layers that there are here.
pub(super) fn net<'a>(source: &Source<'a>) -> Result<(Shape, Branch<'a>), OnnxError> {
    let shape = input_shape(source.input)?;
    let mut reader = Reader { source, numbers_left: NUMBERS_MAX, layers_left: LAYERS_MAX };
    let start = Flow { name: &source.input.name, shape, image: None, channels_last: false };
    let branch = reader.walk(Branch::new(start), None, 0)?;
    match branch.join {
        Some(join) => {
            let problem = "joins values, but they do not part anywhere before it".to_owned();
            Err(operator_error(source.nodes[join], problem))
        }
        None if branch.end.image.is_some() => Err(OnnxError::Unsupported {
            what: "ends with a flattened image of several channels: end it with a dense layer",
        }),
        None => Ok((shape, branch)),
    }
}

/// The shape of a sample: `[batch, C, H, W]`, `[batch, C, L]` or `[batch, D]`.
fn input_shape(input: &ValueInfo) -> Result<Shape, OnnxError> {
    let wrong =
        |problem: &str| OnnxError::Input { name: shown(&input.name), problem: problem.to_owned() };
    let tensor = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| wrong("is no tensor"))?;
    let sides = tensor.shape.as_ref().map_or(&[][..], |shape| &shape.dim);
    let is_ids = tensor.elem_type == data_type::INT64 && sides.len() == 2;
    if tensor.elem_type != data_type::FLOAT && !is_ids {
        return Err(wrong("is not of float32: export the model with such an input"));
    }
    let side = |place: usize| {
        let known = sides[place].dim_value.and_then(|side| usize::try_from(side).ok());
        known.filter(|&side| side > 0).ok_or_else(|| {
            wrong("has a side of unknown length: only the batch may be open; export it with sizes")
        })
    };
    match sides.len() {
        2 => Ok(Shape::Features(side(1)?)),
        3 => Ok(Shape::Sequence { length: side(2)?, channels: side(1)? }),
        4 => Ok(Shape::Image { h: side(2)?, w: side(3)?, c: side(1)? }),
        _ => Err(wrong("is no batch of images, sequences or features: it needs 4, 3 or 2 axes")),
    }
}

impl<'a> Reader<'_, 'a> {
    /// A tensor that a node reads.
    ///
    /// # Errors
    /// When it is not held by the file or not of floats, or there are too many numbers already.
    pub(super) fn floats(&mut self, node: &Node, place: usize) -> Result<FileTensor, OnnxError> {
        let name = node.input.get(place).map_or("", String::as_str);
        let Some(tensor) = self.source.constants.tensor(name) else {
            let problem = format!(
                "takes {:?} as its input {place}, which the file does not hold",
                shown(name)
            );
            return Err(operator_error(node, problem));
        };
        let shape = numbers::shape(tensor)?;
        let len = shape.iter().product();
        self.numbers_left = self
            .numbers_left
            .checked_sub(len)
            .ok_or(OnnxError::Unsupported { what: "has more than 2^28 parameters" })?;
        Ok(FileTensor { name: shown(name), shape, values: numbers::floats(tensor)? })
    }

    /// Walks on from the end of a branch, to the output or to where it meets others; `first` is the
    /// reader to begin with where there are several.
    fn walk(
        &mut self,
        mut branch: Branch<'a>,
        mut first: Option<usize>,
        depth: usize,
    ) -> Result<Branch<'a>, OnnxError> {
        loop {
            let readers = match first.take() {
                Some(reader) => vec![reader],
                None => {
                    let mut readers = self.source.readers(branch.end.name).to_vec();
                    readers.dedup();
                    readers
                }
            };
            let is_output = branch.end.name == self.source.output;
            match &*readers {
                [] if is_output => return Ok(branch),
                [] => {
                    return Err(OnnxError::Unsupported {
                        what: "has a value that leads nowhere: the output does not depend on it",
                    });
                }
                _ if is_output => {
                    return Err(OnnxError::Unsupported {
                        what: "has an output that operators read, too: end it with the output",
                    });
                }
                &[join] if self.is_join(join) => {
                    branch.join = Some(join);
                    return Ok(branch);
                }
                &[node] => {
                    let node = self.source.nodes[node];
                    in_order(node, branch.end)?;
                    let step = operators::read(self, node, branch.end)?;
                    self.push(&mut branch, node, step)?;
                }
                many => match patterns::read(self, branch.end, many) {
                    Some((step, used)) if used.len() == many.len() => {
                        self.push(&mut branch, self.source.nodes[many[0]], step)?;
                    }
                    _ => self.fork(&mut branch, many, depth)?,
                },
            }
        }
    }

    /// Appends layers to a branch.
    fn push(
        &mut self,
        branch: &mut Branch<'a>,
        node: &Node,
        step: Step<'a>,
    ) -> Result<(), OnnxError> {
        let mut flow = step.flow;
        for (layer, tensors) in step.layers {
            self.layers_left = self.layers_left.checked_sub(1).ok_or(OnnxError::Unsupported {
                what: "has more layers than are read: at most 1000",
            })?;
            flow.shape = shape_behind(flow.shape, &layer).map_err(|error| misfit(node, error))?;
            let number = branch.layers.len();
            for (own, tensor) in tensors {
                let name = format!("{number}.{own}");
                branch.flattened.extend(flow.image.map(|image| (name.clone(), image)));
                branch.tensors.push((name, tensor));
            }
            if matches!(layer, LayerSpec::Dense(_)) {
                flow.image = None;
            }
            branch.layers.push(layer);
        }
        branch.end = flow;
        Ok(())
    }

    /// True for an operator in which branches meet.
    fn is_join(&self, node: usize) -> bool {
        let node = self.source.nodes[node];
        let flows = |name: &String| !self.source.constants.contains(name);
        match &*node.op_type {
            "Concat" => true,
            "Add" | "Sum" => node.input.len() == 2 && node.input.iter().all(flows),
            _ => false,
        }
    }

    /// Appends the block whose branches begin at the end of `trunk` with the nodes `readers`.
    ///
    /// Where only some of the branches meet first, they are a block within: the first layer of a
    /// branch that goes on to meet the others.
    fn fork(
        &mut self,
        trunk: &mut Branch<'a>,
        readers: &[usize],
        depth: usize,
    ) -> Result<(), OnnxError> {
        let first = self.source.nodes[readers[0]];
        if depth == DEPTH_MAX {
            let problem = format!("begins a branch within {DEPTH_MAX} others: that is too deep");
            return Err(operator_error(first, problem));
        }
        if readers.len() > LAYERS_MAX {
            return Err(operator_error(first, "is one of too many that read a value".to_owned()));
        }
        let (mut branches, mut single) = (Vec::new(), readers.to_vec());
        while let Some((step, used)) = patterns::read(self, trunk.end, &single) {
            let mut branch = Branch::new(trunk.end);
            self.push(&mut branch, self.source.nodes[used[0]], step)?;
            branches.push(self.walk(branch, None, depth + 1)?);
            single.retain(|reader| !used.contains(reader));
        }
        for reader in single {
            branches.push(self.walk(Branch::new(trunk.end), Some(reader), depth + 1)?);
        }
        loop {
            let joins: Option<Vec<usize>> = branches.iter().map(|branch| branch.join).collect();
            let Some(join) = joins.and_then(|joins| joins.into_iter().min()) else {
                let problem = "begins a branch that ends in the output, but others do not";
                return Err(operator_error(first, problem.to_owned()));
            };
            let (meeting, others): (Vec<_>, _) =
                branches.into_iter().partition(|branch| branch.join == Some(join));
            if others.is_empty() {
                return self.join(trunk, join, meeting);
            }
            let mut within = Branch::new(trunk.end);
            self.join(&mut within, join, meeting)?;
            branches = others;
            branches.push(self.walk(within, None, depth + 1)?);
        }
    }

    /// Appends the block of branches that meet in the node `join`.
    fn join(
        &mut self,
        trunk: &mut Branch<'a>,
        join: usize,
        mut branches: Vec<Branch<'a>>,
    ) -> Result<(), OnnxError> {
        let join = self.source.nodes[join];
        // In the order in which the operator takes them.
        let mut ordered = Vec::new();
        for name in &join.input {
            let place = branches.iter().position(|branch| branch.end.name == name);
            let place = place.ok_or_else(|| {
                let problem =
                    format!("takes {:?}, which begins elsewhere than the others", shown(name));
                operator_error(join, problem)
            })?;
            let branch = branches.swap_remove(place);
            in_order(join, branch.end)?;
            ordered.push(branch);
        }
        let ([output], []) = (&*join.output, &*branches) else {
            return Err(operator_error(join, "joins a value to itself".to_owned()));
        };
        let layer = match &*join.op_type {
            "Concat" => concat(trunk, join, ordered)?,
            _ => residual(trunk, join, ordered)?,
        };
        let flow = Flow { name: output, ..trunk.end };
        self.push(trunk, join, Step { layers: vec![(layer, Vec::new())], flow })
    }
}

impl<'a> Branch<'a> {
    fn new(end: Flow<'a>) -> Self {
        let (layers, tensors, flattened) = (Vec::new(), Vec::new(), Vec::new());
        Branch { layers, tensors, flattened, end, join: None }
    }

    /// Takes over the tensors of a branch of the layer to come; returns its layers.
    fn adopt(&mut self, name: &str, branch: Branch<'a>) -> Vec<LayerSpec> {
        let prefix = format!("{}.{name}", self.layers.len());
        let renamed = |inner: String| format!("{prefix}.{inner}");
        let tensors = branch.tensors.into_iter();
        self.tensors.extend(tensors.map(|(inner, tensor)| (renamed(inner), tensor)));
        let flattened = branch.flattened.into_iter();
        self.flattened.extend(flattened.map(|(inner, image)| (renamed(inner), image)));
        branch.layers
    }
}

/// The block of two branches that are added.
fn residual<'a>(
    trunk: &mut Branch<'a>,
    join: &Node,
    branches: Vec<Branch<'a>>,
) -> Result<LayerSpec, OnnxError> {
    let Ok([one, other]) = <[_; 2]>::try_from(branches) else {
        return Err(operator_error(join, "does not add two values".to_owned()));
    };
    // A sum is the same either way; the way without layers is the shortcut.
    let (body, shortcut) = if one.layers.is_empty() { (other, one) } else { (one, other) };
    if body.layers.is_empty() {
        return Err(operator_error(join, "joins a value to itself".to_owned()));
    }
    let (body, shortcut) = (trunk.adopt("body", body), trunk.adopt("shortcut", shortcut));
    Ok(Residual { body, shortcut }.into())
}

/// Branches side by side.
fn concat<'a>(
    trunk: &mut Branch<'a>,
    join: &Node,
    branches: Vec<Branch<'a>>,
) -> Result<LayerSpec, OnnxError> {
    let axis = operators::Settings(join).int("axis", 1);
    if !trunk.end.is_channel_axis(axis) {
        let problem = format!("joins along axis {axis}: only channels, axis 1, are joined here");
        return Err(operator_error(join, problem));
    }
    let branches = branches.into_iter().enumerate();
    let branches =
        branches.map(|(number, branch)| trunk.adopt(&format!("branches.{number}"), branch));
    Ok(Concat { branches: branches.collect() }.into())
}

/// # Errors
/// When the node would see features in another order than the layer here, or channels elsewhere.
fn in_order(node: &Node, flow: Flow) -> Result<(), OnnxError> {
    let keeps = |operators: &[&str]| operators.contains(&&*node.op_type);
    if flow.image.is_some() && !keeps(operators::KEEP_ORDER) {
        let problem = "stands behind a flattened image of several channels: its features would be \
                       in another order here; only dense layers, norms and activations may stand \
                       there";
        return Err(operator_error(node, problem.to_owned()));
    }
    if flow.channels_last && !keeps(operators::KEEP_CHANNELS_LAST) {
        let problem = "stands where channels are the last axis: only layer norm, activations and \
                       flattening may stand there";
        return Err(operator_error(node, problem.to_owned()));
    }
    Ok(())
}

/// The error of a layer that does not fit, told of the operator that it was.
fn misfit(node: &Node, error: ShapeError) -> OnnxError {
    let problem = match error {
        ShapeError::Layer { problem, .. } => problem.to_string(),
        other => other.to_string(),
    };
    operator_error(node, format!("does not fit here: as a layer it {problem}"))
}
