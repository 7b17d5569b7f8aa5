//! What a table holds: the same looks as those of a cleaning, and two passes over its columns. Nothing is set aside.

use crate::cleaning::{in_parts, judged, row};
use planaria_data::{
    CleanError, CleanSettings, Limits, Source, Split,
    clean::{Action, Missing, Sought, fill::COLUMNS_AT_ONCE, labels::class_names},
    inspect::{
        columns::{ColumnCard, FirstLook, SecondLook},
        table::TableCard,
    },
};

/// Columns that are told one by one, the first of them: each 32 take two passes over the rows.
const COLUMNS_MAX: usize = 256;

/// Looks at every row of a table by so many threads; the card is the same for any number. `texts` are the names of columns that
/// were left out.
///
/// # Errors
/// [`CleanError::TooManyItems`].
pub fn inspect_table(
    source: &dyn Source,
    limits: &Limits,
    texts: Vec<String>,
    lookers: usize,
) -> Result<TableCard, CleanError> {
    let items = [Split::Train, Split::Test].map(|split| source.len(split));
    // Every suspicious row is listed as if it were to be removed, for the first reason; a hole is no reason here.
    let settings = CleanSettings {
        duplicates: Action::Remove,
        leaks: Action::Remove,
        conflicts: Action::Remove,
        outliers: Sought::Remove,
        missing: Missing::Mean,
        ..CleanSettings::default()
    };
    let verdicts = judged(source, &settings, None, limits, items, lookers)?;
    let rows = verdicts.counted().report(source, &class_names(source));
    let columns = columns(source, items, lookers);
    Ok(TableCard::new(source, rows, columns, texts))
}

fn columns(source: &dyn Source, items: [u64; 2], lookers: usize) -> Vec<ColumnCard> {
    let (h, w, c) = source.shape();
    let all = (h * w * c).min(COLUMNS_MAX);
    let mut cards = Vec::new();
    for first in (0..all).step_by(COLUMNS_AT_ONCE) {
        let columns = COLUMNS_AT_ONCE.min(all - first);
        let part = (source, items, first, lookers);
        let looks =
            pass(part, &vec![FirstLook::default(); columns], FirstLook::add, FirstLook::merge);
        let seconds: Vec<SecondLook> = looks.iter().map(FirstLook::second).collect();
        let seconds = pass(part, &seconds, SecondLook::add, SecondLook::merge);
        for (at, (look, second)) in looks.iter().zip(&seconds).enumerate() {
            let name = source.feature_names().get(first + at).cloned();
            cards.push(look.card(second, name.unwrap_or_else(|| (first + at).to_string())));
        }
    }
    cards
}

/// Lets each counter look at its number of every row, from column `first` on.
fn pass<T: Clone + Send + Sync>(
    (source, items, first, lookers): (&dyn Source, [u64; 2], usize, usize),
    counters: &[T],
    add: fn(&mut T, Split, f32),
    merge: fn(&mut T, &T),
) -> Vec<T> {
    in_parts(
        lookers,
        items[0] + items[1],
        || counters.to_vec(),
        |counters, number| {
            let (split, index) = match number.checked_sub(items[0]) {
                None => (Split::Train, number),
                Some(number) => (Split::Test, number),
            };
            let row = row(source, split, index);
            let both = counters.iter_mut().zip(row.iter().skip(first));
            both.for_each(|(counter, number)| add(counter, split, *number));
        },
        |all: &mut Vec<T>, more| all.iter_mut().zip(&more).for_each(|(all, more)| merge(all, more)),
    )
}
