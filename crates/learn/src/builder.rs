//! Layers, one after another, become steps: who reads which value, where parameters lie.
//!
//! A value is what flows between two steps. A layer that maps makes a new one; a layer that works
//! in place changes the current one, unless others read it, too: then it gets a copy.

use crate::compute_kernels::quantised_packing::InputScale;
use crate::layer::copy::Copy;
use crate::layer::join::Join;
use crate::layer::step::{InPlace, Layer, Layout, Tensor};
use crate::layer::{LayerSpec, pair::Pair};
use crate::network::{LIMIT, ParameterSpec};
use crate::plan::{PlannedStep, Work};
use crate::shape::{Problem, Shape, ShapeError};
use std::collections::BTreeMap;
use std::ops::Range;

/// How deep layers may stand in one another.
const DEPTH_MAX: usize = 16;

/// What flows at some place of the net.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value {
    pub(crate) shape: Shape,
    /// Its number.
    slot: usize,
    /// Places and channels of the image that the features once were.
    image: (usize, usize),
}

/// A net in the making.
#[derive(Debug)]
pub(crate) struct Builder {
    /// For a plan that can go back; else only predictions are asked for.
    training: bool,
    /// By place: layers that should compute with bytes, and have not been built yet.
    pub(crate) input_scales: BTreeMap<String, InputScale>,
    /// The place of the current layer, such as `3.body.0`.
    path: String,
    kind: &'static str,
    depth: usize,
    current: Value,
    pub(crate) steps: Vec<PlannedStep>,
    /// Numbers a sample, of every value.
    pub(crate) lens: Vec<usize>,
    /// Values that several steps read.
    shared: Vec<bool>,
    pub(crate) parameters: Vec<ParameterSpec>,
    pub(crate) parameter_count: usize,
    /// Pieces of memory of steps' own.
    pub(crate) owns: usize,
}

impl Builder {
    /// Begins with inputs of `shape`.
    pub(crate) fn new(input: Shape, training: bool) -> Result<Builder, ShapeError> {
        let current = Value { shape: input, slot: 0, image: input.places_and_channels() };
        let mut builder = Builder {
            training,
            input_scales: BTreeMap::new(),
            path: String::new(),
            kind: "input",
            depth: 0,
            current,
            steps: Vec::new(),
            lens: Vec::new(),
            shared: vec![false],
            parameters: Vec::new(),
            parameter_count: 0,
            owns: 0,
        };
        let len = builder.fitting(input)?;
        if len == 0 {
            return Err(ShapeError::EmptyInput { input });
        }
        builder.lens.push(len);
        Ok(builder)
    }

    /// The same for predictions in which layers at these places may compute with bytes.
    pub(crate) fn with_input_scales(self, input_scales: BTreeMap<String, InputScale>) -> Builder {
        Builder { input_scales, ..self }
    }

    /// How the current layer should make bytes of its input; `None` if it should not.
    pub(crate) fn take_input_scale(&mut self) -> Option<InputScale> {
        self.input_scales.remove(&self.path)
    }

    /// Appends layers; returns the shape behind each, in the order in which they are asked for.
    pub(crate) fn layers(&mut self, layers: &[LayerSpec]) -> Result<Vec<Shape>, ShapeError> {
        let prefix = std::mem::take(&mut self.path);
        let kind = self.kind;
        if self.depth == DEPTH_MAX {
            self.path = prefix;
            return Err(self.problem(Problem::TooDeep { limit: DEPTH_MAX }));
        }
        self.depth += 1;
        let before = self.current.shape;
        let mut shapes = vec![before; layers.len()];
        for (number, spec) in in_order_of_work(layers) {
            self.path =
                if prefix.is_empty() { number.to_string() } else { format!("{prefix}.{number}") };
            self.kind = spec.kind();
            spec.build(self)?;
            shapes[number] = self.current.shape;
        }
        for (number, spec) in layers.iter().enumerate() {
            if matches!(spec, LayerSpec::Relu(_)) {
                // Its shape in the order that was asked for, whenever it is computed.
                shapes[number] = number.checked_sub(1).map_or(before, |n| shapes[n]);
            }
        }
        self.depth -= 1;
        (self.path, self.kind) = (prefix, kind);
        Ok(shapes)
    }

    /// True when the plan must be able to go back.
    pub(crate) fn training(&self) -> bool {
        self.training
    }

    /// The shape of what flows at this place.
    pub(crate) fn shape(&self) -> Shape {
        self.current.shape
    }

    /// Places and channels of the image that the features at this place once were; of plain
    /// features one place.
    pub(crate) fn image_before(&self) -> (usize, usize) {
        self.current.image
    }

    /// The error of the current layer.
    pub(crate) fn problem(&self, problem: Problem) -> ShapeError {
        // The input stands before the first layer.
        let layer = if self.path.is_empty() { "0".to_owned() } else { self.path.clone() };
        ShapeError::Layer { layer, kind: self.kind, problem: Box::new(problem) }
    }

    /// The current layer's place as a number that no other layer of the net has: what its draws are
    /// keyed by. Layers that are not nested have their own number.
    pub(crate) fn number(&self) -> u32 {
        let mut parts = self.path.split('.').map(str::parse::<u32>);
        match (parts.next(), parts.next()) {
            (Some(Ok(number)), None) => number,
            // Above the numbers of any list of layers.
            _ => (1 << 24) + self.steps.len() as u32,
        }
    }

    /// The sides of an image, at least `least`.
    pub(crate) fn image(&self, Pair([h_min, w_min]): Pair) -> Result<[usize; 3], ShapeError> {
        match self.shape() {
            Shape::Image { h, w, c } if h >= h_min && w >= w_min => Ok([h, w, c]),
            found @ Shape::Image { .. } => {
                Err(self.problem(Problem::TooSmall { found, least: format!("{h_min}x{w_min}") }))
            }
            found => Err(self.problem(Problem::NeedsImage { found })),
        }
    }

    /// How many features there are.
    pub(crate) fn features(&self) -> Result<usize, ShapeError> {
        match self.shape() {
            Shape::Features(n) => Ok(n),
            found => Err(self.problem(Problem::NeedsFeatures { found })),
        }
    }

    /// How many numbers there are, if they are the net's input as it came.
    pub(crate) fn raw_features(&self) -> Result<usize, ShapeError> {
        let is_changed = self.steps.iter().any(|step| step.y == 0);
        match self.current.slot {
            0 if !is_changed => self.features(),
            _ => Err(self.problem(Problem::NotFirst)),
        }
    }

    /// How a tensor lies in files that has a number for each channel, or for each feature.
    pub(crate) fn channels_layout(&self) -> Layout {
        match (self.shape(), self.image_before()) {
            (Shape::Features(_), (places, c)) => Layout::Channels { places, c },
            _ => Layout::Same,
        }
    }

    /// Appends a step that makes a new value of shape `output`.
    pub(crate) fn map(
        &mut self,
        layer: impl Layer + 'static,
        output: Shape,
    ) -> Result<(), ShapeError> {
        let own = self.new_own();
        self.map_with(Box::new(layer), output, own, false)
    }

    /// As [`Builder::map`], for a layer whose output means what its input does, number by number.
    pub(crate) fn map_alike(&mut self, layer: impl Layer + 'static) -> Result<(), ShapeError> {
        let before = self.current;
        self.map(layer, before.shape)?;
        self.current.image = before.image;
        Ok(())
    }

    /// As [`Builder::map_alike`], with the memory of the step before, of the same layer; it begins
    /// when that step has seen all samples.
    pub(crate) fn map_after_all(&mut self, layer: impl Layer + 'static) -> Result<(), ShapeError> {
        let before = self.current;
        self.map_with(Box::new(layer), before.shape, self.owns - 1, true)?;
        self.current.image = before.image;
        Ok(())
    }

    fn map_with(
        &mut self,
        layer: Box<dyn Layer>,
        output: Shape,
        own: usize,
        barrier: bool,
    ) -> Result<(), ShapeError> {
        let first = self.parameters.len();
        for tensor in layer.tensors() {
            self.add_tensor(tensor)?;
        }
        let (x, y) = (self.current.slot, self.new_slot(output)?);
        let image = match output {
            Shape::Features(n) => (1, n),
            other => other.places_and_channels(),
        };
        self.current = Value { shape: output, slot: y, image };
        let tensors = first..self.parameters.len();
        self.push(Work::Map(layer), [x, y], own, tensors, barrier);
        Ok(())
    }

    /// Appends a step that changes the current value.
    pub(crate) fn in_place(&mut self, layer: impl InPlace + 'static) -> Result<(), ShapeError> {
        self.make_own_value(layer.spares_readers())?;
        let (slot, own) = (self.current.slot, self.new_own());
        let none = self.parameters.len()..self.parameters.len();
        self.push(Work::InPlace(Box::new(layer)), [slot, slot], own, none, false);
        Ok(())
    }

    /// Calls the current value by another shape with as many numbers.
    pub(crate) fn rename(&mut self, shape: Shape) {
        self.current.shape = shape;
    }

    /// True when the step that made the current value can clamp it, and will: then ReLU has only its
    /// backward part left.
    pub(crate) fn clamp_last(&mut self) -> bool {
        if self.shared[self.current.slot] {
            return false;
        }
        match self.steps.last_mut() {
            Some(PlannedStep { work: Work::Map(layer), .. }) => layer.clamp_output(),
            Some(PlannedStep { work: Work::Join(join), .. }) if join.adds => {
                join.clamp = true;
                true
            }
            _ => false,
        }
    }

    /// True when the step that made the current value can pool its 2x2 cells, and will: the value
    /// then has the shape `output`.
    pub(crate) fn pool_last(&mut self, output: Shape) -> bool {
        let slot = self.current.slot;
        let Some(PlannedStep { work: Work::Map(layer), y, .. }) = self.steps.last_mut() else {
            return false;
        };
        if self.shared[slot] || *y != slot || !layer.pool_output() {
            return false;
        }
        self.lens[slot] = output.len();
        self.current.shape = output;
        self.current.image = output.places_and_channels();
        true
    }

    /// The current value, which several branches will read from now on.
    pub(crate) fn fork(&mut self) -> Value {
        self.shared[self.current.slot] = true;
        self.current
    }

    /// Appends a branch of the current layer that begins at `from`; returns what it gives.
    pub(crate) fn branch(
        &mut self,
        name: &str,
        layers: &[LayerSpec],
        from: Value,
    ) -> Result<Value, ShapeError> {
        let path = self.path.clone();
        self.current = from;
        self.path = format!("{path}.{name}");
        self.layers(layers)?;
        self.path = path;
        Ok(self.current)
    }

    /// Goes on with the sum of two values of one shape.
    pub(crate) fn add(&mut self, one: Value, other: Value) -> Result<(), ShapeError> {
        self.current = one;
        self.make_own_value(false)?;
        let join = Join::sum(self.lens[self.current.slot]);
        self.push_join(join, other.slot, self.current.slot);
        Ok(())
    }

    /// Goes on with all `parts` side by side, which have the shape `joint`.
    pub(crate) fn join(&mut self, parts: &[Value], joint: Shape) -> Result<(), ShapeError> {
        let slot = self.new_slot(joint)?;
        let (_, total) = joint.places_and_channels();
        let mut offset = 0;
        for part in parts {
            let (_, width) = part.shape.places_and_channels();
            self.push_join(
                Join { width, total, offset, adds: false, clamp: false },
                part.slot,
                slot,
            );
            offset += width;
        }
        self.current = Value { shape: joint, slot, image: joint.places_and_channels() };
        Ok(())
    }

    /// The number of classes that the last shape means.
    pub(crate) fn classes(&mut self, layers: &[LayerSpec]) -> Result<usize, ShapeError> {
        let last = layers.last().ok_or(ShapeError::Empty)?;
        (self.path, self.kind) = ((layers.len() - 1).to_string(), last.kind());
        match self.shape() {
            Shape::Features(found @ 1..=256) => Ok(found),
            Shape::Features(found) => Err(self.problem(Problem::TooManyClasses { found })),
            found => Err(self.problem(Problem::NoClasses { found })),
        }
    }

    /// The value that the net gives.
    pub(crate) fn output(&self) -> usize {
        self.current.slot
    }

    /// Copies the current value when others read it, too: other branches, or the way back of a step
    /// in place, unless the change is one that `spares_readers`.
    fn make_own_value(&mut self, spares_readers: bool) -> Result<(), ShapeError> {
        let slot = self.current.slot;
        let reads = |step: &PlannedStep| match &step.work {
            Work::InPlace(layer) => step.y == slot && layer.reads_output_again(),
            Work::Map(_) | Work::Join(_) => false,
        };
        let is_read_again = !spares_readers && self.steps.iter().any(reads);
        if !self.shared[slot] && !is_read_again {
            return Ok(());
        }
        self.map_alike(Copy)
    }

    fn push_join(&mut self, join: Join, x: usize, y: usize) {
        let none = self.parameters.len()..self.parameters.len();
        let own = self.new_own();
        self.push(Work::Join(join), [x, y], own, none, false);
    }

    fn push(
        &mut self,
        work: Work,
        [x, y]: [usize; 2],
        own: usize,
        tensors: Range<usize>,
        barrier: bool,
    ) {
        self.steps.push(PlannedStep { work, x, y, own, tensors, barrier });
    }

    fn new_own(&mut self) -> usize {
        self.owns += 1;
        self.owns - 1
    }

    fn new_slot(&mut self, shape: Shape) -> Result<usize, ShapeError> {
        let len = self.fitting(shape)?;
        self.lens.push(len);
        self.shared.push(false);
        Ok(self.lens.len() - 1)
    }

    /// Finds room for a tensor behind the others.
    fn add_tensor(&mut self, tensor: Tensor) -> Result<(), ShapeError> {
        let len = tensor.shape.iter().try_fold(1usize, |len, &side| len.checked_mul(side));
        let total = len.and_then(|len| len.checked_add(self.parameter_count));
        let (Some(len), Some(total)) = (len, total.filter(|&total| total <= LIMIT)) else {
            return Err(self.problem(Problem::TooLarge { limit: LIMIT }));
        };
        let Tensor { name, shape, role, initial, layout } = tensor;
        let name = format!("{}.{name}", self.path);
        let offset = self.parameter_count;
        self.parameters.push(ParameterSpec { name, shape, offset, len, role, initial, layout });
        self.parameter_count = total;
        Ok(())
    }

    /// The shape's length, unless it is over the limit.
    fn fitting(&self, shape: Shape) -> Result<usize, ShapeError> {
        let len = shape.checked_len().filter(|&len| len <= LIMIT);
        len.ok_or_else(|| self.problem(Problem::TooLarge { limit: LIMIT }))
    }
}

/// The layers with their numbers in the order in which they are computed: max-pooling before ReLU.
///
/// The greatest of four clamped numbers is the clamped greatest, and a gradient passes through both
/// alike; but there is a quarter of the numbers left to clamp.
fn in_order_of_work(layers: &[LayerSpec]) -> Vec<(usize, &LayerSpec)> {
    let mut order: Vec<(usize, &LayerSpec)> = layers.iter().enumerate().collect();
    for end in 1..order.len() {
        let mut at = end;
        while at > 0
            && matches!((order[at - 1].1, order[at].1), (LayerSpec::Relu(_), LayerSpec::MaxPool(_)))
        {
            order.swap(at, at - 1);
            at -= 1;
        }
    }
    order
}
