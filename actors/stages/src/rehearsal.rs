//! The same pipeline on one thread, with a virtual clock and a schedule of deaths: what happens once happens always.
//!
//! Pools, supervisor, stages and flow are those of [`crate::Pipeline`]; only the host is another. A test can so kill at every
//! schedule point of a small run, one after the other.

use crate::{
    assemble,
    batch::Gather,
    flow::{PipelineFlow, Progress},
    kinds::StageKind,
    pipeline,
    pipeline::StartError,
    plan::Plan,
    results::Results,
    settings::PipelineSettings,
    stage::{Outcome, StageWorker, Task},
    view,
};
use planaria_kernel::{
    DeterministicHost, ItemId, Pulse, Schedule, Worker, WorkerError,
    host::{Ending, Kill, Point},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// What came of a rehearsal.
#[derive(Debug)]
pub struct Rehearsal {
    /// How the run ended.
    pub ending: Ending,
    /// The figures of the run.
    pub results: Results,
    /// Every schedule point, in order.
    pub points: Vec<Point>,
    /// The deaths that somebody died.
    pub kills: Vec<Kill>,
    /// Every batch that was made, by its step: its bytes, and others too, should somebody have made it otherwise.
    pub batches: Batches,
}

/// The bytes of batches, by step.
pub type Batches = BTreeMap<u64, BTreeSet<Vec<u8>>>;

/// Runs a pipeline to its end under a schedule of deaths.
///
/// # Errors
/// [`StartError`]; nothing has been run then.
pub fn rehearse(settings: PipelineSettings, schedule: &Schedule) -> Result<Rehearsal, StartError> {
    let mut plan = Plan::new(settings)?;
    let resumed = pipeline::open_state(&mut plan)?;
    let plan = Arc::new(plan);
    let batches = Arc::new(Mutex::new(Batches::new()));
    let mut makers = assemble::makers(&plan);
    makers[StageKind::Batch as usize] = {
        let (plan, batches) = (plan.clone(), batches.clone());
        Arc::new(move |_| {
            let gather = StageWorker(Gather(plan.clone()));
            Ok(Box::new(Witness { gather, batches: batches.clone() }) as Box<dyn Worker<_>>)
        })
    };
    let host = DeterministicHost::new(
        assemble::pool_plans(&plan),
        assemble::supervision(&plan.settings.supervision),
        makers,
        PipelineFlow::new(plan.clone(), resumed),
        PipelineFlow::begin,
    )?;
    let is_done = |flow: &PipelineFlow| *flow.progress.borrow() != Progress::Running;
    let outcome = host.run(schedule, is_done);
    let results = view::results(&outcome.core, &plan, outcome.supervisor_restarts);
    let batches = std::mem::take(&mut *batches.lock().unwrap_or_else(PoisonError::into_inner));
    let (ending, points, kills) = (outcome.ending, outcome.points, outcome.kills);
    Ok(Rehearsal { ending, results, points, kills, batches })
}

/// Gathers batches, and keeps their bytes.
struct Witness {
    gather: StageWorker<Gather>,
    batches: Arc<Mutex<Batches>>,
}

impl Worker<PipelineFlow> for Witness {
    fn handle(&mut self, item: ItemId, task: Task, pulse: &Pulse) -> Result<Outcome, WorkerError> {
        let made = self.gather.handle(item, task, pulse)?;
        if let Outcome::Batch(batch) = &made {
            let numbers = batch.images.iter().chain(&batch.shares).flat_map(|n| n.to_le_bytes());
            let items = batch.items.iter().flat_map(|item| item.to_le_bytes());
            let bytes = numbers.chain(items).chain(batch.labels.iter().copied()).collect();
            let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
            batches.entry(item.0).or_default().insert(bytes);
        }
        Ok(made)
    }
}
