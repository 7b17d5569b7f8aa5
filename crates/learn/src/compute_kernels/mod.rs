//! The fast loops, behind safe doors. All unsafe code of Planaria is in this folder.
//!
//! A kernel is written once over [`vector::Vector`] and compiled once an instruction set; [`Isa`]
//! says which of them this CPU has, and cannot be made otherwise. Every door checks lengths before
//! a pointer is formed: [`matrix`] takes `ndarray` views, because its operands are strided; the
//! others walk contiguous memory and take slices. `reference` holds the same functions in plain
//! `ndarray`: it is the definition of right, and the tests run every instruction set against it.
//!
//! The order of every sum is fixed by the shapes alone, whatever the width of a vector: sums along a
//! row use [`rows::LANES`] partial sums everywhere. So AVX2 and AVX-512 give the same bits, and so
//! does [`Isa::deterministic`] on any CPU; see [`arithmetic`] for the one operation that differs.
#![allow(unsafe_code)]
// In kernels an index is the mathematics: several arrays are walked at once, and iterator adapters
// hide that.
#![allow(clippy::needless_range_loop)]

pub(crate) mod aligned;
mod arithmetic;
mod vector;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod matrix;
pub(crate) mod planes;
pub(crate) mod one_row;
pub(crate) mod transpose;
pub(crate) mod convolution;
pub(crate) mod depthwise;
pub(crate) mod winograd;
mod winograd_images;
pub(crate) mod winograd_pooled;
pub(crate) mod winograd_filters;
mod winograd_points;
pub(crate) mod quantised_packing;
mod quantised_sums;
pub(crate) mod quantised;
pub(crate) mod pooling;
pub(crate) mod windows;
pub(crate) mod elementwise;
mod functions;
pub(crate) mod activation;
pub(crate) mod rows;
pub(crate) mod normalisation;
pub(crate) mod draws;
pub(crate) mod update;
#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
mod same_bits;

use std::sync::OnceLock;

/// An instruction set that this CPU has: the compute kernels to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
    PortableFused,
}

impl Isa {
    /// Every instruction set of this CPU that there are kernels for, fastest first; the two portable
    /// ones are always last.
    pub fn available() -> Vec<Isa> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw");
            let fused = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            found.extend((wide && fused).then_some(Isa(Kind::Avx512)));
            found.extend(fused.then_some(Isa(Kind::Avx2)));
        }
        found.extend([Isa(Kind::Portable), Isa(Kind::PortableFused)]);
        found
    }

    /// The fastest one, looked for once a process.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Isa::available()[0])
    }

    /// The one of that name, if this CPU has it.
    pub fn named(name: &str) -> Option<Isa> {
        Isa::available().into_iter().find(|isa| isa.name() == name)
    }

    /// The fastest one of those whose results have the same bits on every CPU.
    ///
    /// That is [`Isa::best`] where the CPU multiplies and adds with one rounding (AVX2 with FMA,
    /// AVX-512, all of aarch64), and else `"portable-fused"`, which does the same in several steps
    /// and is some twenty times slower than `"portable"`.
    pub fn deterministic() -> Isa {
        let best = Isa::best();
        if best.has_common_bits() { best } else { Isa(Kind::PortableFused) }
    }

    /// True when its results have the same bits as those of [`Isa::deterministic`] on any CPU.
    pub fn has_common_bits(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx2 => true,
            Kind::Portable => cfg!(any(target_arch = "aarch64", target_feature = "fma")),
            Kind::PortableFused => true,
        }
    }

    /// `"avx512"`, `"avx2"`, `"portable"` or `"portable-fused"`.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            Kind::Portable => "portable",
            Kind::PortableFused => "portable-fused",
        }
    }
}

/// Which compute kernels this process uses unless told otherwise: `"avx512"`, `"avx2"` or
/// `"portable"`.
///
/// Results are bit-identical between processes that give the same answer here (and use the same
/// build), and between `"avx512"` and `"avx2"`.
pub fn isa() -> &'static str {
    Isa::best().name()
}

/// Calls `kernel::<V>(argument)` with the vector of `isa`, from a function that has the instruction
/// set's features.
///
/// Expands to an unsafe call: who uses it upholds the kernel's own contract.
macro_rules! dispatch {
    ($isa:expr, $kernel:ident($argument:expr => $type:ty)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        unsafe fn avx512(argument: $type) {
            // SAFETY: the features are those of the vector; the rest is the caller's promise.
            unsafe { $kernel::<std::arch::x86_64::__m512>(argument) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2(argument: $type) {
            // SAFETY: the features are those of the vector; the rest is the caller's promise.
            unsafe { $kernel::<std::arch::x86_64::__m256>(argument) }
        }
        unsafe fn portable<A: $crate::compute_kernels::arithmetic::Arithmetic>(argument: $type) {
            // SAFETY: this vector runs everywhere; the rest is the caller's promise.
            unsafe { $kernel::<$crate::compute_kernels::vector::Portable<A>>(argument) }
        }
        match $isa.0 {
            #[cfg(target_arch = "x86_64")]
            $crate::compute_kernels::Kind::Avx512 => avx512($argument),
            #[cfg(target_arch = "x86_64")]
            $crate::compute_kernels::Kind::Avx2 => avx2($argument),
            $crate::compute_kernels::Kind::Portable => {
                portable::<$crate::compute_kernels::arithmetic::Plain>($argument)
            }
            $crate::compute_kernels::Kind::PortableFused => {
                portable::<$crate::compute_kernels::arithmetic::SameBits>($argument)
            }
        }
    }};
}
use dispatch;

/// Calls `kernel::<A>(argument)`, a kernel in safe code, with the arithmetic of `isa`, compiled with
/// the instruction set's features.
macro_rules! compile {
    ($isa:expr, $kernel:ident($argument:expr => $type:ty)) => {
        $crate::compute_kernels::compile!($isa, $kernel($argument => $type; ()))
    };
    ($isa:expr, $kernel:ident($argument:expr => $type:ty; $output:ty)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        fn avx512(argument: $type) -> $output {
            $kernel::<$crate::compute_kernels::arithmetic::Fused>(argument)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2(argument: $type) -> $output {
            $kernel::<$crate::compute_kernels::arithmetic::Fused>(argument)
        }
        match $isa.0 {
            // SAFETY: an `Isa` of this kind exists only on a CPU that has these features.
            #[cfg(target_arch = "x86_64")]
            $crate::compute_kernels::Kind::Avx512 => unsafe { avx512($argument) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::compute_kernels::Kind::Avx2 => unsafe { avx2($argument) },
            $crate::compute_kernels::Kind::Portable => {
                $kernel::<$crate::compute_kernels::arithmetic::Plain>($argument)
            }
            $crate::compute_kernels::Kind::PortableFused => {
                $kernel::<$crate::compute_kernels::arithmetic::SameBits>($argument)
            }
        }
    }};
}
use compile;
