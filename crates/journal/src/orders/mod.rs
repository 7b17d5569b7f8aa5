//! What may be asked of the journal. Each order checks everything before its first change: one that is refused has changed
//! nothing, and the others of its transaction are kept.

use rusqlite::{Connection, OptionalExtension, Row, params};
use std::str::FromStr;

use crate::{
    JournalError,
    job::{BlobRow, Job, JobId, JobState, Wish},
};

pub mod accept;
pub mod run;
pub mod wish;
pub mod recover;
pub mod look;

/// Happenings of one job that are kept; the oldest go first.
const ENTRIES_MAX: i64 = 200;

/// Something that the journal's thread does in a transaction.
pub trait Order: Send + 'static {
    /// What it answers, once that is on disk.
    type Answer: Send + 'static;

    /// Does it.
    ///
    /// # Errors
    /// [`JournalError`]; nothing has changed then.
    fn carry_out(self, db: &Connection) -> Result<Self::Answer, JournalError>;
}

/// The state of a job.
fn state_of(db: &Connection, id: JobId) -> Result<JobState, JournalError> {
    let mut statement = db.prepare_cached("SELECT state FROM jobs WHERE id = ?1")?;
    let state = statement.query_row([id.0], |row| typed(row, 0)).optional()?;
    state.ok_or(JournalError::Unknown { id })
}

/// Writes down what happened to a job.
fn note(
    db: &Connection,
    id: JobId,
    at_ms: i64,
    what: &str,
    detail: &str,
) -> Result<(), JournalError> {
    let number: i64 = db
        .prepare_cached("SELECT coalesce(max(number), 0) + 1 FROM timeline WHERE job = ?1")?
        .query_row([id.0], |row| row.get(0))?;
    db.prepare_cached("INSERT INTO timeline VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![id.0, number, at_ms, what, detail])?;
    if number > ENTRIES_MAX {
        // The first one says when it was accepted: it stays.
        db.prepare_cached("DELETE FROM timeline WHERE job = ?1 AND number > 1 AND number <= ?2")?
            .execute(params![id.0, number - ENTRIES_MAX + 1])?;
    }
    Ok(())
}

/// Every column of [`job`], in its order.
const COLUMNS: &str = "id, kind, spec, key, priority, state, wish, attempts, deaths, progress, \
                       accepted_ms, ended_ms, inputs, result, error";

/// A job's row, without its blobs.
fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let wish: Option<String> = row.get(6)?;
    let wish = wish.map(|text| parsed::<Wish>(6, &text)).transpose()?;
    Ok(Job {
        id: JobId(row.get(0)?),
        kind: row.get(1)?,
        spec: row.get(2)?,
        key: row.get(3)?,
        priority: row.get(4)?,
        state: typed(row, 5)?,
        wish,
        attempts: row.get(7)?,
        deaths: row.get(8)?,
        progress: number(row, 9)?,
        accepted_ms: row.get(10)?,
        ended_ms: row.get(11)?,
        inputs: row.get(12)?,
        result: row.get(13)?,
        error: row.get(14)?,
        blobs: Vec::new(),
    })
}

/// The large things of a job.
fn blobs(db: &Connection, id: JobId) -> Result<Vec<BlobRow>, JournalError> {
    let mut statement =
        db.prepare_cached("SELECT name, sha256, bytes FROM blobs WHERE job = ?1 ORDER BY name")?;
    let rows = statement.query_map([id.0], |row| {
        Ok(BlobRow { name: row.get(0)?, sha256: row.get(1)?, bytes: number(row, 2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A column that holds a name of ours.
fn typed<T: FromStr<Err = String>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    parsed(column, &row.get::<_, String>(column)?)
}

fn parsed<T: FromStr<Err = String>>(column: usize, text: &str) -> rusqlite::Result<T> {
    text.parse().map_err(|what: String| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, kind, what.into())
    })
}

/// A column that counts; below zero it is damaged, and counts as zero.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

/// A count as a column holds it.
fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
