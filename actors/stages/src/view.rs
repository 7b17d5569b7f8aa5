//! Copies of a pipeline's state, for people.

use crate::{
    cache::Cache,
    flow::{Deployment, PipelineFlow, Progress},
    ingest::Address,
    kinds::{STAGES, StageKind},
    plan::Plan,
    quarantine::Quarantined,
    results::{BestVersion, ComparisonRow, DeadLetter, Results, StageResult, TrainingResult},
    status::{
        ItemCounts, MailboxStatus, ModelStatus, Phase, StageStatus, Status, WorkerState,
        WorkerStatus,
    },
};
use planaria_kernel::{Core, PoolSnapshot, SlotState, WorkerSnapshot, ledger::Counts, snapshot};
use planaria_learn::{Loss, Score};

type State = Core<PipelineFlow>;

pub(crate) fn status(
    core: &State,
    plan: &Plan,
    supervisor_restarts: u64,
    chaos_left: u64,
) -> Status {
    let flow = core.flow();
    let progress = flow.training.progress();
    let pools = snapshot(core);
    Status {
        phase: phase(core),
        network: plan.settings.network.name.clone(),
        epoch: (plan.epoch_of(progress.step) + 1).min(plan.settings.train.epochs),
        epochs: plan.settings.train.epochs,
        step: progress.step,
        steps: plan.steps(),
        loss: progress.loss,
        samples_per_second: training(core, plan).samples_per_second,
        model: flow.evaluation.deployed().map(|deployed| ModelStatus {
            version: deployed.model.version,
            step: deployed.step,
            epoch: deployed.epoch(plan),
            accuracy: deployed.scores.test.accuracy(),
            validation_accuracy: deployed.scores.validation.as_ref().map(Score::accuracy),
            weights_sha256: deployed.weights_sha256.clone(),
            file: deployed.file.display().to_string(),
        }),
        cleaning: plan.opened.cleaning().map(|cleaning| cleaning.counts),
        drift: core.flow().predictions.drift().cloned(),
        items: total(&pools),
        failures: core.failures() + supervisor_restarts,
        restarts: restarts(&pools) + supervisor_restarts,
        abandoned_threads: core.abandoned_threads() as u64,
        chaos_left,
        stages: pools.iter().map(|pool| stage_status(pool, core.is_over())).collect(),
    }
}

pub(crate) fn results(core: &State, plan: &Plan, supervisor_restarts: u64) -> Results {
    let pools = snapshot(core);
    let deployed = core.flow().evaluation.deployed();
    let baselines = core.flow().compared();
    let network = deployed.map(|deployed| network_row(deployed, plan, &pools));
    Results {
        test: deployed.map(|deployed| (&deployed.scores.test).into()),
        validation: deployed.and_then(|deployed| Some(deployed.scores.validation.as_ref()?.into())),
        class_names: plan.source.class_names().to_vec(),
        weights_sha256: deployed.map(|deployed| deployed.weights_sha256.clone()),
        model_file: deployed.map(|deployed| deployed.file.display().to_string()),
        items: total(&pools),
        cleaning: plan.opened.cleaning().cloned(),
        dead_letters: core.flow().dead_letters().to_vec(),
        quarantined: quarantined(core, plan).len() as u64,
        failures: core.failures() + supervisor_restarts,
        restarts: restarts(&pools) + supervisor_restarts,
        baselines: baselines.iter().map(Into::into).collect(),
        comparison: network.into_iter().chain(baselines).collect(),
        training: training(core, plan),
        cache: plan.cache.as_ref().map(Cache::result),
        stages: pools.iter().map(stage_result).collect(),
    }
}

/// What the cleaning and the stages have set aside, as far as it is told one by one.
pub(crate) fn quarantined(core: &State, plan: &Plan) -> Vec<Quarantined> {
    let set_aside = plan.opened.cleaning().map_or(&[][..], |cleaning| &cleaning.set_aside);
    let cleaned = set_aside.iter().map(|item| Quarantined {
        split: item.split,
        item: item.index,
        name: item.name.clone(),
        stage: "clean".to_owned(),
        cause: item.cause.clone(),
        file: None,
    });
    let samples = &core.flow().samples;
    let is_of_source = |letter: &&DeadLetter| {
        STAGES.iter().any(|kind| *kind <= StageKind::Preprocess && kind.name() == letter.stage)
    };
    let letters = core.flow().dead_letters().iter().filter(is_of_source).map(|letter| {
        let Address { split, index } = samples.address(letter.item);
        Quarantined {
            split: split.into(),
            item: plan.opened.raw_number(split, index),
            name: letter.name.clone(),
            stage: letter.stage.clone(),
            cause: letter.cause.clone(),
            file: None,
        }
    });
    cleaned.chain(letters).take(plan.settings.quarantine.items).collect()
}

/// The network as one model among others.
fn network_row(deployed: &Deployment, plan: &Plan, pools: &[PoolSnapshot]) -> ComparisonRow {
    let fitting = [StageKind::Augment, StageKind::Batch, StageKind::Train];
    let of_fit = STAGES.iter().zip(pools).filter(|(stage, _)| fitting.contains(stage));
    ComparisonRow {
        name: plan.settings.network.name.clone(),
        library: "planaria".to_owned(),
        accuracy: deployed.scores.test.accuracy(),
        fit_seconds: of_fit.map(|(_, pool)| pool.busy.as_secs_f64()).sum(),
        predict_seconds: deployed.evaluation_busy.as_secs_f64(),
        model_bytes: deployed.file_bytes,
        train_rows: (plan.steps_per_epoch * plan.batch()).min(plan.train_items),
        note: None,
        sample_because: None,
    }
}

fn phase(core: &State) -> Phase {
    let flow = core.flow();
    match *flow.progress.borrow() {
        _ if core.escalation().is_some() => Phase::Failed,
        Progress::Failed(_) => Phase::Failed,
        _ if core.is_over() => Phase::Stopped,
        _ if flow.is_draining() => Phase::Draining,
        Progress::Done => Phase::Serving,
        Progress::Running => Phase::Training,
    }
}

fn training(core: &State, plan: &Plan) -> TrainingResult {
    let flow = core.flow();
    let progress = flow.training.progress();
    let seconds = progress.milliseconds as f64 / 1e3;
    let samples = ((progress.step - progress.first_step) * plan.batch()) as f64;
    let judgement = flow.evaluation.judgement();
    let best = plan.settings.train.validation.zip(judgement.best);
    TrainingResult {
        samples_per_second: if seconds > 0.0 { samples / seconds } else { 0.0 },
        seconds,
        steps: progress.step,
        epochs: plan.epoch_of(progress.step),
        resumed_from: Some(progress.first_step).filter(|first| *first > 0),
        loss_curve: flow.training.losses().points(),
        evaluations: judgement.evaluations.iter().copied().collect(),
        class_weights: match &plan.settings.train.loss {
            Loss::CrossEntropy(loss) => loss.class_weights.clone(),
            Loss::MeanSquared(_) | Loss::BinaryCrossEntropy(_) => None,
        },
        from_weights_sha256: plan.origin_sha256().map(str::to_owned),
        diverged_at: flow.training.diverged_at(),
        best: best.map(|(settings, best)| BestVersion {
            step: best.step,
            metric: settings.metric.name().to_owned(),
            value: best.value,
        }),
        stopped_early: flow.training.is_done() && progress.step < plan.steps(),
        checkpoint: flow.checkpoints.newest().map(|(_, file)| file.display().to_string()),
    }
}

fn restarts(pools: &[PoolSnapshot]) -> u64 {
    pools.iter().map(|pool| pool.restarts).sum()
}

fn total(pools: &[PoolSnapshot]) -> ItemCounts {
    let mut total = ItemCounts::default();
    for counts in pools.iter().map(|pool| item_counts(pool.counts)) {
        total.accepted += counts.accepted;
        total.ready += counts.ready;
        total.leased += counts.leased;
        total.committed += counts.committed;
        total.dead_lettered += counts.dead_lettered;
        total.redelivered += counts.redelivered;
        total.fenced_duplicates += counts.fenced_duplicates;
    }
    total
}

fn item_counts(counts: Counts) -> ItemCounts {
    ItemCounts {
        accepted: counts.accepted,
        ready: counts.ready,
        leased: counts.leased,
        committed: counts.committed,
        dead_lettered: counts.dead_lettered,
        redelivered: counts.redelivered,
        fenced_duplicates: counts.fenced_duplicates,
    }
}

fn stage_status(pool: &PoolSnapshot, is_over: bool) -> StageStatus {
    let items = item_counts(pool.counts);
    let worker = |worker: &WorkerSnapshot| WorkerStatus {
        name: format!("{}/{}", pool.name, worker.number),
        state: worker_state(worker, is_over),
        incarnation: worker.incarnation,
        leases: worker.leases as u64,
    };
    StageStatus {
        name: pool.name.to_owned(),
        mailbox: MailboxStatus { filled: items.ready + items.leased, capacity: pool.mailbox },
        items,
        restarts: pool.restarts,
        busy_seconds: pool.busy.as_secs_f64(),
        waited_seconds: pool.waited.as_secs_f64(),
        workers: pool.workers.iter().map(worker).collect(),
    }
}

fn worker_state(worker: &WorkerSnapshot, is_over: bool) -> WorkerState {
    match worker.state {
        _ if is_over => WorkerState::Stopped,
        SlotState::Off => WorkerState::Stopped,
        SlotState::Starting => WorkerState::Starting,
        SlotState::Up if worker.leases > 0 => WorkerState::Working,
        SlotState::Up => WorkerState::Idle,
        SlotState::Retiring => WorkerState::Retiring,
        SlotState::Backoff(_) => WorkerState::Backoff,
        SlotState::Escalated => WorkerState::Escalated,
    }
}

fn stage_result(pool: &PoolSnapshot) -> StageResult {
    StageResult {
        name: pool.name.to_owned(),
        workers: pool.workers.len() as u64,
        committed: pool.counts.committed,
        busy_seconds: pool.busy.as_secs_f64(),
        waited_seconds: pool.waited.as_secs_f64(),
    }
}
