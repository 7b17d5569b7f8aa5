//! What the control socket steers: the pipeline of `planaria run`, or the jobs of `planaria serve` with the pipeline of the
//! one in work.

use planaria_stages::{
    ChaosPlan, Death, EventPage, KillError, Pipeline, PredictError, Prediction, ScaleError, Scaled,
    Status,
};
use serde_json::Value;
use std::future::{Future, ready};

use super::{
    control_calls::Controlled,
    control_protocol::Refusal,
    job_calls::{self, JobCall},
    stop_switch::StopSwitch,
};
use crate::jobs::Desk;

/// A pipeline and the switch that ends its run.
#[derive(Clone)]
pub struct Runtime {
    pipeline: Pipeline,
    stop: StopSwitch,
}

impl Runtime {
    /// The runtime of `pipeline`, which ends when `stop` is asked.
    pub fn new(pipeline: Pipeline, stop: StopSwitch) -> Self {
        Runtime { pipeline, stop }
    }
}

impl Controlled for Runtime {
    fn status(&self) -> Option<Status> {
        Some(self.pipeline.status())
    }

    fn predict(
        &self,
        image: Vec<u8>,
    ) -> impl Future<Output = Result<Prediction, PredictError>> + 'static {
        let pipeline = self.pipeline.clone();
        async move { pipeline.predict(image).await }
    }

    fn kill(&self, target: &str, how: Death) -> Result<Vec<String>, KillError> {
        self.pipeline.kill(target, how)
    }

    fn chaos(&self, plan: ChaosPlan) -> Result<(), KillError> {
        self.pipeline.chaos(plan)
    }

    fn events(&self, since: u64, most: usize) -> EventPage {
        self.pipeline.events(since, most)
    }

    fn scale(&self, stage: &str, workers: u16) -> Result<Scaled, ScaleError> {
        self.pipeline.scale(stage, workers)
    }

    fn autoscale(&self, on: bool) {
        self.pipeline.autoscale(on);
    }

    fn job(&self, _: JobCall) -> impl Future<Output = Result<Value, Refusal>> + 'static {
        let message = "this runtime carries out one config and takes no jobs: \
                       start another with `planaria serve CONFIG`";
        ready(Err(Refusal::new(Refusal::NOT_HERE, message)))
    }

    fn stop(&self) {
        self.stop.ask();
    }
}

/// The jobs of a desk, and the switch that ends the runtime.
#[derive(Clone)]
pub struct JobRuntime {
    desk: Desk,
    stop: StopSwitch,
}

impl JobRuntime {
    /// The runtime of the jobs of `desk`, which ends when `stop` is asked.
    pub fn new(desk: Desk, stop: StopSwitch) -> Self {
        JobRuntime { desk, stop }
    }
}

impl Controlled for JobRuntime {
    fn status(&self) -> Option<Status> {
        self.desk.pipeline().map(|pipeline| pipeline.status())
    }

    fn is_idle(&self) -> bool {
        self.desk.pipeline().is_none()
    }

    fn predict(
        &self,
        image: Vec<u8>,
    ) -> impl Future<Output = Result<Prediction, PredictError>> + 'static {
        let pipeline = self.desk.pipeline();
        async move {
            match pipeline {
                Some(pipeline) => pipeline.predict(image).await,
                None => Err(PredictError::Stopping),
            }
        }
    }

    fn kill(&self, target: &str, how: Death) -> Result<Vec<String>, KillError> {
        self.desk.pipeline().ok_or(KillError::Stopped)?.kill(target, how)
    }

    fn chaos(&self, plan: ChaosPlan) -> Result<(), KillError> {
        self.desk.pipeline().ok_or(KillError::Stopped)?.chaos(plan)
    }

    fn events(&self, since: u64, most: usize) -> EventPage {
        let nothing = EventPage { events: Vec::new(), next: since };
        self.desk.pipeline().map_or(nothing, |pipeline| pipeline.events(since, most))
    }

    fn scale(&self, stage: &str, workers: u16) -> Result<Scaled, ScaleError> {
        self.desk.pipeline().ok_or(ScaleError::Stopped)?.scale(stage, workers)
    }

    fn autoscale(&self, on: bool) {
        if let Some(pipeline) = self.desk.pipeline() {
            pipeline.autoscale(on);
        }
    }

    fn job(&self, call: JobCall) -> impl Future<Output = Result<Value, Refusal>> + 'static {
        let desk = self.desk.clone();
        async move { job_calls::answer(call, &desk).await }
    }

    fn stop(&self) {
        self.stop.ask();
    }
}
