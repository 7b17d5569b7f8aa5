//! The pools that a plan asks for.

use crate::{
    augment::Augment,
    batch::Gather,
    checkpoint::Checkpoint,
    compare::Compare,
    decode::Decode,
    deploy::Deploy,
    evaluate::Evaluate,
    flow::PipelineFlow,
    ingest::Ingest,
    kinds::{STAGES, StageKind},
    plan::Plan,
    predict::Predict,
    preprocess::Preprocess,
    settings::{RestartSettings, SupervisionSettings},
    stage::{Stage, StageWorker},
    train::Train,
};
use planaria_kernel::{Intensity, MakeWorker, PoolPlan, Sharing, Supervision, Worker};
use std::sync::Arc;

/// One plan a stage, in the order of an item's way.
pub(crate) fn pool_plans(plan: &Plan) -> Vec<PoolPlan> {
    let pool = |kind: StageKind| {
        let settings = &plan.settings.pools[&kind];
        PoolPlan {
            name: kind.name(),
            workers: settings.workers,
            window: settings.window,
            mailbox: settings.mailbox,
            hang_after_ms: settings.hang_after_ms,
            attempts_max: settings.attempts_max,
            // More than slots, so that the shards of a lost one spread over the others.
            shards: u32::from(settings.workers).saturating_mul(8).max(64),
            sharing: Sharing::IdleSlotsHelp,
            strategy: settings.strategy,
            intensity: intensity(settings.restarts.unwrap_or(plan.settings.supervision.restarts)),
        }
    };
    STAGES.into_iter().map(pool).collect()
}

/// One maker a stage, in the same order.
pub(crate) fn makers(plan: &Arc<Plan>) -> Vec<MakeWorker<PipelineFlow>> {
    STAGES.into_iter().map(|kind| maker(kind, plan.clone())).collect()
}

fn maker(kind: StageKind, plan: Arc<Plan>) -> MakeWorker<PipelineFlow> {
    match kind {
        StageKind::Ingest => of(move || Ingest(plan.clone())),
        StageKind::Decode => of(move || Decode::new(plan.clone())),
        StageKind::Preprocess => of(move || Preprocess(plan.clone())),
        StageKind::Augment => of(move || Augment::new(plan.clone())),
        StageKind::Batch => of(move || Gather(plan.clone())),
        StageKind::Train => of(move || Train::new(plan.clone())),
        StageKind::Checkpoint => of(move || Checkpoint(plan.clone())),
        StageKind::Evaluate => of(move || Evaluate::new(plan.clone())),
        StageKind::Deploy => of(move || Deploy(plan.clone())),
        StageKind::Predict => of(Predict::default),
        StageKind::Compare => of(move || Compare(plan.clone())),
    }
}

fn of<S: Stage>(make: impl Fn() -> S + Send + Sync + 'static) -> MakeWorker<PipelineFlow> {
    Arc::new(move |_| Ok(Box::new(StageWorker(make())) as Box<dyn Worker<PipelineFlow>>))
}

/// How failures are answered.
pub(crate) fn supervision(settings: &SupervisionSettings) -> Supervision {
    let abandoned_threads_max = settings.abandoned_threads_max;
    Supervision { intensity: intensity(settings.restarts), abandoned_threads_max }
}

fn intensity(settings: RestartSettings) -> Intensity {
    let RestartSettings { restarts_max, window_ms, backoff_min_ms, backoff_max_ms } = settings;
    Intensity { restarts_max, window_ms, backoff_min_ms, backoff_max_ms }
}
