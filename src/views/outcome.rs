//! The end of a run for people: the network beside the classical models, and what it cost.

use super::{count, counted, percent, table::Table};
use crate::report::Report;

/// The table and what stands under it; `batch` is the number of items a step.
pub fn screen(report: &Report, network: &str, batch: usize) -> String {
    let mut table =
        Table::new(&["model", "library", "accuracy", "seconds", "trained on"], &[0, 1, 4]);
    if let Some(test) = &report.results.test {
        let seconds = format!("{:.1}", report.results.training.seconds);
        let epochs = u64::from(report.results.training.epochs.max(1));
        let items = report.results.training.steps * batch as u64 / epochs;
        let trained_on = format!("{} items, {}", count(items), counted(epochs, "epoch", "epochs"));
        table.row([network.into(), "planaria".into(), percent(test.accuracy), seconds, trained_on]);
    }
    for baseline in &report.results.baselines {
        table.row([
            baseline.name.clone(),
            baseline.library.clone(),
            percent(baseline.accuracy),
            format!("{:.1}", baseline.seconds),
            format!("{} items", count(baseline.train_rows as u64)),
        ]);
    }
    let mut lines = table.lines();
    lines.push(String::new());
    lines.push(format!(
        "training  {} in {:.1} s, {} samples/s",
        counted(report.results.training.steps, "step", "steps"),
        report.results.training.seconds,
        count(report.results.training.samples_per_second as u64)
    ));
    lines.push(format!("weights   {}", report.results.weights_sha256.as_deref().unwrap_or("none")));
    lines.push(format!("model     {}", report.results.model_file.as_deref().unwrap_or("none")));
    lines.push(format!("items     {}", items(report)));
    lines.push(format!(
        "deaths    {}, {}",
        counted(report.results.failures, "failure", "failures"),
        counted(report.results.restarts, "restart", "restarts")
    ));
    lines.push(format!("seconds   {:.1} in all", report.seconds));
    lines.join("\n")
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
