//! The kernel, broken on purpose: to prove that its tests would notice.
//!
//! The switch is a thread's own and exists in the kernel's own tests alone: everywhere else [`is`] is the constant `false` and the
//! broken branches are not compiled.

/// A way in which the kernel (or, where that is said, the pipeline of its tests) is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// It is not.
    #[cfg(test)]
    None,
    /// An acknowledgement of a fenced incarnation is accepted.
    #[cfg(test)]
    AcceptFromFenced,
    /// The leases of a lost worker are not taken back.
    #[cfg(test)]
    ForgetLeases,
    /// The same, but only for an item that was taken back before.
    #[cfg(test)]
    ForgetLeasesSecondTime,
    /// Items taken back go to the back; the pipeline adds gradients in order of arrival.
    #[cfg(test)]
    ArrivalOrder,
    /// A second acknowledgement of an item commits it again.
    CommitTwice,
    /// The pipeline reduces a step when one gradient is still missing.
    #[cfg(test)]
    ReduceWithoutOne,
    /// The pipeline reduces a step when the last gradient has come, whatever of the others.
    #[cfg(test)]
    ReduceOnLast,
    /// The third incarnation of a slot has the number of the second.
    ReuseIncarnation,
    /// A worker may hold one more than the window when that one was taken back before.
    #[cfg(test)]
    ExceedWindow,
    /// Nobody looks for silence.
    NoWatchdog,
    /// A hint is given once, whether it is answered or not.
    HintOnce,
}

#[cfg(test)]
impl Mutant {
    /// Every one.
    pub(crate) const ALL: [Mutant; 12] = [
        Mutant::None,
        Mutant::AcceptFromFenced,
        Mutant::ForgetLeases,
        Mutant::ForgetLeasesSecondTime,
        Mutant::ArrivalOrder,
        Mutant::CommitTwice,
        Mutant::ReduceWithoutOne,
        Mutant::ReduceOnLast,
        Mutant::ReuseIncarnation,
        Mutant::ExceedWindow,
        Mutant::NoWatchdog,
        Mutant::HintOnce,
    ];
}

#[cfg(test)]
mod switch {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        static ACTIVE: Cell<Mutant> = const { Cell::new(Mutant::None) };
    }

    /// True when this thread's kernel is broken this way.
    pub(crate) fn is(mutant: Mutant) -> bool {
        ACTIVE.get() == mutant
    }

    /// This thread's kernel.
    pub(crate) fn active() -> Mutant {
        ACTIVE.get()
    }

    /// Runs something with a broken kernel.
    pub(crate) fn with<R>(mutant: Mutant, run: impl FnOnce() -> R) -> R {
        /// Mends the kernel, whatever happens.
        struct Mend(Mutant);
        impl Drop for Mend {
            fn drop(&mut self) {
                ACTIVE.set(self.0);
            }
        }
        let _mend = Mend(ACTIVE.replace(mutant));
        run()
    }
}

#[cfg(test)]
pub(crate) use switch::{active, is, with};

#[cfg(test)]
mod broken {
    use super::{Mutant, is};
    use crate::{
        ids::{Incarnation, ItemId},
        ledger::Place,
        pool::Pool,
        slot::WorkerId,
    };

    /// The broken halves of the pool's decisions. Each does nothing unless its mutant is active.
    impl Pool {
        /// [`Mutant::AcceptFromFenced`]: whoever acknowledges is made the item's holder first.
        pub(crate) fn forge(&mut self, worker: WorkerId, item: ItemId) -> WorkerId {
            let index = worker.slot.index;
            let is_fenced = self.slot(index).incarnation != worker.incarnation;
            let place = self.ledger.place(item).filter(|_| is_fenced);
            let Some(place) = place.filter(|_| is(Mutant::AcceptFromFenced)) else { return worker };
            match place {
                Place::Ready => self.ready.remove(item),
                Place::Leased(holder, incarnation) => {
                    self.slot_mut(holder).leases.retain(|held| *held != item);
                    self.ledger.take_back(item, (holder, incarnation), false, u32::MAX);
                }
            }
            let incarnation: Incarnation = self.slot(index).incarnation;
            self.ledger.lease(item, index, incarnation);
            WorkerId { incarnation, ..worker }
        }

        /// [`Mutant::ForgetLeases`] and its sibling; notes what is taken back.
        pub(crate) fn forgets(&mut self, item: ItemId) -> bool {
            let is_first = self.taken_back.insert(item);
            is(Mutant::ForgetLeases) || (is(Mutant::ForgetLeasesSecondTime) && !is_first)
        }

        /// [`Mutant::ExceedWindow`]: true when the slot's next item was taken back before.
        pub(crate) fn exceeds_window(&self, index: u16) -> bool {
            let is_over = self.slot(index).leases.len() > usize::from(self.plan().window);
            let next = || self.ready.peek(index, self.limit().unwrap_or(ItemId(u64::MAX)));
            let is_next = || next().is_some_and(|item| self.taken_back.contains(&item));
            is(Mutant::ExceedWindow) && (is_over || is_next())
        }

        /// [`Mutant::ArrivalOrder`]: what was taken back waits behind all else that the slot may take.
        pub(crate) fn take_newcomer(&mut self, index: u16) -> Option<ItemId> {
            if !is(Mutant::ArrivalOrder) {
                return None;
            }
            let limit = self.limit().unwrap_or(ItemId(u64::MAX));
            let mut returned = Vec::new();
            let mut next = self.ready.peek(index, limit);
            while let Some(item) = next.filter(|item| self.taken_back.contains(item)) {
                self.ready.remove(item);
                returned.push(item);
                next = self.ready.peek(index, limit);
            }
            returned.into_iter().for_each(|item| self.ready.insert(item));
            next.inspect(|item| self.ready.remove(*item))
        }
    }
}

/// True when the kernel is broken this way: never, outside of its own tests.
#[cfg(not(test))]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
