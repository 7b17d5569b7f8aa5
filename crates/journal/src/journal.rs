//! The handle on the journal, and the one thread that writes it.
//!
//! Orders wait in a bounded queue. The thread takes all that wait, up to a group, carries them out in one transaction and
//! commits; then every one of them is answered. When the store fails, the transaction is rolled back and all of the group are
//! told so; after any failure but a full disk nothing more is written: what a failed sync has left nobody knows.

use rusqlite::{Connection, TransactionBehavior};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

use crate::{JournalError, orders::Order, schema};

/// Orders that may wait.
const WAITING_MAX: usize = 4096;

/// Orders that share a transaction.
const GROUP_MAX: usize = 256;

/// The journal. Clones are the same journal; it is closed when the last one goes.
#[derive(Clone)]
pub struct Journal {
    orders: SyncSender<Box<dyn Asked>>,
    /// Joined when the last handle goes, so that the file is closed by then.
    _closing: Arc<Closing>,
    path: PathBuf,
}

/// An order on its way, and who waits for its answer.
trait Asked: Send {
    /// Does it; `Err` when the store itself has failed.
    fn carry_out(&mut self, db: &Connection) -> Result<(), JournalError>;
    /// Answers, with what was done, or with the failure of the transaction.
    fn tell(self: Box<Self>, failure: Option<&JournalError>);
}

struct Asking<O: Order, F> {
    order: Option<O>,
    answer: Option<Result<O::Answer, JournalError>>,
    reply: F,
}

impl<O: Order, F: FnOnce(Result<O::Answer, JournalError>) + Send> Asked for Asking<O, F> {
    fn carry_out(&mut self, db: &Connection) -> Result<(), JournalError> {
        let Some(order) = self.order.take() else { return Ok(()) };
        let answer = order.carry_out(db);
        let failure = answer.as_ref().err().filter(|error| error.is_of_store()).cloned();
        self.answer = Some(answer);
        failure.map_or(Ok(()), Err)
    }

    fn tell(self: Box<Self>, failure: Option<&JournalError>) {
        let Asking { answer, reply, .. } = *self;
        let lost = || JournalError::Broken { reason: "the order was not carried out".into() };
        match failure {
            Some(failure) => reply(Err(failure.clone())),
            None => reply(answer.unwrap_or_else(|| Err(lost()))),
        }
    }
}

/// The thread; it is waited for when the last handle goes.
struct Closing(Option<JoinHandle<()>>);

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // A panic of the thread has been told to whoever waited for an answer.
            let _ = thread.join();
        }
    }
}

impl Journal {
    /// Opens the journal at `path`, or makes a new one when there is none, and starts its thread. Who calls this owns the
    /// folder: nobody else may have the journal open for writing.
    ///
    /// # Errors
    /// [`JournalError`]: damaged, foreign, of a newer version, read-only, or not to be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Journal, JournalError> {
        let path = path.as_ref().to_path_buf();
        let db = schema::open(&path)?;
        controls::weaken(&db);
        let (orders, waiting) = sync_channel(WAITING_MAX);
        let thread = thread::Builder::new().name("journal".into());
        let started = thread.spawn(move || keep(db, &waiting));
        let failed =
            |error: io::Error| JournalError::Open { path: path.clone(), reason: error.to_string() };
        let thread = started.map_err(failed)?;
        Ok(Journal { orders, _closing: Arc::new(Closing(Some(thread))), path })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks for `order`; `reply` gets the answer, in the journal's thread, once it is on disk. It must not wait for anything.
    ///
    /// # Errors
    /// [`JournalError::Busy`] at once when too many orders wait; `reply` is not called then.
    pub fn send<O: Order>(
        &self,
        order: O,
        reply: impl FnOnce(Result<O::Answer, JournalError>) + Send + 'static,
    ) -> Result<(), JournalError> {
        let asking = Asking { order: Some(order), answer: None, reply };
        self.orders.try_send(Box::new(asking)).map_err(|error| match error {
            TrySendError::Full(_) => JournalError::Busy,
            TrySendError::Disconnected(_) => ended(),
        })
    }

    /// Asks for `order` and waits for the answer.
    ///
    /// # Errors
    /// What the order says; or that the journal is busy or broken.
    pub fn call<O: Order>(&self, order: O) -> Result<O::Answer, JournalError> {
        let (reply, answer) = sync_channel(1);
        // Who waits takes it; who does not has gone.
        self.send(order, move |answer| drop(reply.try_send(answer)))?;
        answer.recv().unwrap_or_else(|_| Err(ended()))
    }
}

fn ended() -> JournalError {
    JournalError::Broken { reason: "its thread has ended".into() }
}

/// Carries out orders until the last handle is gone.
fn keep(mut db: Connection, waiting: &Receiver<Box<dyn Asked>>) {
    let mut broken = None;
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(next) = waiting.try_recv()
        {
            group.push(next);
        }
        if broken.is_none() {
            controls::answer_early(&mut db, &mut group);
            let failure = commit(&mut db, &mut group).err();
            broken = failure.clone().filter(|failure| *failure != JournalError::Full);
            group.into_iter().for_each(|asked| asked.tell(failure.as_ref()));
        } else {
            group.into_iter().for_each(|asked| asked.tell(broken.as_ref()));
        }
    }
}

/// One transaction for the whole group.
fn commit(db: &mut Connection, group: &mut [Box<dyn Asked>]) -> Result<(), JournalError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for asked in group {
        // When the store fails the transaction is dropped, which rolls it back.
        asked.carry_out(&transaction)?;
    }
    Ok(transaction.commit()?)
}

/// What breaks the promises on purpose, to see that the tests notice.
mod controls {
    use super::{Asked, Connection};

    #[cfg(feature = "negative-controls")]
    fn is(control: &str) -> bool {
        std::env::var("PLANARIA_NEGATIVE_CONTROL").is_ok_and(|named| named == control)
    }

    /// `no-fsync`: a commit is not synced.
    #[cfg(feature = "negative-controls")]
    pub(super) fn weaken(db: &Connection) {
        if is("no-fsync") {
            let _ = db.execute_batch("PRAGMA synchronous = OFF");
        }
    }

    /// `early-answer`: who waits is told before the commit.
    #[cfg(feature = "negative-controls")]
    pub(super) fn answer_early(db: &mut Connection, group: &mut Vec<Box<dyn Asked>>) {
        if is("early-answer")
            && let Ok(transaction) = db.transaction()
        {
            for mut asked in group.drain(..) {
                let failure = asked.carry_out(&transaction).err();
                asked.tell(failure.as_ref());
            }
            // Whoever kills the process has time to do it here.
            std::thread::sleep(std::time::Duration::from_millis(20));
            let _ = transaction.commit();
        }
    }

    #[cfg(not(feature = "negative-controls"))]
    pub(super) fn weaken(_: &Connection) {}

    #[cfg(not(feature = "negative-controls"))]
    pub(super) fn answer_early(_: &mut Connection, _: &mut Vec<Box<dyn Asked>>) {}
}

#[cfg(test)]
mod tests;
