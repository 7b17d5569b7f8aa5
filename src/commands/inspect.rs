//! `planaria inspect`: what a data set holds, and what is wrong with it.

use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    thread,
};

use planaria_data::{
    Codec, Limits, Pixels, Source, SourceSettings, Split, encode,
    grid::GridError,
    inspect::{Found, Inspection, card::DataCard, table::TableCard},
};
use planaria_durable::whole_file;
use planaria_stages::inspect_table;
use serde::Serialize;

use super::{CommandError, answer_json, meant_source};
use crate::{cli::InspectArgs, views};

/// What is told of a data set.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Card {
    /// Of pictures.
    Pictures(Box<DataCard>),
    /// Of rows of numbers.
    Table(Box<TableCard>),
}

impl Card {
    /// It as a page.
    ///
    /// # Errors
    /// When its pictures cannot be drawn.
    pub(crate) fn page(&self) -> Result<String, GridError> {
        match self {
            Card::Pictures(card) => views::data_page::page(card),
            Card::Table(card) => Ok(views::table_page::page(card)),
        }
    }

    fn screen(&self) -> String {
        match self {
            Card::Pictures(card) => views::data_card::screen(card),
            Card::Table(card) => views::table_card::screen(card),
        }
    }
}

/// Looks at every item and tells what was seen.
pub(super) fn inspect(args: &InspectArgs) -> Result<(), CommandError> {
    let card = card(&args.source, &args.label, args.workers)?;
    if let Some(path) = &args.card {
        let page = card.page().map_err(|error| CommandError::WriteCard(Box::new(error)))?;
        whole_file::write(path, page.as_bytes())
            .map_err(|error| CommandError::WriteCard(Box::new(error)))?;
    }
    if args.json { answer_json(&card) } else { Ok(views::answer(&card.screen())?) }
}

/// The card of a data set, by so many threads, or as many as the machine has. In a table the column `label` holds the classes.
pub(crate) fn card(
    path: &Path,
    label: &str,
    workers: Option<NonZeroUsize>,
) -> Result<Card, CommandError> {
    let failed = |source| CommandError::Inspect { path: path.to_path_buf(), source };
    let (settings, wanted, limits) = meant_source::of(path, label)?;
    let (settings, texts) = match settings {
        SourceSettings::Table(table) => {
            let (table, texts) = table.of_numbers(&limits).map_err(failed)?;
            (SourceSettings::Table(table), texts)
        }
        settings => (settings, Vec::new()),
    };
    let source = settings.open(wanted, &limits).map_err(failed)?;
    let workers = workers.or_else(|| thread::available_parallelism().ok());
    let workers = workers.unwrap_or(NonZeroUsize::MIN);
    if let Codec::Floats { .. } = source.codec() {
        let card = inspect_table(&*source, &limits, texts, workers.get());
        let unclean = |source| CommandError::InspectTable { path: path.to_path_buf(), source };
        return Ok(Card::Table(Box::new(card.map_err(unclean)?)));
    }
    let seen = looked_through(&*source, &limits, workers);
    Ok(Card::Pictures(Box::new(seen.finish(&*source))))
}

/// Every item of both halves; each worker looks at every n-th.
fn looked_through(source: &dyn Source, limits: &Limits, workers: NonZeroUsize) -> Inspection {
    let new = || Inspection::new(source.classes(), source.shape());
    let share = |worker: usize| {
        let mut seen = new();
        for split in [Split::Train, Split::Test] {
            for index in (worker as u64..source.len(split)).step_by(workers.get()) {
                look_at(source, limits, (split, index), &mut seen);
            }
        }
        seen
    };
    let mut all = new();
    thread::scope(|scope| {
        let shares: Vec<_> =
            (0..workers.get()).map(|worker| scope.spawn(move || share(worker))).collect();
        for share in shares {
            all.merge(share.join().expect("decoders' panics are caught item by item"));
        }
    });
    all
}

fn look_at(source: &dyn Source, limits: &Limits, item: (Split, u64), seen: &mut Inspection) {
    let (split, index) = item;
    let (mut bytes, mut format) = (0, None);
    let pixels = source.read(split, index).map_err(|error| error.to_string()).and_then(|raw| {
        bytes = raw.bytes.len() as u64;
        if let Codec::Image = source.codec() {
            format = encode::ending(&raw.bytes);
        }
        let decode = || source.codec().decode(&raw.bytes, limits);
        // Decoders of third parties may panic on hostile bytes: that costs the item.
        let decoded = catch_unwind(AssertUnwindSafe(decode));
        let decoded = decoded.map_err(|_| "its decoder panicked: drop it".to_owned())?;
        decoded.map(|pixels| (raw.label, pixels)).map_err(|error| error.to_string())
    });
    let seen_of: Result<(u8, &Pixels), String> = match &pixels {
        Ok((label, pixels)) => Ok((*label, pixels)),
        Err(what) => Err(what.clone()),
    };
    seen.add(Found { split, index, bytes, format, seen: seen_of });
}
