//! The journal: every accepted job and what has become of it, on disk before anyone is told.
//!
//! One SQLite file (WAL, `synchronous = FULL`), one thread that writes it. Whoever wants something sends an [`Order`]; the
//! thread takes all that wait, carries them out in one transaction, commits, and only then answers: many small jobs share one
//! sync of the disk. Times are given by who asks, nothing is decided by them. Large things lie beside the journal, as blobs that
//! its rows name.

pub mod job;
pub mod error;
pub mod schema;
pub mod orders;
pub mod journal;

pub use error::JournalError;
pub use job::{BlobRow, Entry, Job, JobId, JobState, NewJob, Wish};
pub use journal::Journal;
pub use orders::{
    Order,
    accept::{Accept, Accepted},
    look::{CountStates, Counts, FindJob, JobLine, ListJobs, NeededBlobs, Timeline},
    recover::{Found, Recover, Retain},
    run::{End, Ending, Note, Progress, PutBack, TakeNext},
    wish::{AskFor, Resume, Retry, Wished},
};
