//! Writes every preset, and small nets of every layer, in all formats, and what they answer to a
//! few images: `tests/check_formats.py` compares it with PyTorch and onnxruntime.
//!
//! ```sh
//! cargo run --release -p planaria-learn --example write_formats -- FOLDER
//! ```

use ndarray::{Array2, ArrayD};
use planaria_learn::layer::average_pool::AveragePool;
use planaria_learn::layer::global_pool::{GlobalPool, Take};
use planaria_learn::layer::{
    batch_norm::BatchNorm, concat::Concat, conv1d::Conv1d, conv2d::Conv2d, dense::Dense,
    embedding::Embedding, flatten::Flatten, gelu::Approximate, gelu::Gelu, layer_norm::LayerNorm,
    max_pool::MaxPool, pair::Pair, relu::Relu, residual::Residual, sigmoid::Sigmoid, silu::Silu,
    softmax::Softmax, tanh::Tanh,
};
use planaria_learn::model_file::{self, Packing, npy::Npy, npz, onnx};
use planaria_learn::{LayerSpec, Network, PRESETS, Predictor, Shape};
use planaria_random::{Purpose, Stream};
use std::collections::BTreeMap;
use std::path::Path;

/// How many images each net answers.
const IMAGES: usize = 5;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let folder = std::env::args().nth(1).ok_or("name a folder: it must be there")?;
    let presets = PRESETS.iter();
    let mut nets: Vec<_> =
        presets.map(|preset| (preset.name, preset.input, (preset.layers)())).collect();
    nets.extend(small_nets());
    for (name, input, layers) in nets {
        write(Path::new(&folder), name, input, &layers)?;
    }
    Ok(())
}

/// Nets that show what presets do not: every layer, blocks in blocks, features in every order.
fn small_nets() -> Vec<(&'static str, Shape, Vec<LayerSpec>)> {
    let image = Shape::Image { h: 9, w: 8, c: 3 };
    vec![
        ("small-blocks", image, blocks()),
        ("small-smooth", image, smooth()),
        ("small-features", Shape::Features(7), vec![dense(5), Relu {}.into(), dense(3)]),
        ("small-words", Shape::Features(6), words(Flatten {}.into())),
        ("small-words-pooled", Shape::Features(6), words(GlobalPool { take: Take::Max }.into())),
    ]
}

fn dense(units: usize) -> LayerSpec {
    Dense::new(units).into()
}

fn norm() -> LayerSpec {
    BatchNorm { epsilon: 1e-3, ..BatchNorm::default() }.into()
}

fn side_by_side(layers: Vec<LayerSpec>) -> LayerSpec {
    Concat { branches: vec![Vec::new(), layers] }.into()
}

fn blocks() -> Vec<LayerSpec> {
    let relu = || LayerSpec::from(Relu {});
    let within = Residual { body: vec![norm(), relu()], shortcut: Vec::new() };
    let block = Residual { body: vec![within.into(), norm()], shortcut: vec![norm()] };
    vec![
        Conv2d { padding: Pair([1, 0]), stride: Pair([1, 2]), ..Conv2d::square(4, 3) }.into(),
        block.into(),
        side_by_side(vec![norm(), relu()]),
        MaxPool { padding: Pair([1, 0]), ..MaxPool::default() }.into(),
        Flatten {}.into(),
        relu(),
        Dense { units: 6, bias: false }.into(),
        side_by_side(vec![dense(3)]),
        dense(4),
    ]
}

fn words(end: LayerSpec) -> Vec<LayerSpec> {
    vec![
        Embedding { ids: 2, channels: 3 }.into(),
        LayerNorm::default().into(),
        Conv1d { stride: 2, padding: 1, bias: false, ..Conv1d::new(4, 3) }.into(),
        end,
        dense(4),
    ]
}

fn smooth() -> Vec<LayerSpec> {
    let (kernel, stride) = (Pair::same(2), Some(Pair::same(1)));
    let windows = AveragePool { kernel, stride, padding: Pair([1, 0]), count_padding: true };
    vec![
        AveragePool { count_padding: false, ..windows }.into(),
        windows.into(),
        Conv2d { groups: 3, bias: false, ..Conv2d::square(6, 2) }.into(),
        LayerNorm::default().into(),
        Gelu::default().into(),
        Softmax {}.into(),
        Flatten {}.into(),
        norm(),
        LayerNorm { epsilon: 1e-3 }.into(),
        Gelu { approximate: Approximate::Tanh }.into(),
        Silu {}.into(),
        dense(6),
        Sigmoid {}.into(),
        Tanh {}.into(),
        dense(3),
    ]
}

fn write(folder: &Path, name: &str, input: Shape, layers: &[LayerSpec]) -> Result<(), Error> {
    let network = Network::new(input, layers)?;
    let parameters = parameters(&network);
    let metadata = BTreeMap::from([("preprocessing".to_owned(), "{}".to_owned())]);
    let file = |ending: &str| folder.join(format!("{name}.{ending}"));
    let safetensors = model_file::encode(&network, &parameters, &metadata)?;
    std::fs::write(file("safetensors"), safetensors)?;
    std::fs::write(file("onnx"), onnx::encode(&network, &parameters, &metadata)?)?;
    let arrays = npz::encode_parameters(Packing::Deflated, &network, &parameters)?;
    std::fs::write(file("npz"), arrays)?;

    let mut numbers = uniform(u64::MAX, IMAGES * input.len(), 0.0, 1.0);
    if let Some(LayerSpec::Embedding(_)) = layers.first() {
        numbers.iter_mut().for_each(|number| *number = number.round());
    }
    let images = input.samples(&numbers);
    let mut probabilities = Array2::zeros((IMAGES, network.classes()));
    let predictor = Predictor::new(&network, &parameters);
    let (mut workspace, mut pulse) = (predictor.workspace(IMAGES), || Ok::<(), ()>(()));
    let answered =
        predictor.predict(images.view(), &mut workspace, probabilities.view_mut(), &mut pulse);
    answered.expect("the pulse stops nothing");
    std::fs::write(file("images.npy"), Npy::F32(images.to_owned()).encode())?;
    let probabilities: ArrayD<f32> = probabilities.into_dyn();
    Ok(std::fs::write(file("probabilities.npy"), Npy::F32(probabilities).encode())?)
}

/// First weights, but what is one or zero in every new net is something else here.
fn parameters(network: &Network) -> Vec<f32> {
    let mut parameters = network.initial_parameters(1);
    for (number, spec) in network.parameters().iter().enumerate() {
        let values = &mut parameters[spec.offset..][..spec.len];
        if values.iter().all(|value| *value == values[0]) {
            values.copy_from_slice(&uniform(number as u64, spec.len, 0.5, 1.5));
        }
    }
    parameters
}

/// Numbers from `least` to `most`, always the same for an item.
fn uniform(item: u64, len: usize, least: f32, most: f32) -> Vec<f32> {
    let mut stream = Stream::new(7, Purpose::Initialise, 0, item);
    (0..len).map(|_| stream.next_between(least, most)).collect()
}
