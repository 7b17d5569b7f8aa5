//! The one-dimensional transforms of Winograd's F(4, 3), and their adjoints, on vectors.
//!
//! Four outputs of a filter with three taps come from six products instead of twelve: `y = A^T ((G
//! g) . (B^T d))`. The points are 0, 1, -1, 2, -2 and infinity.
//!
//! Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", arXiv:1509.09308,
//! section 4.3.

use super::vector::Vector;

/// `G`, six points by three taps.
pub(super) const G: [[f32; 3]; 6] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// A transform of `N` numbers to six points.
pub(super) trait ToPoints<const N: usize> {
    /// # Safety
    /// The CPU has `V`.
    unsafe fn apply<V: Vector>(values: [V; N]) -> [V; 6];
}

/// A transform of six points to `N` numbers.
pub(super) trait FromPoints<const N: usize> {
    /// # Safety
    /// The CPU has `V`.
    unsafe fn apply<V: Vector>(points: [V; 6]) -> [V; N];
}

/// [`input_to_points`].
pub(super) struct InputToPoints;
/// [`output_to_points`].
pub(super) struct OutputToPoints;
/// [`points_to_input`].
pub(super) struct PointsToInput;
/// [`points_to_output`].
pub(super) struct PointsToOutput;

impl ToPoints<6> for InputToPoints {
    #[inline(always)]
    unsafe fn apply<V: Vector>(values: [V; 6]) -> [V; 6] {
        // SAFETY: the caller's promise.
        unsafe { input_to_points(values) }
    }
}

impl ToPoints<4> for OutputToPoints {
    #[inline(always)]
    unsafe fn apply<V: Vector>(values: [V; 4]) -> [V; 6] {
        // SAFETY: the caller's promise.
        unsafe { output_to_points(values) }
    }
}

impl FromPoints<6> for PointsToInput {
    #[inline(always)]
    unsafe fn apply<V: Vector>(points: [V; 6]) -> [V; 6] {
        // SAFETY: the caller's promise.
        unsafe { points_to_input(points) }
    }
}

impl FromPoints<4> for PointsToOutput {
    #[inline(always)]
    unsafe fn apply<V: Vector>(points: [V; 6]) -> [V; 4] {
        // SAFETY: the caller's promise.
        unsafe { points_to_output(points) }
    }
}

/// `B^T d`: six inputs to six points.
///
/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn input_to_points<V: Vector>(d: [V; 6]) -> [V; 6] {
    // SAFETY: the caller's promise.
    unsafe {
        let (two, four, five) = (V::splat(2.0), V::splat(4.0), V::splat(5.0));
        let even = d[2].mul_add(V::splat(-4.0), d[4]);
        let odd = d[1].mul_add(V::splat(-4.0), d[3]);
        let outer = d[4].sub(d[2]);
        let inner = d[3].sub(d[1]).mul(two);
        [
            d[0].mul_add(four, d[4].sub(d[2].mul(five))),
            even.add(odd),
            even.sub(odd),
            outer.add(inner),
            outer.sub(inner),
            d[1].mul_add(four, d[5].sub(d[3].mul(five))),
        ]
    }
}

/// `B q`: the adjoint of [`input_to_points`].
///
/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn points_to_input<V: Vector>(q: [V; 6]) -> [V; 6] {
    // SAFETY: the caller's promise.
    unsafe {
        let (two, four, five) = (V::splat(2.0), V::splat(4.0), V::splat(5.0));
        let (near_sum, near_difference) = (q[1].add(q[2]), q[1].sub(q[2]));
        let (far_sum, far_difference) = (q[3].add(q[4]), q[3].sub(q[4]).mul(two));
        [
            q[0].mul(four),
            q[5].sub(near_difference).mul_add(four, V::splat(0.0).sub(far_difference)),
            V::splat(0.0).sub(q[0].mul_add(five, near_sum.mul_add(four, far_sum))),
            near_difference.add(far_difference).sub(q[5].mul(five)),
            q[0].add(near_sum.add(far_sum)),
            q[5],
        ]
    }
}

/// `A^T m`: six points to four outputs.
///
/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn points_to_output<V: Vector>(m: [V; 6]) -> [V; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let (near_sum, near_difference) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (far_sum, far_difference) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(near_sum.add(far_sum)),
            far_difference.mul_add(V::splat(2.0), near_difference),
            far_sum.mul_add(V::splat(4.0), near_sum),
            m[5].add(far_difference.mul_add(V::splat(8.0), near_difference)),
        ]
    }
}

/// `A y`: the adjoint of [`points_to_output`].
///
/// # Safety
/// The CPU has `V`.
#[inline(always)]
unsafe fn output_to_points<V: Vector>(y: [V; 4]) -> [V; 6] {
    // SAFETY: the caller's promise.
    unsafe {
        let (even, odd) = (y[0].add(y[2]), y[1].add(y[3]));
        let far_even = y[2].mul_add(V::splat(4.0), y[0]);
        let far_odd = y[3].mul_add(V::splat(4.0), y[1]).mul(V::splat(2.0));
        [y[0], even.add(odd), even.sub(odd), far_even.add(far_odd), far_even.sub(far_odd), y[3]]
    }
}
