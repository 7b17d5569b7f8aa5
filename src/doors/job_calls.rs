//! What may be asked of jobs over the control socket, and how it is answered.

use planaria_journal::{JobId, JobState, JournalError, ListJobs, Wish};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

use super::{
    control_calls::value,
    control_protocol::{Refusal, typed},
};
use crate::jobs::{Desk, desk::DeskError};

/// The methods of jobs.
pub const JOB_METHODS: [&str; 8] =
    ["submit", "jobs", "job", "watch", "cancel", "pause", "resume", "retry"];

/// The longest wait of a `watch`, in milliseconds.
const WATCH_MS_MAX: u64 = 60_000;

/// Everything that may be asked of jobs.
#[derive(Debug, Clone, PartialEq)]
pub enum JobCall {
    /// A job is to be done.
    Submit(SubmitOrder),
    /// The newest jobs.
    List(ListOrder),
    /// One job.
    Look(LookOrder),
    /// One job, once something has happened to it.
    Watch(LookOrder),
    /// A wish for a job.
    Wish(JobId, Wish),
    /// A paused job is to go on.
    Resume(JobId),
    /// A job that ended without a result is to begin again.
    Retry(JobId),
}

/// The parameters of `submit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitOrder {
    /// What a job file says, with absolute paths.
    pub job: Value,
    /// The same key gives the same job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The parameters of `jobs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListOrder {
    /// Of this state only.
    pub state: Option<JobState>,
    /// Older than this one only.
    pub before: Option<JobId>,
    /// At most so many; 100 when it is left out.
    pub most: Option<u64>,
}

/// The parameters of `job` and `watch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookOrder {
    /// Which job.
    pub id: JobId,
    /// Its timeline from this number on.
    #[serde(default)]
    pub since: u64,
    /// How long `watch` waits for something new, in milliseconds: a minute at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    id: JobId,
}

/// Understands a method of jobs; `None` when it is none.
pub(super) fn parse(method: &str, params: &Value) -> Option<Result<JobCall, Refusal>> {
    let which = || typed::<Which>(method, params.clone()).map(|which| which.id);
    Some(match method {
        "submit" => typed(method, params.clone()).map(JobCall::Submit),
        "jobs" => typed(method, params.clone()).map(JobCall::List),
        "job" => typed(method, params.clone()).map(JobCall::Look),
        "watch" => typed(method, params.clone()).map(JobCall::Watch),
        "cancel" => which().map(|id| JobCall::Wish(id, Wish::Cancel)),
        "pause" => which().map(|id| JobCall::Wish(id, Wish::Pause)),
        "resume" => which().map(JobCall::Resume),
        "retry" => which().map(JobCall::Retry),
        _ => return None,
    })
}

/// Does what was asked for.
///
/// # Errors
/// The refusal to answer with.
pub async fn answer(call: JobCall, desk: &Desk) -> Result<Value, Refusal> {
    match call {
        JobCall::Submit(SubmitOrder { job, key }) => {
            let accepted = desk.submit(job, key).await?;
            let (id, state, is_new) = (accepted.id, accepted.state, accepted.is_new);
            if is_new {
                tracing::info!(job = %id, "job accepted");
            }
            Ok(json!({ "id": id, "state": state, "is_new": is_new }))
        }
        JobCall::List(ListOrder { state, before, most }) => {
            let order = ListJobs { state, before, most: most.unwrap_or(100) };
            Ok(json!({ "jobs": desk.list(order).await? }))
        }
        JobCall::Look(order) => value(&desk.job(order.id, order.since).await?),
        JobCall::Watch(order) => {
            let wait_ms = order.wait_ms.unwrap_or(WATCH_MS_MAX).min(WATCH_MS_MAX);
            let limit = Duration::from_millis(wait_ms);
            value(&desk.watch(order.id, order.since, limit).await?)
        }
        JobCall::Wish(id, wish) => {
            let wished = desk.wish(id, wish).await?;
            tracing::info!(job = %id, wish = wish.name(), "wish for a job");
            Ok(json!({ "id": id, "state": wished.state }))
        }
        JobCall::Resume(id) => {
            desk.resume(id).await?;
            Ok(json!({ "id": id, "state": JobState::Queued }))
        }
        JobCall::Retry(id) => {
            desk.retry(id).await?;
            Ok(json!({ "id": id, "state": JobState::Queued }))
        }
    }
}

impl From<DeskError> for Refusal {
    fn from(error: DeskError) -> Self {
        let code = match &error {
            DeskError::Spec(_) => Refusal::INVALID_PARAMS,
            DeskError::Stopping => Refusal::BUSY,
            DeskError::Journal(JournalError::Busy | JournalError::QueueFull { .. }) => {
                Refusal::BUSY
            }
            DeskError::Journal(_) => Refusal::JOB,
        };
        Refusal::new(code, error.to_string())
    }
}
