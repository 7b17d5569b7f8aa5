//! The same pipeline on one thread, with a virtual clock and a schedule of deaths: what happens once happens always.
//!
//! Pools, supervisor, stages and flow are those of [`crate::Pipeline`]; only the host is another. A test can so kill at every
//! schedule point of a small run, one after the other.

use crate::{
    assemble, flow::PipelineFlow, flow::Progress, pipeline, pipeline::StartError, plan::Plan,
    results::Results, settings::PipelineSettings, view,
};
use planaria_kernel::{
    DeterministicHost, Schedule,
    host::{Ending, Kill, Point},
};
use std::sync::Arc;

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
}

/// Runs a pipeline to its end under a schedule of deaths.
///
/// # Errors
/// [`StartError`]; nothing has been run then.
pub fn rehearse(settings: PipelineSettings, schedule: &Schedule) -> Result<Rehearsal, StartError> {
    let mut plan = Plan::new(settings)?;
    let resumed = pipeline::open_state(&mut plan)?;
    let plan = Arc::new(plan);
    let host = DeterministicHost::new(
        assemble::pool_plans(&plan),
        assemble::supervision(&plan.settings.supervision),
        assemble::makers(&plan),
        PipelineFlow::new(plan.clone(), resumed),
        PipelineFlow::begin,
    )?;
    let is_done = |flow: &PipelineFlow| *flow.progress.borrow() != Progress::Running;
    let outcome = host.run(schedule, is_done);
    let results = view::results(&outcome.core, &plan, outcome.supervisor_restarts);
    Ok(Rehearsal { ending: outcome.ending, results, points: outcome.points, kills: outcome.kills })
}
