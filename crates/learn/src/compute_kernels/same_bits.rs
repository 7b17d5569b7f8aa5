//! Every kernel gives the same bits on every instruction set that rounds multiply-adds once.

use super::activation::{self, Activation};
use super::matrix::{Product, Start, multiply, plain};
use super::pooling::{self, Cells, Pooled};
use super::rows::{self, LayerNorm, LayerNormBackward};
use super::windows::{self, Divisor, Windows};
use super::winograd::{self, Grid, POINTS};
use super::{Isa, elementwise, normalisation, winograd_filters};
use crate::layer::gradient_check::{array, numbers};
use ndarray::Array2;

/// Runs a kernel everywhere and compares.
fn check(what: &str, kernel: impl Fn(Isa) -> Vec<f32>) {
    let expected = kernel(Isa::deterministic());
    for isa in Isa::available().into_iter().filter(|isa| isa.has_common_bits()) {
        let found = kernel(isa);
        let differs = found.iter().zip(&expected).position(|(a, b)| a.to_bits() != b.to_bits());
        assert!(found.len() == expected.len(), "{what}: {isa:?}");
        assert_eq!(differs, None, "{what}: {isa:?} and {:?}", Isa::deterministic());
    }
}

#[test]
fn at_least_the_portable_kernels_promise_common_bits() {
    assert!(Isa::available().iter().any(|isa| isa.has_common_bits()));
    assert!(Isa::deterministic().has_common_bits());
}

#[test]
fn avx2_and_avx512_give_the_same_bits_in_products() {
    for [rows, depth, columns] in [[1, 1, 1], [7, 33, 100], [13, 20, 65], [40, 9, 128]] {
        let (a, b): (Array2<f32>, Array2<f32>) =
            (array((rows, depth), 1), array((depth, columns), 2));
        let bias = numbers(columns, 3);
        for start in [Start::Zero, Start::Sum, Start::Bias(&bias)] {
            check("product", |isa| {
                let mut c: Array2<f32> = array((rows, columns), 4);
                multiply(isa, Product::new(plain(a.view()), b.view(), start, c.view_mut()));
                c.into_raw_vec_and_offset().0
            });
        }
    }
}

#[test]
fn avx2_and_avx512_give_the_same_bits_in_winograd_transforms() {
    let grid = Grid { h: 9, w: 7, padding: [1, 0], c: 48, f: 48, images: 2 };
    let (image, output) = (numbers(9 * 7 * 48, 1), numbers(grid.oh() * grid.ow() * 48, 2));
    let (points, filters) = (numbers(grid.input_points_len(), 3), numbers(9 * 48, 4));
    let bias = numbers(48, 5);
    check("input", |isa| {
        let mut to = points.clone();
        winograd::transform_input(isa, grid, 1, &image, &mut to);
        to
    });
    check("output", |isa| {
        let mut to = output.clone();
        winograd::transform_output(isa, grid, 1, &points, (&bias, true), &mut to);
        to
    });
    check("output's gradient", |isa| {
        let mut to = points.clone();
        winograd::transform_output_gradient(isa, grid, 1, &output, &mut to);
        to
    });
    check("input's gradient", |isa| {
        let mut to = image.clone();
        winograd::transform_input_gradient(isa, grid, 1, &points, &mut to);
        to
    });
    check("filters", |isa| {
        let mut to = vec![0.0; POINTS * 48];
        winograd_filters::transform_filters(isa, 48, &filters, &mut to);
        let mut back = filters.clone();
        winograd_filters::transform_filter_gradient(isa, 48, &to, &mut back);
        [to, back].concat()
    });
}

#[test]
fn avx2_and_avx512_give_the_same_bits_in_pooling() {
    let cells = Cells { h: 7, w: 6, c: 37 };
    let x = numbers(7 * 6 * 37, 1);
    check("cells", |isa| {
        let (mut y, mut places) = (vec![0.0; 9 * 37], vec![0; 9 * 37]);
        let to = Pooled { y: &mut y, places: &mut places, clamp: true };
        pooling::pool(isa, cells, &x, to);
        let mut dx = x.clone();
        pooling::unpool(isa, cells, &y, &places, &mut dx);
        [y, dx].concat()
    });
    let windows = Windows { h: 7, w: 6, c: 37, kernel: [3, 2], stride: [2, 1], padding: [1, 1] };
    let dy = numbers(windows.oh() * windows.ow() * 37, 2);
    check("windows", |isa| {
        let (mut top, mut mean) = (dy.clone(), dy.clone());
        let (mut dx, mut shared) = (x.clone(), x.clone());
        windows::max(isa, windows, &x, &mut top);
        windows::max_backward(isa, windows, &x, &dy, &mut dx);
        windows::average(isa, windows, Divisor::Covered, &x, &mut mean);
        windows::average_backward(isa, windows, Divisor::Window, &dy, &mut shared);
        [top, mean, dx, shared].concat()
    });
}

#[test]
fn avx2_and_avx512_give_the_same_bits_number_by_number() {
    let (x, dy) = (numbers(1_003, 1), numbers(1_003, 2));
    check("elementwise", |isa| {
        let (mut a, mut b, mut c) = (x.clone(), dy.clone(), x.clone());
        elementwise::clamp(isa, &mut a);
        elementwise::mask(isa, &x, &mut b);
        elementwise::add(isa, &x, &dy, &mut c);
        elementwise::add_to(isa, &dy, &mut c);
        let mut sums = numbers(17, 3);
        elementwise::add_rows(isa, &x[..17 * 59], &mut sums);
        [a, b, c, sums].concat()
    });
    let kinds = [Activation::Sigmoid, Activation::Tanh, Activation::Gelu, Activation::GeluTanh];
    for kind in kinds.into_iter().chain([Activation::Silu]) {
        check("activation", |isa| {
            let (mut y, mut slopes) = (x.clone(), dy.clone());
            activation::apply(isa, kind, &x, &mut y);
            activation::multiply_by_slope(isa, kind, &y, &mut slopes);
            [y, slopes].concat()
        });
    }
}

#[test]
fn avx2_and_avx512_give_the_same_bits_in_norms_and_rows() {
    let (x, dy, factors) = (numbers(70 * 100, 1), numbers(70 * 100, 2), numbers(100, 3));
    check("channels", |isa| {
        let mut found = vec![0.0; 100];
        normalisation::add_sums(isa, &x, &mut found);
        normalisation::add_squares(isa, &x, &factors, &mut found);
        normalisation::add_products(isa, &x, &factors, &dy, &mut found);
        let mut y = x.clone();
        let (factor, summand) = (&factors[..], &dy[..100]);
        let channels = normalisation::Channels { factor, summand, clamp: false };
        normalisation::scale(isa, channels, &x, &mut y);
        found.extend(&y);
        normalisation::subtract_line(isa, &dy, factor, summand, &mut y);
        found.extend(&y);
        found
    });
    for columns in [10, 70, 100] {
        check("softmax", |isa| {
            let (mut y, mut dx) = (x.clone(), dy.clone());
            rows::softmax(isa, columns, &mut y);
            rows::softmax_backward(isa, columns, &y, &mut dx);
            [y, dx].concat()
        });
    }
    check("layer norm", |isa| {
        let norm = LayerNorm { weight: &factors, bias: &dy[..100], epsilon: 1e-5 };
        let [mut y, mut dx, mut dweight, mut dbias] = [(); 4].map(|()| vec![0.0; 100]);
        let moments = rows::layer_norm(isa, norm, &x[..100], &mut y);
        let call = LayerNormBackward {
            moments,
            weight: &factors,
            x: &x[..100],
            dy: &dy[100..200],
            dx: &mut dx,
            dweight: &mut dweight,
            dbias: &mut dbias,
        };
        rows::layer_norm_backward(isa, call);
        [vec![moments.mean, moments.inverse_deviation], y, dx, dweight, dbias].concat()
    });
}
