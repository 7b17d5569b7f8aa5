//! The wish that a run end: by a signal or over the control socket. The second signal insists.

use std::io;
use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::spawn_local,
};

/// A wish that can be seen by all who hold a clone.
#[derive(Clone)]
pub struct StopSwitch {
    wish: watch::Sender<Wish>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    GoOn,
    /// What is accepted ends first.
    Drain,
    /// Now.
    AtOnce,
}

impl StopSwitch {
    /// A switch that nobody has touched.
    pub fn new() -> Self {
        StopSwitch { wish: watch::Sender::new(Wish::GoOn) }
    }

    /// A switch that SIGINT and SIGTERM touch. Call it inside a running system.
    ///
    /// # Errors
    /// `io::Error` when signals cannot be caught.
    pub fn on_signals() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let switch = StopSwitch::new();
        let touched = switch.clone();
        spawn_local(async move {
            loop {
                select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                touched.signal();
            }
        });
        Ok(switch)
    }

    /// Asks for a drain; asking again changes nothing.
    pub fn ask(&self) {
        self.wish.send_modify(|wish| *wish = (*wish).max(Wish::Drain));
    }

    /// Asks for a drain, or, after a first asking, for the end at once.
    fn signal(&self) {
        self.wish.send_modify(|wish| {
            *wish = match wish {
                Wish::GoOn => Wish::Drain,
                Wish::Drain | Wish::AtOnce => Wish::AtOnce,
            }
        });
    }

    /// True once somebody has asked.
    pub fn is_asked(&self) -> bool {
        *self.wish.borrow() >= Wish::Drain
    }

    /// True once somebody has insisted.
    pub fn is_insisted(&self) -> bool {
        *self.wish.borrow() >= Wish::AtOnce
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        self.wait_for(Wish::Drain).await;
    }

    /// Waits until somebody insists.
    pub async fn insisted(&self) {
        self.wait_for(Wish::AtOnce).await;
    }

    async fn wait_for(&self, least: Wish) {
        let mut wish = self.wish.subscribe();
        // It fails only when the sender is gone, and we hold one.
        let _ = wish.wait_for(|wish| *wish >= least).await;
    }
}

impl Default for StopSwitch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_second_signal_insists_and_a_second_request_over_the_socket_does_not() {
        let switch = StopSwitch::new();
        assert!(switch.asked().now_or_never().is_none() && !switch.is_asked());
        switch.ask();
        switch.ask();
        assert!(switch.asked().now_or_never().is_some() && switch.is_asked());
        assert!(switch.insisted().now_or_never().is_none());
        switch.signal();
        assert!(switch.insisted().now_or_never().is_some());
    }
}
