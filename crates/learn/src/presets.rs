//! Nets that have a name.

use crate::layer::{Build, batch_norm::BatchNorm, pair::Pair, residual::Residual};
use crate::layer::{conv2d::Conv2d, dense::Dense, dropout::Dropout, flatten::Flatten};
use crate::layer::{global_pool::GlobalPool, max_pool::MaxPool, relu::Relu};
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

/// 32 rows and columns of colour.
const CIFAR: Shape = Shape::Image { h: 32, w: 32, c: 3 };

/// Every net that has a name.
pub const PRESETS: &[Preset] = &[
    Preset { name: "mnist-cnn", input: MNIST, layers: mnist_cnn },
    Preset { name: "lenet5", input: MNIST, layers: lenet5 },
    Preset { name: "cifar-cnn", input: CIFAR, layers: cifar_cnn },
    Preset { name: "mnist-small", input: MNIST, layers: mnist_small },
    Preset { name: "mnist-res", input: MNIST, layers: mnist_res },
    Preset { name: "cifar-res", input: CIFAR, layers: cifar_res },
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
        MaxPool::default().into(),
        Dropout { rate: 0.25 }.into(),
        Flatten {}.into(),
        Dense::new(128).into(),
        Relu {}.into(),
        Dropout { rate: 0.5 }.into(),
        Dense::new(10).into(),
    ]
}

/// LeNet-5 with ReLU and max-pooling, and all maps of the first convolution in the second: 61,706
/// parameters.
///
/// Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998.
fn lenet5() -> Vec<LayerSpec> {
    vec![
        Conv2d { padding: Pair::same(2), ..Conv2d::square(6, 5) }.into(),
        Relu {}.into(),
        MaxPool::example().into(),
        Conv2d::square(16, 5).into(),
        Relu {}.into(),
        MaxPool::example().into(),
        Flatten {}.into(),
        Dense::new(120).into(),
        Relu {}.into(),
        Dense::new(84).into(),
        Relu {}.into(),
        Dense::new(10).into(),
    ]
}

/// A small residual net for CIFAR-10, in the manner of ResNet-9: 483,370 parameters, and 1,216
/// running statistics.
fn cifar_cnn() -> Vec<LayerSpec> {
    let end = vec![Flatten {}.into(), Dense::new(10).into()];
    [
        normalised(32),
        normalised(64),
        vec![pool()],
        block(64),
        normalised(128),
        vec![pool()],
        block(128),
        vec![pool()],
        end,
    ]
    .concat()
}

/// Three normalised convolutions that learn fast: 99 % of MNIST within an epoch. 62,378 parameters
/// and statistics, 15 MFLOP an image.
fn mnist_small() -> Vec<LayerSpec> {
    let end = vec![pool(), Flatten {}.into(), Dense::new(10).into()];
    [pooled(32), pooled(64), normalised(64), end].concat()
}

/// A residual net for MNIST: 86 MFLOP an image.
fn mnist_res() -> Vec<LayerSpec> {
    let end = vec![pool(), Flatten {}.into(), Dropout { rate: 0.3 }.into(), Dense::new(10).into()];
    [
        normalised(32),
        pooled(32),
        normalised(64),
        block(64),
        vec![pool()],
        normalised(128),
        block(128),
        end,
    ]
    .concat()
}

/// A residual net for CIFAR-10, in the manner of ResNet-9 with narrower layers, the greatest of a
/// cell taken before it is normalised: 0.28 GFLOP an image.
///
/// The mean of each channel goes into the last layer, as in ResNet. With the greatest instead, which
/// ResNet-9 scales by an eighth, the first steps at a high rate throw the net so far off that it
/// learns half as much.
///
/// Sources: He et al., arXiv:1512.03385; David Page, "How to train your ResNet", 2018.
fn cifar_res() -> Vec<LayerSpec> {
    let end = vec![GlobalPool::example().into(), Flatten {}.into(), Dense::new(10).into()];
    [normalised(32), pooled(80), block(80), pooled(160), pooled(320), block(320), end].concat()
}

/// The greatest of each 2x2 cell.
fn pool() -> LayerSpec {
    MaxPool::example().into()
}

/// Two normalised convolutions, and what they were given added to what they give.
fn block(filters: usize) -> Vec<LayerSpec> {
    let body = [normalised(filters), normalised(filters)].concat();
    vec![Residual { body, shortcut: Vec::new() }.into()]
}

/// As [`normalised`], with the greatest of each 2x2 cell alone: a quarter of the numbers to
/// normalise.
fn pooled(filters: usize) -> Vec<LayerSpec> {
    let mut layers = normalised(filters);
    layers.insert(1, pool());
    layers
}

/// A 3x3 convolution that keeps the image's sides, batch normalisation and ReLU.
fn normalised(filters: usize) -> Vec<LayerSpec> {
    let same = Conv2d { padding: Pair::same(1), bias: false, ..Conv2d::square(filters, 3) };
    vec![same.into(), BatchNorm::default().into(), Relu {}.into()]
}

/// A net for tests: 2,530 parameters, a thousand images train in some ten milliseconds.
fn tiny_cnn() -> Vec<LayerSpec> {
    vec![
        Conv2d::square(4, 3).into(),
        Relu {}.into(),
        MaxPool::default().into(),
        MaxPool::default().into(),
        Flatten {}.into(),
        Dropout { rate: 0.1 }.into(),
        Dense::new(16).into(),
        Dense::new(10).into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, Role};

    /// The net, and how many parameters it has that are learnt.
    fn network(name: &str) -> (Network, usize) {
        let (input, layers) = Network::preset(name).unwrap();
        let network = Network::new(input, &layers).unwrap();
        let learnt = network.parameters().iter();
        let learnt = learnt.filter(|spec| !matches!(spec.role, Role::Statistic { .. }));
        let count = learnt.map(|spec| spec.len).sum();
        (network, count)
    }

    #[test]
    fn lenet5_has_the_parameters_of_its_model() {
        let (network, learnt) = network("lenet5");
        assert_eq!((network.parameter_count(), learnt), (61_706, 61_706));
        assert_eq!(network.shapes()[5], Shape::Image { h: 5, w: 5, c: 16 });
        let names: Vec<&str> = network.parameters().iter().map(|spec| spec.name.as_str()).collect();
        let layers = ["0", "3", "7", "9", "11"];
        let expected = layers.map(|layer| [format!("{layer}.weight"), format!("{layer}.bias")]);
        assert_eq!(names, expected.concat());
    }

    #[test]
    fn cifar_cnn_has_the_parameters_of_its_model() {
        let (network, learnt) = network("cifar-cnn");
        assert_eq!((network.parameter_count(), learnt), (484_586, 483_370));
        let last_image = network.shapes()[network.shapes().len() - 3];
        assert_eq!(last_image, Shape::Image { h: 4, w: 4, c: 128 });
        let weights = network.parameters().iter().filter(|spec| spec.role == Role::Weight);
        let names: Vec<&str> = weights.map(|spec| spec.name.as_str()).collect();
        let expected = [
            "0.weight",
            "3.weight",
            "7.body.0.weight",
            "7.body.3.weight",
            "8.weight",
            "12.body.0.weight",
            "12.body.3.weight",
            "15.weight",
        ];
        assert_eq!(names, expected);
        let norm = network.parameters().iter().filter(|spec| spec.name.starts_with("7.body.1."));
        let norm: Vec<&str> = norm.map(|spec| &spec.name["7.body.1.".len()..]).collect();
        assert_eq!(norm, ["weight", "bias", "running_mean", "running_var"]);
    }
}
