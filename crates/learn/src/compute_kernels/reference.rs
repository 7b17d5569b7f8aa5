//! The same functions in plain `ndarray`, in f64: the definition of right. Never "improved".

use super::matrix::{Product, Start};
use ndarray::{
    Array1, Array2, Array3, Array4, ArrayBase, ArrayView1, ArrayView2, ArrayView3, ArrayView4,
    Axis, Data, Dimension, s,
};

/// See `matrix::multiply`.
pub(crate) fn multiply(product: Product) {
    let Product { a, b, start, mut c, clamp, .. } = product;
    let (rows, outers, inners) = a.dim();
    let a = double(&a).into_shape_with_order((rows, outers * inners)).expect("as many numbers");
    let sums = a.dot(&double(&b));
    let sums = match start {
        Start::Zero => sums,
        Start::Sum => sums + double(&c),
        Start::Bias(bias) => sums + double(&ArrayView1::from(bias)),
    };
    c.assign(&sums.mapv(|sum| if clamp && sum < 0.0 { 0.0 } else { sum as f32 }));
}

/// A dense layer: `x [N, D]`, `w [D, U]`, `bias [U]` give `x w + bias [N, U]`.
pub(crate) fn dense(x: ArrayView2<f32>, w: ArrayView2<f32>, bias: ArrayView1<f32>) -> Array2<f32> {
    single(double(&x).dot(&double(&w)) + double(&bias))
}

/// The gradients of a dense layer for `dy [N, U]`: of `x`, the weights and the bias.
pub(crate) fn dense_backward(
    x: ArrayView2<f32>,
    w: ArrayView2<f32>,
    dy: ArrayView2<f32>,
) -> (Array2<f32>, Array2<f32>, Array1<f32>) {
    let (x, w, dy) = (double(&x), double(&w), double(&dy));
    (single(dy.dot(&w.t())), single(x.t().dot(&dy)), single(dy.sum_axis(Axis(0))))
}

/// A valid 3x3 convolution: `x [H, W, C]`, `w [3, 3, C, F]`, `bias [F]` give `[H - 2, W - 2, F]`.
pub(crate) fn convolve(
    x: ArrayView3<f32>,
    w: ArrayView4<f32>,
    bias: ArrayView1<f32>,
) -> Array3<f32> {
    let (x, w, bias) = (double(&x), double(&w), double(&bias));
    let (height, width, _) = x.dim();
    let mut y = Array3::zeros((height - 2, width - 2, bias.len()));
    for ((row, column, filter), y) in y.indexed_iter_mut() {
        let patch = x.slice(s![row..row + 3, column..column + 3, ..]);
        *y = bias[filter] + (&patch * &w.slice(s![.., .., .., filter])).sum();
    }
    single(y)
}

/// The gradients of a valid 3x3 convolution for `dy [H - 2, W - 2, F]`: of the image, the weights
/// and the bias.
pub(crate) fn convolve_backward(
    x: ArrayView3<f32>,
    w: ArrayView4<f32>,
    dy: ArrayView3<f32>,
) -> (Array3<f32>, Array4<f32>, Array1<f32>) {
    let (x, w, dy) = (double(&x), double(&w), double(&dy));
    let (mut dx, mut dw) = (Array3::zeros(x.dim()), Array4::zeros(w.dim()));
    for ((row, column, filter), &dy) in dy.indexed_iter() {
        let patch = s![row..row + 3, column..column + 3, ..];
        dx.slice_mut(patch).scaled_add(dy, &w.slice(s![.., .., .., filter]));
        dw.slice_mut(s![.., .., .., filter]).scaled_add(dy, &x.slice(patch));
    }
    let db = dy.sum_axis(Axis(0)).sum_axis(Axis(0));
    (single(dx), single(dw), single(db))
}

/// 2x2 max-pooling: `x [H, W, C]` gives `[H / 2, W / 2, C]`, and the place (0 to 3, row by row) of
/// the first greatest of each cell.
pub(crate) fn pool(x: ArrayView3<f32>) -> (Array3<f32>, Array3<u8>) {
    let (h, w, c) = x.dim();
    let (mut y, mut places) = (Array3::zeros((h / 2, w / 2, c)), Array3::zeros((h / 2, w / 2, c)));
    for ((row, column, channel), y) in y.indexed_iter_mut() {
        let cell = x.slice(s![2 * row..2 * row + 2, 2 * column..2 * column + 2, channel]);
        *y = cell.fold(f32::NEG_INFINITY, |top, &x| top.max(x));
        let place = cell.iter().position(|x| x == y).expect("the greatest is one of the four");
        places[[row, column, channel]] = place as u8;
    }
    (y, places)
}

/// The gradient of max-pooling an image `[H, W, C]` for `dy [H / 2, W / 2, C]`.
pub(crate) fn unpool(
    (h, w, c): (usize, usize, usize),
    dy: ArrayView3<f32>,
    places: ArrayView3<u8>,
) -> Array3<f32> {
    let mut dx = Array3::zeros((h, w, c));
    for ((row, column, channel), &dy) in dy.indexed_iter() {
        let place = usize::from(places[[row, column, channel]]);
        dx[[2 * row + place / 2, 2 * column + place % 2, channel]] = dy;
    }
    dx
}

fn double<S: Data<Elem = f32>, D: Dimension>(x: &ArrayBase<S, D>) -> ndarray::Array<f64, D> {
    // Row by row, whatever the view's own order.
    let numbers = x.iter().map(|&x| f64::from(x)).collect();
    ndarray::Array::from_shape_vec(x.raw_dim(), numbers).expect("as many numbers")
}

fn single<D: Dimension>(x: ndarray::Array<f64, D>) -> ndarray::Array<f32, D> {
    x.mapv(|x| x as f32)
}
