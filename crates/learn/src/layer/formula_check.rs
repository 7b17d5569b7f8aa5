//! A layer against its formula, written plainly in f64: outputs, and gradients as the formula's
//! slopes.

use super::LayerSpec;
use super::gradient_check::{numbers, run};
use crate::Shape;
use crate::builder::Builder;
use crate::compute_kernels::Isa;
use crate::plan::Work;
use ndarray::{Array2, ArrayView1, Axis};

/// Samples that a layer is run over.
pub(crate) const SAMPLES: usize = 3;

/// Compares a layer that maps with `formula`, which makes a sample's output of its input and the
/// layer's parameters, on every instruction set.
///
/// Errors are relative to the greatest number: 1e-5 of outputs, 1e-4 of gradients.
///
/// # Panics
/// When they differ.
pub(crate) fn check_formula(
    x: Shape,
    spec: LayerSpec,
    formula: impl Fn(&[f64], &[f64]) -> Vec<f64>,
) {
    let input = numbers(SAMPLES * x.len(), 1).iter().map(|x| 4.0 * x).collect();
    check_formula_at(x, spec, input, formula);
}

/// As [`check_formula`], for these samples.
pub(crate) fn check_formula_at(
    x: Shape,
    spec: LayerSpec,
    input: Vec<f32>,
    formula: impl Fn(&[f64], &[f64]) -> Vec<f64>,
) {
    let mut net = Builder::new(x, true).expect("the input is no problem");
    spec.build(&mut net).expect("the layer fits");
    let Work::Map(layer) = &net.steps[0].work else { panic!("{spec:?} maps") };
    let parameters = numbers(net.parameter_count, 2);
    let outputs = net.shape().len();
    let x = Array2::from_shape_vec((SAMPLES, x.len()), input).expect("samples are whole");
    let dy = numbers(SAMPLES * outputs, 3);
    let dy = Array2::from_shape_vec((SAMPLES, outputs), dy).expect("samples are whole");
    let wanted = Wanted::new(&x, &dy, &double(&parameters), &formula);
    for isa in Isa::available() {
        let found = run(&**layer, isa, &parameters, x.view(), dy.view());
        let gradient: Vec<f32> = found.dw.iter().chain(&found.db).copied().collect();
        let flat = |rows: &Array2<f32>| rows.iter().copied().collect::<Vec<f32>>();
        near(&flat(&found.y), &wanted.y, 1e-5, &format!("{isa:?} {spec:?} output"));
        near(&flat(&found.dx), &wanted.dx, 1e-4, &format!("{isa:?} {spec:?} input's gradient"));
        near(&gradient, &wanted.gradient, 1e-4, &format!("{isa:?} {spec:?} gradient"));
    }
}

/// What the formula gives.
struct Wanted {
    y: Vec<f64>,
    dx: Vec<f64>,
    gradient: Vec<f64>,
}

impl Wanted {
    fn new(
        x: &Array2<f32>,
        dy: &Array2<f32>,
        parameters: &[f64],
        formula: &impl Fn(&[f64], &[f64]) -> Vec<f64>,
    ) -> Wanted {
        let mut wanted =
            Wanted { y: Vec::new(), dx: Vec::new(), gradient: vec![0.0; parameters.len()] };
        for (x, dy) in x.axis_iter(Axis(0)).zip(dy.axis_iter(Axis(0))) {
            let x = double(x.as_slice().expect("samples are contiguous"));
            wanted.y.extend(formula(&x, parameters));
            wanted.dx.extend(slopes(&x, |x| loss(&formula(x, parameters), dy)));
            let slopes = slopes(parameters, |parameters| loss(&formula(&x, parameters), dy));
            for (sum, slope) in wanted.gradient.iter_mut().zip(slopes) {
                *sum += slope;
            }
        }
        wanted
    }
}

/// A number whose gradient of `y` is `dy`.
fn loss(y: &[f64], dy: ArrayView1<f32>) -> f64 {
    y.iter().zip(dy).map(|(y, &dy)| y * f64::from(dy)).sum()
}

/// Central differences of `f` at `x`.
fn slopes(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut moved = x.to_vec();
    (0..x.len())
        .map(|at| {
            let mut at_step = |step: f64| {
                moved[at] = x[at] + step;
                f(&moved)
            };
            let slope = (at_step(STEP) - at_step(-STEP)) / (2.0 * STEP);
            moved[at] = x[at];
            slope
        })
        .collect()
}

fn double(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&x| f64::from(x)).collect()
}

fn near(got: &[f32], want: &[f64], error: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let greatest = want.iter().fold(1e-3f64, |top, x| top.max(x.abs()));
    for (at, (&got, &want)) in got.iter().zip(want).enumerate() {
        let off = (f64::from(got) - want).abs();
        assert!(off <= error * greatest, "{what} at {at}: {got} for {want}");
    }
}
