//! An event in a line, for people.

use planaria_stages::{PipelineEvent, What};

use super::counted;

/// One event: when, to whom, what.
pub fn line(event: &PipelineEvent) -> String {
    let (who, what) = words(&event.what);
    let seconds = event.at_ms as f64 / 1e3;
    format!("{:>6}  {seconds:>9.3} s  {who:<14} {what}", event.number)
}

fn words(what: &What) -> (&str, String) {
    match what {
        What::Started { worker } => (worker, "started".into()),
        What::Restarted { worker, incarnation } => {
            (worker, format!("restarted, incarnation {incarnation}"))
        }
        What::Died { worker, incarnation, cause, ordered, .. } => {
            let order = if *ordered { ", as ordered" } else { "" };
            (worker, format!("died, incarnation {incarnation}: {cause}{order}"))
        }
        What::Fenced { worker, incarnation } => {
            (worker, format!("fenced, incarnation {incarnation}"))
        }
        What::Redelivered { worker, items } => {
            let numbers: Vec<String> = items.iter().map(u64::to_string).collect();
            let count = counted(items.len() as u64, "item", "items");
            (worker, format!("redelivered {count}: {}", numbers.join(", ")))
        }
        What::Rebalanced { stage, shards_moved } => {
            let count = counted(u64::from(*shards_moved), "shard", "shards");
            (stage, format!("rebalanced, {count} moved"))
        }
        What::DeadLettered { stage, item, cause } => {
            (stage, format!("gave up item {item}: {cause}"))
        }
        What::Scaled { stage, from, to } => (stage, format!("scaled from {from} to {to} workers")),
        What::Noticed { stage, what } => (stage, what.clone()),
        What::Escalated { cause } => ("supervisor", format!("gave up: {cause}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_to_whom_and_what() {
        let what = What::Redelivered { worker: "train/1".into(), items: vec![7, 8] };
        let event = PipelineEvent { number: 12, at_ms: 3_456, what };
        assert_eq!(line(&event), "    12      3.456 s  train/1        redelivered 2 items: 7, 8");
    }
}
