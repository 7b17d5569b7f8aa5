//! How many samples a second does one thread train, on each instruction set of this CPU?
//!
//! `cargo bench -p planaria-learn --bench training -- [seconds] [net] [instruction set] [shards]`:
//! batches of 64 as 2 shards of 32 unless told otherwise, summed, then Adam, as a pipeline does it.
//! Windows of half a second; the median is printed by the clock on the wall and by this thread's processor time (where the system
//! tells it), which other programs on the machine disturb less. GFLOP/s count the direct algorithm,
//! whatever the kernels really do.

#![allow(clippy::disallowed_methods)] // a bench reads the clock

use ndarray::{Array4, Axis, Slice};
use planaria_learn::{
    Adam, Isa, LayerSpec, Loss, Network, Optimiser, ParameterSlice, Shape, Shard, ShardGradient,
    Targets, TrainingStep, Update, Workspace,
};
use planaria_random::{Purpose, Stream};
use std::time::Instant;

const BATCH: usize = 64;
const SHARDS: usize = 2;

fn main() {
    // Cargo itself passes `--bench`.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let seconds: f64 =
        arguments.first().map_or(3.0, |text| text.parse().expect("seconds are a number"));
    let shards: usize =
        arguments.get(3).map_or(SHARDS, |text| text.parse().expect("shards are a number"));
    let name = arguments.get(1).map_or("mnist-cnn", String::as_str);
    for isa in Isa::available() {
        if arguments.get(2).is_some_and(|only| only != isa.name()) {
            continue;
        }
        let (input, layers) = Network::preset(name).expect("the net is a preset");
        let network = Network::new(input, &layers).expect("presets are nets").with_isa(isa);
        // Nobody asks for the gradient of the images: the first layer has one part of three less.
        let operations =
            3 * forward_operations(&network, layers.len()) - forward_operations(&network, 1);
        let mut training = Training::new(network, shards);
        let (wall, own) = training.run(seconds);
        let gigaflops = own * operations as f64 / 1e9;
        println!(
            "planaria-learn {name} {} 1 thread batch {BATCH} in {shards}: samples/s {wall:.0}, \
             per own-CPU-second {own:.0}, GFLOP/s {gigaflops:.0}",
            isa.name()
        );
        println!("  us a sample: {}", training.parts());
    }
}

/// A training that goes round and round on the same images.
struct Training {
    network: Network,
    workspace: Workspace,
    /// `[N, H, W, C]`.
    images: Array4<f32>,
    labels: Vec<u8>,
    gradients: Vec<ShardGradient>,
    parameters: [Vec<f32>; 2],
    state: [Vec<f32>; 2],
    step: u64,
    /// Seconds in gradients, and in their sum with the optimiser's step.
    spent: [f64; 2],
}

impl Training {
    fn new(network: Network, shards: usize) -> Self {
        let count = network.parameter_count();
        let mut stream = Stream::new(1, Purpose::Baseline, 0, 0);
        let Shape::Image { h, w, c } = network.input() else { panic!("presets take images") };
        let images = Array4::from_shape_simple_fn((BATCH, h, w, c), || stream.next_unit());
        let labels =
            (0..BATCH).map(|_| stream.next_below(network.classes() as u32) as u8).collect();
        Training {
            workspace: network.workspace(BATCH / shards),
            images,
            labels,
            gradients: (0..shards).map(|_| network.shard_gradient(BATCH / shards)).collect(),
            parameters: [network.initial_parameters(1), vec![0.0; count]],
            state: [vec![0.0; 2 * count], vec![0.0; 2 * count]],
            step: 0,
            spent: [0.0; 2],
            network,
        }
    }

    /// One batch.
    fn step(&mut self) {
        let start = Instant::now();
        let (shards, size) = (self.gradients.len(), BATCH / self.gradients.len());
        for (number, gradient) in self.gradients.iter_mut().enumerate() {
            let items: Vec<u64> = (0..size as u64).map(|i| i + (number * size) as u64).collect();
            let members = Slice::from(number * size..(number + 1) * size);
            let shard = Shard {
                images: self.images.slice_axis(Axis(0), members).into_dyn(),
                targets: Targets::Classes(&self.labels[number * size..][..size]),
                loss: &Loss::default(),
                items: &items,
                seed: 1,
                epoch: self.step as u32,
                scale: 1.0 / BATCH as f32,
                share: 1.0 / shards as f32,
            };
            let mut go_on = || Ok::<(), ()>(());
            let loss = self.network.gradient_of_shard(
                &self.parameters[0],
                &shard,
                &mut self.workspace,
                gradient,
                &mut go_on,
            );
            assert!(loss.expect("the pulse goes on").loss_sum.is_finite());
        }
        let summed = Instant::now();
        self.step += 1;
        let update = Update::from(Optimiser::Adam(Adam::default()));
        let ([old, new], [old_state, new_state]) = (&mut self.parameters, &mut self.state);
        let slice = ParameterSlice { range: 0..old.len(), old, old_state, new, new_state };
        let step = TrainingStep { number: self.step, rate_factor: 1.0, gradient_norm: None };
        let gradients: Vec<&ShardGradient> = self.gradients.iter().collect();
        let mut go_on = || Ok::<(), ()>(());
        let not_finite =
            self.network.update_from_shards(&update, &step, &gradients, slice, &mut go_on);
        assert_eq!(not_finite, Ok(None));
        self.parameters.swap(0, 1);
        self.state.swap(0, 1);
        let end = Instant::now();
        for (spent, took) in self.spent.iter_mut().zip([summed - start, end - summed]) {
            *spent += took.as_secs_f64();
        }
    }

    /// Trains for `seconds`; the medians of samples a second and samples a second of processor
    /// time.
    fn run(&mut self, seconds: f64) -> (f64, f64) {
        for _ in 0..4 {
            self.step();
        }
        (self.step, self.spent) = (0, [0.0; 2]);
        let begin = Instant::now();
        let (mut walls, mut owns) = (Vec::new(), Vec::new());
        while begin.elapsed().as_secs_f64() < seconds {
            let (window, own, mut samples) = (Instant::now(), own_seconds(), 0);
            while window.elapsed().as_secs_f64() < 0.5 {
                self.step();
                samples += BATCH;
            }
            let wall = window.elapsed().as_secs_f64();
            walls.push(samples as f64 / wall);
            owns.push(
                samples as f64 / own_seconds().zip(own).map_or(wall, |(now, then)| now - then),
            );
        }
        (median(walls), median(owns))
    }

    /// Where the time went.
    fn parts(&self) -> String {
        let samples = (self.step * BATCH as u64) as f64;
        let [gradient, update] = self.spent.map(|spent| spent * 1e6 / samples);
        format!("gradients {gradient:.1}, sums and optimiser {update:.1}")
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

/// Additions and multiplications of a forward pass through the first `layers` layers by the direct
/// algorithm.
fn forward_operations(network: &Network, layers: usize) -> usize {
    let mut before = network.input();
    let mut operations = 0;
    for (spec, after) in network.layers().iter().zip(network.shapes()).take(layers) {
        operations += match (before, spec) {
            (Shape::Image { c, .. }, LayerSpec::Conv2d(_)) => 18 * c * after.len(),
            (_, LayerSpec::Dense(dense)) => 2 * before.len() * dense.units,
            _ => 0,
        };
        before = after;
    }
    operations
}
