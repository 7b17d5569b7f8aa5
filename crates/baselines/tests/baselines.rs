//! What every baseline promises, on small tables.

use planaria_baselines::{BASELINES, Baseline, BaselineError, State, Table, accuracy};
use planaria_random::{Purpose, Stream};

/// Three clouds around the corners of a triangle; labels 1, 4 and 9, so that none is its own place.
fn clouds(rows: usize, stream: u64) -> Table {
    let mut stream = Stream::new(5, Purpose::Baseline, 0, stream);
    let mut table = Table { features: Vec::new(), labels: Vec::new(), columns: 2 };
    for row in 0..rows {
        let (label, corner) = [(1, [0.0, 0.0]), (4, [3.0, 0.0]), (9, [0.0, 3.0])][row % 3];
        table.labels.push(label);
        table.features.extend(corner.map(|middle| middle + stream.next_between(-1.0, 1.0)));
    }
    table
}

fn fit(baseline: &dyn Baseline, train: &Table, test: &Table, seed: u64) -> Vec<State> {
    let mut states: Vec<State> = Vec::new();
    for round in 0..baseline.rounds() {
        let next = baseline.round(round, states.last(), train, test, seed).unwrap();
        assert_eq!(next.rounds_done(), round + 1);
        states.push(next);
    }
    states
}

fn each(check: impl Fn(&str, &dyn Baseline)) {
    assert_eq!(BASELINES.len(), 2);
    for (name, make) in BASELINES {
        let baseline = make();
        assert!(name.starts_with(baseline.library()), "{name}");
        check(name, &*baseline);
    }
}

#[test]
fn every_baseline_learns_what_a_line_separates() {
    each(|name, baseline| {
        let (train, test) = (clouds(300, 1), clouds(90, 2));
        let states = fit(baseline, &train, &test, 1);
        let predictions = baseline.predictions(states.last().unwrap());
        let accuracy = accuracy(predictions, &test);
        assert!(accuracy > 0.97, "{name}: {accuracy}");
    });
}

#[test]
fn the_same_seed_gives_the_same_states_and_a_killed_round_is_simply_done_again() {
    each(|name, baseline| {
        let (train, test) = (clouds(120, 1), clouds(30, 2));
        let states = fit(baseline, &train, &test, 7);
        assert_eq!(states, fit(baseline, &train, &test, 7), "{name}");
        let again = baseline.round(2, Some(&states[1]), &train, &test, 7).unwrap();
        assert_eq!(again, states[2], "{name}");
    });
}

#[test]
fn another_seed_grows_another_forest() {
    let forest = BASELINES[1].1();
    let (train, test) = (clouds(120, 1), clouds(200, 2));
    assert_ne!(fit(&*forest, &train, &test, 7), fit(&*forest, &train, &test, 8));
}

#[test]
fn a_test_label_that_training_never_saw_is_wrong_but_no_error() {
    each(|name, baseline| {
        let (train, mut test) = (clouds(90, 1), clouds(30, 2));
        test.labels.fill(200);
        let states = fit(baseline, &train, &test, 1);
        assert_eq!(accuracy(baseline.predictions(&states[0]), &test), 0.0, "{name}");
    });
}

#[test]
fn tables_that_cannot_be_learnt_from_are_refused_by_name() {
    type Damage = fn(&mut Table, &mut Table);
    let cases: &[(&str, Damage)] = &[
        ("Empty { table: \"train\" }", |train, _| *train = clouds(0, 1)),
        ("Empty { table: \"test\" }", |_, test| *test = clouds(0, 1)),
        ("Empty { table: \"train\" }", |train, _| {
            (train.columns, train.features) = (0, Vec::new());
        }),
        ("Shape", |train, _| train.features.truncate(5)),
        ("Shape", |_, test| test.labels.truncate(5)),
        ("Shape", |train, _| train.columns = usize::MAX),
        ("Columns { train: 1, test: 2 }", |train, _| {
            (train.columns, train.features) = (1, vec![0.5; train.rows()]);
        }),
        ("NotFinite { table: \"train\", row: 2, column: 1 }", |train, _| {
            train.features[5] = f32::NAN;
        }),
        ("NotFinite { table: \"test\", row: 0, column: 0 }", |_, test| {
            test.features[0] = f32::INFINITY;
        }),
        ("OneClass { label: 4 }", |train, _| train.labels.fill(4)),
    ];
    each(|name, baseline| {
        for (number, (expected, damage)) in cases.iter().enumerate() {
            let (mut train, mut test) = (clouds(30, 1), clouds(30, 2));
            damage(&mut train, &mut test);
            let error = baseline.round(0, None, &train, &test, 1).unwrap_err();
            let variant = format!("{error:?}");
            assert!(variant.starts_with(expected), "{name}, case {number}: {variant}");
            assert!(!error.to_string().ends_with('.'), "{error}");
        }
    });
}

#[test]
fn a_state_of_another_round_model_or_table_is_refused() {
    let (train, test) = (clouds(60, 1), clouds(30, 2));
    each(|name, baseline| {
        let states = fit(baseline, &train, &test, 1);
        let refused = |round, state: Option<&State>, train: &Table, test: &Table| {
            let result = baseline.round(round, state, train, test, 1);
            assert!(matches!(result, Err(BaselineError::State { .. })), "{name}: {result:?}");
        };
        refused(1, None, &train, &test);
        refused(0, Some(&states[0]), &train, &test);
        refused(2, Some(&states[0]), &train, &test);
        let mut fewer = train.clone();
        fewer.labels.iter_mut().for_each(|label| *label = (*label).min(4));
        refused(1, Some(&states[0]), &fewer, &test);
        for (other, make) in BASELINES {
            if *other != name {
                let foreign = fit(&*make(), &train, &test, 1);
                refused(1, Some(&foreign[0]), &train, &test);
            }
        }
    });
}

#[test]
fn one_row_a_class_and_constant_columns_are_enough() {
    each(|name, baseline| {
        let train = Table { features: vec![1.0, 7.0, 2.0, 7.0], labels: vec![0, 1], columns: 2 };
        let states = fit(baseline, &train, &train, 1);
        assert_eq!(baseline.predictions(&states[0]).len(), 2, "{name}");
    });
}

#[test]
fn a_rare_class_that_a_tree_may_never_see_does_no_harm() {
    each(|name, baseline| {
        let mut train = clouds(3_000, 1);
        train.labels.fill(4);
        train.labels[0] = 1;
        let test = clouds(30, 2);
        let states = fit(baseline, &train, &test, 1);
        let right = baseline.predictions(states.last().unwrap());
        assert!(right.iter().filter(|&&label| label == 4).count() > 20, "{name}");
    });
}
