//! What a killed process has left, and what may be forgotten.

use rusqlite::{Connection, params};
use std::collections::BTreeSet;

use super::{Order, column, note};
use crate::{
    JournalError,
    job::{JobId, JobState},
};

/// Puts every job back that was running when the process died. The first order of a life.
#[derive(Debug, Clone, Copy)]
pub struct Recover {
    /// A job that the process has died in so often, without progress in between, is set aside.
    pub deaths_max: u32,
    /// The time.
    pub now_ms: i64,
}

/// What a killed process has left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Jobs that go on.
    pub resumed: Vec<JobId>,
    /// Jobs that are not tried any more.
    pub set_aside: Vec<JobId>,
    /// Jobs that somebody had asked to end or to wait, before the process died.
    pub as_asked: Vec<JobId>,
}

impl Order for Recover {
    type Answer = Found;

    fn carry_out(self, db: &Connection) -> Result<Found, JournalError> {
        let mut found = Found::default();
        let running: Vec<(i64, u32, Option<String>)> = db
            .prepare("SELECT id, deaths, wish FROM jobs WHERE state = 'running' ORDER BY id")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (id, deaths, wish) in running {
            let id = JobId(id);
            let deaths = deaths + 1;
            let is_hopeless = deaths >= self.deaths_max;
            let state = match wish.as_deref() {
                Some("cancel") => JobState::Cancelled,
                _ if is_hopeless => JobState::SetAside,
                Some(_) => JobState::Paused,
                None => JobState::Queued,
            };
            let error = (state == JobState::SetAside).then(|| {
                format!("the process died {deaths} times in this job, without progress in between")
            });
            let ended_ms = state.is_ended().then_some(self.now_ms);
            db.prepare_cached(
                "UPDATE jobs SET state = ?2, deaths = ?3, error = ?4, ended_ms = ?5, wish = NULL
                 WHERE id = ?1",
            )?
            .execute(params![id.0, state.name(), deaths, error, ended_ms])?;
            let detail = format!("the process ended in this job; it is {state} now");
            note(db, id, self.now_ms, "died", &detail)?;
            match state {
                JobState::Queued => found.resumed.push(id),
                JobState::SetAside => found.set_aside.push(id),
                _ => found.as_asked.push(id),
            }
        }
        Ok(found)
    }
}

/// Forgets the oldest ended jobs.
#[derive(Debug, Clone, Copy)]
pub struct Retain {
    /// How many ended jobs stay.
    pub keep: u64,
    /// How many are forgotten at once: no transaction takes long.
    pub most: u64,
}

impl Order for Retain {
    /// Those that are forgotten.
    type Answer = Vec<JobId>;

    fn carry_out(self, db: &Connection) -> Result<Vec<JobId>, JournalError> {
        let old: BTreeSet<i64> = db
            .prepare_cached(
                "SELECT id FROM jobs WHERE ended_ms IS NOT NULL AND id < (
                     SELECT id FROM jobs WHERE ended_ms IS NOT NULL
                     ORDER BY id DESC LIMIT 1 OFFSET ?1)
                 OR ended_ms IS NOT NULL AND ?1 < 0
                 ORDER BY id LIMIT ?2",
            )?
            .query_map(params![column(self.keep) - 1, column(self.most)], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut forget = db.prepare_cached("DELETE FROM jobs WHERE id = ?1")?;
        for id in &old {
            forget.execute([id])?;
        }
        Ok(old.into_iter().map(JobId).collect())
    }
}
