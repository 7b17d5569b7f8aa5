//! The end of a run for people: the network beside the classical models, and what it cost.

use super::{bytes, cleaning, count, counted, percent, scores, table::Table};
use crate::report::Report;
use planaria_stages::{CacheResult, ComparisonRow};

/// The table and what stands under it.
pub fn screen(report: &Report) -> String {
    let headings = ["model", "library", "accuracy", "fit s", "predict s", "size", "trained on"];
    let mut table = Table::new(&headings, &[0, 1, 6]);
    for row in &report.results.comparison {
        let mark = if row.sample_because.is_some() { " *" } else { "" };
        table.row([
            row.name.clone(),
            row.library.clone(),
            percent(row.accuracy),
            format!("{:.1}", row.fit_seconds),
            format!("{:.2}", row.predict_seconds),
            bytes(row.model_bytes),
            format!("{} items{mark}", count(row.train_rows)),
        ]);
    }
    let mut lines = table.lines();
    let notes: Vec<String> = report.results.comparison.iter().filter_map(note).collect();
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes);
    }
    lines.push(String::new());
    lines.extend(scores::lines(&report.results));
    lines.push(String::new());
    lines.push(format!(
        "training  {} in {:.1} s, {} samples/s",
        counted(report.results.training.steps, "step", "steps"),
        report.results.training.seconds,
        count(report.results.training.samples_per_second as u64)
    ));
    lines.push(format!("weights   {}", report.results.weights_sha256.as_deref().unwrap_or("none")));
    lines.push(format!("model     {}", report.results.model_file.as_deref().unwrap_or("none")));
    lines.extend(report.results.cache.as_ref().map(|cache| format!("cache     {}", cached(cache))));
    lines.push(format!("items     {}", items(report)));
    if let Some(found) = &report.results.cleaning {
        lines.push(format!("cleaned   {}", cleaning::line(&found.counts)));
        lines.extend(
            cleaning::details(found).into_iter().map(|detail| format!("          {detail}")),
        );
    }
    if report.results.quarantined > 0 {
        let items = counted(report.results.quarantined, "item", "items");
        lines.push(format!("aside     {items}: `planaria quarantine list CONFIG` says why"));
    }
    lines.push(format!(
        "deaths    {}, {}",
        counted(report.results.failures, "failure", "failures"),
        counted(report.results.restarts, "restart", "restarts")
    ));
    lines.push(format!("seconds   {:.1} in all", report.seconds));
    lines.join("\n")
}

/// What must be said of a model beside its figures, and why it saw only a sample (`*`).
fn note(row: &ComparisonRow) -> Option<String> {
    let sample = row.sample_because.as_ref().map(|why| format!("* a sample: {why}"));
    let parts: Vec<String> = row.note.clone().into_iter().chain(sample).collect();
    (!parts.is_empty()).then(|| format!("{}: {}", row.name, parts.join("; ")))
}

/// What the cache was good for, in one line.
fn cached(cache: &CacheResult) -> String {
    let of_before = match cache.items_before {
        0 => "new".to_owned(),
        items => format!("{} from before", counted(items, "item", "items")),
    };
    let state = if cache.is_whole { "" } else { ", not finished" };
    format!(
        "{of_before}, {} read, {} damaged and made again, {}{state}: {}",
        count(cache.reads),
        count(cache.damaged),
        bytes(cache.bytes),
        cache.file
    )
}

/// Where the items are, in one line.
pub fn items(report: &Report) -> String {
    let items = report.results.items;
    format!(
        "{} accepted, {} committed, {} dead-lettered; {} redelivered, {} of the fenced dropped",
        count(items.accepted),
        count(items.committed),
        count(items.dead_lettered),
        count(items.redelivered),
        count(items.fenced_duplicates)
    )
}
