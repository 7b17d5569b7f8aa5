//! Takes the next job, carries it out, ends it in the journal: one after the other, by priority and then in their order.
//!
//! The way of a result: its large things become blobs (whole, synced), then one row says that the job is done and names them,
//! then its folder of work goes. A death between any two of these leaves what the next life finishes or sweeps.

use planaria_journal::{BlobRow, End, Ending, Job, JournalError, Order, PutBack, TakeNext, Wish};
use std::time::Duration;
use tokio::{select, sync::watch, time::sleep};

use super::{
    clock::now_ms,
    desk::{Current, Desk},
    kinds::{self, Failure, Made, Outcome, Work},
    spec::JobSpec,
};
use crate::doors::stop_switch::StopSwitch;

/// How long the runner waits before it asks a journal again that is busy or has no room.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// So many jobs end between two looks for what may be forgotten.
const ENDS_A_LOOK: u32 = 64;

/// Carries out the jobs of a desk.
pub struct Runner {
    desk: Desk,
    stop: StopSwitch,
    /// Whether it ends when no job waits.
    until_idle: bool,
    ended: u32,
}

impl Runner {
    /// A runner that goes on until `stop` is asked, or until no job waits.
    pub fn new(desk: Desk, stop: StopSwitch, until_idle: bool) -> Self {
        Runner { desk, stop, until_idle, ended: 0 }
    }

    /// Carries out one job after the other.
    ///
    /// # Errors
    /// [`JournalError`] when the journal cannot be written any more: what is in work then is found by the next life.
    pub async fn run(mut self) -> Result<(), JournalError> {
        let mut changes = self.desk.changes();
        while !self.stop.is_asked() {
            if let Some(error) = self.desk.broken() {
                return Err(error);
            }
            changes.mark_unchanged();
            match self.surely(|| TakeNext { now_ms: now_ms() }).await? {
                Some(job) => self.job(job).await?,
                None if self.until_idle => return Ok(()),
                None => select! {
                    () = self.stop.asked() => {}
                    // It fails only when the desk is gone, and we hold it.
                    _ = changes.changed() => {}
                },
            }
        }
        Ok(())
    }

    /// One job, from its beginning to a row that says what has become of it.
    async fn job(&mut self, job: Job) -> Result<(), JournalError> {
        let (id, kind, attempt) = (job.id, job.kind.clone(), job.attempts);
        tracing::info!(job = %id, kind, attempt, "job started");
        let (wish, wishes) = watch::channel(None);
        *self.desk.current().borrow_mut() = Some(Current { id, wish, pipeline: None });
        self.desk.changed();
        let carried_out = self.carry_out(job, wishes.clone()).await;
        *self.desk.current().borrow_mut() = None;
        let wish = *wishes.borrow();
        let ending = match carried_out {
            Ok(Outcome::Done(made)) => self.keep(made),
            Ok(Outcome::Interrupted) if wish == Some(Wish::Cancel) => Ending::Cancelled,
            Ok(Outcome::Interrupted) => {
                let is_paused = wish == Some(Wish::Pause);
                let detail = if is_paused { "as asked" } else { "the runtime was told to end" };
                tracing::info!(job = %id, kind, cause = detail, "job put back");
                let detail = detail.to_owned();
                let back = || PutBack { id, is_paused, detail: detail.clone(), now_ms: now_ms() };
                return self.surely(back).await;
            }
            Err(Failure::Job(error)) => Ending::Failed { error },
            Err(Failure::Journal(error)) => return Err(error),
        };
        match &ending {
            Ending::Done { .. } => tracing::info!(job = %id, kind, "job done"),
            Ending::Failed { error } => {
                tracing::warn!(job = %id, kind, cause = error, "job failed")
            }
            Ending::Cancelled => tracing::info!(job = %id, kind, "job cancelled"),
        }
        let is_done = matches!(ending, Ending::Done { .. });
        self.surely(|| End { id, ending: ending.clone(), now_ms: now_ms() }).await?;
        if is_done && let Err(error) = self.desk.state().clear_work(id) {
            // It is swept at the next start.
            tracing::warn!(job = %id, cause = %error, "work of the job not removed");
        }
        self.forget();
        Ok(())
    }

    async fn carry_out(
        &self,
        job: Job,
        wishes: watch::Receiver<Option<Wish>>,
    ) -> Result<Outcome, Failure> {
        let spec: JobSpec = serde_json::from_str(&job.spec).map_err(Failure::job)?;
        let folder = self.desk.state().work(job.id).map_err(Failure::job)?;
        let (desk, stop) = (self.desk.clone(), self.stop.clone());
        kinds::carry_out(Work { job, spec, folder, desk, stop, wishes }).await
    }

    /// Puts the large things of a result in place; what cannot be put is a failure that can be retried.
    fn keep(&self, made: Made) -> Ending {
        let mut blobs = Vec::new();
        for (name, bytes) in made.files {
            match self.desk.state().blobs.put(&bytes) {
                Ok(blob) => blobs.push(BlobRow { name, sha256: blob.sha256, bytes: blob.bytes }),
                Err(error) => {
                    return Ending::Failed { error: format!("its result cannot be kept: {error}") };
                }
            }
        }
        Ending::Done { result: made.result.to_string(), blobs }
    }

    /// Forgets the oldest jobs now and then, and what belonged to them.
    fn forget(&mut self) {
        self.ended += 1;
        if !self.ended.is_multiple_of(ENDS_A_LOOK) {
            return;
        }
        let state = self.desk.state();
        let forgotten = state
            .forget(self.desk.settings().keep)
            .and_then(|forgotten| if forgotten == 0 { Ok(0) } else { state.sweep() });
        if let Err(error) = forgotten {
            tracing::warn!(cause = %error, "old jobs not forgotten");
        }
    }

    /// Asks the journal again and again while it is busy or has no room; nothing is lost by waiting.
    async fn surely<O: Order>(&self, order: impl Fn() -> O) -> Result<O::Answer, JournalError> {
        loop {
            match self.desk.ask(order()).await {
                Err(error @ (JournalError::Busy | JournalError::Full)) => {
                    tracing::warn!(cause = %error, "the journal is asked again");
                    select! {
                        () = sleep(AGAIN_AFTER) => {}
                        () = self.stop.insisted() => return Err(error),
                    }
                }
                answer => {
                    self.desk.changed();
                    return answer;
                }
            }
        }
    }
}
