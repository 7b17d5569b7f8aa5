//! Nets that have a name.

use crate::{LayerSpec, Shape};

/// A named net: its name, its input and its layers.
pub type Preset = (&'static str, Shape, &'static [LayerSpec]);

/// 28 rows and columns of grey.
const MNIST: Shape = Shape::Image { h: 28, w: 28, c: 1 };

/// Every net that has a name.
pub const PRESETS: [Preset; 2] = [("mnist-cnn", MNIST, &MNIST_CNN), ("tiny-cnn", MNIST, &TINY_CNN)];

/// The two convolutions of Keras's and PyTorch's MNIST examples: 1,199,882 parameters, 24 MFLOP an
/// image.
const MNIST_CNN: [LayerSpec; 11] = [
    LayerSpec::Conv2d { filters: 32 },
    LayerSpec::Relu,
    LayerSpec::Conv2d { filters: 64 },
    LayerSpec::Relu,
    LayerSpec::MaxPool,
    LayerSpec::Dropout { rate: 0.25 },
    LayerSpec::Flatten,
    LayerSpec::Dense { units: 128 },
    LayerSpec::Relu,
    LayerSpec::Dropout { rate: 0.5 },
    LayerSpec::Dense { units: 10 },
];

/// A net for tests: 2,530 parameters, a thousand images train in some ten milliseconds.
const TINY_CNN: [LayerSpec; 8] = [
    LayerSpec::Conv2d { filters: 4 },
    LayerSpec::Relu,
    LayerSpec::MaxPool,
    LayerSpec::MaxPool,
    LayerSpec::Flatten,
    LayerSpec::Dropout { rate: 0.1 },
    LayerSpec::Dense { units: 16 },
    LayerSpec::Dense { units: 10 },
];
