//! Layers joined to a plan: where parameters lie, where activations lie, what runs in which order.

use crate::builder::Builder;
use crate::fold::Folded;
use crate::layer::LayerSpec;
use crate::layer::step::{Initial, Layout, Refused, slice};
use crate::plan::{Plan, Work};
use crate::presets::PRESETS;
use crate::{Initialiser, Isa, Shape, ShapeError, Workspace};
use ndarray::{ArrayViewD, ArrayViewMutD};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most numbers that a sample may have at any layer, and the most parameters of a net: 2^28, a
/// gigabyte.
pub(crate) const LIMIT: usize = 1 << 28;

/// A tensor of parameters: where it lies in the flat slice.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// As in PyTorch's `Sequential`: the layer's number and `weight` or `bias`, such as `0.weight`;
    /// within a block `3.body.0.weight`, `5.branches.1.0.weight`.
    pub name: String,
    /// Convolutions `[3, 3, C, F]`, dense layers `[D, U]`, biases `[F]` or `[U]`; the last axis is
    /// contiguous.
    pub shape: Vec<usize>,
    /// The first number's place in the flat slice.
    pub offset: usize,
    /// How many numbers it has.
    pub len: usize,
    /// What it is for.
    pub role: Role,
    pub(crate) initial: Initial,
    pub(crate) layout: Layout,
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

    /// True when `name` is the tensor's, or that of a layer or block that it is of.
    pub fn is_of(&self, name: &str) -> bool {
        self.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Its place in the flat slice.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len
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

/// What a tensor is for, and so what the optimiser does with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// What products are made with.
    Weight,
    /// What is added.
    Bias,
    /// What normalised numbers are multiplied by.
    Scale,
    /// A running statistic, no parameter of a formula: in a gradient its numbers are the statistic
    /// of the batch, and the next value is `(1 - momentum) * old + momentum * batch`.
    Statistic {
        /// How much of the new value is the latest batch's, from 0 to 1.
        momentum: f32,
    },
}

/// An immutable plan of a net. Share it freely: it holds no numbers.
#[derive(Debug)]
pub struct Network {
    id: u64,
    input: Shape,
    classes: usize,
    layers: Vec<LayerSpec>,
    shapes: Vec<Shape>,
    parameters: Vec<ParameterSpec>,
    parameter_count: usize,
    isa: Isa,
    plan: Plan,
    /// The number of the plan for predictions.
    prediction_id: u64,
    prediction: Arc<Folded>,
}

/// Why a net cannot take samples.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InputError {
    /// A number that should be an id.
    #[error(
        "sample {sample}, place {place}: {found} is no id of layer {layer} (embedding): ids are \
         whole numbers from 0 to {}: give it more `ids`, or other samples",
        .ids - 1
    )]
    NoId {
        /// The sample's number.
        sample: usize,
        /// The number's place in the sample.
        place: usize,
        /// What is there.
        found: f32,
        /// The layer's place in the net.
        layer: String,
        /// How many ids it has.
        ids: usize,
    },
}

/// A number that no plan of this process had before: workspaces remember whose they are.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Network {
    /// Plans the net for inputs of shape `input`.
    ///
    /// # Errors
    /// The first [`ShapeError`] on the way through the layers.
    pub fn new(input: Shape, layers: &[LayerSpec]) -> Result<Network, ShapeError> {
        if layers.is_empty() {
            return Err(ShapeError::Empty);
        }
        let mut builder = Builder::new(input, true)?;
        let shapes = builder.layers(layers)?;
        let classes = builder.classes(layers)?;
        let plan = Plan::new(&mut builder);
        let prediction = Folded::new(input, layers, &builder.parameters)?;
        Ok(Network {
            id: next_id(),
            input,
            classes,
            layers: layers.to_vec(),
            shapes,
            parameters: builder.parameters,
            parameter_count: builder.parameter_count,
            isa: Isa::best(),
            plan,
            prediction_id: next_id(),
            prediction: Arc::new(prediction),
        })
    }

    /// The input and the layers of a named net, see [`PRESETS`].
    pub fn preset(name: &str) -> Option<(Shape, Vec<LayerSpec>)> {
        let preset = PRESETS.iter().find(|preset| preset.name == name)?;
        Some((preset.input, (preset.layers)()))
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

    /// The parameters that a training with `seed` begins with where nothing else is asked for:
    /// those of [`Initialiser::Pytorch`].
    pub fn initial_parameters(&self, seed: u64) -> Vec<f32> {
        self.initialise(&Initialiser::Pytorch, seed)
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

    /// Tells whether a pass can take `samples`, in the shape that [`Shape::samples`] gives them: an
    /// embedding takes nothing but its ids. Nets without one take all numbers. Ask once, where
    /// samples come in: passes do not, and panic at what is no id.
    ///
    /// # Errors
    /// The first number that a layer cannot take.
    ///
    /// # Panics
    /// When the samples have another shape, or are not in standard layout.
    pub fn check_input(&self, samples: ArrayViewD<'_, f32>) -> Result<(), InputError> {
        let rows = self.input.rows_of(&samples);
        for step in self.plan.steps.iter().filter(|step| step.x == 0) {
            let Work::Map(layer) = &step.work else { continue };
            for (sample, x) in rows.outer_iter().enumerate() {
                let Some(Refused { place, ids }) = layer.refused(slice(x)) else { continue };
                let weight = &self.parameters[step.tensors.start].name;
                let layer = weight.trim_end_matches(".weight").to_owned();
                return Err(InputError::NoId { sample, place, found: x[place], layer, ids });
            }
        }
        Ok(())
    }

    /// All memory of gradients of at most `batch` samples.
    pub fn workspace(&self, batch: usize) -> Workspace {
        Workspace::new(&self.plan, self.id, batch, true)
    }

    /// All memory of predictions for at most `batch` samples at once, with whatever parameters.
    pub fn prediction_workspace(&self, batch: usize) -> Workspace {
        Workspace::new(&self.prediction.plan, self.prediction_id, batch, false)
    }

    /// How it predicts, and the number of that plan.
    pub(crate) fn prediction(&self) -> (Arc<Folded>, u64) {
        (self.prediction.clone(), self.prediction_id)
    }

    /// Which plan this is.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::layer::conv2d::Conv2d;
    use crate::layer::dense::Dense;
    use crate::layer::dropout::Dropout;
    use crate::layer::flatten::Flatten;
    use crate::layer::max_pool::MaxPool;
    use crate::layer::relu::Relu;

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
        let layers: [LayerSpec; 6] = [
            Conv2d::square(3, 3).into(),
            Relu {}.into(),
            Relu {}.into(),
            MaxPool::default().into(),
            Flatten {}.into(),
            Dense::new(2).into(),
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
        for preset in PRESETS {
            let layers = (preset.layers)();
            let network = Network::new(preset.input, &layers);
            let network = network.unwrap_or_else(|error| panic!("{}: {error}", preset.name));
            assert_eq!(network.layers(), layers);
        }
        assert!(Network::preset("no-such-net").is_none());
    }

    #[test]
    fn every_disagreement_of_shapes_names_the_layer() {
        let (flatten, relu): (LayerSpec, LayerSpec) = (Flatten {}.into(), Relu {}.into());
        let dense = |units| LayerSpec::from(Dense::new(units));
        let convolution = |filters| LayerSpec::from(Conv2d::square(filters, 3));
        let cases: [(Shape, Vec<LayerSpec>, &str); 10] = [
            (image(8, 8, 1), vec![], "no layers"),
            (image(8, 0, 1), vec![flatten.clone()], "8x0x1 is empty"),
            (image(8, 8, 1), vec![relu.clone(), convolution(0)], "layer 1 (conv2d) has 0 filters"),
            (image(8, 8, 1), vec![flatten.clone(), dense(0)], "layer 1 (dense) has 0 units"),
            (image(8, 8, 1), vec![Dropout { rate: 1.0 }.into()], "layer 0 (dropout) has rate = 1"),
            (image(3, 2, 1), vec![convolution(1)], "at least 3x3, but gets 3x2x1"),
            (
                image(8, 8, 1),
                vec![flatten.clone(), MaxPool::default().into()],
                "layer 1 (max-pool) needs an image, but gets 64",
            ),
            (
                image(8, 8, 1),
                vec![relu.clone(), dense(2)],
                "layer 1 (dense) needs features, but gets 8x8x1",
            ),
            (image(8, 8, 1), vec![relu], "layer 0 (relu) is the last and gives 8x8x1"),
            (image(8, 8, 1), vec![flatten.clone(), dense(257)], "gives 257 classes"),
        ];
        for (input, layers, expected) in cases {
            let error = Network::new(input, &layers).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}\nlacks {expected}");
        }
        for input in [image(usize::MAX, 2, 2), Shape::Features(usize::MAX)] {
            let error = Network::new(input, &[flatten.clone(), dense(2)]).unwrap_err();
            assert!(error.to_string().contains("too large"), "{error}");
        }
        let error = Network::new(Shape::Features(1 << 20), &[dense(1 << 20)]).unwrap_err();
        assert!(error.to_string().contains("layer 0 (dense) is too large"), "{error}");
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
        for (&kind, spec) in crate::LAYERS.iter().zip(LayerSpec::examples()) {
            assert_eq!(kind, spec.kind());
            let json = serde_json::to_string(&spec).unwrap();
            assert!(json.starts_with(&format!(r#"{{"kind":"{kind}""#)), "{json}");
        }
    }
}
