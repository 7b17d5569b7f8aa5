//! A stream of numbers for one purpose, one epoch and one item.

use crate::philox;

/// What numbers are drawn for. Streams of different purposes are independent.
///
/// The discriminants are part of every result's definition: never renumber them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// The first weights of a network.
    Initialise = 1,
    /// The order of the items in an epoch.
    Shuffle = 2,
    /// How an item is varied in an epoch.
    Augment = 3,
    /// Which features drop-out switches off; the item is the sample, the sub-stream the layer.
    Dropout = 4,
    /// Choices of a classical baseline.
    Baseline = 5,
    /// Which actors a chaos run kills, and how.
    Chaos = 6,
    /// The jitter of a restart's backoff.
    Backoff = 7,
    /// The values of a random search; the item is the trial, the sub-stream the key.
    Sweep = 8,
    /// Which training items are set aside to choose by.
    Validation = 9,
    /// Which item of a class comes when, where classes have shares; the epoch is the class, the item how often all have come.
    Sample = 10,
}

/// The numbers of `(seed, purpose, epoch, item)`, in order.
///
/// ```
/// use planaria_random::{Purpose, Stream};
/// let mut a = Stream::new(7, Purpose::Augment, 0, 41);
/// let mut b = Stream::new(7, Purpose::Augment, 0, 41);
/// assert_eq!(a.next_u32(), b.next_u32());
/// ```
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u32; 2],
    epoch: u32,
    item: u64,
    /// The next block of four words.
    block: u32,
    words: [u32; 4],
    /// How many of `words` are used up.
    used: usize,
}

impl Stream {
    /// Opens the stream at its beginning.
    pub fn new(seed: u64, purpose: Purpose, epoch: u32, item: u64) -> Self {
        // The seed fills the key; the purpose is folded in by one Philox block, so that no two purposes share a counter.
        let mixed =
            philox::block([purpose as u32, 0, 0, 0x504c_414e], [seed as u32, (seed >> 32) as u32]);
        Stream { key: [mixed[0], mixed[1]], epoch, item, block: 0, words: [0; 4], used: 4 }
    }

    /// The independent stream numbered `index` beside this one (of a layer, say), at its beginning.
    pub fn substream(&self, index: u32) -> Self {
        let mixed = philox::block([index, 1, 0, 0x504c_414e], self.key);
        Stream { key: [mixed[0], mixed[1]], block: 0, used: 4, ..self.clone() }
    }

    /// The next word, uniform over all of `u32`.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.words = self.block_at(self.block);
            self.block = self.block.checked_add(1).expect("a stream gives at most 2^34 words");
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Uniform in `[0, 1)`, in steps of 2^-24.
    pub fn next_unit(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// Uniform in `[low, high)`.
    pub fn next_between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.next_unit()
    }

    /// Uniform in `0..n`, by multiplication: the bias is below `n / 2^32`.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn next_below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "a choice needs at least one possibility");
        ((u64::from(self.next_u32()) * u64::from(n)) >> 32) as u32
    }

    /// Fills `words` with the words from the stream's beginning, whatever was drawn before: the bulk form for drop-out.
    ///
    /// Word `i` is lane `i / blocks` of block `i % blocks` over `blocks = ceil(len / 4)`: an order that vectorises.
    pub fn fill(&self, words: &mut [u32]) {
        let blocks = words.len().div_ceil(4);
        for block in 0..blocks {
            let four = self.block_at(block as u32);
            for (lane, word) in four.into_iter().enumerate() {
                if let Some(place) = words.get_mut(lane * blocks + block) {
                    *place = word;
                }
            }
        }
    }

    #[inline]
    fn block_at(&self, block: u32) -> [u32; 4] {
        philox::block([block, self.epoch, self.item as u32, (self.item >> 32) as u32], self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_key_changes_the_numbers() {
        let first = |seed, purpose, epoch, item| Stream::new(seed, purpose, epoch, item).next_u32();
        let base = first(1, Purpose::Augment, 0, 0);
        assert_ne!(base, first(2, Purpose::Augment, 0, 0));
        assert_ne!(base, first(1, Purpose::Dropout, 0, 0));
        assert_ne!(base, first(1, Purpose::Augment, 1, 0));
        assert_ne!(base, first(1, Purpose::Augment, 0, 1));
        assert_ne!(base, first(1, Purpose::Augment, 0, 1 << 32));
        let mut substream = Stream::new(1, Purpose::Augment, 0, 0).substream(0);
        assert_ne!(base, substream.next_u32());
    }

    #[test]
    fn units_are_spread_evenly_over_zero_to_one() {
        let mut stream = Stream::new(3, Purpose::Initialise, 0, 0);
        let mut counts = [0u32; 10];
        for _ in 0..100_000 {
            counts[(stream.next_unit() * 10.0) as usize] += 1;
        }
        // Five standard deviations of a binomial with n = 100,000 and p = 0.1 are 474.
        assert!(counts.iter().all(|&n| (9_526..=10_474).contains(&n)), "{counts:?}");
    }

    #[test]
    fn filling_holds_the_same_words_as_drawing_one_by_one() {
        let mut stream = Stream::new(9, Purpose::Dropout, 2, 5);
        let mut filled = [0; 10];
        stream.fill(&mut filled);
        let mut drawn: Vec<u32> = (0..12).map(|_| stream.next_u32()).collect();
        let mut expected: Vec<u32> =
            (0..12).map(|i| (i % 3) * 4 + i / 3).map(|at| drawn[at as usize]).take(10).collect();
        assert_eq!(filled.to_vec(), expected);
        expected.sort_unstable();
        expected.dedup();
        drawn.truncate(12);
        assert_eq!(expected.len(), 10, "no word comes twice");
    }
}
