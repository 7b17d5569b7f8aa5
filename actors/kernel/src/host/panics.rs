//! A panic of an actor is an event, not a shout: its message goes to the supervisor instead of standard error.

use std::{
    any::Any,
    cell::RefCell,
    panic,
    sync::{Mutex, Once, PoisonError},
};

/// What the last panic of any actor said: the last words when a panic inside a decision ends the process.
static LAST_WORDS: Mutex<String> = Mutex::new(String::new());

thread_local! {
    /// On an actor's thread: where its last panic was. None elsewhere.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static IS_ACTOR: RefCell<bool> = const { RefCell::new(false) };
}

/// Installs, once a process, a panic hook that keeps quiet on the threads of actors and leaves all others to the hook
/// before it.
pub fn capture_panics_of_actors() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_ACTOR.with_borrow(|is_actor| *is_actor) {
                return before(info);
            }
            LAST_PANIC.set(info.location().map(ToString::to_string));
            *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
        }));
    });
}

/// What the last panic of any actor said.
pub(crate) fn last_words() -> String {
    LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Marks the calling thread as an actor's.
pub(crate) fn this_thread_is_an_actors() {
    IS_ACTOR.set(true);
}

/// What a caught panic said, and where.
pub(crate) fn describe(payload: &(dyn Any + Send)) -> String {
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    match LAST_PANIC.take() {
        Some(place) => format!("{message} ({place})"),
        None => message,
    }
}
