//! What is set aside before the first item: a pass over the source, when the config has a `[clean]`.
//!
//! As with fitted figures, this is done before the pipeline is planned: so batches stay full, and it is known how many steps
//! there are. Several threads look at items; what comes of it depends on none of them.

use crate::{kinds::StageKind, settings::PipelineSettings};
use planaria_data::{
    CleanError, CleanSettings, Cleaning, Codec, Limits, Source, SourceError, Split,
    clean::{
        Cleaned, FarOut, Fences, Fill, FillCount, Missing, Relabelled, SetAside, Sought, Survey,
        Verdicts, fill::COLUMNS_AT_ONCE, labels::class_names, report::FilledColumn,
    },
    ranks::{Exact, Ranks},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Items that a thread takes at once.
const BLOCK: u64 = 64;

/// Why a source cannot be opened as the config wants it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It cannot be cleaned.
    #[error(transparent)]
    Clean(#[from] CleanError),
}

/// A source as the config wants it.
pub struct Opened {
    /// What is learnt from and measured on.
    pub source: Arc<dyn Source>,
    /// What lies behind it, where it was cleaned.
    cleaned: Option<BeforeCleaning>,
}

struct BeforeCleaning {
    raw: Arc<dyn Source>,
    /// Of the train and of the test split: the numbers of the items that are left.
    kept: Arc<[Vec<u32>; 2]>,
    cleaning: Cleaning,
    /// By column what its missing numbers become; empty when rows with holes are set aside.
    fill: Vec<Option<f32>>,
}

impl Opened {
    /// By column what its missing numbers become; empty where nothing is filled.
    pub(crate) fn fill(&self) -> &[Option<f32>] {
        self.cleaned.as_ref().map_or(&[], |cleaned| &cleaned.fill)
    }

    /// What the cleaning has found, where there was one.
    pub fn cleaning(&self) -> Option<&Cleaning> {
        self.cleaned.as_ref().map(|cleaned| &cleaned.cleaning)
    }

    /// The source as it lies.
    pub(crate) fn raw(&self) -> &dyn Source {
        self.cleaned.as_ref().map_or(&*self.source, |cleaned| &*cleaned.raw)
    }

    /// The number that an item has in the source as it lies.
    pub(crate) fn raw_number(&self, split: Split, index: u64) -> u64 {
        let kept = self.cleaned.as_ref().map(|cleaned| &cleaned.kept[half(split)]);
        let number = kept.and_then(|kept| kept.get(usize::try_from(index).ok()?));
        number.map_or(index, |number| u64::from(*number))
    }

    /// Whether an item of the source as it lies is left; none where nothing was cleaned.
    pub(crate) fn is_kept(&self, split: Split, number: u64) -> Option<bool> {
        let kept = &self.cleaned.as_ref()?.kept[half(split)];
        Some(u32::try_from(number).is_ok_and(|number| kept.binary_search(&number).is_ok()))
    }

    /// Why an item of the source as it lies is set aside; none when it is not, or is not told one by one.
    pub(crate) fn cause(&self, split: Split, number: u64) -> Option<String> {
        let set_aside = &self.cleaning()?.set_aside;
        let is_it = |item: &&SetAside| item.split == split.into() && item.index == number;
        set_aside.iter().find(is_it).map(|item| item.cause.clone())
    }
}

fn half(split: Split) -> usize {
    usize::from(split == Split::Test)
}

impl PipelineSettings {
    /// Opens the source, and cleans it when `clean` says so.
    ///
    /// # Errors
    /// [`OpenError`] when it cannot be used, or not be cleaned as it is wanted.
    pub fn open_cleaned(&self) -> Result<Opened, OpenError> {
        let source: Arc<dyn Source> = self.open_source()?.into();
        match &self.clean {
            None => Ok(Opened { source, cleaned: None }),
            Some(settings) => Ok(clean(source, settings, self)?),
        }
    }

    /// The number of threads that look at items.
    fn lookers(&self) -> usize {
        self.pools.get(&StageKind::Preprocess).map_or(1, |pool| pool.workers.into())
    }
}

fn clean(
    source: Arc<dyn Source>,
    settings: &CleanSettings,
    pipeline: &PipelineSettings,
) -> Result<Opened, CleanError> {
    let labels = Relabelled::new(&*source, &settings.labels)?;
    let wanted = [(Split::Train, pipeline.train_items), (Split::Test, pipeline.test_items)];
    let items = wanted.map(|(split, items)| items.unwrap_or(u64::MAX).min(source.len(split)));
    let lookers = pipeline.lookers();
    let verdicts =
        judged(&*source, settings, labels.as_ref(), &pipeline.limits, items, lookers)?.settled()?;
    let names =
        labels.as_ref().map_or_else(|| class_names(&*source), |labels| labels.names().to_vec());
    let mut cleaning = verdicts.report(&*source, &names);
    let kept = [Split::Train, Split::Test].map(|split| verdicts.kept(split));
    let rows: Vec<u64> = verdicts.holes().to_vec();
    drop(verdicts);
    let filled = fill(&*source, settings.missing, &rows, &kept[0], lookers)?;
    let name = |column: usize| source.feature_names().get(column).cloned();
    let column = |&(column, value): &(usize, f32)| FilledColumn {
        column: name(column).unwrap_or_else(|| column.to_string()),
        value,
        rows: rows[column],
    };
    let has_holes = |(column, _): &&(usize, f32)| rows[*column] > 0;
    cleaning.filled = filled.iter().filter(has_holes).map(column).collect();
    let mut by_column = if filled.is_empty() { Vec::new() } else { vec![None; rows.len()] };
    filled.iter().for_each(|(column, value)| by_column[*column] = Some(*value));
    let kept = Arc::new(kept);
    let cleaned = Cleaned::new(source.clone(), kept.clone(), labels, &filled);
    let before = BeforeCleaning { raw: source, kept, cleaning, fill: by_column };
    Ok(Opened { source: Arc::new(cleaned), cleaned: Some(before) })
}

/// Looks at the first so many items of both splits, and judges them.
pub(crate) fn judged<'a>(
    source: &'a dyn Source,
    settings: &CleanSettings,
    labels: Option<&Relabelled>,
    limits: &'a Limits,
    items: [u64; 2],
    lookers: usize,
) -> Result<Verdicts<'a>, CleanError> {
    for items in items {
        Survey::check(items)?;
    }
    let survey = in_parts(
        lookers,
        items[0] + items[1],
        || Survey::new(source, limits, settings),
        |survey, number| match number.checked_sub(items[0]) {
            None => survey.look(Split::Train, number),
            Some(number) => survey.look(Split::Test, number),
        },
        Survey::merge,
    );
    let mut verdicts = Verdicts::of(survey, settings, labels);
    if settings.outliers != Sought::Off {
        judge_outliers(&mut verdicts, source, settings, lookers);
    }
    Ok(verdicts)
}

/// Finds the items that lie far out. Rows are read three times more: for their quartiles, and to be set beside them.
fn judge_outliers(
    verdicts: &mut Verdicts<'_>,
    source: &dyn Source,
    settings: &CleanSettings,
    lookers: usize,
) {
    let range = settings.outlier_range;
    let Codec::Floats { .. } = source.codec() else {
        let fences = Fences::of(&verdicts.quartiles_of_pictures(), range);
        let far = verdicts.far_pictures(&fences);
        return verdicts.judge_outliers(settings, &fences, far);
    };
    let [train, test] = [Split::Train, Split::Test].map(|split| verdicts.kept(split));
    let fences = Fences::of(&quartiles_of_rows(source, &train, lookers), range);
    let both = [(Split::Train, &train), (Split::Test, &test)];
    let far = both.map(|(split, kept)| {
        in_parts(
            lookers,
            kept.len() as u64,
            Vec::new,
            |far, place| {
                let index = kept[place as usize];
                let row = row(source, split, index.into());
                let beyond = fences.beyond(row.into_iter());
                far.extend(beyond.map(|(place, number)| FarOut { split, index, place, number }));
            },
            |all, more| all.extend(more),
        )
    });
    verdicts.judge_outliers(settings, &fences, far.concat());
}

/// The quartiles of the numbers of each place over the training rows that stay.
fn quartiles_of_rows(source: &dyn Source, train: &[u32], lookers: usize) -> Vec<Exact> {
    let (h, w, c) = source.shape();
    let mut all = Vec::new();
    for first in (0..h * w * c).step_by(COLUMNS_AT_ONCE) {
        let places = COLUMNS_AT_ONCE.min(h * w * c - first);
        let part = (source, train, first, lookers);
        let ranks = pass(part, &vec![Ranks::default(); places], Ranks::add, Ranks::merge);
        let exact: Vec<Exact> = ranks.iter().map(Ranks::quartiles).collect();
        all.extend(pass(part, &exact, Exact::add, Exact::merge));
    }
    all
}

/// Counts the numbers of training rows, from place `first` on, each into the counter of its place.
fn pass<T: Clone + Send + Sync>(
    (source, train, first, lookers): (&dyn Source, &[u32], usize, usize),
    counters: &[T],
    add: fn(&mut T, f32),
    merge: fn(&mut T, &T),
) -> Vec<T> {
    in_parts(
        lookers,
        train.len() as u64,
        || counters.to_vec(),
        |counters, item| {
            let row = row(source, Split::Train, train[item as usize].into());
            let both = counters.iter_mut().zip(row.iter().skip(first));
            both.for_each(|(counter, number)| add(counter, *number));
        },
        |all: &mut Vec<T>, more| all.iter_mut().zip(&more).for_each(|(all, more)| merge(all, more)),
    )
}

/// The numbers of a row; none of one that could be read a moment ago and cannot now: who uses it will say so.
pub(crate) fn row(source: &dyn Source, split: Split, index: u64) -> Vec<f32> {
    let Ok(raw) = source.read(split, index) else { return Vec::new() };
    raw.bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect()
}

/// What fills holes, of every column: those that have none here may have some when predictions are asked for. `rows` has by
/// column the rows without its number.
fn fill(
    source: &dyn Source,
    missing: Missing,
    rows: &[u64],
    train: &[u32],
    lookers: usize,
) -> Result<Vec<(usize, f32)>, CleanError> {
    let mut filled = Vec::new();
    if missing == Missing::Remove {
        return Ok(filled);
    }
    let columns: Vec<usize> = (0..rows.len()).collect();
    for columns in columns.chunks(COLUMNS_AT_ONCE) {
        let mut count = FillCount::new(missing, columns);
        // Two passes at most: no figure asks for a third.
        loop {
            let counted = in_parts(
                lookers,
                train.len() as u64,
                || count.clone(),
                |count, place| count_row(source, train[place as usize].into(), count),
                FillCount::merge,
            );
            match counted.finish(source.feature_names(), |column| rows[column] > 0)? {
                Fill::Again(next) => count = next,
                Fill::Found(found) => {
                    filled.extend(found);
                    break;
                }
            }
        }
    }
    Ok(filled)
}

fn count_row(source: &dyn Source, index: u64, count: &mut FillCount) {
    let (_, _, width) = source.shape();
    row(source, Split::Train, index).chunks_exact(width).for_each(|row| count.add(row));
}

/// Lets threads look at `0..items`, each into a part of its own, and joins the parts.
pub(crate) fn in_parts<T: Send>(
    threads: usize,
    items: u64,
    new: impl Fn() -> T + Sync,
    look: impl Fn(&mut T, u64) + Sync,
    join: impl Fn(&mut T, T),
) -> T {
    let next = AtomicU64::new(0);
    let part = || {
        let mut part = new();
        loop {
            let first = next.fetch_add(BLOCK, Ordering::Relaxed);
            if first >= items {
                return part;
            }
            (first..items.min(first + BLOCK)).for_each(|number| look(&mut part, number));
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(part)).collect();
        let mut all = part();
        for other in others {
            join(&mut all, other.join().expect("decoders' panics are caught item by item"));
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_looked_at_once_however_many_look() {
        for (threads, items) in [(1, 0), (1, 1), (3, 63), (2, 64), (7, 1_000)] {
            let seen = in_parts(
                threads,
                items,
                Vec::new,
                |seen: &mut Vec<u64>, number| seen.push(number),
                |all, more| all.extend(more),
            );
            let mut sorted = seen;
            sorted.sort_unstable();
            assert_eq!(sorted, (0..items).collect::<Vec<_>>(), "{threads} threads");
        }
    }
}
