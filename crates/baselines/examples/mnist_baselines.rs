//! How accurate is each baseline on MNIST, how long does it take, and how large is it? `mnist_baselines [ROWS] [NAME...]`

use std::{error::Error, time::Instant};

use planaria_baselines::{BASELINES, Baseline, Table, accuracy};
use planaria_data::source::embedded;
use planaria_data::{Limits, Normalise, Source, Split};
use planaria_random::{Permutation, Purpose};

fn table(source: &dyn Source, split: Split, rows: u64) -> Result<Table, Box<dyn Error>> {
    let normalise = Normalise::new(0.1307, 0.3081);
    let (h, w, c) = source.shape();
    let columns = h * w * c;
    let shuffle = Permutation::new(source.len(split), 1, Purpose::Shuffle, 0);
    let mut features = vec![0.0; rows as usize * columns];
    let mut labels = Vec::new();
    for (place, row) in features.chunks_exact_mut(columns).enumerate() {
        let item = source.read(split, shuffle.item_at(place as u64))?;
        normalise.apply(&source.codec().decode(&item.bytes, &Limits::default())?, row);
        labels.push(item.label);
    }
    Ok(Table { features, labels, columns })
}

/// Test rows predicted at once.
const BLOCK: usize = 500;

/// Fits one model on `train`, and prints what it took.
#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(baseline: &Baseline, train: &Table, test: &Table) -> Result<(), Box<dyn Error>> {
    let (mut state, mut fit, mut longest) = (None, 0.0, 0f64);
    for round in 0..baseline.rounds() {
        let begin = Instant::now();
        state = Some(baseline.round(round, state.as_ref(), train, 1)?);
        let seconds = begin.elapsed().as_secs_f64();
        (fit, longest) = (fit + seconds, longest.max(seconds));
    }
    let state = state.ok_or("a fit has a round")?;
    let begin = Instant::now();
    let mut predictions = Vec::new();
    for block in (0..test.rows()).step_by(BLOCK) {
        predictions.extend(baseline.predict(
            &state,
            test,
            block..test.rows().min(block + BLOCK),
        )?);
    }
    println!(
        "{:30} {:6} rows, {:6.2} %, fit {fit:6.2} s, longest round {longest:5.2} s, predict {:6.2} s, {} bytes",
        baseline.key,
        baseline.rows_used(train.rows()),
        100.0 * accuracy(&predictions, &test.labels),
        begin.elapsed().as_secs_f64(),
        state.model_bytes()
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let (numbers, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.parse::<u64>().is_ok());
    let rows = numbers.first().map_or(Ok(10_000), |number| number.parse())?;
    let mnist = embedded::mnist()?;
    let test = table(&mnist, Split::Test, mnist.len(Split::Test))?;
    let train = table(&mnist, Split::Train, rows)?;
    let is_asked = |baseline: &&Baseline| {
        names.is_empty() || names.iter().any(|name| baseline.key.contains(name.as_str()))
    };
    for baseline in BASELINES.iter().filter(is_asked) {
        measure(baseline, &train, &test)?;
    }
    Ok(())
}
