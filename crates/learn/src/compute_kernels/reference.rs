//! The same functions in plain `ndarray`, in f64: the definition of right. Never "improved".

use super::convolution::ConvSizes;
use super::matrix::{Product, Start};
use ndarray::{
    Array1, Array2, Array3, Array4, ArrayBase, ArrayView1, ArrayView2, ArrayView3, ArrayView4,
    Axis, Data, Dimension, indices, s,
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

/// Every multiplication of a convolution of `images`: the indices of `x [N, H, W, C]`, of `w [KH,
/// KW, C / groups, F]` and of `y [N, OH, OW, F]`, in plain loops over `y` and the kernel.
fn terms(sizes: ConvSizes, images: usize) -> impl Iterator<Item = [[usize; 4]; 3]> {
    let ConvSizes { h, w, kernel: [kh, kw], stride, padding, dilation, .. } = sizes;
    let (group_c, group_f) = (sizes.group_c(), sizes.group_f());
    let outputs = indices((images, sizes.oh(), sizes.ow(), sizes.f)).into_iter();
    outputs.flat_map(move |(n, row, column, filter)| {
        indices((kh, kw, group_c)).into_iter().filter_map(move |(i, j, channel)| {
            let y = (row * stride[0] + i * dilation[0]).checked_sub(padding[0])?;
            let x = (column * stride[1] + j * dilation[1]).checked_sub(padding[1])?;
            let from = [n, y, x, filter / group_f * group_c + channel];
            let term = [from, [i, j, channel, filter], [n, row, column, filter]];
            (y < h && x < w).then_some(term)
        })
    })
}

/// A convolution: `x [N, H, W, C]`, `w [KH, KW, C / groups, F]`, `bias [F]` give `[N, OH, OW, F]`.
pub(crate) fn convolve(
    sizes: ConvSizes,
    x: ArrayView4<f32>,
    (w, bias): (ArrayView4<f32>, ArrayView1<f32>),
) -> Array4<f32> {
    let (x, w, images) = (double(&x), double(&w), x.dim().0);
    let mut y = Array4::zeros((images, sizes.oh(), sizes.ow(), sizes.f)) + double(&bias);
    for [from, at, to] in terms(sizes, images) {
        y[to] += x[from] * w[at];
    }
    single(y)
}

/// The gradients of a convolution for `dy [N, OH, OW, F]`: of the images, the weights and the bias.
pub(crate) fn convolve_backward(
    sizes: ConvSizes,
    x: ArrayView4<f32>,
    w: ArrayView4<f32>,
    dy: ArrayView4<f32>,
) -> (Array4<f32>, Array4<f32>, Array1<f32>) {
    let (x, w, dy) = (double(&x), double(&w), double(&dy));
    let (mut dx, mut dw) = (Array4::zeros(x.dim()), Array4::zeros(w.dim()));
    for [from, at, to] in terms(sizes, x.dim().0) {
        dx[from] += dy[to] * w[at];
        dw[at] += dy[to] * x[from];
    }
    let db = dy.sum_axis(Axis(0)).sum_axis(Axis(0)).sum_axis(Axis(0));
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
