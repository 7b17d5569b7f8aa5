//! How many samples a second does one thread predict, with floats and with bytes?
//!
//! `cargo bench -p planaria-learn --bench inference -- [seconds] [net] [instruction set]`: batches of
//! 64 and of 1, on random images. Turns of a quarter of a second, floats and bytes one after the
//! other; the medians are printed by the clock on the wall and by this thread's processor time
//! (where the system tells it).
//!
//! `... -- once NET|MODEL ISA BATCH SECONDS f32|bf16|int8 [IMAGES]`: one turn, as
//! `benches/inference_against_onnxruntime.py` asks for it: samples per own-CPU-second, on random
//! numbers or on images as MNIST has them (not compressed).

#![allow(clippy::disallowed_methods)] // a bench reads the clock

use ndarray::{Array2, Axis};
use planaria_learn::model_file::{Precision, decode};
use planaria_learn::{Isa, LayerSpec, Network, Predictor, Quantised, Shape, Workspace};
use planaria_random::{Purpose, Stream};
use std::time::Instant;

fn main() {
    // Cargo itself passes `--bench`.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if let [mode, name, isa, batch, seconds, kind, images @ ..] = &*arguments
        && mode == "once"
    {
        let isa = Isa::named(isa).expect("the CPU has the instruction set");
        let (network, parameters) = net(name, isa);
        let batch = batch.parse().expect("a batch is a number");
        let images = match images.first() {
            Some(path) => pictures(&std::fs::read(path).expect("the images are there")),
            None => random(&network, batch),
        };
        let mut turns = Turns::new(predictor(&network, parameters, kind, &images), batch);
        turns.run(&images, seconds.parse().expect("seconds are a number"));
        return println!("{:.1}", turns.owns[0]);
    }
    let seconds: f64 =
        arguments.first().map_or(3.0, |text| text.parse().expect("seconds are a number"));
    for (name, network) in nets() {
        if arguments.get(1).is_some_and(|only| only != name) {
            continue;
        }
        for isa in Isa::available() {
            if arguments.get(2).is_some_and(|only| only != isa.name()) {
                continue;
            }
            for batch in [64, 1] {
                compare(name, &network(isa), batch, seconds);
            }
        }
    }
}

type Make = Box<dyn Fn(Isa) -> Network>;

/// Nets by name: whole ones, and some of one kind of layer.
fn nets() -> Vec<(&'static str, Make)> {
    fn net(input: Shape, layers: &'static str) -> Make {
        Box::new(move |isa| {
            let layers: Vec<LayerSpec> = serde_json::from_str(layers).expect("layers are JSON");
            Network::new(input, &layers).expect("the layers make a net").with_isa(isa)
        })
    }
    fn preset(name: &'static str) -> (&'static str, Make) {
        let make = move |isa| {
            let (input, layers) = Network::preset(name).expect("the net is a preset");
            Network::new(input, &layers).expect("presets are nets").with_isa(isa)
        };
        (name, Box::new(make))
    }
    let image = Shape::Image { h: 16, w: 16, c: 64 };
    vec![
        preset("mnist-cnn"),
        preset("lenet5"),
        preset("cifar-cnn"),
        (
            "dense",
            net(
                Shape::Features(784),
                r#"[{"kind":"dense","units":1024},{"kind":"relu"},{"kind":"dense","units":1024},
                {"kind":"relu"},{"kind":"dense","units":10}]"#,
            ),
        ),
        (
            "conv-3x3",
            net(
                image,
                r#"[{"kind":"conv2d","filters":64,"padding":1},{"kind":"relu"},
                {"kind":"conv2d","filters":64,"padding":1},{"kind":"relu"},{"kind":"max-pool"},
                {"kind":"max-pool"},{"kind":"flatten"},{"kind":"dense","units":10}]"#,
            ),
        ),
        (
            "conv-3x3-stride-2",
            net(
                image,
                r#"[{"kind":"conv2d","filters":128,"stride":2},{"kind":"relu"},
                {"kind":"conv2d","filters":128,"stride":2},{"kind":"relu"},
                {"kind":"flatten"},{"kind":"dense","units":10}]"#,
            ),
        ),
        (
            "conv-1x1",
            net(
                image,
                r#"[{"kind":"conv2d","filters":128,"kernel":1},{"kind":"relu"},
                {"kind":"conv2d","filters":64,"kernel":1},{"kind":"relu"},{"kind":"max-pool"},
                {"kind":"max-pool"},{"kind":"flatten"},{"kind":"dense","units":10}]"#,
            ),
        ),
    ]
}

/// A net of the table with some weights, or that of a model file with its own.
fn net(name: &str, isa: Isa) -> (Network, Vec<f32>) {
    if name.ends_with(".safetensors") {
        let bytes = std::fs::read(name).expect("the model is there");
        let (network, file) = decode(&bytes).expect("the model can be read");
        return (network.with_isa(isa), file.parameters);
    }
    let mut nets = nets();
    nets.retain(|(net, _)| *net == name);
    let network = (nets.first().expect("the net is one of the table").1)(isa);
    let parameters = network.initial_parameters(1);
    (network, parameters)
}

/// Random images of one batch.
fn random(network: &Network, batch: usize) -> Array2<f32> {
    let mut stream = Stream::new(1, Purpose::Baseline, 0, 0);
    Array2::from_shape_simple_fn((batch, network.input().len()), || stream.next_unit())
}

/// The first 960 images of a file as MNIST has them, standardised.
fn pictures(file: &[u8]) -> Array2<f32> {
    let pixels =
        file[16..].iter().take(960 * 784).map(|byte| (f32::from(*byte) / 255.0 - 0.1307) / 0.3081);
    Array2::from_shape_vec((960, 784), pixels.collect()).expect("there are so many images")
}

/// The net with some weights: as floats, as floats that were stored in 16 bits, or with bytes
/// calibrated on `images`.
fn predictor(
    network: &Network,
    mut parameters: Vec<f32>,
    kind: &str,
    images: &Array2<f32>,
) -> Predictor {
    if kind == "int8" {
        let samples = network.input().samples(images.as_slice().expect("images are contiguous"));
        let mut go_on = || Ok::<(), ()>(());
        let net = Quantised::calibrate(network, &parameters, samples, &mut go_on);
        return net.expect("the pulse goes on").expect("the net can be calibrated").predictor();
    }
    let precision = Precision::named(kind).expect("f32, bf16, f16 or int8");
    parameters.iter_mut().for_each(|value| *value = precision.rounded(*value));
    Predictor::new(network, &parameters)
}

/// Prints one line: floats, bytes, and how many times as fast they are.
fn compare(name: &str, network: &Network, batch: usize, seconds: f64) {
    let images = random(network, batch);
    let mut turns = ["f32", "int8"].map(|kind| {
        let parameters = network.initial_parameters(1);
        Turns::new(predictor(network, parameters, kind, &images), batch)
    });
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < seconds {
        for turns in &mut turns {
            turns.run(&images, 0.25);
        }
    }
    let [float, bytes] = turns.map(|turns| [median(turns.walls), median(turns.owns)]);
    println!(
        "planaria-learn {name} {} 1 thread batch {batch}: samples/s f32 {:.0}, int8 {:.0}; per \
         own-CPU-second f32 {:.0}, int8 {:.0}, x {:.2}",
        network.isa().name(),
        float[0],
        bytes[0],
        float[1],
        bytes[1],
        bytes[1] / float[1],
    );
}

/// A predictor, and its samples a second by wall clock and by processor time.
struct Turns {
    predictor: Predictor,
    workspace: Workspace,
    found: Array2<f32>,
    walls: Vec<f64>,
    owns: Vec<f64>,
}

impl Turns {
    fn new(predictor: Predictor, batch: usize) -> Self {
        let (workspace, classes) = (predictor.workspace(batch), predictor.classes());
        let found = Array2::zeros((batch, classes));
        Turns { predictor, workspace, found, walls: Vec::new(), owns: Vec::new() }
    }

    /// Predicts for `seconds`, batch after batch of the images.
    fn run(&mut self, images: &Array2<f32>, seconds: f64) {
        let mut batches = images.axis_chunks_iter(Axis(0), self.found.nrows()).cycle();
        let (begin, own, mut samples) = (Instant::now(), own_seconds(), 0);
        while begin.elapsed().as_secs_f64() < seconds {
            for images in batches.by_ref().take(10) {
                let images = images.to_slice().expect("images are contiguous");
                let mut go_on = || Ok::<(), ()>(());
                let images = self.predictor.input().samples(images);
                let found = self.found.view_mut();
                let done = self.predictor.predict(images, &mut self.workspace, found, &mut go_on);
                done.expect("the pulse goes on");
                samples += self.found.nrows();
            }
        }
        let wall = begin.elapsed().as_secs_f64();
        let own = own_seconds().zip(own).map_or(wall, |(now, then)| now - then);
        self.walls.push(samples as f64 / wall);
        self.owns.push(samples as f64 / own);
    }
}

/// This thread's processor time, where the system tells it.
fn own_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
