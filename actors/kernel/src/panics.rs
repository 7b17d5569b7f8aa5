//! A panic of an actor is an event, not a shout: what it said goes to the supervisor instead of standard error.

use std::{
    any::Any,
    backtrace::Backtrace,
    cell::{Cell, RefCell},
    fmt,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::{Arc, Mutex, Once, PoisonError},
};

/// What an ordered panic says: nobody needs to know where it was.
pub(crate) const ORDERED: &str = "killed, as ordered";

/// The way to a panic. Captured in microseconds; its names are looked up, in milliseconds, by who shows it.
#[derive(Debug, Clone)]
pub struct PanicTrace(Arc<Backtrace>);

impl PartialEq for PanicTrace {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for PanicTrace {}

impl fmt::Display for PanicTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the last panic of any actor said: the last words when a panic inside a decision ends the process.
static LAST_WORDS: Mutex<String> = Mutex::new(String::new());

thread_local! {
    static IS_ACTOR: Cell<bool> = const { Cell::new(false) };
    /// Where this thread's last panic was.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    static BACKTRACE: RefCell<Option<PanicTrace>> = const { RefCell::new(None) };
}

/// Installs, once a process, a panic hook that keeps quiet on the threads of actors and leaves all others to the hook
/// before it.
pub fn capture_panics_of_actors() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| match IS_ACTOR.get() {
            true => remember(info),
            false => before(info),
        }));
    });
}

fn remember(info: &PanicHookInfo<'_>) {
    if text_of(info.payload()) == Some(ORDERED) {
        return;
    }
    PLACE.set(info.location().map(ToString::to_string));
    BACKTRACE.set(Some(PanicTrace(Arc::new(Backtrace::force_capture()))));
    *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
}

/// What the last panic of any actor said.
pub(crate) fn last_words() -> String {
    LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Where this thread last panicked, once.
pub(crate) fn take_backtrace() -> Option<PanicTrace> {
    BACKTRACE.take()
}

/// Marks the calling thread as an actor's.
pub(crate) fn this_thread_is_an_actors() {
    IS_ACTOR.set(true);
}

/// Runs a part of an actor's life on a thread that is otherwise none.
pub(crate) fn as_an_actor<R>(life: impl FnOnce() -> R) -> R {
    let before = IS_ACTOR.replace(true);
    let result = life();
    IS_ACTOR.set(before);
    result
}

/// What a caught panic said, and where.
pub(crate) fn describe(payload: &(dyn Any + Send)) -> String {
    let message = text_of(payload).unwrap_or("a panic without a message");
    match PLACE.take() {
        Some(place) => format!("{message} ({place})"),
        None => message.to_owned(),
    }
}

/// Drops a value whose destructor is not ours: a panic in it ends nothing, not even during another panic.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(value))) {
        let cause = describe(payload.as_ref());
        tracing::warn!(cause, "a worker panicked while it was dropped");
    }
}

fn text_of(payload: &(dyn Any + Send)) -> Option<&str> {
    let literal = payload.downcast_ref::<&str>().copied();
    literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}
