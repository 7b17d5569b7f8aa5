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

/// Noise in columns of very different scales, of five classes: whatever a model makes of it hangs by a hair.
fn noise(rows: usize, stream: u64) -> Table {
    let mut stream = Stream::new(1, Purpose::Baseline, 0, stream);
    let labels = (0..rows).map(|_| stream.next_below(5) as u8).collect();
    let scale = |at: usize| 1.5f32.powi((at % 20) as i32 - 10);
    let features = (0..rows * 20).map(|at| scale(at) * stream.next_between(-1.0, 1.0)).collect();
    Table { features, labels, columns: 20 }
}

/// The states after each round.
fn fit(baseline: &Baseline, train: &Table, seed: u64) -> Vec<State> {
    let mut states: Vec<State> = Vec::new();
    for round in 0..baseline.rounds() {
        let next = baseline.round(round, states.last(), train, seed).unwrap();
        assert_eq!(next.rounds_done(), round + 1);
        states.push(next);
    }
    states
}

/// The labels of all rows of `test`, after a fit on `train`.
fn learnt(baseline: &Baseline, train: &Table, test: &Table) -> Vec<u8> {
    let states = fit(baseline, train, 1);
    baseline.predict(states.last().unwrap(), test, 0..test.rows()).unwrap()
}

#[test]
fn every_baseline_has_a_name_of_its_own_that_begins_with_its_library() {
    for (number, baseline) in BASELINES.iter().enumerate() {
        assert!(baseline.key.starts_with(baseline.library), "{}", baseline.key);
        assert!(baseline.rounds() > 0, "{}", baseline.key);
        let found = Baseline::find(baseline.key).unwrap();
        assert!(std::ptr::eq(found, &raw const BASELINES[number]), "{} twice", baseline.key);
    }
    assert!(Baseline::find("linfa").is_none());
    for library in ["linfa", "smartcore"] {
        assert!(BASELINES.iter().filter(|baseline| baseline.library == library).count() >= 5);
    }
}

#[test]
fn every_baseline_learns_what_lines_separate() {
    let (train, test) = (clouds(300, 1), clouds(90, 2));
    for baseline in BASELINES {
        let accuracy = accuracy(&learnt(baseline, &train, &test), &test.labels);
        assert!(accuracy > 0.97, "{}: {accuracy}", baseline.key);
    }
}

#[test]
fn the_same_seed_gives_the_same_states_and_a_killed_round_is_simply_done_again() {
    for baseline in BASELINES {
        let train = noise(300, 1);
        let states = fit(baseline, &train, 7);
        assert_eq!(states, fit(baseline, &train, 7), "{}", baseline.key);
        let last = states.len() - 1;
        let before = last.checked_sub(1).map(|before| &states[before]);
        let again = baseline.round(last as u32, before, &train, 7).unwrap();
        assert_eq!(again, states[last], "{}", baseline.key);
    }
}

#[test]
fn the_same_state_gives_the_same_predictions_on_any_thread_and_in_any_blocks() {
    let (train, test) = (noise(300, 1), noise(40, 2));
    for baseline in BASELINES {
        let states = fit(baseline, &train, 7);
        let state = states.last().unwrap();
        let whole = baseline.predict(state, &test, 0..40).unwrap();
        let blocks = [0..1, 1..25, 25..40].map(|part| {
            let ask = || baseline.predict(state, &test, part).unwrap();
            std::thread::scope(|scope| scope.spawn(ask).join().unwrap())
        });
        assert_eq!(blocks.concat(), whole, "{}", baseline.key);
    }
}

#[test]
fn every_round_adds_to_what_the_rounds_before_have_learnt() {
    let train = noise(300, 1);
    for baseline in BASELINES {
        for pair in fit(baseline, &train, 3).windows(2) {
            let grown = pair[0].model_bytes() <= pair[1].model_bytes();
            assert!(pair[0] != pair[1] && grown, "{}", baseline.key);
        }
    }
}

#[test]
fn those_that_draw_learn_something_else_from_another_seed() {
    let train = noise(300, 1);
    let drawing = ["linfa-pca-k-means", "smartcore-random-forest", "smartcore-extra-trees"];
    for baseline in BASELINES {
        let (one, other) = (fit(baseline, &train, 7), fit(baseline, &train, 8));
        let draws = drawing.contains(&baseline.key) || baseline.key == "smartcore-svc";
        assert_eq!(one.last() != other.last(), draws, "{}", baseline.key);
    }
}

#[test]
fn a_model_with_a_limit_looks_at_no_row_beyond_it() {
    for baseline in BASELINES {
        let Some(max) = baseline.rows_max else {
            assert_eq!(baseline.rows_used(1_000_000), 1_000_000, "{}", baseline.key);
            continue;
        };
        assert_eq!(baseline.rows_used(max.rows + 1), max.rows, "{}", baseline.key);
        assert_eq!(baseline.rows_used(7), 7, "{}", baseline.key);
        assert!(max.why.len() > 10, "{}", baseline.key);
        let mut train = clouds(max.rows + 30, 1);
        let cut = |table: &Table| Table {
            features: table.features[..max.rows * 2].to_vec(),
            labels: table.labels[..max.rows].to_vec(),
            columns: 2,
        };
        let state = baseline.round(0, None, &cut(&train), 1).unwrap();
        train.features[max.rows * 2..].fill(f32::NAN);
        assert_eq!(baseline.round(0, None, &train, 1).unwrap(), state, "{}", baseline.key);
    }
}

#[test]
fn a_test_label_that_training_never_saw_is_wrong_but_no_error() {
    let (train, mut test) = (clouds(90, 1), clouds(30, 2));
    test.labels.fill(200);
    for baseline in BASELINES {
        let predictions = learnt(baseline, &train, &test);
        assert_eq!(accuracy(&predictions, &test.labels), 0.0, "{}", baseline.key);
    }
}

#[test]
fn tables_that_cannot_be_learnt_from_are_refused_by_name() {
    type Damage = fn(&mut Table);
    let cases: &[(&str, Damage)] = &[
        ("Empty { table: \"train\" }", |train| *train = clouds(0, 1)),
        ("Empty { table: \"train\" }", |train| (train.columns, train.features) = (0, Vec::new())),
        ("Shape { table: \"train\"", |train| train.features.truncate(5)),
        ("Shape { table: \"train\"", |train| train.columns = usize::MAX),
        ("NotFinite { table: \"train\", row: 2, column: 1 }", |train| train.features[5] = f32::NAN),
        ("OneClass { label: 4, rows: 30 }", |train| train.labels.fill(4)),
        ("OneClass { label: 1, rows: 1 }", |train| *train = clouds(1, 1)),
    ];
    for baseline in BASELINES {
        for (number, (expected, damage)) in cases.iter().enumerate() {
            let mut train = clouds(30, 1);
            damage(&mut train);
            let error = baseline.round(0, None, &train, 1).unwrap_err();
            let variant = format!("{error:?}");
            assert!(variant.starts_with(expected), "{}, case {number}: {variant}", baseline.key);
            assert!(!error.to_string().ends_with('.'), "{error}");
        }
    }
}

#[test]
fn rows_that_cannot_be_predicted_are_refused_by_name() {
    type Damage = fn(&mut Table);
    let cases: &[(&str, Damage)] = &[
        ("Empty { table: \"test\" }", |test| *test = clouds(0, 1)),
        ("Rows { table: \"test\", end: 30, rows: 29 }", |test| *test = clouds(29, 1)),
        ("Shape { table: \"test\"", |test| test.labels.truncate(5)),
        ("Columns { train: 2, test: 1 }", |test| {
            (test.columns, test.features) = (1, vec![0.5; test.rows()]);
        }),
        ("NotFinite { table: \"test\", row: 11, column: 0 }", |test| {
            test.features[22] = f32::INFINITY;
        }),
    ];
    for baseline in BASELINES {
        let states = fit(baseline, &clouds(30, 1), 1);
        let state = states.last().unwrap();
        for (number, (expected, damage)) in cases.iter().enumerate() {
            let mut test = clouds(30, 2);
            damage(&mut test);
            let error = baseline.predict(state, &test, 10..30).unwrap_err();
            let variant = format!("{error:?}");
            assert!(variant.starts_with(expected), "{}, case {number}: {variant}", baseline.key);
        }
        assert!(matches!(
            baseline.predict(state, &clouds(30, 2), 7..7),
            Err(BaselineError::Empty { .. })
        ));
    }
}

#[test]
fn a_state_of_another_round_model_or_table_is_refused() {
    let train = clouds(60, 1);
    for (number, baseline) in BASELINES.iter().enumerate() {
        let states = fit(baseline, &train, 1);
        let refused = |round, state: Option<&State>, train: &Table| {
            let result = baseline.round(round, state, train, 1);
            assert!(matches!(result, Err(BaselineError::State { .. })), "{}", baseline.key);
        };
        refused(1, None, &train);
        refused(0, Some(&states[0]), &train);
        refused(2, Some(&states[0]), &train);
        refused(baseline.rounds(), states.last(), &train);
        let mut fewer = train.clone();
        fewer.labels.iter_mut().for_each(|label| *label = (*label).min(4));
        refused(1, Some(&states[0]), &fewer);
        let foreign = fit(&BASELINES[(number + 1) % BASELINES.len()], &train, 1);
        refused(1, Some(&foreign[0]), &train);
        let early = &states[..states.len() - 1];
        for state in early.iter().chain(&foreign) {
            let result = baseline.predict(state, &train, 0..3);
            assert!(matches!(result, Err(BaselineError::State { .. })), "{}", baseline.key);
        }
    }
}

#[test]
fn one_row_a_class_and_constant_columns_are_enough() {
    let two = Table { features: vec![1.0, 7.0, 2.0, 7.0], labels: vec![0, 1], columns: 2 };
    let same = Table { features: vec![7.0; 8], labels: vec![0, 1, 2, 3], columns: 2 };
    for baseline in BASELINES {
        for table in [&two, &same] {
            assert_eq!(learnt(baseline, table, table).len(), table.rows(), "{}", baseline.key);
        }
    }
}

#[test]
fn a_rare_class_that_a_tree_may_never_see_does_no_harm() {
    let mut train = clouds(3_000, 1);
    train.labels.fill(4);
    train.labels[0] = 1;
    let test = clouds(30, 2);
    for baseline in BASELINES {
        let predictions = learnt(baseline, &train, &test);
        let right = predictions.iter().filter(|&&label| label == 4).count();
        assert!(right > 20, "{}: {right}", baseline.key);
    }
}
