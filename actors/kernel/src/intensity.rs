//! How often a slot may fail, and how long it waits before it starts again.

use planaria_random::{Purpose, Stream};
use std::collections::VecDeque;

/// Milliseconds of a host's clock.
pub type Ms = u64;

/// How failures are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intensity {
    /// A slot that fails more often than this within the window escalates.
    pub restarts_max: u32,
    /// The window, in milliseconds.
    pub window_ms: Ms,
    /// The wait before the first restart; doubles with each failure in a row.
    pub backoff_min_ms: Ms,
    /// The longest wait.
    pub backoff_max_ms: Ms,
}

impl Default for Intensity {
    /// A hundred restarts a minute, after 1 ms, doubling up to one second.
    fn default() -> Self {
        Intensity { restarts_max: 100, window_ms: 60_000, backoff_min_ms: 1, backoff_max_ms: 1_000 }
    }
}

/// The failures of one slot, as far as its intensity needs them.
#[derive(Debug, Clone, Default)]
pub struct FailureHistory {
    /// When it failed, oldest first: at most `restarts_max + 1` times.
    times: VecDeque<Ms>,
    /// Failures since it last committed something.
    in_a_row: u32,
}

/// What a failure leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The slot starts again at this time.
    RestartAt(Ms),
    /// Too many failures: the parent decides.
    Escalate,
}

impl FailureHistory {
    /// Records a failure at `now`. `key` tells slots apart, so that their jitter differs and is the same in every run.
    pub fn record(&mut self, now: Ms, intensity: &Intensity, key: u64) -> Verdict {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.times.push_back(now);
        while self.times.front().is_some_and(|&first| now - first >= intensity.window_ms) {
            self.times.pop_front();
        }
        if self.times.len() > intensity.restarts_max as usize {
            return Verdict::Escalate;
        }
        Verdict::RestartAt(now + self.backoff(intensity, key))
    }

    /// The slot has done something: the next backoff starts from the shortest again.
    pub fn forgive(&mut self) {
        self.in_a_row = 0;
    }

    /// Doubles with each failure in a row; up to a quarter is taken off by a jitter keyed by slot and failure.
    fn backoff(&self, intensity: &Intensity, key: u64) -> Ms {
        let doublings = (self.in_a_row - 1).min(32);
        let full = intensity.backoff_min_ms.saturating_mul(1 << doublings);
        let full = full.min(intensity.backoff_max_ms);
        let jitter = Stream::new(key, Purpose::Backoff, self.in_a_row, 0).next_unit();
        full - (full as f64 / 4.0 * f64::from(jitter)) as Ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intensity() -> Intensity {
        Intensity { restarts_max: 3, window_ms: 1_000, backoff_min_ms: 100, backoff_max_ms: 300 }
    }

    fn wait(verdict: Verdict, now: Ms) -> Ms {
        match verdict {
            Verdict::RestartAt(at) => at - now,
            Verdict::Escalate => panic!("escalated"),
        }
    }

    #[test]
    fn one_failure_more_than_allowed_within_the_window_escalates() {
        let mut history = FailureHistory::default();
        for now in [0, 10, 20] {
            assert!(matches!(history.record(now, &intensity(), 0), Verdict::RestartAt(_)));
        }
        assert_eq!(history.record(30, &intensity(), 0), Verdict::Escalate);
    }

    #[test]
    fn failures_outside_the_window_are_forgotten() {
        let mut history = FailureHistory::default();
        for n in 0..50 {
            assert!(matches!(history.record(n * 400, &intensity(), 0), Verdict::RestartAt(_)));
        }
    }

    #[test]
    fn the_backoff_doubles_up_to_its_limit_and_starts_over_after_success() {
        let mut history = FailureHistory::default();
        let waits: Vec<Ms> =
            (0..3).map(|n| wait(history.record(n * 5_000, &intensity(), 7), n * 5_000)).collect();
        assert!((75..=100).contains(&waits[0]), "{waits:?}");
        assert!((150..=200).contains(&waits[1]), "{waits:?}");
        assert!((225..=300).contains(&waits[2]), "{waits:?}");
        history.forgive();
        assert!((75..=100).contains(&wait(history.record(20_000, &intensity(), 7), 20_000)));
    }
}
