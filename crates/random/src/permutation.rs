//! A keyed shuffle of `0..n` that needs no list: position -> item by a Feistel network with cycle walking.
//!
//! Source: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002, section 4.

use crate::{Purpose, Stream, philox};

/// Rounds of the network. Four make a pseudo-random permutation (Luby and Rackoff 1988); six leave a margin.
const ROUNDS: u32 = 6;

/// A permutation of `0..n`, chosen by `(seed, purpose, epoch)`, or by a stream, alone.
///
/// ```
/// use planaria_random::{Permutation, Purpose};
/// let shuffle = Permutation::new(5, 1, Purpose::Shuffle, 0);
/// let mut items: Vec<u64> = (0..5).map(|position| shuffle.item_at(position)).collect();
/// items.sort();
/// assert_eq!(items, [0, 1, 2, 3, 4]);
/// ```
#[derive(Debug, Clone)]
pub struct Permutation {
    n: u64,
    /// Half the width of the network's words: both halves together hold at least `n` values, at most `4 n`.
    half_bits: u32,
    key: [u32; 2],
}

impl Permutation {
    /// Chooses the permutation. An empty one has no positions.
    pub fn new(n: u64, seed: u64, purpose: Purpose, epoch: u32) -> Self {
        Permutation::of(n, Stream::new(seed, purpose, epoch, u64::MAX))
    }

    /// The one that a stream chooses by its next two words.
    pub fn of(n: u64, mut stream: Stream) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        Permutation {
            n,
            half_bits: bits.div_ceil(2).max(1),
            key: [stream.next_u32(), stream.next_u32()],
        }
    }

    /// How many items are shuffled.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// True for the permutation of nothing.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The item at `position`.
    ///
    /// # Panics
    /// When `position` is not below `len()`.
    pub fn item_at(&self, position: u64) -> u64 {
        assert!(position < self.n, "position {position} of a permutation of {}", self.n);
        // The network permutes at most 4 n values, so the cycle of a value below n comes back below n: the walk ends.
        let mut value = self.encrypt(position);
        while value >= self.n {
            value = self.encrypt(value);
        }
        value
    }

    fn encrypt(&self, value: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..ROUNDS {
            let counter = [right as u32, (right >> 32) as u32, round, 0];
            let words = philox::block(counter, self.key);
            let mixed = u64::from(words[0]) | u64::from(words[1]) << 32;
            (left, right) = (right, left ^ (mixed & mask));
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_comes_exactly_once_for_every_size() {
        for n in (0..70).chain([255, 256, 257, 1_000, 60_000]) {
            let shuffle = Permutation::new(n, 11, Purpose::Shuffle, 3);
            let mut seen = vec![false; n as usize];
            for position in 0..n {
                let item = shuffle.item_at(position) as usize;
                assert!(!std::mem::replace(&mut seen[item], true), "item {item} of {n} came twice");
            }
        }
    }

    #[test]
    fn epochs_and_seeds_shuffle_differently() {
        let order = |seed, epoch| {
            let shuffle = Permutation::new(1_000, seed, Purpose::Shuffle, epoch);
            (0..1_000).map(|position| shuffle.item_at(position)).collect::<Vec<_>>()
        };
        let fixed = |a: &[u64], b: &[u64]| a.iter().zip(b).filter(|(x, y)| x == y).count();
        // Two random orders of 1,000 agree in one place on average; ten or more has a chance of about 1e-7.
        assert!(fixed(&order(1, 0), &order(1, 1)) < 10);
        assert!(fixed(&order(1, 0), &order(2, 0)) < 10);
        assert!(fixed(&order(1, 0), &(0..1_000).collect::<Vec<_>>()) < 10);
    }
}
