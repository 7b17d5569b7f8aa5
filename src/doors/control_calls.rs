//! What each request over the control socket does to the runtime.
//!
//! `Controlled` is all that the socket needs of a runtime, so that the socket's own tests need no
//! pipeline.

use futures_util::stream::{self, StreamExt};
use planaria_stages::{
    ChaosPlan, Death, EventPage, KillError, PredictError, Prediction, ScaleError, Scaled, Status,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::future::Future;

use super::{
    control_protocol::{Call, EVENTS_MAX, Image, PROTOCOL_VERSION, Refusal},
    job_calls::JobCall,
};

/// Pictures of one request that wait for their answers at the same time.
const PREDICTIONS_AT_ONCE: usize = 16;

/// A runtime, as far as its owner may steer it from outside.
pub trait Controlled: Clone + 'static {
    /// Copies what the runtime is doing; `None` while no pipeline works.
    fn status(&self) -> Option<Status>;
    /// True while no pipeline works.
    fn is_idle(&self) -> bool {
        false
    }
    /// Answers one picture by the newest model.
    fn predict(
        &self,
        image: Vec<u8>,
    ) -> impl Future<Output = Result<Prediction, PredictError>> + 'static;
    /// Kills the named actors, and names them.
    fn kill(&self, target: &str, how: Death) -> Result<Vec<String>, KillError>;
    /// Starts to kill at random.
    fn chaos(&self, plan: ChaosPlan) -> Result<(), KillError>;
    /// What happened to actors and items from a number on, at most so much of it.
    fn events(&self, since: u64, most: usize) -> EventPage;
    /// Gives a stage another number of workers.
    fn scale(&self, stage: &str, workers: u16) -> Result<Scaled, ScaleError>;
    /// Lets workers move to the bottleneck, or stay.
    fn autoscale(&self, on: bool);
    /// Does something about jobs, if this runtime takes some.
    fn job(&self, call: JobCall) -> impl Future<Output = Result<Value, Refusal>> + 'static;
    /// Begins the drain, and with it the end of the process.
    fn stop(&self);
}

/// The answer to `ping`: who is there, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The version of the program.
    pub version: String,
    /// The version of the protocol.
    pub protocol: u32,
    /// The process.
    pub pid: u32,
    /// The longest line that it takes, in bytes.
    pub line_bytes: u64,
    /// The largest picture that it takes, in bytes.
    pub image_bytes: u64,
    /// How long a prediction may wait, in milliseconds.
    pub deadline_ms: u64,
}

impl Pong {
    /// The answer of this process under these limits.
    pub fn of_this_process(line_bytes: u64, image_bytes: u64, deadline_ms: u64) -> Self {
        Pong {
            version: env!("CARGO_PKG_VERSION").into(),
            protocol: PROTOCOL_VERSION,
            pid: std::process::id(),
            line_bytes,
            image_bytes,
            deadline_ms,
        }
    }
}

/// The answer to `status`: a moment of the pipeline, and whose it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RuntimeStatus {
    /// The version of the program.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// The pipeline.
    #[serde(flatten)]
    pub pipeline: Status,
}

/// The answer for one picture of `predict`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ImageAnswer {
    /// It has a class.
    Predicted {
        /// What the client calls it.
        name: String,
        /// The most probable class.
        class: usize,
        /// Its probability.
        probability: f32,
        /// Of every class.
        probabilities: Vec<f32>,
        /// What the classes are called, in the same order; left out when they have only numbers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        class_names: Vec<String>,
        /// The version of the model that answered.
        model: u64,
    },
    /// It has none.
    Refused {
        /// What the client calls it.
        name: String,
        /// Why, and what to do.
        error: String,
    },
}

impl ImageAnswer {
    fn new(name: String, result: Result<Prediction, PredictError>) -> Self {
        match result {
            Ok(Prediction { class, probability, probabilities, class_names, model }) => {
                ImageAnswer::Predicted {
                    name,
                    class,
                    probability,
                    probabilities,
                    class_names,
                    model,
                }
            }
            Err(error) => ImageAnswer::Refused { name, error: error.to_string() },
        }
    }
}

/// Does what was asked for.
///
/// # Errors
/// The refusal to answer with. A picture without an answer is no refusal: the others have theirs.
pub async fn answer<C: Controlled>(call: Call, runtime: &C, pong: &Pong) -> Result<Value, Refusal> {
    let needs_a_pipeline = !matches!(call, Call::Ping | Call::Stop | Call::Job(_));
    if needs_a_pipeline && runtime.is_idle() {
        return Err(nothing_works());
    }
    match call {
        Call::Ping => value(pong),
        Call::Status => value(&RuntimeStatus {
            version: pong.version.clone(),
            pid: pong.pid,
            pipeline: runtime.status().ok_or_else(nothing_works)?,
        }),
        Call::Job(call) => runtime.job(call).await,
        Call::Predict(images) => predict(images, runtime, pong.image_bytes).await,
        Call::Kill(order) => {
            let killed = runtime.kill(&order.target, order.how)?;
            let actors = killed.len();
            tracing::info!(actor = order.target, cause = ?order.how, actors, "kill ordered");
            Ok(json!({ "killed": killed }))
        }
        Call::Chaos(plan) => {
            runtime.chaos(plan)?;
            tracing::info!(kills = plan.kills, every_ms = plan.every_ms, "chaos ordered");
            value(&plan)
        }
        Call::Events(wanted) => value(&runtime.events(wanted.since, EVENTS_MAX)),
        Call::Scale(order) => value(&runtime.scale(&order.stage, order.workers)?),
        Call::Autoscale(order) => {
            runtime.autoscale(order.on);
            tracing::info!(on = order.on, "automatic scaling ordered");
            value(&order)
        }
        Call::Stop => {
            tracing::info!("stop ordered");
            runtime.stop();
            Ok(json!({ "draining": true }))
        }
    }
}

/// The refusal of what needs a pipeline.
fn nothing_works() -> Refusal {
    let message = "no pipeline works just now: `planaria jobs` lists the jobs there are";
    Refusal::new(Refusal::NOT_HERE, message)
}

async fn predict<C: Controlled>(
    images: Vec<Image>,
    runtime: &C,
    image_bytes: u64,
) -> Result<Value, Refusal> {
    let answers = images.into_iter().map(|Image { name, data }| async move {
        let bytes = data.len() as u64;
        if bytes > image_bytes {
            let error = format!(
                "{bytes} bytes: send a smaller picture or raise `limits.image_bytes` \
                 ({image_bytes})"
            );
            return ImageAnswer::Refused { name, error };
        }
        let result = runtime.predict(data).await;
        ImageAnswer::new(name, result)
    });
    let answers: Vec<_> = stream::iter(answers).buffered(PREDICTIONS_AT_ONCE).collect().await;
    Ok(json!({ "predictions": answers }))
}

pub(super) fn value<T: Serialize>(answer: &T) -> Result<Value, Refusal> {
    serde_json::to_value(answer)
        .map_err(|error| Refusal::new(-32603, format!("cannot write the answer: {error}")))
}
