//! A job on its way: begun, brought forward, put back, ended.

use rusqlite::{Connection, OptionalExtension, params};

use super::{COLUMNS, Order, column, job, note, state_of};
use crate::{
    JournalError,
    job::{BlobRow, Job, JobId, JobState},
};

/// Begins the job that is next: of the greatest priority, and of those the earliest.
#[derive(Debug, Clone, Copy)]
pub struct TakeNext {
    /// The time.
    pub now_ms: i64,
}

impl Order for TakeNext {
    type Answer = Option<Job>;

    fn carry_out(self, db: &Connection) -> Result<Option<Job>, JournalError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM jobs WHERE state = 'queued' ORDER BY priority DESC, id LIMIT 1"
        );
        let next = db.prepare_cached(&sql)?.query_row([], job).optional()?;
        let Some(mut next) = next else { return Ok(None) };
        next.state = JobState::Running;
        next.attempts += 1;
        db.prepare_cached("UPDATE jobs SET state = 'running', attempts = ?2 WHERE id = ?1")?
            .execute(params![next.id.0, next.attempts])?;
        note(db, next.id, self.now_ms, "started", &format!("attempt {}", next.attempts))?;
        Ok(Some(next))
    }
}

/// A running job has come so far: it is not one that only ever dies.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Which.
    pub id: JobId,
    /// How far; no more than before changes nothing.
    pub progress: u64,
}

impl Order for Progress {
    type Answer = ();

    fn carry_out(self, db: &Connection) -> Result<(), JournalError> {
        db.prepare_cached(
            "UPDATE jobs SET progress = ?2, deaths = 0
             WHERE id = ?1 AND state = 'running' AND progress < ?2",
        )?
        .execute(params![self.id.0, column(self.progress)])?;
        Ok(())
    }
}

/// Something happened to a running job, or was found out about it.
#[derive(Debug, Clone)]
pub struct Note {
    /// Which.
    pub id: JobId,
    /// What.
    pub what: &'static str,
    /// More of it.
    pub detail: String,
    /// What the job reads, when that was found out.
    pub inputs: Option<String>,
    /// The time.
    pub now_ms: i64,
}

impl Order for Note {
    type Answer = ();

    fn carry_out(self, db: &Connection) -> Result<(), JournalError> {
        state_of(db, self.id)?;
        if let Some(inputs) = &self.inputs {
            db.prepare_cached("UPDATE jobs SET inputs = ?2 WHERE id = ?1")?
                .execute(params![self.id.0, inputs])?;
        }
        note(db, self.id, self.now_ms, self.what, &self.detail)
    }
}

/// A running job goes back to the queue, or waits where somebody wants it to: the runtime ends in order.
#[derive(Debug, Clone)]
pub struct PutBack {
    /// Which.
    pub id: JobId,
    /// Whether it waits until it is resumed.
    pub is_paused: bool,
    /// Why.
    pub detail: String,
    /// The time.
    pub now_ms: i64,
}

impl Order for PutBack {
    type Answer = ();

    fn carry_out(self, db: &Connection) -> Result<(), JournalError> {
        let state = state_of(db, self.id)?;
        if state != JobState::Running {
            return Err(JournalError::WrongState { id: self.id, state, what: "put back" });
        }
        let (to, what) = match self.is_paused {
            true => (JobState::Paused, "paused"),
            false => (JobState::Queued, "put back"),
        };
        db.prepare_cached("UPDATE jobs SET state = ?2, wish = NULL WHERE id = ?1")?
            .execute(params![self.id.0, to.name()])?;
        note(db, self.id, self.now_ms, what, &self.detail)
    }
}

/// How a job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With its result, and the large things that belong to it. They are in place already: this row is what makes them count.
    Done {
        /// What it has come to.
        result: String,
        /// Its large things.
        blobs: Vec<BlobRow>,
    },
    /// Without.
    Failed {
        /// Why.
        error: String,
    },
    /// As somebody asked for.
    Cancelled,
}

/// Ends a running job. Once: a second end is refused.
#[derive(Debug, Clone)]
pub struct End {
    /// Which.
    pub id: JobId,
    /// How.
    pub ending: Ending,
    /// The time.
    pub now_ms: i64,
}

impl Order for End {
    type Answer = ();

    fn carry_out(self, db: &Connection) -> Result<(), JournalError> {
        let End { id, ending, now_ms } = self;
        let state = state_of(db, id)?;
        if state != JobState::Running {
            return Err(JournalError::WrongState { id, state, what: "ended" });
        }
        let (state, result, error) = match &ending {
            Ending::Done { result, .. } => (JobState::Done, Some(result), None),
            Ending::Failed { error } => (JobState::Failed, None, Some(error)),
            Ending::Cancelled => (JobState::Cancelled, None, None),
        };
        db.prepare_cached(
            "UPDATE jobs SET state = ?2, result = ?3, error = ?4, ended_ms = ?5, wish = NULL
             WHERE id = ?1",
        )?
        .execute(params![id.0, state.name(), result, error, now_ms])?;
        if let Ending::Done { blobs, .. } = &ending {
            let mut insert = db.prepare_cached("INSERT INTO blobs VALUES (?1, ?2, ?3, ?4)")?;
            for blob in blobs {
                insert.execute(params![id.0, blob.name, blob.sha256, column(blob.bytes)])?;
            }
        }
        note(db, id, now_ms, state.name(), error.map_or("", String::as_str))
    }
}
