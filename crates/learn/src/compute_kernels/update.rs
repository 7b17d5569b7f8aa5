//! One step of an optimiser over a slice of the parameters, each by itself.
//!
//! Values below [`TINY`] in the state become zero. The moments of a weight whose gradient has died
//! decay for ever and would end in denormal numbers, which many CPUs compute with a hundred times
//! more slowly. Switching the CPU to flush them would do the same, but the language forbids its
//! code to run in that mode; and a comparison gives the same bits on every CPU.

use super::vector::Vector;
use super::{Isa, dispatch};

/// 2^-100: moments of this size move no weight (`epsilon` is 1e-8), and their products with `1 -
/// beta` are normal numbers.
const TINY: f32 = 7.888_609e-31;

/// The coefficients of one step of Adam, bias corrections included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    pub(crate) beta1: f32,
    pub(crate) beta2: f32,
    pub(crate) epsilon: f32,
    /// `learning_rate / (1 - beta1^t)`
    pub(crate) rate: f32,
    /// `sqrt(1 - beta2^t)`
    pub(crate) correction: f32,
}

/// The slices that a step reads and writes; all have one length, or none where a rule has no second
/// moment.
#[derive(Debug)]
pub(crate) struct Slices<'a> {
    pub(crate) gradient: &'a [f32],
    pub(crate) old: &'a [f32],
    pub(crate) old_state: [&'a [f32]; 2],
    pub(crate) new: &'a mut [f32],
    pub(crate) new_state: [&'a mut [f32]; 2],
}

/// `m = m + (1 - beta1)(g - m)`, `v = v + (1 - beta2)(g^2 - v)`, `w = w - rate m / (sqrt(v) /
/// correction + epsilon)`.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn adam(isa: Isa, step: AdamStep, slices: Slices) {
    let Slices { gradient, old, old_state: [m, v], new, new_state: [new_m, new_v] } = slices;
    let len = gradient.len();
    let lengths = [old.len(), m.len(), v.len(), new.len(), new_m.len(), new_v.len()];
    assert!(lengths.iter().all(|&each| each == len), "all slices of a step have one length");
    let task = Adam {
        step,
        len,
        read: [gradient.as_ptr(), old.as_ptr(), m.as_ptr(), v.as_ptr()],
        write: [new.as_mut_ptr(), new_m.as_mut_ptr(), new_v.as_mut_ptr()],
    };
    // SAFETY: all pointers are good for `len`, checked above.
    unsafe { dispatch!(isa, adam_kernel(&task => &Adam)) }
}

/// `m = momentum m + g`, `w = w - rate m`.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn momentum(isa: Isa, rate: f32, momentum: f32, slices: Slices) {
    let Slices { gradient, old, old_state: [m, _], new, new_state: [new_m, _] } = slices;
    let len = gradient.len();
    let lengths = [old.len(), m.len(), new.len(), new_m.len()];
    assert!(lengths.iter().all(|&each| each == len), "all slices of a step have one length");
    let task = Momentum {
        rate,
        momentum,
        len,
        read: [gradient.as_ptr(), old.as_ptr(), m.as_ptr()],
        write: [new.as_mut_ptr(), new_m.as_mut_ptr()],
    };
    // SAFETY: all pointers are good for `len`, checked above.
    unsafe { dispatch!(isa, momentum_kernel(&task => &Momentum)) }
}

/// `w = w - rate g`: a plain loop, bound by memory.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn descend(rate: f32, slices: Slices) {
    let Slices { gradient, old, new, .. } = slices;
    assert!(
        old.len() == gradient.len() && new.len() == gradient.len(),
        "all slices of a step have one length"
    );
    for ((new, old), gradient) in new.iter_mut().zip(old).zip(gradient) {
        *new = old - rate * gradient;
    }
}

/// The checked arguments of [`adam`].
struct Adam {
    step: AdamStep,
    len: usize,
    /// Gradient, weights, first and second moment.
    read: [*const f32; 4],
    /// Weights, first and second moment.
    write: [*mut f32; 3],
}

/// The checked arguments of [`momentum`].
struct Momentum {
    rate: f32,
    momentum: f32,
    len: usize,
    read: [*const f32; 3],
    write: [*mut f32; 2],
}

/// # Safety
/// The CPU has `V`; all pointers are good for `len`.
#[inline(always)]
unsafe fn adam_kernel<V: Vector>(task: &Adam) {
    let whole = task.len - task.len % V::LANES;
    // SAFETY: `at` steps through whole vectors; the rest is less than one.
    unsafe {
        for at in (0..whole).step_by(V::LANES) {
            let mut values = [V::splat(0.0); 4];
            for i in 0..4 {
                values[i] = V::load(task.read[i].add(at));
            }
            let values = adam_one(&task.step, values);
            for i in 0..3 {
                values[i].store(task.write[i].add(at));
            }
        }
        let rest = task.len - whole;
        let mut values = [V::splat(0.0); 4];
        for i in 0..4 {
            values[i] = V::load_first(task.read[i].add(whole), rest);
        }
        let values = adam_one(&task.step, values);
        for i in 0..3 {
            values[i].store_first(task.write[i].add(whole), rest);
        }
    }
}

/// New weights and moments of `[gradient, weights, m, v]`.
///
/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn adam_one<V: Vector>(step: &AdamStep, [g, w, m, v]: [V; 4]) -> [V; 3] {
    // SAFETY: the caller's promise.
    unsafe {
        let m = flush(g.sub(m).mul_add(V::splat(1.0 - step.beta1), m));
        let v = flush(g.mul(g).sub(v).mul_add(V::splat(1.0 - step.beta2), v));
        let root = v.sqrt().div(V::splat(step.correction)).add(V::splat(step.epsilon));
        let w = w.sub(m.mul(V::splat(step.rate)).div(root));
        [w, m, v]
    }
}

/// # Safety
/// The CPU has `V`; all pointers are good for `len`.
#[inline(always)]
unsafe fn momentum_kernel<V: Vector>(task: &Momentum) {
    let whole = task.len - task.len % V::LANES;
    // SAFETY: `at` steps through whole vectors; the rest is less than one.
    unsafe {
        let mut at = 0;
        while at < task.len {
            let lanes = if at < whole { V::LANES } else { task.len - whole };
            let g = V::load_first(task.read[0].add(at), lanes);
            let w = V::load_first(task.read[1].add(at), lanes);
            let m = V::load_first(task.read[2].add(at), lanes);
            let m = flush(m.mul_add(V::splat(task.momentum), g));
            let w = w.sub(m.mul(V::splat(task.rate)));
            w.store_first(task.write[0].add(at), lanes);
            m.store_first(task.write[1].add(at), lanes);
            at += lanes;
        }
    }
}

/// Zero for values nearer to it than [`TINY`]; not-a-number stays what it is, so that a training
/// that fails shows it.
///
/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn flush<V: Vector>(value: V) -> V {
    // SAFETY: the caller's promise.
    unsafe { V::splat(TINY).if_above(value.abs(), V::splat(0.0), value) }
}
