//! Which values each trial of a sweep has: all combinations of a grid, or draws of a random search.
//!
//! A pure function of the sweep and the seed. A drawn number is rounded to four digits, so that what
//! the table shows is what was trained.

use planaria_random::{Purpose, Stream};

/// What a random search may choose for one key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Range {
    /// One of these, as TOML writes them.
    Choose(Vec<String>),
    /// A number from the one to the other.
    Between {
        /// The least.
        from: f64,
        /// The greatest.
        to: f64,
        /// Equal ratios are equally likely, instead of equal differences.
        is_log: bool,
        /// Only whole numbers, both ends with the same chance as the others.
        is_whole: bool,
    },
}

/// Every combination of the items of each key; the last key changes fastest.
pub(super) fn grid(lists: &[Vec<String>]) -> Vec<Vec<String>> {
    lists.iter().fold(vec![Vec::new()], |trials, list| {
        let longer = trials.iter().flat_map(|trial| {
            list.iter().map(|item| trial.iter().cloned().chain([item.clone()]).collect())
        });
        longer.collect()
    })
}

/// The values of one trial, one for each key.
pub(super) fn draw(ranges: &[Range], seed: u64, trial: u64) -> Vec<String> {
    let stream = Stream::new(seed, Purpose::Sweep, 0, trial);
    let keyed = (0..).zip(ranges);
    keyed.map(|(key, range)| value(range, unit(&mut stream.substream(key)))).collect()
}

/// A number from 0 to below 1, of 53 random bits.
fn unit(stream: &mut Stream) -> f64 {
    let bits = u64::from(stream.next_u32()) << 32 | u64::from(stream.next_u32());
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// What the range has at this share of it.
fn value(range: &Range, unit: f64) -> String {
    match range {
        Range::Choose(items) => {
            let last = items.len() - 1;
            items[((unit * items.len() as f64) as usize).min(last)].clone()
        }
        &Range::Between { from, to, is_log, is_whole } => {
            // A whole number stands for the reals that are rounded to it.
            let half = if is_whole { 0.5 } else { 0.0 };
            let (low, high) = (from - half, to + half);
            let number = if is_log {
                // The same bits on every machine: `libm`, not the system's own functions.
                libm::exp(libm::log(low) + unit * (libm::log(high) - libm::log(low)))
            } else {
                low + unit * (high - low)
            };
            if is_whole {
                format!("{:.0}", number.round().clamp(from, to))
            } else {
                rounded(number, from, to)
            }
        }
    }
}

/// Four digits, within the bounds.
fn rounded(number: f64, from: f64, to: f64) -> String {
    let text = format!("{number:.3e}");
    let is_within = text.parse().is_ok_and(|near: f64| (from..=to).contains(&near));
    let number = if is_within { text.parse().unwrap_or(number) } else { number.clamp(from, to) };
    toml::Value::Float(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_every_combination_once() {
        let lists =
            [vec!["1".to_owned(), "2".into()], vec!["a".to_owned(), "b".into(), "c".into()]];
        let trials = grid(&lists);
        let expected = [["1", "a"], ["1", "b"], ["1", "c"], ["2", "a"], ["2", "b"], ["2", "c"]];
        assert_eq!(trials, expected.map(|trial| trial.map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_draw_depends_on_seed_trial_and_key_alone_and_stays_within_its_range() {
        let log = Range::Between { from: 1e-4, to: 1e-1, is_log: true, is_whole: false };
        let whole = Range::Between { from: 1.0, to: 4.0, is_log: false, is_whole: true };
        let choice = Range::Choose(vec!["\"a\"".into(), "\"b\"".into()]);
        let ranges = [log, whole, choice];
        let (mut below, mut seen) = (0, [0; 5]);
        for trial in 1..=1000 {
            let values = draw(&ranges, 7, trial);
            assert_eq!(values, draw(&ranges, 7, trial));
            assert_eq!(values[0], draw(&ranges[..1], 7, trial)[0], "another key changes nothing");
            let rate: f64 = values[0].parse().expect("a number");
            assert!((1e-4..=1e-1).contains(&rate), "{rate}");
            below += u32::from(rate < 1e-3);
            seen[values[1].parse::<usize>().expect("a whole number")] += 1;
            assert!(["\"a\"", "\"b\""].contains(&values[2].as_str()));
        }
        assert!((283..=383).contains(&below), "a third of a log scale's three decades: {below}");
        assert!(seen[0] == 0 && seen[1..].iter().all(|n| (200..=300).contains(n)), "{seen:?}");
        assert_ne!(draw(&ranges, 7, 1)[0], draw(&ranges, 8, 1)[0]);
    }
}
