//! From a schedule that fails to the smallest one near it that fails as well.

use super::schedule::{Order, Schedule};

/// Drops the deaths that a failure does not need, asks whether it needs its order, and moves what is left to lower points.
///
/// `fails` runs a schedule; it must be true of `schedule`. Greedy: the result fails, and no single death of it can be left out,
/// even when one other moves. Tries at most some thousand runs a death and point.
pub fn shrink(schedule: Schedule, mut fails: impl FnMut(&Schedule) -> bool) -> Schedule {
    let mut smallest = in_simplest_order(schedule.clone(), &mut fails).unwrap_or(schedule);
    let mut n = 0;
    while n < smallest.kills.len() {
        match without(&smallest, n, &mut fails) {
            Some(failing) => (smallest, n) = (failing, 0), // one that was needed before may not be now
            None => n += 1,
        }
    }
    for n in 0..smallest.kills.len() {
        let lower = (0..smallest.kills[n].at).map(|at| moved(&smallest, n, at));
        smallest = { lower }.find(&mut fails).unwrap_or(smallest);
    }
    smallest
}

/// A schedule without its death `n` that fails, if there is one: all points after it are others, so another death may have to move.
fn without(
    schedule: &Schedule,
    n: usize,
    fails: &mut impl FnMut(&Schedule) -> bool,
) -> Option<Schedule> {
    let mut rest = schedule.clone();
    rest.kills.remove(n);
    if let Some(failing) = in_simplest_order(rest.clone(), fails) {
        return Some(failing);
    }
    let end = schedule.kills.iter().map(|kill| kill.at + 1).max().unwrap_or(0);
    let moves = (0..rest.kills.len()).flat_map(|other| (0..end).map(move |at| (other, at)));
    let mut moves = moves.map(|(other, at)| moved(&rest, other, at));
    moves.find(fails)
}

fn moved(schedule: &Schedule, n: usize, at: usize) -> Schedule {
    let mut moved = schedule.clone();
    moved.kills[n].at = at;
    moved
}

/// The schedule in the simplest order in which it fails, if it does.
fn in_simplest_order(
    schedule: Schedule,
    fails: &mut impl FnMut(&Schedule) -> bool,
) -> Option<Schedule> {
    let fifo = Schedule { order: Order::Fifo, random_kills: 0, ..schedule.clone() };
    [fifo, schedule].into_iter().find(fails)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        failpoint::Death,
        host::deterministic::schedule::{Victim, Way},
    };

    #[test]
    fn what_a_failure_does_not_need_is_left_out_and_the_rest_moved_down() {
        let mut schedule = Schedule::seeded(9);
        for at in [5, 30, 60, 80] {
            let way = if at == 30 { Way::Silent } else { Way::Ordered(Death::Error) };
            schedule = schedule.kill(at, Victim::Running, way);
        }
        // It fails when somebody dies silently at 11 or later, and an error follows.
        let fails = |schedule: &Schedule| {
            let silent = schedule.kills.iter().find(|kill| kill.way == Way::Silent && kill.at > 10);
            silent.is_some_and(|silent| {
                let after = |kill: &&super::super::schedule::Kill| kill.at > silent.at;
                schedule.kills.iter().any(|kill| after(&kill) && kill.way != Way::Silent)
            })
        };
        assert_eq!(shrink(schedule, fails).to_string(), "fifo 11 running silent, 12 running error");
    }
}
