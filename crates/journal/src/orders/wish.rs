//! What people want of jobs: cancel, pause, resume, retry.

use rusqlite::{Connection, params};

use super::{Order, note, state_of};
use crate::{
    JournalError,
    job::{JobId, JobState, Wish},
};

/// Asks for the end of a job, or that it waits. One that runs is told by who runs it.
#[derive(Debug, Clone, Copy)]
pub struct AskFor {
    /// Which.
    pub id: JobId,
    /// What.
    pub wish: Wish,
    /// The time.
    pub now_ms: i64,
}

/// What has become of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wished {
    /// Where the job is now.
    pub state: JobState,
    /// True when it runs: who runs it must be told.
    pub must_be_told: bool,
}

impl Order for AskFor {
    type Answer = Wished;

    fn carry_out(self, db: &Connection) -> Result<Wished, JournalError> {
        let AskFor { id, wish, now_ms } = self;
        let state = state_of(db, id)?;
        let to = match (state, wish) {
            (JobState::Running, _) => {
                db.prepare_cached("UPDATE jobs SET wish = ?2 WHERE id = ?1")?
                    .execute(params![id.0, wish.name()])?;
                note(db, id, now_ms, "asked", wish.name())?;
                return Ok(Wished { state, must_be_told: true });
            }
            (JobState::Queued | JobState::Paused, Wish::Cancel) => JobState::Cancelled,
            (JobState::Queued, Wish::Pause) => JobState::Paused,
            (JobState::Cancelled, Wish::Cancel) | (JobState::Paused, Wish::Pause) => {
                return Ok(Wished { state, must_be_told: false });
            }
            (_, Wish::Cancel) => {
                return Err(JournalError::WrongState { id, state, what: "cancelled" });
            }
            (_, Wish::Pause) => {
                return Err(JournalError::WrongState { id, state, what: "paused" });
            }
        };
        let ended_ms = to.is_ended().then_some(now_ms);
        db.prepare_cached("UPDATE jobs SET state = ?2, ended_ms = ?3 WHERE id = ?1")?
            .execute(params![id.0, to.name(), ended_ms])?;
        note(db, id, now_ms, to.name(), "")?;
        Ok(Wished { state: to, must_be_told: false })
    }
}

/// Lets a paused job go on; a wish to pause one that still runs is taken back.
#[derive(Debug, Clone, Copy)]
pub struct Resume {
    /// Which.
    pub id: JobId,
    /// The time.
    pub now_ms: i64,
}

impl Order for Resume {
    type Answer = ();

    fn carry_out(self, db: &Connection) -> Result<(), JournalError> {
        let state = state_of(db, self.id)?;
        match state {
            JobState::Paused => again(db, self.id, self.now_ms, "resumed"),
            JobState::Queued => Ok(()),
            state => Err(JournalError::WrongState { id: self.id, state, what: "resumed" }),
        }
    }
}

/// Begins a job again that ended without a result; it goes on from what it has.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Which.
    pub id: JobId,
    /// The time.
    pub now_ms: i64,
}

impl Order for Retry {
    type Answer = ();

    fn carry_out(self, db: &Connection) -> Result<(), JournalError> {
        let state = state_of(db, self.id)?;
        match state {
            JobState::Failed | JobState::Cancelled | JobState::SetAside => {
                again(db, self.id, self.now_ms, "retried")
            }
            state => Err(JournalError::WrongState { id: self.id, state, what: "retried" }),
        }
    }
}

/// Back to the queue, with a clean slate.
fn again(db: &Connection, id: JobId, now_ms: i64, what: &str) -> Result<(), JournalError> {
    db.prepare_cached(
        "UPDATE jobs SET state = 'queued', wish = NULL, deaths = 0, ended_ms = NULL, error = NULL
         WHERE id = ?1",
    )?
    .execute([id.0])?;
    note(db, id, now_ms, what, "")
}
