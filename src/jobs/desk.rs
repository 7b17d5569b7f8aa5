//! Where jobs are accepted and asked for: all that the control socket talks to.
//!
//! An answer is given when what it says is in the journal, and not before. Whoever waits for a job waits for a change of the
//! counter `changes`, and then looks: nothing is delivered that could be lost.

use planaria_journal::{
    Accept, Accepted, AskFor, Entry, FindJob, Job, JobId, JobLine, Journal, JournalError, ListJobs,
    Order, Resume, Retry, Timeline, Wish, Wished,
};
use planaria_stages::Pipeline;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use super::{
    clock::now_ms,
    spec::{SpecError, Submission},
    state::{JobSettings, StateFolder},
};

/// Jobs that one answer lists.
pub const LISTED_MAX: u64 = 1000;

/// Why a client does not get what it asks for.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The job is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The journal refuses or fails.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The runtime ends.
    #[error("the runtime is stopping and accepts no more jobs: submit again when it is back")]
    Stopping,
}

/// What is in work.
pub(super) struct Current {
    pub(super) id: JobId,
    pub(super) wish: watch::Sender<Option<Wish>>,
    /// Its pipeline, while it has one.
    pub(super) pipeline: Option<Pipeline>,
}

/// The desk. Clones are the same desk.
#[derive(Clone)]
pub struct Desk(Rc<Inner>);

struct Inner {
    state: StateFolder,
    settings: JobSettings,
    changes: watch::Sender<u64>,
    current: RefCell<Option<Current>>,
    is_closed: Cell<bool>,
    /// Why the journal cannot be written any more.
    broken: RefCell<Option<JournalError>>,
}

/// A job and what happened to it: the answer to `job` and `watch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// The job.
    #[serde(flatten)]
    pub line: JobLine,
    /// What the client calls it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// What was asked for.
    pub request: Value,
    /// What it has come to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<Value>,
    /// The large things of its result: names, SHA-256, and where they lie.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub files: Vec<FileView>,
    /// What happened to it, from the number on that was asked for.
    pub timeline: Vec<Entry>,
}

/// A large thing of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// What it is called.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// How large it is.
    pub bytes: u64,
    /// Where it lies on the runtime's machine.
    pub path: String,
}

impl Desk {
    /// The desk of the jobs in `state`.
    pub fn new(state: StateFolder, settings: JobSettings) -> Self {
        Desk(Rc::new(Inner {
            state,
            settings,
            changes: watch::Sender::new(0),
            current: RefCell::default(),
            is_closed: Cell::new(false),
            broken: RefCell::default(),
        }))
    }

    /// Accepts a job; when this returns, it is in the journal.
    ///
    /// # Errors
    /// [`DeskError`]: the job is wrong, the queue full, the journal broken, the runtime at its end.
    pub async fn submit(&self, job: Value, key: Option<String>) -> Result<Accepted, DeskError> {
        if self.0.is_closed.get() {
            return Err(DeskError::Stopping);
        }
        let job = Submission::parse(job)?.accept(key)?;
        let queue_max = self.0.settings.queue_max;
        let accepted = self.ask(Accept { job, queue_max, now_ms: now_ms() }).await?;
        self.changed();
        Ok(accepted)
    }

    /// The newest jobs.
    ///
    /// # Errors
    /// [`DeskError::Journal`].
    pub async fn list(&self, order: ListJobs) -> Result<Vec<JobLine>, DeskError> {
        let most = order.most.min(LISTED_MAX);
        Ok(self.ask(ListJobs { most, ..order }).await?)
    }

    /// A job and what happened to it from `since` on.
    ///
    /// # Errors
    /// [`DeskError::Journal`]: there is no such job.
    pub async fn job(&self, id: JobId, since: u64) -> Result<JobView, DeskError> {
        let job = self.ask(FindJob(id)).await?;
        let timeline = self.ask(Timeline { id, since }).await?;
        Ok(self.view(job, timeline))
    }

    /// The same once there is something new from `since` on, or the job has ended, or the time is over.
    ///
    /// # Errors
    /// [`DeskError::Journal`]: there is no such job.
    pub async fn watch(
        &self,
        id: JobId,
        since: u64,
        limit: Duration,
    ) -> Result<JobView, DeskError> {
        let mut changes = self.0.changes.subscribe();
        let new = async {
            loop {
                changes.mark_unchanged();
                let view = self.job(id, since).await?;
                if !view.timeline.is_empty() || view.line.state.is_ended() {
                    return Ok(view);
                }
                // It fails only when the sender is gone, and we hold it.
                let _ = changes.changed().await;
            }
        };
        match timeout(limit, new).await {
            Ok(view) => view,
            Err(_) => self.job(id, since).await,
        }
    }

    /// Asks for the end of a job, or that it waits; one in work is told.
    ///
    /// # Errors
    /// [`DeskError::Journal`]: there is no such job, or it is in no state for this.
    pub async fn wish(&self, id: JobId, wish: Wish) -> Result<Wished, DeskError> {
        let wished = self.ask(AskFor { id, wish, now_ms: now_ms() }).await?;
        if wished.must_be_told
            && let Some(current) = &*self.0.current.borrow()
            && current.id == id
        {
            current.wish.send_replace(Some(wish));
        }
        self.changed();
        Ok(wished)
    }

    /// Lets a paused job go on.
    ///
    /// # Errors
    /// [`DeskError::Journal`].
    pub async fn resume(&self, id: JobId) -> Result<(), DeskError> {
        self.ask(Resume { id, now_ms: now_ms() }).await?;
        self.changed();
        Ok(())
    }

    /// Begins a job again that ended without a result.
    ///
    /// # Errors
    /// [`DeskError::Journal`].
    pub async fn retry(&self, id: JobId) -> Result<(), DeskError> {
        self.ask(Retry { id, now_ms: now_ms() }).await?;
        self.changed();
        Ok(())
    }

    /// Accepts nothing more.
    pub fn close(&self) {
        self.0.is_closed.set(true);
    }

    /// Why the journal cannot be written any more, if it cannot.
    pub fn broken(&self) -> Option<JournalError> {
        self.0.broken.borrow().clone()
    }

    /// The pipeline of the job in work, when it has one.
    pub fn pipeline(&self) -> Option<Pipeline> {
        self.0.current.borrow().as_ref().and_then(|current| current.pipeline.clone())
    }

    /// What is on disk.
    pub fn state(&self) -> &StateFolder {
        &self.0.state
    }

    /// `[jobs]` of the config.
    pub fn settings(&self) -> &JobSettings {
        &self.0.settings
    }

    pub(super) fn current(&self) -> &RefCell<Option<Current>> {
        &self.0.current
    }

    /// Who waits for a change looks again.
    pub(super) fn changed(&self) {
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    /// Counts changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Asks the journal; the answer comes when it is on disk.
    pub(super) async fn ask<O: Order>(&self, order: O) -> Result<O::Answer, JournalError> {
        let answer = ask(&self.0.state.journal, order).await;
        if let Err(error @ JournalError::Broken { .. }) = &answer {
            tracing::error!(cause = %error, "the journal cannot be written");
            self.0.broken.borrow_mut().get_or_insert_with(|| error.clone());
            self.changed();
        }
        answer
    }

    fn view(&self, job: Job, timeline: Vec<Entry>) -> JobView {
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
        let mut spec = parsed(&job.spec);
        let files = job.blobs.into_iter().map(|blob| FileView {
            path: self.0.state.blobs.path(&blob.sha256).display().to_string(),
            name: blob.name,
            sha256: blob.sha256,
            bytes: blob.bytes,
        });
        JobView {
            files: files.collect(),
            key: job.key,
            request: spec.get_mut("request").map(Value::take).unwrap_or_default(),
            result: job.result.as_deref().map(parsed),
            line: JobLine {
                id: job.id,
                kind: job.kind,
                state: job.state,
                priority: job.priority,
                attempts: job.attempts,
                progress: job.progress,
                accepted_ms: job.accepted_ms,
                ended_ms: job.ended_ms,
                error: job.error,
            },
            timeline,
        }
    }
}

/// Asks a journal from a task.
async fn ask<O: Order>(journal: &Journal, order: O) -> Result<O::Answer, JournalError> {
    let (reply, answer) = oneshot::channel();
    // Who asked may have gone.
    journal.send(order, move |answer| drop(reply.send(answer)))?;
    answer
        .await
        .unwrap_or_else(|_| Err(JournalError::Broken { reason: "its thread has ended".into() }))
}
