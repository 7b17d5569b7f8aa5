//! One file a kind of job: what it does, and what it has to show. A result holds nothing of when, where or how often it was
//! computed: it is the same, byte for byte, however often the process died on the way.

use planaria_journal::{Job, JobState, JournalError, Note, Progress, Wish};
use planaria_stages::Pipeline;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    error::Error,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::{
    select,
    sync::{oneshot, watch},
    time::{interval, sleep},
};

use super::{
    clock::now_ms,
    desk::Desk,
    spec::{JobRequest, JobSpec, WhichModel},
};
use crate::doors::stop_switch::StopSwitch;
use planaria_journal::FindJob;

mod train;
mod predict;
mod evaluate;
mod inspect;
mod export;

/// What the model of a training is called among its files.
const MODEL: &str = "model.safetensors";

/// How often a job in work is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A job in work.
pub(super) struct Work {
    pub(super) job: Job,
    pub(super) spec: JobSpec,
    /// Its own folder: what it needs to go on after a death.
    pub(super) folder: PathBuf,
    pub(super) desk: Desk,
    pub(super) stop: StopSwitch,
    pub(super) wishes: watch::Receiver<Option<Wish>>,
}

/// How a job has gone.
pub(super) enum Outcome {
    /// To its end.
    Done(Made),
    /// Somebody wanted it to stop: a wish, or the end of the runtime.
    Interrupted,
}

/// What a job has made.
pub(super) struct Made {
    pub(super) result: Value,
    /// Large things, by their names.
    pub(super) files: Vec<(String, Vec<u8>)>,
}

/// Why a job has not gone to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// It cannot be done.
    Job(String),
    /// Nobody can write down what becomes of it.
    Journal(JournalError),
}

impl Failure {
    /// The failure that this error is, with its causes.
    pub(super) fn job(error: impl Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let message = error.to_string();
            if !text.ends_with(&message) {
                text = format!("{text}: {message}");
            }
            cause = error.source();
        }
        Failure::Job(text)
    }
}

/// Does what the job's kind does.
pub(super) async fn carry_out(work: Work) -> Result<Outcome, Failure> {
    match work.spec.request.clone() {
        JobRequest::Train(_) | JobRequest::Compare(_) => train::train(&work).await,
        JobRequest::Predict(job) => predict::predict(&work, job).await,
        JobRequest::Evaluate(job) => evaluate::evaluate(&work, job).await,
        JobRequest::Inspect(job) => inspect::inspect(&work, job).await,
        JobRequest::Export(job) => export::export(&work, job).await,
    }
}

/// What a thread that computes sees of who waits for it.
#[derive(Clone, Default)]
pub(super) struct Ticket {
    is_stopped: Arc<AtomicBool>,
    progress: Arc<AtomicU64>,
}

impl Ticket {
    /// True when it should stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// It has come so far.
    pub(super) fn progress(&self, progress: u64) {
        self.progress.store(progress, Ordering::Relaxed);
    }
}

impl Work {
    /// Waits until somebody wants this job to stop.
    async fn interrupted(&self) {
        let mut wishes = self.wishes.clone();
        select! {
            () = self.stop.asked() => {}
            // It fails only when the runner has let go of the job.
            _ = wishes.wait_for(Option::is_some) => {}
        }
    }

    /// Waits for what ends by itself, but no longer than a stop may take.
    async fn within_the_drain<T>(&self, end: impl Future<Output = T>) -> Option<T> {
        let limit = Duration::from_millis(self.desk.settings().drain_ms);
        select! {
            end = end => Some(end),
            () = sleep(limit) => None,
            () = self.stop.insisted() => None,
        }
    }

    /// Computes in a thread of its own; `None` of it means that it was stopped.
    async fn in_a_thread(
        &self,
        what: impl FnOnce(&Ticket) -> Result<Option<Made>, Failure> + Send + 'static,
    ) -> Result<Outcome, Failure> {
        let ticket = Ticket::default();
        let theirs = ticket.clone();
        let (answer, mut thread) = oneshot::channel();
        // A thread of the runtime's pool would have to be waited for when the process ends at once.
        let compute = move || drop(answer.send(what(&theirs)));
        let started = thread::Builder::new().name("job".into()).spawn(compute);
        started.map_err(Failure::job)?;
        let mut looks = interval(LOOK_EVERY);
        let mut told = 0;
        let end = loop {
            select! {
                end = &mut thread => break Some(end),
                () = self.interrupted() => {
                    ticket.is_stopped.store(true, Ordering::Relaxed);
                    break self.within_the_drain(&mut thread).await;
                }
                _ = looks.tick() => {
                    let progress = ticket.progress.load(Ordering::Relaxed);
                    if progress > told {
                        told = progress;
                        self.progress(progress).await?;
                    }
                }
            }
        };
        match end {
            None | Some(Ok(Ok(None))) => Ok(Outcome::Interrupted),
            Some(Ok(Ok(Some(made)))) => Ok(Outcome::Done(made)),
            Some(Ok(Err(failure))) => Err(failure),
            Some(Err(_)) => {
                Err(Failure::Job("it panicked; the last words are in the runtime's log".into()))
            }
        }
    }

    /// The job has come so far.
    async fn progress(&self, progress: u64) -> Result<(), Failure> {
        let order = Progress { id: self.job.id, progress };
        match self.desk.ask(order).await {
            // A figure that is lost costs nothing but a death that is counted.
            Ok(()) | Err(JournalError::Busy | JournalError::Full) => Ok(()),
            Err(error) => Err(Failure::Journal(error)),
        }
    }

    /// Writes something into the job's timeline.
    async fn note(&self, what: &'static str, detail: String) -> Result<(), Failure> {
        self.order_note(what, detail, None).await
    }

    async fn order_note(
        &self,
        what: &'static str,
        detail: String,
        inputs: Option<String>,
    ) -> Result<(), Failure> {
        let order = Note { id: self.job.id, what, detail, inputs, now_ms: now_ms() };
        let noted = self.desk.ask(order).await.map_err(Failure::Journal);
        self.desk.changed();
        noted
    }

    /// Writes down what the job reads; another attempt that finds it changed ends the job.
    async fn reads(&self, name: &str, path: &Path, sha256: &str) -> Result<(), Failure> {
        let before = self.job.inputs.as_deref().unwrap_or("{}");
        let before: BTreeMap<String, String> =
            serde_json::from_str(before).map_err(Failure::job)?;
        match before.get(name) {
            Some(known) if known == sha256 => Ok(()),
            Some(known) => Err(Failure::Job(format!(
                "{}: it has changed since this job first read it (SHA-256 {known}, now {sha256}): \
                 submit the job anew",
                path.display()
            ))),
            None => {
                let mut inputs = before;
                inputs.insert(name.into(), sha256.into());
                let inputs = serde_json::to_string(&inputs).map_err(Failure::job)?;
                let detail = format!("{} (SHA-256 {sha256})", path.display());
                self.order_note("reads", detail, Some(inputs)).await
            }
        }
    }

    /// The file of the model that is meant.
    async fn model(&self, which: &WhichModel) -> Result<PathBuf, Failure> {
        let path = match (&which.model, which.model_of) {
            (Some(path), _) => path.clone(),
            (None, Some(id)) => {
                let job = self.desk.ask(FindJob(id)).await.map_err(|error| match error {
                    error @ JournalError::Broken { .. } => Failure::Journal(error),
                    error => Failure::job(error),
                })?;
                let blob = job.blobs.iter().find(|blob| blob.name == MODEL);
                match blob {
                    Some(blob) => self.desk.state().blobs.path(&blob.sha256),
                    None if job.state == JobState::Done => {
                        return Err(Failure::Job(format!("job {id} has made no model")));
                    }
                    None => {
                        let state = job.state;
                        return Err(Failure::Job(format!(
                            "job {id} is {state}: its model is not there"
                        )));
                    }
                }
            }
            (None, None) => return Err(Failure::Job("no model is named".into())),
        };
        let bytes = std::fs::read(&path)
            .map_err(|error| Failure::Job(format!("cannot read {}: {error}", path.display())))?;
        self.reads("model", &path, &planaria_durable::blob_store::sha256(&bytes)).await?;
        Ok(path)
    }

    /// Lets the control socket see the job's pipeline.
    fn show(&self, pipeline: Option<&Pipeline>) {
        if let Some(current) = &mut *self.desk.current().borrow_mut() {
            current.pipeline = pipeline.cloned();
        }
    }
}

/// JSON of something that is texts, numbers and lists.
fn json(value: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(Failure::job)
}
