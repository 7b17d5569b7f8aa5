//! Nets that have a name.

use crate::layer::{conv2d::Conv2d, dense::Dense, dropout::Dropout, flatten::Flatten};
use crate::layer::{max_pool::MaxPool, relu::Relu};
use crate::{LayerSpec, Shape};

/// A named net.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// What configs call it.
    pub name: &'static str,
    /// The shape of a sample.
    pub input: Shape,
    /// Its layers.
    pub layers: fn() -> Vec<LayerSpec>,
}

/// 28 rows and columns of grey.
const MNIST: Shape = Shape::Image { h: 28, w: 28, c: 1 };

/// Every net that has a name.
pub const PRESETS: &[Preset] = &[
    Preset { name: "mnist-cnn", input: MNIST, layers: mnist_cnn },
    Preset { name: "tiny-cnn", input: MNIST, layers: tiny_cnn },
];

/// The two convolutions of Keras's and PyTorch's MNIST examples: 1,199,882 parameters, 24 MFLOP an
/// image.
fn mnist_cnn() -> Vec<LayerSpec> {
    vec![
        Conv2d::square(32, 3).into(),
        Relu {}.into(),
        Conv2d::square(64, 3).into(),
        Relu {}.into(),
        MaxPool {}.into(),
        Dropout { rate: 0.25 }.into(),
        Flatten {}.into(),
        Dense::new(128).into(),
        Relu {}.into(),
        Dropout { rate: 0.5 }.into(),
        Dense::new(10).into(),
    ]
}

/// A net for tests: 2,530 parameters, a thousand images train in some ten milliseconds.
fn tiny_cnn() -> Vec<LayerSpec> {
    vec![
        Conv2d::square(4, 3).into(),
        Relu {}.into(),
        MaxPool {}.into(),
        MaxPool {}.into(),
        Flatten {}.into(),
        Dropout { rate: 0.1 }.into(),
        Dense::new(16).into(),
        Dense::new(10).into(),
    ]
}
