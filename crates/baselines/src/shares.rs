//! How a problem of many classes is cut into problems of two, and how these are dealt out to the rounds.

use std::ops::Range;

/// Every pair of classes, the lower first: one against one, `K * (K - 1) / 2` problems.
pub(crate) fn pairs(classes: usize) -> Vec<[usize; 2]> {
    (0..classes).flat_map(|low| (low + 1..classes).map(move |high| [low, high])).collect()
}

/// The class with most votes, the lowest among equals: `wins(n)` says whether problem `n` goes to the pair's higher class.
pub(crate) fn winner(classes: usize, wins: impl Fn(usize) -> bool) -> usize {
    let mut votes = vec![0u32; classes];
    for (number, [low, high]) in pairs(classes).into_iter().enumerate() {
        votes[if wins(number) { high } else { low }] += 1;
    }
    crate::model::largest(votes)
}

/// The problems of round `round` of `rounds`, of `problems` in all: as even as it goes, in order, each in one round.
pub(crate) fn share(round: u32, rounds: u32, problems: usize) -> Range<usize> {
    let until = |round: u32| problems * round as usize / rounds as usize;
    until(round)..until(round + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_two_classes_meet_once_and_the_class_that_wins_most_is_chosen() {
        assert_eq!(pairs(3), [[0, 1], [0, 2], [1, 2]]);
        let for_two = [false, true, true];
        assert_eq!(winner(3, |problem| for_two[problem]), 2);
        let in_a_circle = [true, false, true]; // 1 beats 0, 0 beats 2, 2 beats 1
        assert_eq!(winner(3, |problem| in_a_circle[problem]), 0);
    }

    #[test]
    fn rounds_share_all_problems_without_a_gap() {
        for problems in [0, 1, 9, 45] {
            let dealt: Vec<usize> = (0..4).flat_map(|round| share(round, 4, problems)).collect();
            assert_eq!(dealt, (0..problems).collect::<Vec<_>>());
        }
    }
}
