//! What the tests of all layers share: small nets around one layer, finite differences, numbers.

use super::LayerSpec;
use super::step::{Backward, Draws, Layer, Own, Pass, Samples, Weights, WeightsMut};
use crate::builder::Builder;
use crate::compute_kernels::aligned::AlignedFloats;
use crate::compute_kernels::convolution::ConvSizes;
use crate::compute_kernels::{Isa, reference};
use crate::layer::conv2d::Conv2d;
use crate::layer::dense::{Dense, DensePlan};
use crate::layer::flatten::Flatten;
use crate::layer::layer_norm::LayerNorm;
use crate::network::{ParameterSpec, Role};
use crate::plan::Work;
use crate::pulse::Beat;
use crate::{Loss, Network, Shape, Shard, Targets};
use ndarray::{
    Array, Array1, Array2, Array4, ArrayBase, ArrayView2, Data, Dimension, ShapeBuilder,
};
use planaria_random::{Purpose, Stream};

/// Numbers from -1 to 1, different for every `seed`.
pub(crate) fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Baseline, 0, 0);
    (0..len).map(|_| stream.next_between(-1.0, 1.0)).collect()
}

/// As [`numbers`], in a shape.
pub(crate) fn array<D: Dimension>(shape: impl ShapeBuilder<Dim = D>, seed: u64) -> Array<f32, D> {
    let mut stream = Stream::new(seed, Purpose::Baseline, 0, 0);
    Array::from_shape_simple_fn(shape, || stream.next_between(-1.0, 1.0))
}

/// A pulse that never stops.
pub(crate) fn go_on() -> Result<(), ()> {
    Ok(())
}

/// Puts `spec` behind a layer that makes its input `x`, so that its gradient of the input is
/// checked, too.
fn surround(x: Shape, spec: LayerSpec) -> Network {
    let (input, before) = match x {
        Shape::Image { h, w, c } => {
            (Shape::Image { h: h + 2, w: w + 2, c: 2 }, Conv2d::square(c, 3).into())
        }
        Shape::Features(units) => (Shape::Features(4), Dense::new(units).into()),
        Shape::Sequence { .. } => (x, LayerNorm::default().into()),
    };
    let layers: [LayerSpec; 4] = [before, spec, Flatten {}.into(), Dense::new(3).into()];
    Network::new(input, &layers).expect("the layer fits between these")
}

/// Compares gradients with central differences of the loss, on every instruction set.
///
/// Forward passes are in f32 and some layers have kinks: a slope at 100 places in all may be off by
/// 1 % of the greatest, and at 3 places by more.
pub(crate) fn check_layer(x: Shape, spec: LayerSpec) {
    const PLACES: usize = 100;
    for isa in Isa::available() {
        let network = surround(x, spec.clone()).with_isa(isa);
        let parameters = network.initial_parameters(11);
        let (samples, seed, epoch, scale) = (3, 5, 1, 0.5);
        let images = numbers(samples * network.input().len(), 7);
        let images = network.input().samples(&images);
        let shard = Shard {
            images,
            targets: Targets::Classes(&[0, 2, 1]),
            loss: &Loss::default(),
            items: &[4, 9, 1],
            seed,
            epoch,
            scale,
            share: 1.0,
        };
        let mut workspace = network.workspace(samples);
        let mut gradient = vec![9.0; parameters.len()];
        let mut loss_of = |parameters: &[f32], gradient: &mut [f32]| {
            let loss = network.gradient(parameters, &shard, &mut workspace, gradient, &mut go_on);
            loss.expect("the pulse goes on").loss_sum * f64::from(scale)
        };
        loss_of(&parameters, &mut gradient);
        let greatest = gradient.iter().fold(0.0f32, |top, g| top.max(g.abs()));
        assert!(greatest > 1e-3, "{isa:?} {spec:?}: the gradient is there");
        let mut places = Stream::new(1, Purpose::Baseline, 0, 1);
        let (mut scratch, mut off) = (gradient.clone(), Vec::new());
        let is_statistic = |at: usize| {
            let found = network.parameters().iter().find(|spec| spec.range().contains(&at));
            matches!(found.map(|spec| spec.role), Some(Role::Statistic { .. }))
        };
        for _ in 0..PLACES {
            let at = places.next_below(parameters.len() as u32) as usize;
            if is_statistic(at) {
                continue;
            }
            let mut moved = parameters.clone();
            let step = 5e-4;
            moved[at] = parameters[at] + step;
            let above = loss_of(&moved, &mut scratch);
            moved[at] = parameters[at] - step;
            let below = loss_of(&moved, &mut scratch);
            let slope = ((above - below) / (2.0 * f64::from(step))) as f32;
            if (slope - gradient[at]).abs() > 0.01 * greatest {
                off.push((at, slope, gradient[at]));
            }
        }
        assert!(off.len() <= 3, "{isa:?} {spec:?}: place, slope, gradient {off:?}");
    }
}

/// Runs an in-place layer forward over one sample of item `item`.
pub(crate) fn run_in_place(spec: LayerSpec, x: &[f32], item: u64) -> Vec<f32> {
    let mut net = Builder::new(Shape::Features(x.len()), true).expect("the input is no problem");
    spec.build(&mut net).expect("the layer fits");
    let Work::InPlace(layer) = &net.steps[0].work else { panic!("{spec:?} works in place") };
    let mut own = Own::new(layer.memory(), 1);
    let mut y = Samples::from_shape((1, x.len()), x).expect("one sample").to_owned();
    let mut go = || Ok(());
    let draws = Some(Draws { seed: 1, epoch: 0, items: &[item] });
    let (beat, weights) = (&mut Beat::new(&mut go), Weights::new(&[], &[]));
    let (isa, prepared) = (Isa::best(), &[]);
    let mut pass = Pass { isa, weights, prepared, samples: 1, first: 0, draws, beat };
    layer.forward(&mut pass, y.view_mut(), &mut own);
    y.into_raw_vec_and_offset().0
}

/// What a layer computed: `y`, and the gradients of its input, its first tensor and all others.
pub(crate) struct Found {
    pub(crate) y: Array2<f32>,
    pub(crate) dx: Array2<f32>,
    pub(crate) dw: Array1<f32>,
    pub(crate) db: Array1<f32>,
}

/// Runs a layer forward and backward over the samples `x [N, D]` with the gradient `dy`.
pub(crate) fn run(
    layer: &dyn Layer,
    isa: Isa,
    parameters: &[f32],
    x: ArrayView2<f32>,
    dy: ArrayView2<f32>,
) -> Found {
    let (samples, memory) = (x.nrows(), layer.memory(x.nrows()));
    let (mut own, mut go) = (Own::new(memory, samples), || Ok(()));
    let mut prepared = AlignedFloats::zeros(memory.prepared);
    let (mut y, mut dx) = (Array2::from_elem(dy.dim(), 9.0), Array2::from_elem(x.dim(), 9.0));
    let tensors = specs(layer);
    let mut gradient = vec![0.0; parameters.len()];
    let weights = Weights::new(&tensors, parameters);
    layer.prepare(isa, weights, true, &mut prepared);
    layer.begin_backward(&mut own);
    let (beat, prepared) = (&mut Beat::new(&mut go), &*prepared);
    let mut pass = Pass { isa, weights, prepared, samples, first: 0, draws: None, beat };
    layer.forward(&mut pass, x, y.view_mut(), &mut own).expect("the pulse goes on");
    let dw = WeightsMut::new(&tensors, &mut gradient);
    let call = Backward { x, dy, dx: Some(dx.view_mut()), dw };
    layer.backward(&mut pass, call, &mut own).expect("the pulse goes on");
    layer.finish(isa, 1.0, &mut own, WeightsMut::new(&tensors, &mut gradient));
    let (dw, db) = gradient.split_at(tensors.first().map_or(0, |tensor| tensor.len));
    Found { y, dx, dw: Array1::from(dw.to_vec()), db: Array1::from(db.to_vec()) }
}

/// The layer's tensors, one behind the other.
fn specs(layer: &dyn Layer) -> Vec<ParameterSpec> {
    let mut offset = 0;
    let tensors = layer.tensors().into_iter().map(|tensor| {
        let len = tensor.shape.iter().product();
        let spec = ParameterSpec {
            name: tensor.name.to_owned(),
            shape: tensor.shape,
            offset,
            len,
            role: tensor.role,
            initial: tensor.initial,
            layout: tensor.layout,
        };
        offset += len;
        spec
    });
    tensors.collect()
}

/// Weight and bias behind one another.
fn flat<D: Dimension>(weight: &Array<f32, D>, bias: &Array1<f32>) -> Vec<f32> {
    weight.iter().chain(bias).copied().collect()
}

/// Compares a convolution with a bias forward and backward with the reference, on every instruction
/// set, over several samples; `error` is relative to the greatest number.
pub(crate) fn check_convolution(layer: &dyn Layer, sizes: ConvSizes, error: f32) {
    const SAMPLES: usize = 3;
    let ConvSizes { h, w, c, f, kernel: [kh, kw], .. } = sizes;
    let x: Array4<f32> = array((SAMPLES, h, w, c), 1);
    let weight: Array4<f32> = array((kh, kw, sizes.group_c(), f), 2);
    let bias: Array1<f32> = array(f, 3);
    let dy: Array4<f32> = array((SAMPLES, sizes.oh(), sizes.ow(), f), 4);
    let weights = (weight.view(), bias.view());
    let y = reference::convolve(sizes, x.view(), weights);
    let (dx, dw, db) = reference::convolve_backward(sizes, x.view(), weight.view(), dy.view());
    let rows = |images: Array4<f32>| -> Array2<f32> {
        let len = images.len() / SAMPLES;
        images.into_shape_with_order((SAMPLES, len)).expect("a row a sample")
    };
    let (x, dy) = (rows(x), rows(dy));
    for isa in Isa::available() {
        let found = run(layer, isa, &flat(&weight, &bias), x.view(), dy.view());
        assert_near(&found.y, &y, error, &format!("{isa:?} {sizes:?} forward"));
        assert_near(&found.dx, &dx, error, &format!("{isa:?} {sizes:?} image"));
        assert_near(&found.dw, &dw, error, &format!("{isa:?} {sizes:?} filters"));
        assert_near(&found.db, &db, error, &format!("{isa:?} {sizes:?} bias"));
    }
}

/// As [`check_convolution`], for a dense layer.
pub(crate) fn check_dense(layer: &DensePlan, samples: usize, error: f32) {
    let DensePlan { inputs, units, .. } = *layer;
    let (x, weight): (_, Array2<f32>) = (array((samples, inputs), 1), array((inputs, units), 2));
    let (bias, dy) = (array(units, 3), array((samples, units), 4));
    let y = reference::dense(x.view(), weight.view(), bias.view());
    let (dx, dw, db) = reference::dense_backward(x.view(), weight.view(), dy.view());
    for isa in Isa::available() {
        let found = run(layer, isa, &flat(&weight, &bias), x.view(), dy.view());
        let what = format!("{isa:?} {layer:?} {samples} samples");
        assert_near(&found.y, &y, error, &format!("{what} forward"));
        assert_near(&found.dx, &dx, error, &format!("{what} features"));
        assert_near(&found.dw, &dw, error, &format!("{what} weight"));
        assert_near(&found.db, &db, error, &format!("{what} bias"));
    }
}

/// Asserts that two arrays, read in order, differ by at most `error` of the greatest number.
fn assert_near<S: Data<Elem = f32>, T: Data<Elem = f32>, D: Dimension, E: Dimension>(
    got: &ArrayBase<S, D>,
    want: &ArrayBase<T, E>,
    error: f32,
    what: &str,
) {
    assert_eq!(got.len(), want.len(), "{what}");
    let greatest = want.iter().fold(0.0f32, |top, x| top.max(x.abs()));
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= error * greatest, "{what} at {at}: {got} for {want}");
    }
}
