//! `planaria inspect`: what a data set holds, and what is wrong with it.

use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    thread,
};

use planaria_data::{
    Codec, Limits, Pixels, Source, Split,
    inspect::{Found, Inspection, card::DataCard},
};
use planaria_durable::whole_file;

use super::{CommandError, answer_json, meant_source};
use crate::{cli::InspectArgs, views};

/// Looks at every item once and tells what was seen.
pub(super) fn inspect(args: &InspectArgs) -> Result<(), CommandError> {
    let card = card(&args.source, args.workers)?;
    if let Some(path) = &args.card {
        let page = views::data_page::page(&card);
        let page = page.map_err(|error| CommandError::WriteCard(Box::new(error)))?;
        whole_file::write(path, page.as_bytes())
            .map_err(|error| CommandError::WriteCard(Box::new(error)))?;
    }
    if args.json {
        answer_json(&card)
    } else {
        Ok(views::answer(&views::data_card::screen(&card))?)
    }
}

/// The card of a data set, by so many threads, or as many as the machine has.
pub(crate) fn card(path: &Path, workers: Option<NonZeroUsize>) -> Result<DataCard, CommandError> {
    let (source, limits) = opened(path)?;
    let workers = workers.or_else(|| thread::available_parallelism().ok());
    let seen = looked_through(&*source, &limits, workers.unwrap_or(NonZeroUsize::MIN));
    Ok(seen.finish(&*source))
}

/// The source that is meant, if it is one of pictures.
fn opened(path: &Path) -> Result<(Box<dyn Source>, Limits), CommandError> {
    let (settings, wanted, limits) = meant_source::of(path, "label")?;
    let source = settings.open(wanted, &limits);
    let source =
        source.map_err(|source| CommandError::Inspect { path: path.to_path_buf(), source })?;
    match source.codec() {
        Codec::Floats { .. } => Err(CommandError::NoPictures { path: path.to_path_buf() }),
        _ => Ok((source, limits)),
    }
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
    let mut bytes = 0;
    let pixels = source.read(split, index).map_err(|error| error.to_string()).and_then(|raw| {
        bytes = raw.bytes.len() as u64;
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
    seen.add(Found { split, index, bytes, seen: seen_of });
}
