//! One step of an optimiser over a slice of the parameters, each by itself; and the squares that a
//! gradient's norm is made of.
//!
//! A rule is the same sequence of operations for every number, in whatever register it lies: all
//! instruction sets with a fused multiply-add give the same bits, the portable path rounds once
//! more.
//!
//! Values below [`TINY`] become zero. The moments of a weight whose gradient has died decay for
//! ever and would end in denormal numbers, which many CPUs compute with a hundred times more
//! slowly. Switching the CPU to flush them would do the same, but the language forbids its code to
//! run in that mode; and a comparison gives the same bits on every CPU.

use super::arithmetic::Arithmetic;
use super::vector::Vector;
use super::{Isa, compile, dispatch};

/// 2^-100: moments of this size move no weight (`epsilon` is 1e-8), and their products with `1 -
/// beta` are normal numbers.
const TINY: f32 = 7.888_609e-31;

/// The slices that a step reads and writes; all have one length, or none where a rule has no such
/// moment.
#[derive(Debug)]
pub(crate) struct Slices<'a> {
    pub(crate) gradient: &'a [f32],
    pub(crate) old: &'a [f32],
    pub(crate) old_state: [&'a [f32]; 2],
    pub(crate) new: &'a mut [f32],
    pub(crate) new_state: [&'a mut [f32]; 2],
}

/// The coefficients of one step of descent: `g = scale g + decay w`, `w = w - rate g`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DescentStep {
    pub(crate) scale: f32,
    pub(crate) decay: f32,
    pub(crate) rate: f32,
}

/// The coefficients of one step with momentum: `g = scale g + decay w`, `m = momentum m + g`, `w =
/// w - rate m`, or with Nesterov's `g + momentum m` in place of `m`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MomentumStep {
    pub(crate) descent: DescentStep,
    pub(crate) momentum: f32,
    pub(crate) nesterov: bool,
}

/// The coefficients of one step of Adam: `g = scale g + decay w`, `m = m + (1 - beta1)(g - m)`, `v
/// = v + (1 - beta2)(g^2 - v)`, `w = keep w - rate m / (sqrt(v) correction + epsilon)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    pub(crate) scale: f32,
    /// The weight decay that is coupled to the gradient.
    pub(crate) decay: f32,
    /// What is left of a weight by the decay that is not: 1 without one.
    pub(crate) keep: f32,
    pub(crate) beta1: f32,
    pub(crate) beta2: f32,
    pub(crate) epsilon: f32,
    /// `learning_rate / (1 - beta1^t)`
    pub(crate) rate: f32,
    /// `1 / sqrt(1 - beta2^t)`
    pub(crate) correction: f32,
}

/// What a rule makes of one vector of each array.
trait Rule: Copy {
    /// How many moments it keeps.
    const MOMENTS: usize;

    /// New weights and moments of `[gradient, weights, m, v]`; what it does not keep is nothing.
    ///
    /// # Safety
    /// The CPU has `V`.
    unsafe fn apply<V: Vector>(self, values: [V; 4]) -> [V; 3];
}

/// Takes a step of plain descent.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn descend(isa: Isa, step: DescentStep, slices: Slices) {
    let task = Task::new(step, slices);
    // SAFETY: the task's pointers are good for its `len`, or not read.
    unsafe { dispatch!(isa, descent_kernel(&task => &Task<DescentStep>)) }
}

/// Takes a step with momentum.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn momentum(isa: Isa, step: MomentumStep, slices: Slices) {
    let task = Task::new(step, slices);
    // SAFETY: the task's pointers are good for its `len`, or not read.
    unsafe { dispatch!(isa, momentum_kernel(&task => &Task<MomentumStep>)) }
}

/// Takes a step of Adam.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn adam(isa: Isa, step: AdamStep, slices: Slices) {
    let task = Task::new(step, slices);
    // SAFETY: the task's pointers are good for its `len`, or not read.
    unsafe { dispatch!(isa, adam_kernel(&task => &Task<AdamStep>)) }
}

/// Writes `old + share (value - old)`: a running average.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn average(isa: Isa, share: f32, values: &[f32], old: &[f32], new: &mut [f32]) {
    let (old_state, new_state) = ([&[][..]; 2], [&mut [][..], &mut []]);
    let slices = Slices { gradient: values, old, old_state, new, new_state };
    let task = Task::new(Average { share }, slices);
    // SAFETY: the task's pointers are good for its `len`, or not read.
    unsafe { dispatch!(isa, average_kernel(&task => &Task<Average>)) }
}

/// The sum of the squares in f64, with the same bits on every instruction set: sixteen sums of
/// every sixteenth number, then those from the first to the last.
pub(crate) fn sum_of_squares(isa: Isa, values: &[f32]) -> f64 {
    let mut task = Squares { values, sum: 0.0 };
    // SAFETY: the kernel is written in safe code; the vector only names the instruction set.
    unsafe { dispatch!(isa, squares_kernel(&mut task => &mut Squares)) }
    task.sum
}

/// True when no number is infinite or none.
pub(crate) fn all_finite(isa: Isa, values: &[f32]) -> bool {
    compile!(isa, finite_kernel(values => &[f32]; bool))
}

#[inline(always)]
fn finite_kernel<A: Arithmetic>(values: &[f32]) -> bool {
    // Without a branch a number.
    values.iter().fold(true, |sound, x| sound & x.is_finite())
}

/// The coefficient of [`average`].
#[derive(Debug, Clone, Copy)]
struct Average {
    share: f32,
}

/// The checked arguments of a step.
struct Task<R> {
    rule: R,
    len: usize,
    /// Gradient, weights, and as many moments as the rule keeps; the others are not read.
    read: [*const f32; 4],
    /// Weights and moments, likewise.
    write: [*mut f32; 3],
}

impl<R: Rule> Task<R> {
    /// # Panics
    /// When the lengths differ.
    fn new(rule: R, slices: Slices) -> Self {
        let Slices { gradient, old, old_state: [m, v], new, new_state: [new_m, new_v] } = slices;
        let len = gradient.len();
        let moments = [(m.len(), new_m.len()), (v.len(), new_v.len())];
        assert!(
            old.len() == len
                && new.len() == len
                && moments[..R::MOMENTS].iter().all(|&each| each == (len, len)),
            "all slices of a step have one length"
        );
        Task {
            rule,
            len,
            read: [gradient.as_ptr(), old.as_ptr(), m.as_ptr(), v.as_ptr()],
            write: [new.as_mut_ptr(), new_m.as_mut_ptr(), new_v.as_mut_ptr()],
        }
    }
}

/// The arguments and the result of [`sum_of_squares`].
struct Squares<'a> {
    values: &'a [f32],
    sum: f64,
}

/// # Safety
/// The CPU has `V`; the task's pointers are good for `len`.
#[inline(always)]
unsafe fn descent_kernel<V: Vector>(task: &Task<DescentStep>) {
    // SAFETY: the caller's promise.
    unsafe { walk::<V, DescentStep>(task) }
}

/// # Safety
/// The CPU has `V`; the task's pointers are good for `len`.
#[inline(always)]
unsafe fn momentum_kernel<V: Vector>(task: &Task<MomentumStep>) {
    // SAFETY: the caller's promise.
    unsafe { walk::<V, MomentumStep>(task) }
}

/// # Safety
/// The CPU has `V`; the task's pointers are good for `len`.
#[inline(always)]
unsafe fn adam_kernel<V: Vector>(task: &Task<AdamStep>) {
    // SAFETY: the caller's promise.
    unsafe { walk::<V, AdamStep>(task) }
}

/// # Safety
/// The CPU has `V`; the task's pointers are good for `len`.
#[inline(always)]
unsafe fn average_kernel<V: Vector>(task: &Task<Average>) {
    // SAFETY: the caller's promise.
    unsafe { walk::<V, Average>(task) }
}

/// Applies the rule to whole vectors, then to the rest.
///
/// # Safety
/// The CPU has `V`; the pointers that `R` uses are good for `len`.
#[inline(always)]
unsafe fn walk<V: Vector, R: Rule>(task: &Task<R>) {
    let whole = task.len - task.len % V::LANES;
    // SAFETY: `at` steps through whole vectors; the rest is less than one.
    unsafe {
        for at in (0..whole).step_by(V::LANES) {
            let mut values = [V::splat(0.0); 4];
            for i in 0..2 + R::MOMENTS {
                values[i] = V::load(task.read[i].add(at));
            }
            let values = task.rule.apply(values);
            for i in 0..1 + R::MOMENTS {
                values[i].store(task.write[i].add(at));
            }
        }
        let rest = task.len - whole;
        let mut values = [V::splat(0.0); 4];
        for i in 0..2 + R::MOMENTS {
            values[i] = V::load_first(task.read[i].add(whole), rest);
        }
        let values = task.rule.apply(values);
        for i in 0..1 + R::MOMENTS {
            values[i].store_first(task.write[i].add(whole), rest);
        }
    }
}

impl DescentStep {
    /// The gradient of `[gradient, weights]`, scaled, with its decay.
    ///
    /// # Safety
    /// The CPU has `V`.
    #[inline(always)]
    unsafe fn gradient<V: Vector>(self, g: V, w: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { w.mul_add(V::splat(self.decay), g.mul(V::splat(self.scale))) }
    }
}

impl Rule for DescentStep {
    const MOMENTS: usize = 0;

    #[inline(always)]
    unsafe fn apply<V: Vector>(self, [g, w, m, v]: [V; 4]) -> [V; 3] {
        // SAFETY: the caller's promise.
        unsafe {
            let g = self.gradient(g, w);
            [flush(w.sub(g.mul(V::splat(self.rate)))), m, v]
        }
    }
}

impl Rule for MomentumStep {
    const MOMENTS: usize = 1;

    #[inline(always)]
    unsafe fn apply<V: Vector>(self, [g, w, m, v]: [V; 4]) -> [V; 3] {
        // SAFETY: the caller's promise.
        unsafe {
            let momentum = V::splat(self.momentum);
            let g = self.descent.gradient(g, w);
            let m = flush(m.mul_add(momentum, g));
            let direction = if self.nesterov { m.mul_add(momentum, g) } else { m };
            [flush(w.sub(direction.mul(V::splat(self.descent.rate)))), m, v]
        }
    }
}

impl Rule for AdamStep {
    const MOMENTS: usize = 2;

    #[inline(always)]
    unsafe fn apply<V: Vector>(self, [g, w, m, v]: [V; 4]) -> [V; 3] {
        // SAFETY: the caller's promise.
        unsafe {
            let g = w.mul_add(V::splat(self.decay), g.mul(V::splat(self.scale)));
            let m = flush(g.sub(m).mul_add(V::splat(1.0 - self.beta1), m));
            let v = flush(g.mul(g).sub(v).mul_add(V::splat(1.0 - self.beta2), v));
            let root = v.sqrt().mul_add(V::splat(self.correction), V::splat(self.epsilon));
            let step = m.mul(V::splat(self.rate)).div(root);
            [flush(w.mul(V::splat(self.keep)).sub(step)), m, v]
        }
    }
}

impl Rule for Average {
    const MOMENTS: usize = 0;

    #[inline(always)]
    unsafe fn apply<V: Vector>(self, [value, old, m, v]: [V; 4]) -> [V; 3] {
        // SAFETY: the caller's promise.
        unsafe { [flush(value.sub(old).mul_add(V::splat(self.share), old)), m, v] }
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

/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn squares_kernel<V: Vector>(task: &mut Squares) {
    let mut sums = [0.0; 16];
    let (whole, rest) = task.values.as_chunks::<16>();
    for chunk in whole {
        for i in 0..16 {
            let value = f64::from(chunk[i]);
            sums[i] += value * value;
        }
    }
    for (sum, &value) in sums.iter_mut().zip(rest) {
        *sum += f64::from(value) * f64::from(value);
    }
    task.sum = sums.iter().sum();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::numbers;

    /// All that a rule writes over `len` numbers.
    fn written(len: usize, run: impl Fn(Slices)) -> Vec<u32> {
        let (gradient, old) = (numbers(len, 1), numbers(len, 2));
        let moments = [numbers(len, 3), numbers(len, 4).iter().map(|x| x.abs()).collect()];
        let mut new = [vec![9.0; len], vec![9.0; len], vec![9.0; len]];
        let [weights, m, v] = &mut new;
        run(Slices {
            gradient: &gradient,
            old: &old,
            old_state: [&moments[0], &moments[1]],
            new: weights,
            new_state: [m, v],
        });
        new.concat().into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn every_rule_has_its_common_bits_and_the_portable_ones_are_near() {
        let descent = DescentStep { scale: 0.7, decay: 0.01, rate: 0.1 };
        let step = MomentumStep { descent, momentum: 0.9, nesterov: true };
        let adam_step = AdamStep {
            scale: 0.7,
            decay: 0.01,
            keep: 0.999,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            rate: 0.01,
            correction: 2.0,
        };
        let (fused, portable): (Vec<Isa>, Vec<Isa>) =
            Isa::available().into_iter().partition(|isa| isa.has_common_bits());
        for len in [0, 1, 3, 7, 8, 15, 16, 17, 40] {
            let all = |isa| {
                [
                    written(len, |slices| descend(isa, descent, slices)),
                    written(len, |slices| momentum(isa, step, slices)),
                    written(len, |slices| adam(isa, adam_step, slices)),
                    written(len, |slices| {
                        average(isa, 0.1, slices.gradient, slices.old, slices.new);
                    }),
                ]
            };
            assert!(fused.windows(2).all(|pair| all(pair[0]) == all(pair[1])), "{len}");
            for &isa in &portable {
                for (fast, plain) in all(fused[0]).concat().into_iter().zip(all(isa).concat()) {
                    let (fast, plain) = (f32::from_bits(fast), f32::from_bits(plain));
                    assert!((fast - plain).abs() < 1e-5, "{fast} for {plain}");
                }
            }
        }
    }

    #[test]
    fn squares_are_summed_to_the_same_bits_on_every_instruction_set() {
        for len in [0, 1, 15, 16, 17, 4_096, 4_100] {
            let values = numbers(len, 5);
            let plain: f64 = values.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            let sums = Isa::available().into_iter().map(|isa| sum_of_squares(isa, &values));
            let bits: Vec<u64> = sums.map(f64::to_bits).collect();
            assert!(bits.iter().all(|&each| each == bits[0]), "{len}");
            assert!((f64::from_bits(bits[0]) - plain).abs() <= 1e-12 * plain, "{len}");
        }
    }
}
