//! A job is accepted: once for each key, and only while there is room.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Order, note, typed};
use crate::{
    JournalError,
    job::{JobId, JobState, NewJob},
};

/// Accepts a job.
#[derive(Debug, Clone)]
pub struct Accept {
    /// Which.
    pub job: NewJob,
    /// How many may wait.
    pub queue_max: u64,
    /// The time.
    pub now_ms: i64,
}

/// A job is in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its number.
    pub id: JobId,
    /// Where it is on its way.
    pub state: JobState,
    /// False for one that was there already, under the same key.
    pub is_new: bool,
}

impl Order for Accept {
    type Answer = Accepted;

    fn carry_out(self, db: &Connection) -> Result<Accepted, JournalError> {
        let Accept { job, queue_max, now_ms } = self;
        if let Some(known) = known(db, &job)? {
            return Ok(known);
        }
        let waiting: i64 = db
            .prepare_cached("SELECT count(*) FROM jobs WHERE state = 'queued'")?
            .query_row([], |row| row.get(0))?;
        let waiting = u64::try_from(waiting).unwrap_or(0);
        if waiting >= queue_max {
            return Err(JournalError::QueueFull { waiting });
        }
        db.prepare_cached(
            "INSERT INTO jobs (kind, spec, key, request_sha256, priority, state, accepted_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, 'queued', ?6)",
        )?
        .execute(params![
            job.kind,
            job.spec,
            job.key,
            job.request_sha256,
            job.priority,
            now_ms
        ])?;
        let id = JobId(db.last_insert_rowid());
        note(db, id, now_ms, "accepted", &job.kind)?;
        Ok(Accepted { id, state: JobState::Queued, is_new: true })
    }
}

/// The job of this key, when there is one; another request under the same key is refused.
fn known(db: &Connection, job: &NewJob) -> Result<Option<Accepted>, JournalError> {
    let Some(key) = &job.key else { return Ok(None) };
    let mut statement =
        db.prepare_cached("SELECT id, state, request_sha256 FROM jobs WHERE key = ?1")?;
    let found = statement.query_row([key], |row| {
        let request: String = row.get(2)?;
        Ok((JobId(row.get(0)?), typed::<JobState>(row, 1)?, request))
    });
    match found.optional()? {
        None => Ok(None),
        Some((id, state, request)) if request == job.request_sha256 => {
            Ok(Some(Accepted { id, state, is_new: false }))
        }
        Some((id, ..)) => Err(JournalError::KeyTaken { key: key.clone(), id }),
    }
}
