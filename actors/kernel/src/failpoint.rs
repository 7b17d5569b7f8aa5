//! The schedule points of an actor: where a death may be ordered, and how.

use crate::panics::PanicTrace;
use std::fmt;

/// A gap between two steps of an actor. Between two points it touches shared state at most once, so that a death on any
/// line equals a death at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failpoint {
    /// The actor has been started and has told nobody yet.
    Started,
    /// It waits for a hint.
    Waiting,
    /// It has a lease and has not begun to work on it.
    BeforeWork,
    /// In the middle of an item.
    InWork,
    /// The work is done, nobody knows it yet.
    BetweenWorkAndAcknowledge,
    /// The item is committed and the next leases are taken.
    AfterAcknowledge,
    /// The supervisor has decided and not yet acted.
    BetweenDecisionAndAction,
}

impl Failpoint {
    /// Every point, in the order of an actor's life.
    pub const ALL: [Failpoint; 7] = [
        Failpoint::Started,
        Failpoint::Waiting,
        Failpoint::BeforeWork,
        Failpoint::InWork,
        Failpoint::BetweenWorkAndAcknowledge,
        Failpoint::AfterAcknowledge,
        Failpoint::BetweenDecisionAndAction,
    ];
}

/// A way to die that can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Death {
    /// The actor panics.
    Panic = 1,
    /// The actor ends with an error.
    Error = 2,
    /// The actor stops in good order, but unasked.
    Stop = 3,
    /// The actor's thread ends and tells nobody why.
    LostThread = 4,
    /// The actor makes no progress and does not end until it is fenced; then it goes on, as a zombie.
    Hang = 5,
}

impl Death {
    /// Every way, in the order of their numbers.
    pub const ALL: [Death; 5] =
        [Death::Panic, Death::Error, Death::Stop, Death::LostThread, Death::Hang];

    /// The way with this number.
    pub(crate) fn from_number(number: u8) -> Option<Death> {
        Death::ALL.into_iter().find(|death| *death as u8 == number)
    }
}

/// Why an actor must leave what it is doing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Interrupt {
    /// An error was ordered.
    #[error("an error, as ordered")]
    Error,
    /// A stop was ordered.
    #[error("a stop, as ordered")]
    Stop,
    /// The loss of the thread was ordered.
    #[error("the thread is lost, as ordered")]
    LostThread,
}

/// How an incarnation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitCause {
    /// It panicked, with this message.
    Panic(String),
    /// It ended with this error.
    Error(String),
    /// It stopped.
    Stopped,
    /// Its thread ended without a word.
    ThreadLost,
    /// It could not be made.
    NotMade(String),
    /// It made no progress within its stage's deadline.
    Hung {
        /// For how long, in milliseconds.
        silent_ms: u64,
    },
    /// The supervisor found it gone.
    Vanished,
    /// It did not fail: another worker of its pool did, and the pool's strategy starts both again.
    TakenAlong,
}

impl ExitCause {
    /// One word for logs and counters.
    pub fn kind(&self) -> &'static str {
        match self {
            ExitCause::Panic(_) => "panic",
            ExitCause::Error(_) => "error",
            ExitCause::Stopped => "stopped",
            ExitCause::ThreadLost => "thread-lost",
            ExitCause::NotMade(_) => "not-made",
            ExitCause::Hung { .. } => "hung",
            ExitCause::Vanished => "vanished",
            ExitCause::TakenAlong => "taken-along",
        }
    }

    /// True when the cause can lie in the work itself, so that the item in work is charged an attempt.
    pub(crate) fn can_lie_in_the_work(&self) -> bool {
        match self {
            ExitCause::Panic(_) | ExitCause::Error(_) | ExitCause::Hung { .. } => true,
            ExitCause::Stopped
            | ExitCause::ThreadLost
            | ExitCause::NotMade(_)
            | ExitCause::Vanished
            | ExitCause::TakenAlong => false,
        }
    }
}

impl fmt::Display for ExitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitCause::Panic(message) => write!(f, "panic: {message}"),
            ExitCause::Error(message) => write!(f, "error: {message}"),
            ExitCause::Stopped => f.write_str("stopped"),
            ExitCause::ThreadLost => f.write_str("its thread was lost"),
            ExitCause::NotMade(message) => write!(f, "could not be made: {message}"),
            ExitCause::Hung { silent_ms } => write!(f, "no progress for {silent_ms} ms"),
            ExitCause::Vanished => f.write_str("found gone"),
            ExitCause::TakenAlong => f.write_str("started again with another of its pool"),
        }
    }
}

/// The end of an incarnation, and what it was doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// How it ended.
    pub cause: ExitCause,
    /// True when somebody ordered the death: no item is charged for it.
    pub ordered: bool,
    /// The item whose work had begun and was not acknowledged.
    pub in_work: Option<crate::ids::ItemId>,
    /// Where it panicked, when that was not ordered.
    pub backtrace: Option<PanicTrace>,
}

impl Exit {
    /// A worker that lived is not there any more, and nothing said why.
    pub(crate) fn vanished() -> Exit {
        Exit { cause: ExitCause::Vanished, ordered: false, in_work: None, backtrace: None }
    }

    /// A worker that did not fail is started again with one that did.
    pub(crate) fn taken_along() -> Exit {
        Exit { cause: ExitCause::TakenAlong, ordered: false, in_work: None, backtrace: None }
    }
}
