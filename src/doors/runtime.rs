//! The running pipeline as the control socket steers it.

use planaria_stages::{
    ChaosPlan, Death, EventPage, KillError, Pipeline, PredictError, Prediction, ScaleError, Scaled,
    Status,
};
use std::future::Future;

use super::{control_calls::Controlled, stop_switch::StopSwitch};

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
    fn status(&self) -> Status {
        self.pipeline.status()
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

    fn stop(&self) {
        self.stop.ask();
    }
}
