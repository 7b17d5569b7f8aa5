//! How accurate is each baseline on MNIST, and how long does it take, for 5,000, 10,000 and 20,000 training rows?

use std::error::Error;

use planaria_baselines::{BASELINES, Table, accuracy};
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

#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn main() -> Result<(), Box<dyn Error>> {
    let mnist = embedded::mnist()?;
    let test = table(&mnist, Split::Test, mnist.len(Split::Test))?;
    let sizes: Vec<u64> =
        std::env::args().skip(1).map(|size| size.parse()).collect::<Result<_, _>>()?;
    for rows in if sizes.is_empty() { vec![5_000, 10_000, 20_000] } else { sizes } {
        let train = table(&mnist, Split::Train, rows)?;
        for (name, make) in BASELINES {
            let baseline = make();
            let (mut state, mut total, mut longest) = (None, 0.0, 0f64);
            for round in 0..baseline.rounds() {
                let begin = std::time::Instant::now();
                let next = baseline.round(round, state.as_ref(), &train, &test, 1)?;
                let seconds = begin.elapsed().as_secs_f64();
                (total, longest) = (total + seconds, longest.max(seconds));
                let accuracy = accuracy(baseline.predictions(&next), &test);
                println!("{rows} rows, {name}, round {round}: {accuracy:.4}, {seconds:.2} s");
                state = Some(next);
            }
            println!("{rows} rows, {name}: {total:.2} s in all, longest round {longest:.2} s");
        }
    }
    Ok(())
}
