//! Layers joined to a plan: where parameters lie, where activations lie, what runs in which order.

use crate::layer::{
    InPlace, Layer, LayerSpec, Memory, Place, Planned, Step, Tensor, Weights, WeightsMut, relu,
};
use crate::presets::PRESETS;
use crate::{Isa, Shape, ShapeError, Workspace, initialise};
use ndarray::{ArrayView1, ArrayViewD, ArrayViewMut1, ArrayViewMutD};
use std::ops::Range;

/// The most numbers that a sample may have at any layer, and the most parameters of a net: 2^28, a
/// gigabyte.
const LIMIT: usize = 1 << 28;

/// A tensor of parameters: where it lies in the flat slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSpec {
    /// As in PyTorch's `Sequential`: the layer's number and `weight` or `bias`, such as `0.weight`.
    pub name: String,
    /// Convolutions `[3, 3, C, F]`, dense layers `[D, U]`, biases `[F]` or `[U]`; the last axis is
    /// contiguous.
    pub shape: Vec<usize>,
    /// The first number's place in the flat slice.
    pub offset: usize,
    /// How many numbers it has.
    pub len: usize,
}

impl ParameterSpec {
    /// The tensor in its shape.
    ///
    /// # Panics
    /// When the slice ends before the tensor does.
    pub fn view<'a>(&self, parameters: &'a [f32]) -> ArrayViewD<'a, f32> {
        let numbers = &parameters[self.offset..][..self.len];
        ArrayViewD::from_shape(&*self.shape, numbers).expect("the length is the shape's")
    }

    /// As [`ParameterSpec::view`], to be written.
    ///
    /// # Panics
    /// When the slice ends before the tensor does.
    pub fn view_mut<'a>(&self, parameters: &'a mut [f32]) -> ArrayViewMutD<'a, f32> {
        let numbers = &mut parameters[self.offset..][..self.len];
        ArrayViewMutD::from_shape(&*self.shape, numbers).expect("the length is the shape's")
    }
}

/// An immutable plan of a net. Share it freely: it holds no numbers.
#[derive(Debug)]
pub struct Network {
    input: Shape,
    classes: usize,
    layers: Vec<LayerSpec>,
    shapes: Vec<Shape>,
    parameters: Vec<ParameterSpec>,
    /// Of every tensor: how many terms a sum of its layer has.
    fan_ins: Vec<usize>,
    parameter_count: usize,
    isa: Isa,
    pub(crate) steps: Vec<PlannedStep>,
    pub(crate) slots: Vec<SlotPlan>,
    /// So many steps run sample by sample, the others shard by shard.
    pub(crate) sample_steps: usize,
}

/// One step of a pass.
#[derive(Debug)]
pub(crate) struct PlannedStep {
    pub(crate) work: Work,
    /// The slot that it writes; a map reads the one before.
    pub(crate) slot: usize,
    /// Its parameters in the flat slice.
    pub(crate) parameters: Range<usize>,
    /// The numbers of its tensors: none, or weight and bias.
    tensors: Range<usize>,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Work {
    /// Reads one slot, writes the next.
    Map(Box<dyn Layer>),
    /// Changes its slot.
    InPlace(Box<dyn InPlace>),
}

impl PlannedStep {
    /// What it needs for passes over at most `batch` samples.
    pub(crate) fn memory(&self, batch: usize) -> Memory {
        match &self.work {
            Work::Map(layer) => layer.memory(batch),
            Work::InPlace(layer) => layer.memory(),
        }
    }
}

/// The activation between two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotPlan {
    /// Numbers a sample.
    pub(crate) len: usize,
    /// True when the backward pass reads it: every sample has its own row. Else all share one.
    pub(crate) kept: bool,
    /// True from the first dense layer on: the gradient, too, has a row a sample.
    pub(crate) whole_shard: bool,
}

impl Network {
    /// Plans the net for inputs of shape `input`.
    ///
    /// # Errors
    /// The first [`ShapeError`] on the way through the layers.
    pub fn new(input: Shape, layers: &[LayerSpec]) -> Result<Network, ShapeError> {
        let mut network = Network {
            input,
            classes: 0,
            layers: layers.to_vec(),
            shapes: vec![input; layers.len()],
            parameters: Vec::new(),
            fan_ins: Vec::new(),
            parameter_count: 0,
            isa: Isa::best(),
            steps: Vec::new(),
            slots: Vec::new(),
            sample_steps: 0,
        };
        let last = *layers.last().ok_or(ShapeError::Empty)?;
        let first = Place { number: 0, kind: layers[0].kind() };
        if fitting(first, input)? == 0 {
            return Err(ShapeError::EmptyInput { input });
        }
        network.slots.push(SlotPlan { len: input.len(), kept: false, whole_shard: false });
        let mut shape = input;
        for (number, spec) in in_order_of_work(layers) {
            let place = Place { number, kind: spec.kind() };
            let planned = match spec {
                LayerSpec::Relu => relu::plan(shape, network.last_step_clamps()),
                _ => spec.plan(number, shape)?,
            };
            shape = planned.output;
            fitting(place, shape)?;
            network.shapes[number] = shape;
            network.add(place, planned)?;
        }
        for (number, spec) in layers.iter().enumerate() {
            if matches!(spec, LayerSpec::Relu) {
                // Its shape in the order that was asked for, whenever it is computed.
                network.shapes[number] = number.checked_sub(1).map_or(input, |n| network.shapes[n]);
            }
        }
        let place = Place { number: layers.len() - 1, kind: last.kind() };
        network.classes = class_count(place, shape)?;
        network.place_slots();
        Ok(network)
    }

    /// The input and the layers of a named net, see [`PRESETS`].
    pub fn preset(name: &str) -> Option<(Shape, Vec<LayerSpec>)> {
        let (_, input, layers) = PRESETS.iter().find(|preset| preset.0 == name)?;
        Some((*input, layers.to_vec()))
    }

    /// The same plan, computed with another instruction set of this CPU: for tests and benches.
    pub fn with_isa(mut self, isa: Isa) -> Network {
        self.isa = isa;
        self
    }

    /// The instruction set that passes of this plan use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The shape of a sample.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// How many classes it tells apart.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The layers as they were asked for.
    pub fn layers(&self) -> &[LayerSpec] {
        &self.layers
    }

    /// The shape of a sample behind each layer, in the order in which they were asked for.
    pub fn shapes(&self) -> Vec<Shape> {
        self.shapes.clone()
    }

    /// Where each tensor lies in the flat slice; they follow one another without gaps.
    pub fn parameters(&self) -> &[ParameterSpec] {
        &self.parameters
    }

    /// How many parameters there are.
    pub fn parameter_count(&self) -> usize {
        self.parameter_count
    }

    /// The parameters that a training with `seed` begins with: PyTorch's default, keyed by the
    /// tensor's number.
    ///
    /// Uniform over `+-1 / sqrt(fan_in)`, biases too: this is what `kaiming_uniform_(a=sqrt(5))`
    /// comes to.
    ///
    /// Source: `reset_parameters` of PyTorch's `Linear` and `Conv2d`; He et al., arXiv:1502.01852.
    pub fn initial_parameters(&self, seed: u64) -> Vec<f32> {
        let mut parameters = vec![0.0; self.parameter_count];
        for (number, (spec, &fan_in)) in self.parameters.iter().zip(&self.fan_ins).enumerate() {
            let tensor = &mut parameters[spec.offset..][..spec.len];
            initialise::fill_uniform(seed, number as u64, fan_in, tensor);
        }
        parameters
    }

    /// The tensor of that name in its shape, such as `0.weight`, out of flat parameters or a flat
    /// gradient; `None` when the net has no such tensor.
    ///
    /// # Panics
    /// When the slice ends before the tensor does.
    pub fn tensor<'a>(&self, parameters: &'a [f32], name: &str) -> Option<ArrayViewD<'a, f32>> {
        let spec = self.parameters.iter().find(|spec| spec.name == name)?;
        Some(spec.view(parameters))
    }

    /// The parameters of a step, each in its tensor's shape.
    pub(crate) fn weights<'a>(&self, step: &PlannedStep, parameters: &'a [f32]) -> Weights<'a> {
        match &self.parameters[step.tensors.clone()] {
            [weight, bias] => {
                let bias = ArrayView1::from(&parameters[bias.offset..][..bias.len]);
                Weights { weight: weight.view(parameters), bias }
            }
            _ => Weights::none(),
        }
    }

    /// The gradient of a step's parameters, each in its tensor's shape.
    pub(crate) fn weights_mut<'a>(
        &self,
        step: &PlannedStep,
        gradient: &'a mut [f32],
    ) -> WeightsMut<'a> {
        match &self.parameters[step.tensors.clone()] {
            [weight, bias] => {
                let (before, behind) = gradient.split_at_mut(bias.offset);
                let bias = ArrayViewMut1::from(&mut behind[..bias.len]);
                WeightsMut { weight: weight.view_mut(before), bias }
            }
            _ => WeightsMut::none(),
        }
    }

    /// All memory of passes over at most `batch` samples.
    pub fn workspace(&self, batch: usize) -> Workspace {
        Workspace::new(self, batch)
    }

    /// Appends a layer to the steps.
    fn add(&mut self, place: Place, planned: Planned) -> Result<(), ShapeError> {
        let slot = self.slots.len() - 1;
        let layer = match planned.step {
            Step::Rename => return Ok(()),
            Step::InPlace(layer) => {
                let work = Work::InPlace(layer);
                self.steps.push(PlannedStep { work, slot, parameters: 0..0, tensors: 0..0 });
                return Ok(());
            }
            Step::Map(layer) => layer,
        };
        let (first, first_tensor) = (self.parameter_count, self.parameters.len());
        for tensor in layer.tensors() {
            self.add_tensor(place, tensor)?;
        }
        self.slots.push(SlotPlan { len: planned.output.len(), kept: false, whole_shard: false });
        let parameters = first..self.parameter_count;
        let (work, tensors) = (Work::Map(layer), first_tensor..self.parameters.len());
        self.steps.push(PlannedStep { work, slot: slot + 1, parameters, tensors });
        Ok(())
    }

    /// Finds room for a tensor behind the others.
    fn add_tensor(&mut self, place: Place, tensor: Tensor) -> Result<(), ShapeError> {
        let len = tensor.shape.iter().try_fold(1usize, |len, &side| len.checked_mul(side));
        let total = len.and_then(|len| len.checked_add(self.parameter_count));
        let (Some(len), Some(total)) = (len, total.filter(|&total| total <= LIMIT)) else {
            return Err(too_large(place));
        };
        let name = format!("{}.{}", place.number, tensor.name);
        let offset = self.parameter_count;
        self.parameters.push(ParameterSpec { name, shape: tensor.shape, offset, len });
        self.fan_ins.push(tensor.fan_in);
        self.parameter_count = total;
        Ok(())
    }

    /// True when the step before can clamp its output: then ReLU has only its backward part left.
    fn last_step_clamps(&mut self) -> bool {
        match self.steps.last_mut() {
            Some(PlannedStep { work: Work::Map(layer), .. }) => layer.clamp_output(),
            _ => false,
        }
    }

    /// Decides which activations are kept for the backward pass, and from which step on shards are
    /// handled as a whole.
    fn place_slots(&mut self) {
        let whole =
            |step: &PlannedStep| matches!(&step.work, Work::Map(layer) if layer.takes_shards());
        self.sample_steps = self.steps.iter().position(whole).unwrap_or(self.steps.len());
        let boundary = match self.steps.get(self.sample_steps) {
            Some(step) => step.slot - 1,
            None => self.slots.len() - 1,
        };
        for (number, slot) in self.slots.iter_mut().enumerate() {
            slot.whole_shard = number >= boundary;
            slot.kept = slot.whole_shard;
        }
        for step in &self.steps {
            match &step.work {
                Work::Map(layer) => self.slots[step.slot - 1].kept |= layer.reads_input_again(),
                Work::InPlace(layer) => self.slots[step.slot].kept |= layer.reads_output_again(),
            }
        }
    }
}

/// The layers with their numbers in the order in which they are computed: max-pooling before ReLU.
///
/// The greatest of four clamped numbers is the clamped greatest, and a gradient passes through both
/// alike; but there is a quarter of the numbers left to clamp.
fn in_order_of_work(layers: &[LayerSpec]) -> Vec<(usize, LayerSpec)> {
    let mut order: Vec<(usize, LayerSpec)> = layers.iter().copied().enumerate().collect();
    for end in 1..order.len() {
        let mut at = end;
        while at > 0 && order[at].1 == LayerSpec::MaxPool && order[at - 1].1 == LayerSpec::Relu {
            order.swap(at, at - 1);
            at -= 1;
        }
    }
    order
}

/// The shape's length, unless it is over the limit.
fn fitting(place: Place, shape: Shape) -> Result<usize, ShapeError> {
    shape.checked_len().filter(|&len| len <= LIMIT).ok_or_else(|| too_large(place))
}

/// The error of a layer over the limit.
fn too_large(place: Place) -> ShapeError {
    ShapeError::TooLarge { layer: place.number, kind: place.kind, limit: LIMIT }
}

/// The number of classes that a last shape means.
fn class_count(place: Place, shape: Shape) -> Result<usize, ShapeError> {
    let Place { number: layer, kind } = place;
    match shape {
        Shape::Image { .. } => Err(ShapeError::NoClasses { layer, kind, found: shape }),
        Shape::Features(found @ 1..=256) => Ok(found),
        Shape::Features(found) => Err(ShapeError::TooManyClasses { layer, kind, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(h: usize, w: usize, c: usize) -> Shape {
        Shape::Image { h, w, c }
    }

    #[test]
    fn mnist_cnn_has_the_parameters_of_its_model() {
        let (input, layers) = Network::preset("mnist-cnn").unwrap();
        let network = Network::new(input, &layers).unwrap();
        assert_eq!(network.parameter_count(), 1_199_882);
        assert_eq!((network.input(), network.classes()), (image(28, 28, 1), 10));
        let names: Vec<&str> = network.parameters().iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "0.weight",
                "0.bias",
                "2.weight",
                "2.bias",
                "7.weight",
                "7.bias",
                "10.weight",
                "10.bias"
            ]
        );
        assert_eq!(network.parameters()[2].shape, [3, 3, 32, 64]);
        assert_eq!(network.parameters()[4].offset, 18_816);
    }

    #[test]
    fn shapes_are_those_of_the_layers_as_they_were_asked_for() {
        let layers = [
            LayerSpec::Conv2d { filters: 3 },
            LayerSpec::Relu,
            LayerSpec::Relu,
            LayerSpec::MaxPool,
            LayerSpec::Flatten,
            LayerSpec::Dense { units: 2 },
        ];
        let network = Network::new(image(6, 8, 1), &layers).unwrap();
        let (convolved, pooled) = (image(4, 6, 3), image(2, 3, 3));
        let features = [Shape::Features(18), Shape::Features(2)];
        let expected = [convolved, convolved, convolved, pooled, features[0], features[1]];
        assert_eq!(network.shapes(), expected);
    }

    #[test]
    fn a_tensor_is_found_by_its_name_and_has_its_shape() {
        let (input, layers) = Network::preset("tiny-cnn").unwrap();
        let network = Network::new(input, &layers).unwrap();
        let parameters = network.initial_parameters(1);
        let weight = network.tensor(&parameters, "6.weight").unwrap();
        assert_eq!(weight.shape(), [144, 16]);
        assert_eq!(weight[[2, 3]], parameters[network.parameters()[2].offset + 2 * 16 + 3]);
        assert!(network.tensor(&parameters, "1.weight").is_none());
    }

    #[test]
    fn every_preset_makes_a_network() {
        for (name, input, layers) in PRESETS {
            let network =
                Network::new(input, layers).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(network.layers(), layers);
        }
        assert!(Network::preset("no-such-net").is_none());
    }

    #[test]
    fn every_disagreement_of_shapes_names_the_layer() {
        use LayerSpec::*;
        let cases: [(Shape, &[LayerSpec], &str); 10] = [
            (image(8, 8, 1), &[], "no layers"),
            (image(8, 0, 1), &[Flatten], "8x0x1 is empty"),
            (image(8, 8, 1), &[Relu, Conv2d { filters: 0 }], "layer 1 (conv2d) has 0 filters"),
            (image(8, 8, 1), &[Flatten, Dense { units: 0 }], "layer 1 (dense) has 0 units"),
            (image(8, 8, 1), &[Dropout { rate: 1.0 }], "layer 0 (dropout) has the rate 1"),
            (image(3, 2, 1), &[Conv2d { filters: 1 }], "at least 3x3, but gets 3x2x1"),
            (image(8, 8, 1), &[Flatten, MaxPool], "layer 1 (max-pool) needs an image, but gets 64"),
            (
                image(8, 8, 1),
                &[Relu, Dense { units: 2 }],
                "layer 1 (dense) needs features, but gets an image of 8x8x1",
            ),
            (image(8, 8, 1), &[Relu], "layer 0 (relu) is the last and gives an image of 8x8x1"),
            (image(8, 8, 1), &[Flatten, Dense { units: 257 }], "gives 257 classes"),
        ];
        for (input, layers, expected) in cases {
            let error = Network::new(input, layers).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}\nlacks {expected}");
        }
        for input in [image(usize::MAX, 2, 2), Shape::Features(usize::MAX)] {
            let error = Network::new(input, &[Flatten, Dense { units: 2 }]).unwrap_err();
            assert!(matches!(error, ShapeError::TooLarge { .. }));
        }
        let error =
            Network::new(Shape::Features(1 << 20), &[Dense { units: 1 << 20 }]).unwrap_err();
        assert!(matches!(error, ShapeError::TooLarge { .. }));
    }

    #[test]
    fn first_weights_are_uniform_within_their_bound_and_keyed_by_the_seed() {
        let (input, layers) = Network::preset("mnist-cnn").unwrap();
        let network = Network::new(input, &layers).unwrap();
        let parameters = network.initial_parameters(3);
        assert_eq!(parameters, network.initial_parameters(3));
        assert_ne!(parameters, network.initial_parameters(4));
        for (spec, fan_in) in
            network.parameters().iter().zip([9, 9, 288, 288, 9216, 9216, 128, 128])
        {
            let bound = 1.0 / (fan_in as f64).sqrt();
            let values = &parameters[spec.offset..][..spec.len];
            let square =
                values.iter().map(|&w| f64::from(w) * f64::from(w)).sum::<f64>() / spec.len as f64;
            assert!(
                values.iter().all(|&w| f64::from(w).abs() <= bound * 1.000_001),
                "{}",
                spec.name
            );
            // The variance of a uniform distribution is bound^2 / 3; five standard deviations of
            // its estimate.
            let spread = 5.0 * bound * bound * (4.0f64 / 45.0 / spec.len as f64).sqrt();
            assert!((square - bound * bound / 3.0).abs() < spread, "{}: {square}", spec.name);
        }
    }

    #[test]
    fn layers_read_and_write_as_they_stand_in_a_config() {
        let text = concat!(
            r#"[{"kind":"conv2d","filters":32},{"kind":"relu"},{"kind":"max-pool"},"#,
            r#"{"kind":"dropout","rate":0.25},{"kind":"flatten"},{"kind":"dense","units":10}]"#
        );
        let layers: Vec<LayerSpec> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&layers).unwrap(), text);
        assert!(
            serde_json::from_str::<LayerSpec>(r#"{"kind":"dense","units":1,"rate":2}"#).is_err()
        );
        for (kind, spec) in crate::LAYERS {
            assert_eq!(kind, spec.kind());
            let json = serde_json::to_string(&spec).unwrap();
            assert!(json.starts_with(&format!(r#"{{"kind":"{kind}""#)), "{json}");
        }
    }
}
