//! What this crate promises of whole networks: same bits, a pulse, and that they learn.

use ndarray::{Array2, ArrayD, ArrayView2, ArrayViewD, Axis, Slice, concatenate};
use planaria_learn::layer::batch_norm::BatchNorm;
use planaria_learn::layer::conv2d::Conv2d;
use planaria_learn::layer::dense::Dense;
use planaria_learn::layer::dropout::Dropout;
use planaria_learn::layer::flatten::Flatten;
use planaria_learn::layer::max_pool::MaxPool;
use planaria_learn::layer::relu::Relu;
use planaria_learn::layer::residual::Residual;
use planaria_learn::{
    Adam, Isa, LayerSpec, Loss, Network, Optimiser, ParameterSlice, Predictor, Schedule, Score,
    Sgd, Shape, Shard, Targets, TrainingStep, Workspace,
    optimiser::schedule::{Cosine, OneCycle},
    sum_shards, weights_sha256,
};
use planaria_random::{Purpose, Stream};
use proptest::prelude::*;

fn preset(name: &str) -> Network {
    let (input, layers) = Network::preset(name).unwrap();
    Network::new(input, &layers).unwrap()
}

fn go_on() -> Result<(), ()> {
    Ok(())
}

/// Samples for the net: `[count, H, W, C]` or `[count, D]`.
fn samples(network: &Network, count: usize, seed: u64) -> ArrayD<f32> {
    let mut stream = Stream::new(seed, Purpose::Baseline, 0, 0);
    let numbers: Vec<f32> =
        (0..count * network.input().len()).map(|_| stream.next_unit()).collect();
    network.input().samples(&numbers).to_owned()
}

/// Some of the samples.
fn some<'a>(samples: &'a ArrayD<f32>, range: &std::ops::Range<usize>) -> ArrayViewD<'a, f32> {
    samples.slice_axis(Axis(0), Slice::from(range.clone()))
}

fn predict(
    network: &Network,
    parameters: &[f32],
    images: ArrayViewD<f32>,
    workspace: &mut Workspace,
) -> Array2<f32> {
    let mut found = Array2::from_elem((images.shape()[0], network.classes()), f32::NAN);
    let predictor = Predictor::new(network, parameters);
    predictor.predict(images, workspace, found.view_mut(), &mut go_on).unwrap();
    found
}

/// The predictions for all images, in batches of `size`.
fn predict_in_batches(
    network: &Network,
    parameters: &[f32],
    images: &ArrayD<f32>,
    size: usize,
    workspace: &mut Workspace,
) -> Array2<f32> {
    let batches: Vec<Array2<f32>> = images
        .axis_chunks_iter(Axis(0), size)
        .map(|batch| predict(network, parameters, batch, workspace))
        .collect();
    let views: Vec<ArrayView2<f32>> = batches.iter().map(|batch| batch.view()).collect();
    concatenate(Axis(0), &views).unwrap()
}

/// A shard's gradient; samples are numbered from `first`.
fn gradient(
    network: &Network,
    parameters: &[f32],
    first: u64,
    workspace: &mut Workspace,
) -> Vec<f32> {
    let images = samples(network, 4, first);
    let items: Vec<u64> = (first..first + 4).collect();
    let shard = Shard {
        images: images.view(),
        targets: Targets::Classes(&[1, 0, 2, 1]),
        loss: &Loss::default(),
        items: &items,
        seed: 3,
        epoch: 2,
        scale: 0.25,
        share: 1.0,
    };
    let mut found = vec![f32::NAN; network.parameter_count()];
    network.gradient(parameters, &shard, workspace, &mut found, &mut go_on).unwrap();
    found
}

#[test]
fn a_prediction_has_the_same_bits_whatever_batch_it_is_in() {
    for name in ["tiny-cnn", "mnist-cnn"] {
        for isa in Isa::available() {
            let network = preset(name).with_isa(isa);
            let (parameters, images) = (network.initial_parameters(1), samples(&network, 19, 2));
            let mut workspace = network.prediction_workspace(19);
            let all = predict(&network, &parameters, images.view(), &mut workspace);
            for size in [1, 2, 3, 7, 16, 17] {
                let found =
                    predict_in_batches(&network, &parameters, &images, size, &mut workspace);
                assert_eq!(found, all, "{name} {isa:?} in batches of {size}");
            }
        }
    }
}

#[test]
fn a_net_has_the_same_bits_on_every_cpu_that_rounds_multiply_adds_once() {
    for name in ["tiny-cnn", "mnist-cnn"] {
        let results = |isa: Isa| {
            let network = preset(name).with_isa(isa);
            let (parameters, mut workspace) = (network.initial_parameters(1), network.workspace(4));
            let gradient = gradient(&network, &parameters, 0, &mut workspace);
            let images = samples(&network, 2, 2);
            let mut answers = network.prediction_workspace(2);
            (gradient, predict(&network, &parameters, images.view(), &mut answers))
        };
        let expected = results(Isa::deterministic());
        for isa in Isa::available().into_iter().filter(|isa| isa.has_common_bits()) {
            assert!(results(isa) == expected, "{name} {isa:?}");
        }
    }
}

#[test]
fn work_that_is_cut_for_the_pulse_has_the_same_bits() {
    let layers: [LayerSpec; 3] = [Dense::new(700).into(), Relu {}.into(), Dense::new(3).into()];
    let network = Network::new(Shape::Features(300), &layers).unwrap();
    let (parameters, features) = (network.initial_parameters(1), samples(&network, 90, 1));
    let mut workspace = network.prediction_workspace(90);
    let all = predict(&network, &parameters, features.view(), &mut workspace);
    assert_eq!(predict_in_batches(&network, &parameters, &features, 1, &mut workspace), all);
}

#[test]
#[should_panic(expected = "images of shape [2, 28, 28] for a net whose input is 28x28x1")]
fn images_of_another_shape_are_refused() {
    let network = preset("tiny-cnn");
    let images = ArrayD::zeros(vec![2, 28, 28]);
    predict(
        &network,
        &network.initial_parameters(1),
        images.view(),
        &mut network.prediction_workspace(2),
    );
}

#[test]
#[should_panic(expected = "images are in standard layout")]
fn images_whose_axes_were_swapped_are_refused() {
    let network = preset("tiny-cnn");
    let images = samples(&network, 2, 1).permuted_axes(vec![0, 2, 1, 3]);
    predict(
        &network,
        &network.initial_parameters(1),
        images.view(),
        &mut network.prediction_workspace(2),
    );
}

#[test]
fn a_network_may_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Network>();
    shared::<Workspace>();
}

#[test]
fn probabilities_sum_to_one() {
    let network = preset("tiny-cnn");
    let found = predict(
        &network,
        &network.initial_parameters(1),
        samples(&network, 5, 1).view(),
        &mut network.prediction_workspace(5),
    );
    assert!(found.sum_axis(Axis(1)).iter().all(|sum| (sum - 1.0).abs() < 1e-6));
}

#[test]
fn a_gradient_has_the_same_bits_in_a_new_a_used_and_an_interrupted_workspace() {
    for name in ["tiny-cnn", "mnist-cnn"] {
        for isa in Isa::available() {
            let network = preset(name).with_isa(isa);
            let parameters = network.initial_parameters(1);
            let fresh = gradient(&network, &parameters, 0, &mut network.workspace(4));
            let mut used = network.workspace(9);
            let other = gradient(&network, &network.initial_parameters(2), 100, &mut used);
            assert_ne!(other, fresh);
            assert_eq!(gradient(&network, &parameters, 0, &mut used), fresh, "{name} {isa:?} used");
            for beats in [1, 5, 20] {
                interrupt(&network, beats, &mut used);
                assert_eq!(
                    gradient(&network, &parameters, 0, &mut used),
                    fresh,
                    "{name} {isa:?} interrupted"
                );
            }
        }
    }
}

/// Stops a pass at its pulse number `beats`.
fn interrupt(network: &Network, beats: u32, workspace: &mut Workspace) {
    let images = samples(network, 9, 77);
    let (images, labels, items) = (images.view(), &[5; 9], &[7; 9]);
    let shard = Shard {
        images,
        targets: Targets::Classes(labels),
        loss: &Loss::default(),
        items,
        seed: 8,
        epoch: 9,
        scale: 100.0,
        share: 1.0,
    };
    let mut count = 0;
    let mut pulse = || {
        count += 1;
        if count == beats { Err("stop") } else { Ok(()) }
    };
    let mut found = vec![0.0; network.parameter_count()];
    let result =
        network.gradient(&network.initial_parameters(5), &shard, workspace, &mut found, &mut pulse);
    assert_eq!(result, Err("stop"));
    assert_eq!(count, beats, "nothing is computed after the pulse says stop");
}

#[test]
fn long_work_calls_the_pulse_again_and_again() {
    let network = preset("mnist-cnn");
    let images = samples(&network, 8, 1);
    let (images, labels, items) = (images.view(), &[0; 8], &[0; 8]);
    let shard = Shard {
        images,
        targets: Targets::Classes(labels),
        loss: &Loss::default(),
        items,
        seed: 0,
        epoch: 0,
        scale: 1.0,
        share: 1.0,
    };
    let mut beats = 0;
    let mut pulse = || -> Result<(), ()> {
        beats += 1;
        Ok(())
    };
    let mut found = vec![0.0; network.parameter_count()];
    network
        .gradient(
            &network.initial_parameters(1),
            &shard,
            &mut network.workspace(8),
            &mut found,
            &mut pulse,
        )
        .unwrap();
    // 8 samples of 72 million operations; the slowest path does 4 million in half a millisecond.
    assert!(beats > 8 * 72 / 4 / 4, "{beats}");
}

#[test]
fn an_empty_shard_has_no_loss_and_no_gradient() {
    let network = preset("tiny-cnn");
    let images = network.input().samples(&[]);
    let shard = Shard {
        images,
        targets: Targets::Classes(&[]),
        loss: &Loss::default(),
        items: &[],
        seed: 0,
        epoch: 0,
        scale: 1.0,
        share: 1.0,
    };
    let mut found = vec![9.0; network.parameter_count()];
    let parameters = network.initial_parameters(1);
    let loss = network
        .gradient(&parameters, &shard, &mut network.workspace(1), &mut found, &mut go_on)
        .unwrap();
    assert_eq!((loss.loss_sum, loss.correct), (0.0, 0));
    assert!(found.iter().all(|&g| g == 0.0));
}

#[test]
fn the_sum_of_shards_is_the_gradient_of_the_batch() {
    let network = preset("tiny-cnn");
    let parameters = network.initial_parameters(1);
    let images = samples(&network, 8, 3);
    let labels = [0, 1, 2, 3, 4, 5, 6, 7];
    let items = [0, 1, 2, 3, 4, 5, 6, 7];
    let mut workspace = network.workspace(8);
    let mut run = |range: std::ops::Range<usize>| {
        let shard = Shard {
            images: some(&images, &range),
            targets: Targets::Classes(&labels[range.clone()]),
            loss: &Loss::default(),
            items: &items[range],
            seed: 1,
            epoch: 0,
            scale: 0.125,
            share: 0.5,
        };
        let mut found = vec![f32::NAN; network.parameter_count()];
        network.gradient(&parameters, &shard, &mut workspace, &mut found, &mut go_on).unwrap();
        found
    };
    let (whole, parts) = (run(0..8), [run(0..3), run(3..6), run(6..8)]);
    let mut sum = vec![f32::NAN; whole.len()];
    sum_shards(&[&parts[0], &parts[1], &parts[2]], &mut sum);
    let greatest = whole.iter().fold(0.0f32, |top, g| top.max(g.abs()));
    assert!(whole.iter().zip(&sum).all(|(a, b)| (a - b).abs() < 1e-5 * greatest));
}

/// Images `[count, 8, 8, 1]` whose class is the quarter that is bright.
fn toy(count: usize, seed: u64) -> (ArrayD<f32>, Vec<u8>) {
    let mut stream = Stream::new(seed, Purpose::Baseline, 0, 1);
    let labels: Vec<u8> = (0..count).map(|_| stream.next_below(4) as u8).collect();
    let mut images = Vec::new();
    for &label in &labels {
        for place in 0..64 {
            let quarter = place / 8 / 4 * 2 + place % 8 / 4;
            let bright = if quarter == usize::from(label) { 0.5 } else { 0.0 };
            images.push(bright + 0.5 * stream.next_unit());
        }
    }
    (ArrayD::from_shape_vec(vec![count, 8, 8, 1], images).unwrap(), labels)
}

/// Trains on the toy set; the score on other images, and the weights.
fn train(network: &Network, optimiser: Optimiser, schedule: &Schedule) -> (Score, Vec<f32>) {
    let ((images, labels), count) = (toy(512, 1), network.parameter_count());
    let mut parameters = network.initial_parameters(1);
    let mut state = vec![0.0; optimiser.state_len_per_parameter() * count];
    let mut workspace = network.workspace(8);
    let items: Vec<u64> = (0..512).collect();
    for step in 0..64 {
        let parts: Vec<Vec<f32>> = (0..4)
            .map(|part| {
                let range = (step % 16) * 32 + part * 8..(step % 16) * 32 + part * 8 + 8;
                let shard = Shard {
                    images: some(&images, &range),
                    targets: Targets::Classes(&labels[range.clone()]),
                    loss: &Loss::default(),
                    items: &items[range],
                    seed: 1,
                    epoch: step as u32 / 16,
                    scale: 1.0 / 32.0,
                    share: 0.25,
                };
                let mut found = vec![0.0; count];
                network
                    .gradient(&parameters, &shard, &mut workspace, &mut found, &mut go_on)
                    .unwrap();
                found
            })
            .collect();
        let mut sum = vec![0.0; count];
        sum_shards(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut sum);
        let (mut new, mut new_state) = (parameters.clone(), state.clone());
        let step = step as u64 + 1;
        let slice = ParameterSlice {
            range: 0..count,
            old: &parameters,
            old_state: &state,
            new: &mut new,
            new_state: &mut new_state,
        };
        let rate_factor = schedule.factor(step, 64, 16);
        let step = TrainingStep { number: step, rate_factor, gradient_norm: None };
        network.update(&optimiser.into(), &step, &sum, slice);
        (parameters, state) = (new, new_state);
    }
    let (images, labels) = toy(200, 2);
    let (mut score, mut answers) = (Score::new(4), network.prediction_workspace(8));
    for (images, labels) in images.axis_chunks_iter(Axis(0), 8).zip(labels.chunks(8)) {
        score.add(predict(network, &parameters, images, &mut answers).view(), labels);
    }
    (score, parameters)
}

#[test]
fn a_small_net_learns_a_separable_set_and_comes_to_the_same_bits_twice() {
    let layers: [LayerSpec; 6] = [
        Conv2d::square(4, 3).into(),
        Relu {}.into(),
        MaxPool::default().into(),
        Flatten {}.into(),
        Dropout { rate: 0.1 }.into(),
        Dense::new(4).into(),
    ];
    let network = Network::new(Shape::Image { h: 8, w: 8, c: 1 }, &layers).unwrap();
    let adam = Optimiser::Adam(Adam { learning_rate: 0.02, ..Adam::default() });
    let sgd = Sgd { learning_rate: 0.2, momentum: 0.9, ..Sgd::default() };
    let plain = Optimiser::Sgd(Sgd { learning_rate: 0.5, ..Sgd::default() });
    let cosine = Schedule::Cosine(Cosine::default());
    let one_cycle = Schedule::OneCycle(OneCycle::default());
    for (optimiser, schedule) in
        [(adam, Schedule::Constant), (Optimiser::Sgd(sgd), cosine), (plain, one_cycle)]
    {
        let (score, parameters) = train(&network, optimiser, &schedule);
        assert!(score.accuracy() > 0.95, "{optimiser:?}: {}", score.accuracy());
        let (_, again) = train(&network, optimiser, &schedule);
        assert_eq!(weights_sha256(&parameters), weights_sha256(&again), "{optimiser:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_net_that_is_accepted_computes_finite_gradients(
        h in 1usize..20, w in 1usize..20, c in 1usize..20,
        kinds in proptest::collection::vec(0usize..6, 0..6),
        filters in 1usize..20, units in 1usize..30,
    ) {
        let layer = |kind: usize| -> LayerSpec { match kind {
            0 => Conv2d::square(filters, 3).into(),
            1 => Relu {}.into(),
            2 => MaxPool::default().into(),
            3 => BatchNorm::default().into(),
            4 => Residual { body: vec![Relu {}.into()], shortcut: vec![] }.into(),
            _ => Dropout { rate: 0.3 }.into(),
        } };
        let mut layers: Vec<LayerSpec> = kinds.into_iter().map(layer).collect();
        layers.extend([Flatten {}.into(), Dense::new(units).into(), Relu {}.into()]);
        layers.push(Dense::new(3).into());
        if let Ok(network) = Network::new(Shape::Image { h, w, c }, &layers) {
            let parameters = network.initial_parameters(1);
            let found = gradient(&network, &parameters, 0, &mut network.workspace(4));
            prop_assert!(found.iter().all(|g| g.is_finite()));
        }
    }
}
