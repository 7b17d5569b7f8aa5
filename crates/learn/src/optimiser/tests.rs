//! What goes for every optimiser, and for all that an update does around it.

use super::*;
use crate::layer::batch_norm::BatchNorm;
use crate::layer::dense::Dense;
use crate::layer::gradient_check::numbers;
use crate::{LayerSpec, Network, Role, Shape};
use proptest::prelude::*;

/// Every optimiser with all that it can do, and plain descent.
fn rules() -> Vec<Optimiser> {
    let (weight_decay, decay_all) = (0.01, false);
    let sgd = Sgd { learning_rate: 0.1, momentum: 0.9, ..Sgd::default() };
    vec![
        Optimiser::Sgd(Sgd { learning_rate: 0.1, ..Sgd::default() }),
        Optimiser::Sgd(sgd),
        Optimiser::Sgd(Sgd { nesterov: true, weight_decay, decay_all, ..sgd }),
        Optimiser::Adam(Adam::default()),
        Optimiser::Adam(Adam { weight_decay, decay_all: true, ..Adam::default() }),
        Optimiser::AdamW(AdamW::default()),
    ]
}

/// Two dense layers: tensors of 60,000, 40, 400 and 10 numbers, so that a block of a norm ends
/// within tensors and holds several.
fn network() -> Network {
    let layers: [LayerSpec; 2] = [Dense::new(40).into(), Dense::new(10).into()];
    Network::new(Shape::Features(1_500), &layers).unwrap()
}

/// Parameters and state.
type Values = (Vec<f32>, Vec<f32>);

/// Takes one step in slices that end at `ends`; state is kept block by block of the whole.
fn step(
    network: &Network,
    update: &Update,
    number: u64,
    gradient: &[f32],
    (old, old_state): &Values,
    ends: &[usize],
) -> Values {
    let (len, blocks) = (old.len(), update.state_len_per_parameter());
    let (mut new, mut new_state) = (vec![9.0; len], vec![9.0; blocks * len]);
    let mut start = 0;
    let squares = network.squared_norms(update, 0..len, gradient);
    let gradient_norm = update.clip_norm.map(|_| gradient_norm(squares));
    for &end in ends {
        let range = start..end;
        let part: Vec<f32> =
            (0..blocks).flat_map(|i| old_state[i * len..][range.clone()].to_vec()).collect();
        let mut new_part = vec![9.0; part.len()];
        let slice = ParameterSlice {
            range: range.clone(),
            old: &old[range.clone()],
            old_state: &part,
            new: &mut new[range.clone()],
            new_state: &mut new_part,
        };
        let step = TrainingStep { number, rate_factor: 0.5, gradient_norm };
        network.update(update, &step, &gradient[range.clone()], slice);
        for i in 0..blocks {
            let block = &new_part[i * range.len()..][..range.len()];
            new_state[i * len..][range.clone()].copy_from_slice(block);
        }
        start = end;
    }
    (new, new_state)
}

/// The values that a training begins with.
fn start(network: &Network, update: &Update) -> Values {
    let parameters = network.initial_parameters(3);
    let state = vec![0.0; update.state_len_per_parameter() * parameters.len()];
    (parameters, state)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn slices_of_any_size_give_the_same_bits(
        rule in 0usize..6, mut cuts in proptest::collection::vec(0usize..60_450, 0..5),
        ema in any::<bool>(), clip in any::<bool>(), freeze in any::<bool>(),
    ) {
        let network = network();
        let update = Update {
            ema: ema.then_some(0.9),
            clip_norm: clip.then_some(1.0),
            frozen: freeze.then(|| "0.bias".to_owned()).into_iter().collect(),
            ..rules()[rule].into()
        };
        let gradient = numbers(network.parameter_count(), 1);
        let whole = [network.parameter_count()];
        cuts.sort_unstable();
        cuts.extend(whole);
        let mut values = start(&network, &update);
        for number in 1..=3 {
            let next = step(&network, &update, number, &gradient, &values, &whole);
            prop_assert_eq!(&step(&network, &update, number, &gradient, &values, &cuts), &next);
            values = next;
        }
    }

    #[test]
    fn the_norm_of_a_gradient_is_the_same_for_any_number_of_slices(cut in 0usize..16) {
        let (network, update) = (network(), Update::from(rules()[0]));
        let (len, cut) = (network.parameter_count(), cut * NORM_BLOCK);
        let gradient = numbers(len, 2);
        let squares = |range: std::ops::Range<usize>| {
            network.squared_norms(&update, range.clone(), &gradient[range])
        };
        let cut = cut.min(len);
        let (whole, parts) = (squares(0..len), [squares(0..cut), squares(cut..len)].concat());
        prop_assert_eq!(&whole, &parts);
        let plain: f64 = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum();
        prop_assert!((gradient_norm(whole) - plain.sqrt()).abs() < 1e-9);
    }
}

/// The parameters after `steps` steps along the same gradient.
fn after(network: &Network, update: &Update, gradient: &[f32], steps: u64) -> Values {
    (1..=steps).fold(start(network, update), |values, number| {
        step(network, update, number, gradient, &values, &[values.0.len()])
    })
}

#[test]
fn what_is_frozen_stays_and_counts_in_no_norm() {
    let network = network();
    let update = Update { frozen: vec!["0".into()], clip_norm: Some(0.1), ..rules()[5].into() };
    let mut gradient = numbers(network.parameter_count(), 1);
    let (before, moved) = (start(&network, &update).0, after(&network, &update, &gradient, 3).0);
    let frozen = network.parameters()[2].offset;
    assert_eq!(moved[..frozen], before[..frozen]);
    assert!(moved[frozen..].iter().zip(&before[frozen..]).all(|(new, old)| new != old));
    gradient[..frozen].fill(1e9);
    assert_eq!(after(&network, &update, &gradient, 3).0, moved);
    assert!(update.moves_something(&network));
    assert_eq!(update.unknown_frozen(&network), None);
    let all = Update { frozen: vec!["1".into(), "0".into()], ..update };
    assert!(!all.moves_something(&network));
    let unknown = Update { frozen: vec!["1.bias".into(), "1.bia".into()], ..all };
    assert_eq!(unknown.unknown_frozen(&network), Some("1.bia"));
}

#[test]
fn weights_decay_and_biases_do_so_only_when_told() {
    let network = network();
    let gradient = vec![0.0; network.parameter_count()];
    for decay_all in [false, true] {
        let sgd = Sgd { weight_decay: 0.1, decay_all, ..Sgd::default() };
        let adamw = AdamW { weight_decay: 0.1, decay_all, ..AdamW::default() };
        let adam = Adam { weight_decay: 0.1, decay_all, ..Adam::default() };
        for rule in [Optimiser::Sgd(sgd), Optimiser::Adam(adam), Optimiser::AdamW(adamw)] {
            let update = rule.into();
            let (before, moved) =
                (start(&network, &update).0, after(&network, &update, &gradient, 1).0);
            for spec in network.parameters() {
                let mut pairs =
                    moved[spec.offset..][..spec.len].iter().zip(&before[spec.offset..][..spec.len]);
                let shrinks = decay_all || spec.name.ends_with("weight");
                // Adam moves every weight by its learning rate, even over zero.
                let shrunk = match rule {
                    Optimiser::Adam(_) => pairs.all(|(new, old)| (new - old) * old < 0.0),
                    _ => pairs.all(|(new, old)| new.abs() < old.abs()),
                };
                assert_eq!(shrunk, shrinks, "{rule:?} {}", spec.name);
            }
        }
    }
}

#[test]
fn a_long_gradient_is_shortened_and_a_short_one_is_not() {
    let network = network();
    let gradient = numbers(network.parameter_count(), 1);
    let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt() as f32;
    let bare = Update::from(rules()[0]);
    let moved = |update: &Update, gradient: &[f32]| after(&network, update, gradient, 1).0;
    let clipped = Update { clip_norm: Some(norm / 4.0), ..bare.clone() };
    let quarter: Vec<f32> = gradient.iter().map(|g| g / 4.0).collect();
    for (found, want) in moved(&clipped, &gradient).iter().zip(moved(&bare, &quarter)) {
        assert!((found - want).abs() < 1e-6);
    }
    let roomy = Update { clip_norm: Some(norm * 1.001), ..bare.clone() };
    assert_eq!(moved(&roomy, &gradient), moved(&bare, &gradient));
}

#[test]
fn the_average_begins_with_the_first_weights_and_follows_the_others() {
    let network = network();
    let gradient = numbers(network.parameter_count(), 1);
    for rule in rules() {
        let update = Update { ema: Some(0.75), ..rule.into() };
        let (first, state) = after(&network, &update, &gradient, 1);
        assert_eq!(update.average(&state).unwrap(), first, "{rule:?}");
        let (second, state) = after(&network, &update, &gradient, 2);
        let average = update.average(&state).unwrap();
        for ((average, first), second) in average.iter().zip(first).zip(second) {
            assert!((average - (0.75 * first + 0.25 * second)).abs() < 1e-6, "{rule:?}");
        }
        assert_eq!(Update::from(rule).average(&state), None);
    }
}

#[test]
fn statistics_average_the_batches_and_neither_decay_nor_count_in_a_norm() {
    let layers = [Dense::new(40).into(), BatchNorm::default().into(), Dense::new(10).into()];
    let network = Network::new(Shape::Features(20), &layers).unwrap();
    let update = Update {
        clip_norm: Some(1.0),
        ema: Some(0.5),
        ..Optimiser::AdamW(AdamW { decay_all: true, ..AdamW::default() }).into()
    };
    let mut gradient = numbers(network.parameter_count(), 1);
    let (before, moved) = (start(&network, &update).0, after(&network, &update, &gradient, 1).0);
    let statistics = network.parameters().iter().filter_map(|spec| match spec.role {
        Role::Statistic { momentum } => Some((spec.range(), momentum)),
        _ => None,
    });
    let statistics: Vec<_> = statistics.collect();
    assert_eq!(statistics.len(), 2);
    for (range, momentum) in statistics {
        for at in range.clone() {
            let expected = before[at] + momentum * (gradient[at] - before[at]);
            assert!((moved[at] - expected).abs() < 1e-6, "{at}");
        }
        gradient[range].fill(1e6);
    }
    let squares = network.squared_norms(&update, 0..gradient.len(), &gradient);
    assert!(gradient_norm(squares) < 100.0);
}

/// Parameters of a net so small that all of it can be looked at: one weight and one bias.
fn tiny() -> Network {
    Network::new(Shape::Features(1), &[Dense::new(1).into()]).unwrap()
}

#[test]
fn first_step_of_adam_moves_every_weight_by_the_learning_rate() {
    let (network, update) = (tiny(), Update::from(Optimiser::Adam(Adam::default())));
    let (old, state) = (vec![0.0; 2], vec![0.0; 4]);
    let (new, _) = step(&network, &update, 1, &[-0.01, 50.0], &(old, state), &[2]);
    // The factor is a half.
    assert!((new[0] - 5e-4).abs() < 1e-8 && (new[1] + 5e-4).abs() < 1e-8, "{new:?}");
}

#[test]
fn momentum_adds_up_over_steps() {
    let network = tiny();
    let sgd = Sgd { learning_rate: 0.2, momentum: 0.9, ..Sgd::default() };
    let run = |sgd| {
        let update = Optimiser::Sgd(sgd).into();
        (1..=2).fold((vec![1.0; 2], vec![0.0; 2]), |values, number| {
            step(&network, &update, number, &[1.0; 2], &values, &[2])
        })
    };
    // m = 1, then 1.9: 1 - 0.1 * 1 - 0.1 * 1.9
    let (weights, state) = run(sgd);
    assert!((weights[0] - 0.71).abs() < 1e-6 && (state[0] - 1.9).abs() < 1e-6);
    // 1 - 0.1 * (1 + 0.9 * 1) - 0.1 * (1 + 0.9 * 1.9)
    let (weights, _) = run(Sgd { nesterov: true, ..sgd });
    assert!((weights[0] - 0.539).abs() < 1e-6, "{weights:?}");
}

#[test]
fn moments_of_a_dead_gradient_end_at_zero_and_not_in_denormals() {
    let (network, update) = (tiny(), Update::from(rules()[3]));
    let mut values = (vec![0.5; 2], vec![1e-30; 4]);
    for number in 1..2_000 {
        values = step(&network, &update, number, &[0.0; 2], &values, &[2]);
        assert!(values.1.iter().all(|x| *x == 0.0 || x.is_normal()));
    }
    assert!(values.1.iter().all(|&x| x == 0.0));
}

#[test]
fn a_gradient_that_is_not_a_number_shows_in_the_weights() {
    let network = tiny();
    for rule in rules() {
        for clip_norm in [None, Some(1.0)] {
            let update = Update { clip_norm, ..rule.into() };
            let state = vec![0.0; 2 * update.state_len_per_parameter()];
            let values = (vec![1.0; 2], state);
            let (new, _) = step(&network, &update, 1, &[f32::NAN, 0.0], &values, &[2]);
            assert!(new[0].is_nan(), "{update:?}");
        }
    }
}

#[test]
fn every_optimiser_is_written_under_its_name_and_its_settings_default_to_those_of_pytorch() {
    for (name, optimiser) in OPTIMISERS {
        let json = serde_json::to_value(optimiser()).unwrap();
        assert_eq!(json["kind"], name);
        let bare = serde_json::json!({ "kind": name });
        assert_eq!(serde_json::from_value::<Optimiser>(bare).unwrap(), optimiser());
        let strange = serde_json::json!({ "kind": name, "rate": 1 });
        assert!(serde_json::from_value::<Optimiser>(strange).is_err(), "{name}");
    }
    let found: Optimiser = serde_json::from_str(r#"{"kind":"sgd","learning_rate":0.1}"#).unwrap();
    assert_eq!(found, rules()[0]);
}
