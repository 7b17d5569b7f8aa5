//! Random words in bulk, by Philox4x32-10: the same words as `planaria_random::philox::block`
//! gives, many counters at once.
//!
//! It is written again here so that it is compiled with the vectors of each instruction set: a
//! third of the time of the plain one.

use super::arithmetic::Arithmetic;
use super::vector::Vector;
use super::{Isa, compile, dispatch};

/// Philox's multipliers and the steps of its key, as in `planaria_random::philox`.
const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Fills `words` with those of the counters `0..words.len() / 4` under `key`: the first words of
/// all counters, then the second ones, the third and the fourth.
///
/// # Panics
/// When the number of words is not a multiple of 4.
pub(crate) fn fill(isa: Isa, key: [u32; 2], words: &mut [u32]) {
    assert!(words.len().is_multiple_of(4), "a counter gives four words");
    let mut task = Fill { key, words };
    // SAFETY: the kernel is written in safe code; the vector only names the instruction set.
    unsafe { dispatch!(isa, fill_kernel(&mut task => &mut Fill)) }
}

/// The arguments of [`fill`].
struct Fill<'a> {
    key: [u32; 2],
    words: &'a mut [u32],
}

/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn fill_kernel<V: Vector>(task: &mut Fill) {
    let blocks = task.words.len() / 4;
    let (first, rest) = task.words.split_at_mut(blocks);
    let (second, rest) = rest.split_at_mut(blocks);
    let (third, fourth) = rest.split_at_mut(blocks);
    let fourth = &mut fourth[..blocks];
    for block in 0..blocks {
        let (mut counter, mut key) = ([block as u32, 0, 0, 0], task.key);
        for _ in 0..10 {
            let low = u64::from(counter[0]) * MULTIPLIERS[0];
            let high = u64::from(counter[2]) * MULTIPLIERS[1];
            counter = [
                (high >> 32) as u32 ^ counter[1] ^ key[0],
                high as u32,
                (low >> 32) as u32 ^ counter[3] ^ key[1],
                low as u32,
            ];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        first[block] = counter[0];
        second[block] = counter[1];
        third[block] = counter[2];
        fourth[block] = counter[3];
    }
}

/// Notes 1 for every number that stays, by 16 random bits each: the low halves of the words decide
/// the first half of the numbers, the high halves the second. It stays when they are not below
/// `threshold`.
///
/// # Panics
/// When there are not two numbers a word (or one for the last).
pub(crate) fn choose(isa: Isa, threshold: u16, words: &[u32], kept: &mut [u8]) {
    assert_eq!(words.len(), kept.len().div_ceil(2), "a word decides two numbers");
    let task = (threshold, words, kept);
    compile!(isa, choose_kernel(task => (u16, &[u32], &mut [u8])));
}

#[inline(always)]
fn choose_kernel<A: Arithmetic>((threshold, words, kept): (u16, &[u32], &mut [u8])) {
    let (first, second) = kept.split_at_mut(words.len());
    for (kept, &word) in first.iter_mut().zip(words) {
        *kept = u8::from(word as u16 >= threshold);
    }
    for (kept, &word) in second.iter_mut().zip(words) {
        *kept = u8::from((word >> 16) as u16 >= threshold);
    }
}

/// Multiplies what stays by `scale`; the rest becomes zero.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn keep(isa: Isa, scale: f32, kept: &[u8], values: &mut [f32]) {
    assert_eq!(kept.len(), values.len(), "every number stays or goes");
    let task = (scale, kept, values);
    compile!(isa, keep_kernel(task => (f32, &[u8], &mut [f32])));
}

#[inline(always)]
fn keep_kernel<A: Arithmetic>((scale, kept, values): (f32, &[u8], &mut [f32])) {
    for (value, &kept) in values.iter_mut().zip(kept) {
        *value = if kept == 0 { 0.0 } else { *value * scale };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use planaria_random::philox;

    #[test]
    fn every_instruction_set_draws_the_words_of_philox() {
        for isa in Isa::available() {
            for blocks in [0, 1, 3, 16, 100] {
                let (key, mut words) = ([7, 0xFFFF_0000], vec![0; 4 * blocks]);
                fill(isa, key, &mut words);
                for block in 0..blocks {
                    let found = [0, 1, 2, 3].map(|lane| words[lane * blocks + block]);
                    assert_eq!(found, philox::block([block as u32, 0, 0, 0], key), "{isa:?}");
                }
            }
        }
    }
}
