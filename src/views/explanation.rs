//! `planaria check` for people: what a config would do.

use super::{bytes, count, counted, table::Table};
use crate::config::explain::Explanation;

/// The screen.
pub fn screen(explanation: &Explanation) -> String {
    let Explanation { epochs, batch, gradient_shards, .. } = explanation;
    let mut lines = vec![
        format!(
            "data      {}: {} training{} and {} test items{}",
            explanation.source,
            count(explanation.train_items),
            validation(explanation.validation_items),
            count(explanation.test_items),
            if explanation.is_cleaned { ", before they are cleaned" } else { "" }
        ),
        format!("network   {}: {} parameters", explanation.network, count(explanation.parameters)),
        format!(
            "training  {}, {} a step in {}: {} steps",
            counted(u64::from(*epochs), "epoch", "epochs"),
            counted(*batch as u64, "item", "items"),
            counted(*gradient_shards as u64, "gradient shard", "gradient shards"),
            count(explanation.steps)
        ),
        format!("beside    {}", baselines(explanation)),
        format!("memory    about {}", bytes(explanation.memory_bytes)),
        format!("state     {}", explanation.state_dir),
        format!("socket    {}", explanation.socket),
        format!("config    {}", explanation.config_sha256),
        String::new(),
    ];
    lines.extend(layers(explanation));
    lines.push(String::new());
    lines.extend(stages(explanation));
    lines.join("\n")
}

/// The items that are set aside, where there are some.
fn validation(items: u64) -> String {
    if items == 0 { String::new() } else { format!(", {} validation", count(items)) }
}

fn baselines(explanation: &Explanation) -> String {
    if explanation.baselines.is_empty() {
        return "no baselines".into();
    }
    let rows = count(explanation.baseline_rows as u64);
    format!("{}, on at most {rows} training items", explanation.baselines.join(", "))
}

fn layers(explanation: &Explanation) -> Vec<String> {
    let mut table = Table::new(&["layer", "output", "parameters"], &[0, 1]);
    table.row(["input".into(), explanation.input.clone()]);
    for (number, layer) in explanation.layers.iter().enumerate() {
        let parameters = match layer.parameters {
            0 => String::new(),
            some => count(some),
        };
        table.row([format!("{number} {}", layer.kind), layer.output.clone(), parameters]);
    }
    table.lines()
}

fn stages(explanation: &Explanation) -> Vec<String> {
    let headings = ["stage", "workers", "window", "mailbox", "hangs after", "attempts"];
    let mut table = Table::new(&headings, &[0]);
    for stage in &explanation.stages {
        table.row([
            stage.name.clone(),
            stage.workers.to_string(),
            stage.window.to_string(),
            count(stage.mailbox),
            stage.hang_after.clone(),
            stage.attempts_max.to_string(),
        ]);
    }
    table.lines()
}
