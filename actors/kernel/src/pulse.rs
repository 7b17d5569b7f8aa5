//! A worker's pulse: what its supervisor may read of it, and the one word that may be called to it.

use crate::{
    failpoint::{Death, Interrupt},
    ids::ItemId,
    panics,
};
use std::{
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    time::Duration,
};

/// No item: the highest ordinal is never given out.
const NOTHING: u64 = u64::MAX;

/// How often a worker that was ordered to hang looks whether it is fenced, and how often at most: ten minutes.
const HANG_STEP: Duration = Duration::from_millis(1);
const HANG_STEPS_MAX: u32 = 600_000;

/// The pulse of one incarnation. Plain atomics: neither side ever waits for the other.
#[derive(Debug)]
pub struct Pulse {
    beats: AtomicU64,
    in_work: AtomicU64,
    /// The number of an ordered [`Death`], 0 for none.
    order: AtomicU8,
    /// A death was ordered, whether it has been obeyed yet or not.
    ordered: AtomicBool,
    fenced: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse {
            beats: AtomicU64::new(0),
            in_work: AtomicU64::new(NOTHING),
            order: AtomicU8::new(0),
            ordered: AtomicBool::new(false),
            fenced: AtomicBool::new(false),
        }
    }
}

impl Pulse {
    /// Shows progress, and obeys an ordered death. Long work calls it every few milliseconds.
    ///
    /// Without an order this costs two relaxed loads and a relaxed store. Beats of several threads at once may count as one:
    /// what matters is that the count changes.
    ///
    /// # Errors
    /// The way to leave the work when an error, a stop or the loss of the thread is ordered.
    ///
    /// # Panics
    /// When a panic is ordered.
    pub fn beat(&self) -> Result<(), Interrupt> {
        self.beats.store(self.beats() + 1, Ordering::Relaxed);
        if self.order.load(Ordering::Relaxed) == 0 { Ok(()) } else { self.obey() }
    }

    /// Orders a death; the first order counts.
    pub fn order(&self, death: Death) {
        self.note_order();
        let number = death as u8;
        let _ = self.order.compare_exchange(0, number, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// A host makes the incarnation die by itself: nothing is to be obeyed, but it was ordered.
    pub(crate) fn note_order(&self) {
        self.ordered.store(true, Ordering::Release);
    }

    /// Lets the incarnation do no more, and lets one that hangs as ordered go on, as a zombie.
    pub fn fence(&self) {
        self.fenced.store(true, Ordering::Release);
    }

    /// True once it is fenced.
    pub fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// True once its death has been ordered.
    pub fn is_ordered(&self) -> bool {
        self.ordered.load(Ordering::Acquire)
    }

    /// Heartbeats so far.
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// The item whose work has begun and is not acknowledged.
    pub fn in_work(&self) -> Option<ItemId> {
        let item = self.in_work.load(Ordering::Acquire);
        (item != NOTHING).then_some(ItemId(item))
    }

    pub(crate) fn set_in_work(&self, item: Option<ItemId>) {
        self.in_work.store(item.map_or(NOTHING, |item| item.0), Ordering::Release);
    }

    fn obey(&self) -> Result<(), Interrupt> {
        let order = self.order.swap(0, Ordering::AcqRel);
        match Death::from_number(order) {
            None => Ok(()),
            Some(Death::Panic) => panic!("{}", panics::ORDERED),
            Some(Death::Error) => Err(Interrupt::Error),
            Some(Death::Stop) => Err(Interrupt::Stop),
            Some(Death::LostThread) => Err(Interrupt::LostThread),
            Some(Death::Hang) => {
                for _ in 0..HANG_STEPS_MAX {
                    if self.is_fenced() {
                        break;
                    }
                    std::thread::sleep(HANG_STEP);
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ordered_death_is_obeyed_once_in_its_own_way() {
        let pulse = Pulse::default();
        assert_eq!(pulse.beat(), Ok(()));
        for (death, interrupt) in [
            (Death::Error, Interrupt::Error),
            (Death::Stop, Interrupt::Stop),
            (Death::LostThread, Interrupt::LostThread),
        ] {
            pulse.order(death);
            assert_eq!(pulse.beat(), Err(interrupt));
            assert_eq!(pulse.beat(), Ok(()), "obeyed once");
        }
        pulse.order(Death::Panic);
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pulse.beat()));
        assert!(panic.is_err());
        assert!(pulse.is_ordered());
    }

    #[test]
    fn a_hang_as_ordered_ends_when_the_worker_is_fenced() {
        let pulse = std::sync::Arc::new(Pulse::default());
        pulse.order(Death::Hang);
        let hanging = pulse.clone();
        let thread = std::thread::spawn(move || hanging.beat());
        pulse.fence();
        assert_eq!(thread.join().expect("it does not panic"), Ok(()));
    }
}
