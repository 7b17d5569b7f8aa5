//! `planaria status` for people: what is going on, at one glance.

use planaria_stages::status::{ModelStatus, Phase, StageStatus, Status, WorkerState, WorkerStatus};

use super::{cleaning, count, counted, percent, table::Table};
use crate::doors::control_calls::RuntimeStatus;

/// The screen. With `all_workers` a line for every worker, else for those in trouble only.
pub fn screen(status: &RuntimeStatus, all_workers: bool) -> String {
    let pipeline = &status.pipeline;
    let mut lines = vec![
        format!("planaria {}, process {}: {}", status.version, status.pid, headline(pipeline)),
        format!("model    {}", model(pipeline.model.as_ref())),
        format!("items    {}", items(pipeline)),
        format!("deaths   {}", deaths(pipeline)),
    ];
    if let Some(counts) = &pipeline.cleaning {
        lines.push(format!("cleaned  {}", cleaning::line(counts)));
    }
    if let Some(drift) = &pipeline.drift {
        lines.push(format!("drift    {drift}"));
    }
    lines.push(String::new());
    lines.extend(stages(&pipeline.stages));
    let workers: Vec<&WorkerStatus> = pipeline
        .stages
        .iter()
        .flat_map(|stage| &stage.workers)
        .filter(|worker| all_workers || is_in_trouble(worker.state))
        .collect();
    if !workers.is_empty() {
        lines.push(String::new());
        lines.extend(worker_lines(&workers));
    }
    lines.join("\n")
}

/// The name of a phase.
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Training => "training",
        Phase::Serving => "serving",
        Phase::Draining => "draining",
        Phase::Stopped => "stopped",
        Phase::Failed => "failed",
    }
}

fn headline(status: &Status) -> String {
    let mut text = format!(
        "{} {}, epoch {} of {}, step {} of {}",
        phase(status.phase),
        status.network,
        status.epoch,
        status.epochs,
        count(status.step),
        count(status.steps)
    );
    if let Some(loss) = status.loss {
        text.push_str(&format!(", loss {loss:.4}"));
    }
    if status.samples_per_second > 0.0 {
        text.push_str(&format!(", {} samples/s", count(status.samples_per_second as u64)));
    }
    text
}

fn model(model: Option<&ModelStatus>) -> String {
    match model {
        None => "none deployed yet".into(),
        Some(model) => format!(
            "{} of step {} (epoch {}), {} of the test items right{}, {}",
            model.version,
            count(model.step),
            model.epoch,
            percent(model.accuracy),
            validation(model.validation_accuracy),
            model.file
        ),
    }
}

fn validation(accuracy: Option<f64>) -> String {
    accuracy
        .map_or(String::new(), |share| format!(" and {} of the validation items", percent(share)))
}

fn items(status: &Status) -> String {
    let items = status.items;
    format!(
        "{} accepted = {} ready + {} leased + {} committed + {} dead-lettered; \
         {} redelivered, {} of the fenced dropped",
        count(items.accepted),
        count(items.ready),
        count(items.leased),
        count(items.committed),
        count(items.dead_lettered),
        count(items.redelivered),
        count(items.fenced_duplicates)
    )
}

fn deaths(status: &Status) -> String {
    let mut text = format!(
        "{}, {}",
        counted(status.failures, "failure", "failures"),
        counted(status.restarts, "restart", "restarts")
    );
    if status.abandoned_threads > 0 {
        let threads = counted(status.abandoned_threads, "abandoned thread", "abandoned threads");
        text.push_str(&format!(", {threads}"));
    }
    if status.chaos_left > 0 {
        text.push_str(&format!(
            ", {} left of the chaos",
            counted(status.chaos_left, "kill", "kills")
        ));
    }
    text
}

fn stages(stages: &[StageStatus]) -> Vec<String> {
    let headings =
        ["stage", "workers", "mailbox", "ready", "leased", "committed", "dead", "restarts", "busy"];
    let mut table = Table::new(&headings, &[0]);
    for stage in stages {
        table.row([
            stage.name.clone(),
            workers(&stage.workers),
            format!("{}/{}", stage.mailbox.filled, stage.mailbox.capacity),
            count(stage.items.ready),
            count(stage.items.leased),
            count(stage.items.committed),
            count(stage.items.dead_lettered),
            count(stage.restarts),
            busy(stage),
        ]);
    }
    table.lines()
}

/// How many workers, and how many of them are up: `2`, or `1 of 2`.
fn workers(workers: &[WorkerStatus]) -> String {
    let up = workers.iter().filter(|worker| !is_in_trouble(worker.state)).count();
    if up == workers.len() { up.to_string() } else { format!("{up} of {}", workers.len()) }
}

/// The share of its workers' time that a stage has spent in work.
fn busy(stage: &StageStatus) -> String {
    let whole = stage.busy_seconds + stage.waited_seconds;
    if whole > 0.0 { format!("{:.0} %", 100.0 * stage.busy_seconds / whole) } else { "-".into() }
}

fn is_in_trouble(state: WorkerState) -> bool {
    match state {
        WorkerState::Working | WorkerState::Idle | WorkerState::Stopped => false,
        WorkerState::Starting
        | WorkerState::Retiring
        | WorkerState::Backoff
        | WorkerState::Escalated => true,
    }
}

fn worker_lines(workers: &[&WorkerStatus]) -> Vec<String> {
    let mut table = Table::new(&["worker", "state", "incarnation", "leases"], &[0, 1]);
    for worker in workers {
        let state = match worker.state {
            WorkerState::Starting => "starting",
            WorkerState::Working => "working",
            WorkerState::Retiring => "ends: the pool has become smaller",
            WorkerState::Idle => "idle",
            WorkerState::Backoff => "waiting for its restart",
            WorkerState::Escalated => "given up: failed too often",
            WorkerState::Stopped => "stopped",
        };
        let incarnation = worker.incarnation.to_string();
        table.row([worker.name.clone(), state.into(), incarnation, worker.leases.to_string()]);
    }
    table.lines()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use planaria_stages::status::{ItemCounts, MailboxStatus};

    /// A pipeline in mid-training with one worker waiting for its restart.
    pub(crate) fn training() -> Status {
        let worker = |name: &str, state, incarnation| WorkerStatus {
            name: name.into(),
            state,
            incarnation,
            leases: 1,
        };
        let items = ItemCounts {
            accepted: 1200,
            ready: 3,
            leased: 2,
            committed: 1195,
            ..Default::default()
        };
        Status {
            phase: Phase::Training,
            network: "mnist-cnn".into(),
            epoch: 2,
            epochs: 10,
            step: 512,
            steps: 4680,
            loss: Some(0.08125),
            samples_per_second: 5210.7,
            model: None,
            cleaning: None,
            drift: None,
            items,
            failures: 1,
            restarts: 1,
            abandoned_threads: 0,
            chaos_left: 0,
            stages: vec![StageStatus {
                name: "train".into(),
                mailbox: MailboxStatus { filled: 5, capacity: 8 },
                items,
                restarts: 1,
                busy_seconds: 9.0,
                waited_seconds: 1.0,
                workers: vec![
                    worker("train/1", WorkerState::Backoff, 2),
                    worker("train/2", WorkerState::Working, 1),
                ],
            }],
        }
    }

    #[test]
    fn the_screen_is_short_and_names_the_workers_in_trouble_only() {
        let status = RuntimeStatus { version: "0.1.0".into(), pid: 7, pipeline: training() };
        let expected = "\
planaria 0.1.0, process 7: training mnist-cnn, epoch 2 of 10, step 512 of 4,680, loss 0.0813, 5,210 samples/s
model    none deployed yet
items    1,200 accepted = 3 ready + 2 leased + 1,195 committed + 0 dead-lettered; 0 redelivered, 0 of the fenced dropped
deaths   1 failure, 1 restart

stage  workers  mailbox  ready  leased  committed  dead  restarts  busy
train   1 of 2      5/8      3       2      1,195     0         1  90 %

worker   state                    incarnation  leases
train/1  waiting for its restart            2       1";
        assert_eq!(screen(&status, false), expected);
        assert!(screen(&status, true).contains("train/2  working"));
    }
}
