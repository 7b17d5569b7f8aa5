//! What is to happen in a run on one thread: in which order actors go on, and who dies when, and how.
//!
//! A schedule is written as one line and read back from it, so that a failing run can be replayed exactly:
//! `fifo 12 running panic, 40 2/0#1 hang` or `seed 7 3 supervisor error` (stage 2, slot index 0, incarnation 1).

use crate::{
    failpoint::{Death, Failpoint},
    ids::{Incarnation, SlotId, StageId},
    slot::WorkerId,
};
use std::{fmt, str::FromStr};

/// An actor of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActorId {
    /// The supervisor: whichever lives.
    Supervisor,
    /// One incarnation of a worker.
    Worker(WorkerId),
}

/// A moment at which the host lets an actor go on. Nowhere else can it be suspended, or killed from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Who goes on.
    pub actor: ActorId,
    /// From where.
    pub at: Failpoint,
}

/// In which order actors that can go on do so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Who could go on first goes on first.
    Fifo,
    /// Drawn from this seed.
    Seeded(u64),
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// The actor that is about to go on.
    Running,
    /// This one, wherever it is suspended; nobody, when it does not live.
    Actor(ActorId),
}

/// How an actor is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// As an order that the actor obeys. A supervisor that is to hang panics: nobody watches for it.
    Ordered(Death),
    /// It is gone and nothing reports its end. Workers only: a supervisor's end is always seen by the root.
    Silent,
}

impl Way {
    /// Every way to kill a worker.
    pub const ALL: [Way; 6] = [
        Way::Ordered(Death::Panic),
        Way::Ordered(Death::Error),
        Way::Ordered(Death::Stop),
        Way::Ordered(Death::LostThread),
        Way::Ordered(Death::Hang),
        Way::Silent,
    ];

    fn name(self) -> &'static str {
        match self {
            Way::Ordered(Death::Panic) => "panic",
            Way::Ordered(Death::Error) => "error",
            Way::Ordered(Death::Stop) => "stop",
            Way::Ordered(Death::LostThread) => "lost-thread",
            Way::Ordered(Death::Hang) => "hang",
            Way::Silent => "silent",
        }
    }
}

/// One death: at the point with this number, before its actor goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    /// The number of the point, from 0.
    pub at: usize,
    /// Who dies.
    pub victim: Victim,
    /// How.
    pub way: Way,
}

/// Points that a run may have unless its schedule says otherwise.
pub(in crate::host) const POINTS_MAX: usize = 20_000;

/// What is to happen in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Who goes on next.
    pub order: Order,
    /// The deaths that are planned.
    pub kills: Vec<Kill>,
    /// So many deaths more, of random actors at random points in random ways, drawn from the order's seed.
    pub random_kills: u32,
    /// Nudges of workers (hints among them) are lost now and then, a few in a row at most, as on threads when a mailbox is full.
    pub is_lossy: bool,
    /// A run with more points than this is stuck.
    pub points_max: usize,
}

impl Schedule {
    /// Nobody dies, and who could go on first goes on first.
    pub fn fifo() -> Self {
        let kills = Vec::new();
        let order = Order::Fifo;
        Schedule { order, kills, random_kills: 0, is_lossy: false, points_max: POINTS_MAX }
    }

    /// Nobody dies, and who goes on is drawn from a seed.
    pub fn seeded(seed: u64) -> Self {
        Schedule { order: Order::Seeded(seed), ..Schedule::fifo() }
    }

    /// One death more.
    #[must_use]
    pub fn kill(mut self, at: usize, victim: Victim, way: Way) -> Self {
        self.kills.push(Kill { at, victim, way });
        self
    }

    /// Nudges are lost now and then.
    #[must_use]
    pub fn lossy(mut self) -> Self {
        self.is_lossy = true;
        self
    }

    /// At most so many random deaths.
    #[must_use]
    pub fn random_kills(mut self, most: u32) -> Self {
        self.random_kills = most;
        self
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActorId::Supervisor => f.write_str("supervisor"),
            ActorId::Worker(WorkerId { slot, incarnation }) => {
                write!(f, "{}/{}#{}", slot.stage.0, slot.index, incarnation.0)
            }
        }
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.victim {
            Victim::Running => write!(f, "{} running {}", self.at, self.way.name()),
            Victim::Actor(actor) => write!(f, "{} {actor} {}", self.at, self.way.name()),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.order {
            Order::Fifo => f.write_str("fifo")?,
            Order::Seeded(seed) => write!(f, "seed {seed}")?,
        }
        if self.is_lossy {
            f.write_str(" lossy")?;
        }
        if self.random_kills > 0 {
            write!(f, " random {}", self.random_kills)?;
        }
        for (n, kill) in self.kills.iter().enumerate() {
            write!(f, "{}{kill}", if n == 0 { " " } else { ", " })?;
        }
        Ok(())
    }
}

/// A line that is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no schedule: `{0}`: write `fifo 12 running panic` or `seed 7 lossy random 2 40 2/0#1 hang, 50 supervisor error`"
)]
pub struct NoSchedule(String);

impl FromStr for Schedule {
    type Err = NoSchedule;

    fn from_str(line: &str) -> Result<Self, NoSchedule> {
        read(line).ok_or_else(|| NoSchedule(line.to_owned()))
    }
}

fn read(line: &str) -> Option<Schedule> {
    let mut words = line.split([' ', ',']).filter(|word| !word.is_empty()).peekable();
    let mut schedule = match words.next()? {
        "fifo" => Schedule::fifo(),
        "seed" => Schedule::seeded(words.next()?.parse().ok()?),
        _ => return None,
    };
    schedule.is_lossy = words.next_if_eq(&"lossy").is_some();
    if words.next_if_eq(&"random").is_some() {
        schedule.random_kills = words.next()?.parse().ok()?;
    }
    while let Some(at) = words.next() {
        let victim = words.next()?;
        let victim = match victim {
            "running" => Victim::Running,
            "supervisor" => Victim::Actor(ActorId::Supervisor),
            worker => Victim::Actor(ActorId::Worker(read_worker(worker)?)),
        };
        let way = words.next()?;
        let way = Way::ALL.into_iter().find(|known| known.name() == way)?;
        schedule = schedule.kill(at.parse().ok()?, victim, way);
    }
    Some(schedule)
}

fn read_worker(name: &str) -> Option<WorkerId> {
    let (stage, rest) = name.split_once('/')?;
    let (index, incarnation) = rest.split_once('#')?;
    let slot = SlotId { stage: StageId(stage.parse().ok()?), index: index.parse().ok()? };
    Some(WorkerId { slot, incarnation: Incarnation(incarnation.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_read_back_from_the_line_that_it_is_written_as() {
        for line in [
            "fifo",
            "seed 7",
            "seed 7 lossy random 6",
            "fifo 12 running panic",
            "seed 3 1 supervisor error, 12 2/0#1 hang, 12 running silent, 40 0/1#3 lost-thread",
        ] {
            let schedule: Schedule = line.parse().expect(line);
            assert_eq!(schedule.to_string(), line);
        }
        for wrong in ["", "lifo", "seed x", "fifo 12 running", "fifo 1 2/0 hang", "fifo 1 me die"] {
            let error = wrong.parse::<Schedule>().expect_err(wrong).to_string();
            assert!(error.contains("seed 7"), "{error}");
        }
    }
}
