//! What the tests of all layers share: small nets around one layer, finite differences, numbers.

use super::{Backward, Layer, LayerSpec, Own, Pass, Rows, RowsMut, Step};
use crate::compute_kernels::{Isa, reference};
use crate::layer::Draws;
use crate::layer::conv2d::Sizes;
use crate::pulse::Beat;
use crate::{Network, Shape, Shard};
use planaria_random::{Purpose, Stream};

/// Numbers from -1 to 1, different for every `seed`.
pub(crate) fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Baseline, 0, 0);
    (0..len).map(|_| stream.next_between(-1.0, 1.0)).collect()
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
            (Shape::Image { h: h + 2, w: w + 2, c: 2 }, LayerSpec::Conv2d { filters: c })
        }
        Shape::Features(units) => (Shape::Features(4), LayerSpec::Dense { units }),
    };
    let layers = [before, spec, LayerSpec::Flatten, LayerSpec::Dense { units: 3 }];
    Network::new(input, &layers).expect("the layer fits between these")
}

/// Compares gradients with central differences of the loss, on every instruction set.
///
/// Forward passes are in f32 and some layers have kinks: a slope at 100 places in all may be off by
/// 1 % of the greatest, and at 3 places by more.
pub(crate) fn check_layer(x: Shape, spec: LayerSpec) {
    const PLACES: usize = 100;
    for isa in Isa::available() {
        let network = surround(x, spec).with_isa(isa);
        let parameters = network.initial_parameters(11);
        let (samples, seed, epoch, scale) = (3, 5, 1, 0.5);
        let images = numbers(samples * network.input().len(), 7);
        let shard =
            Shard { images: &images, labels: &[0, 2, 1], items: &[4, 9, 1], seed, epoch, scale };
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
        for _ in 0..PLACES {
            let at = places.next_below(parameters.len() as u32) as usize;
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
    let planned = spec.plan(0, Shape::Features(x.len())).expect("the layer fits");
    let Step::InPlace(layer) = planned.step else { panic!("{spec:?} works in place") };
    let mut own = Own::new(layer.memory(), 1);
    let mut y = x.to_vec();
    let mut go = || Ok(());
    let draws = Some(Draws { seed: 1, epoch: 0, items: &[item] });
    let mut pass =
        Pass { isa: Isa::best(), weights: &[], first: 0, draws, beat: &mut Beat::new(&mut go) };
    let rows = RowsMut { data: &mut y, pitch: x.len(), len: x.len(), count: 1 };
    layer.forward(&mut pass, rows, &mut own);
    y
}

/// Compares a convolution forward and backward with the reference, on every instruction set;
/// `error` is relative to the greatest number.
pub(crate) fn check_convolution(layer: &dyn Layer, sizes: Sizes, error: f32) {
    let Sizes { h, w, c, f } = sizes;
    let (x, weights) = (numbers(h * w * c, 1), numbers((9 * c + 1) * f, 2));
    let dy = numbers(sizes.oh() * sizes.ow() * f, 3);
    let (filters, bias) = weights.split_at(9 * c * f);
    let y = reference::convolve(&x, [h, w, c], filters, bias);
    let (dx, dw, db) = reference::convolve_backward(&x, [h, w, c], filters, &dy);
    for isa in Isa::available() {
        let mut own = Own::new(layer.memory(1), 1);
        let mut go = || Ok(());
        let mut pass =
            Pass { isa, weights: &weights, first: 0, draws: None, beat: &mut Beat::new(&mut go) };
        layer.prepare(isa, &weights, true, &mut own);
        let mut got = vec![9.0; y.len()];
        layer.forward(&mut pass, row(&x), row_mut(&mut got), &mut own).expect("the pulse goes on");
        assert_near(&got, &y, error, &format!("{isa:?} {sizes:?} forward"));
        let (mut got_dx, mut got_dw) = (vec![9.0; x.len()], vec![0.0; weights.len()]);
        let call =
            Backward { x: row(&x), dy: row(&dy), dx: Some(row_mut(&mut got_dx)), dw: &mut got_dw };
        layer.backward(&mut pass, call, &mut own).expect("the pulse goes on");
        layer.finish(isa, &mut own, &mut got_dw);
        assert_near(&got_dx, &dx, error, &format!("{isa:?} {sizes:?} image"));
        assert_near(&got_dw[..9 * c * f], &dw, error, &format!("{isa:?} {sizes:?} filters"));
        assert_near(&got_dw[9 * c * f..], &db, error, &format!("{isa:?} {sizes:?} bias"));
    }
}

/// Asserts that two slices differ by at most `error` of the greatest number.
fn assert_near(got: &[f32], want: &[f32], error: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let greatest = want.iter().fold(0.0f32, |top, x| top.max(x.abs()));
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= error * greatest, "{what} at {at}: {got} for {want}");
    }
}

fn row(data: &[f32]) -> Rows<'_> {
    Rows { data, pitch: data.len(), len: data.len(), count: 1 }
}

fn row_mut(data: &mut [f32]) -> RowsMut<'_> {
    let len = data.len();
    RowsMut { data, pitch: len, len, count: 1 }
}
