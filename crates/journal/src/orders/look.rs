//! Looking at jobs. Every answer is bounded.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::{COLUMNS, Order, blobs, column, job, number, state_of, typed};
use crate::{
    JournalError,
    job::{Entry, Job, JobId, JobState},
};

/// A job, whole, by its number.
#[derive(Debug, Clone, Copy)]
pub struct FindJob(pub JobId);

impl Order for FindJob {
    type Answer = Job;

    fn carry_out(self, db: &Connection) -> Result<Job, JournalError> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1");
        let found = db.prepare_cached(&sql)?.query_row([self.0.0], job).optional()?;
        let mut found = found.ok_or(JournalError::Unknown { id: self.0 })?;
        found.blobs = blobs(db, self.0)?;
        Ok(found)
    }
}

/// A job in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLine {
    /// Its number.
    pub id: JobId,
    /// `train`, say.
    pub kind: String,
    /// Where it is on its way.
    pub state: JobState,
    /// The greater one goes first.
    pub priority: i64,
    /// How often it was begun.
    pub attempts: u32,
    /// How far it is.
    pub progress: u64,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_ms: i64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended_ms: Option<i64>,
    /// Why it has come to nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// The newest jobs, newest first.
#[derive(Debug, Clone, Copy)]
pub struct ListJobs {
    /// Of this state only.
    pub state: Option<JobState>,
    /// Older than this one only.
    pub before: Option<JobId>,
    /// At most so many.
    pub most: u64,
}

impl Order for ListJobs {
    type Answer = Vec<JobLine>;

    fn carry_out(self, db: &Connection) -> Result<Vec<JobLine>, JournalError> {
        let mut statement = db.prepare_cached(
            "SELECT id, kind, state, priority, attempts, progress, accepted_ms, ended_ms, error
             FROM jobs WHERE id < ?1 AND (?2 IS NULL OR state = ?2) ORDER BY id DESC LIMIT ?3",
        )?;
        let before = self.before.map_or(i64::MAX, |id| id.0);
        let state = self.state.map(JobState::name);
        let rows = statement.query_map(params![before, state, column(self.most)], |row| {
            Ok(JobLine {
                id: JobId(row.get(0)?),
                kind: row.get(1)?,
                state: typed(row, 2)?,
                priority: row.get(3)?,
                attempts: row.get(4)?,
                progress: number(row, 5)?,
                accepted_ms: row.get(6)?,
                ended_ms: row.get(7)?,
                error: row.get(8)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// What happened to a job, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Timeline {
    /// Which.
    pub id: JobId,
    /// From this number on.
    pub since: u64,
}

impl Order for Timeline {
    type Answer = Vec<Entry>;

    fn carry_out(self, db: &Connection) -> Result<Vec<Entry>, JournalError> {
        state_of(db, self.id)?;
        let mut statement = db.prepare_cached(
            "SELECT number, at_ms, what, detail FROM timeline
             WHERE job = ?1 AND number >= ?2 ORDER BY number",
        )?;
        let rows = statement.query_map(params![self.id.0, column(self.since)], |row| {
            Ok(Entry {
                number: number(row, 0)?,
                at_ms: row.get(1)?,
                what: row.get(2)?,
                detail: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// How many jobs are where on their way.
#[derive(Debug, Clone, Copy)]
pub struct CountStates;

/// How many jobs are where on their way; a state that none is in is left out.
pub type Counts = BTreeMap<JobState, u64>;

impl Order for CountStates {
    type Answer = Counts;

    fn carry_out(self, db: &Connection) -> Result<Counts, JournalError> {
        let mut statement = db.prepare_cached("SELECT state, count(*) FROM jobs GROUP BY state")?;
        let rows = statement.query_map([], |row| Ok((typed(row, 0)?, number(row, 1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// The blobs that jobs name, and the jobs that may still need their folders of work.
#[derive(Debug, Clone, Copy)]
pub struct NeededBlobs;

impl Order for NeededBlobs {
    /// Names of blobs, and numbers of jobs that have ended with no more to be done.
    type Answer = (BTreeSet<String>, BTreeSet<JobId>);

    fn carry_out(self, db: &Connection) -> Result<Self::Answer, JournalError> {
        let blobs = db
            .prepare("SELECT sha256 FROM blobs")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        // A job without a result can be retried: it goes on from what it has.
        let jobs: BTreeSet<i64> = db
            .prepare("SELECT id FROM jobs WHERE state <> 'done'")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok((blobs, jobs.into_iter().map(JobId).collect()))
    }
}
