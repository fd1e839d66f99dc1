//! The instruction sets that kernels are compiled for, and which of them run.
//!
//! Instruction sets add sums across positions (a weight's gradient, a norm's sums) in different
//! orders, so their results differ in the last bits. A program that promises equal bits must record
//! the instruction set.

use std::sync::atomic::{AtomicU8, Ordering};

/// The instruction sets that kernels are compiled for, from the least to the most demanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum InstructionSet {
    /// The baseline of the architecture, without explicit vector instructions.
    Plain = 1,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512, with register tiles of 256-bit vectors.
    Avx512Narrow,
    /// AVX-512, with register tiles of 512-bit vectors.
    Avx512,
    /// As `Avx512`, and products of bfloat16 by AMX tiles.
    Amx,
}

impl InstructionSet {
    /// All instruction sets, from the least to the most demanding.
    pub const ALL: [InstructionSet; 5] = [
        InstructionSet::Plain,
        InstructionSet::Avx2,
        InstructionSet::Avx512Narrow,
        InstructionSet::Avx512,
        InstructionSet::Amx,
    ];

    /// The name in `RES2LAB_VECTORS` and in records.
    pub fn name(self) -> &'static str {
        match self {
            InstructionSet::Plain => "plain",
            InstructionSet::Avx2 => "avx2",
            InstructionSet::Avx512Narrow => "avx512-256",
            InstructionSet::Avx512 => "avx512",
            InstructionSet::Amx => "avx512-amx",
        }
    }

    /// The instruction set of this name.
    pub fn from_name(name: &str) -> Option<InstructionSet> {
        InstructionSet::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Whether this processor has these instructions.
    pub fn is_available(self) -> bool {
        self <= highest()
    }
}

/// The most demanding instruction set that this processor has.
pub fn highest() -> InstructionSet {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match avx2 {
            true if avx512 && crate::amx::is_available() => InstructionSet::Amx,
            true if avx512 => InstructionSet::Avx512,
            true => InstructionSet::Avx2,
            false => InstructionSet::Plain,
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    InstructionSet::Plain
}

/// The instruction set in use; 0 before the first call of [`current`].
static IN_USE: AtomicU8 = AtomicU8::new(0);

/// The instruction set in use: the one that [`use_instruction_set`] set, else the one that
/// `RES2LAB_VECTORS` names, else the most demanding one of this processor.
#[inline]
pub fn current() -> InstructionSet {
    match IN_USE.load(Ordering::Relaxed) {
        0 => first(),
        1 => InstructionSet::Plain,
        2 => InstructionSet::Avx2,
        3 => InstructionSet::Avx512Narrow,
        4 => InstructionSet::Avx512,
        _ => InstructionSet::Amx,
    }
}

#[cold]
fn first() -> InstructionSet {
    let named =
        std::env::var("RES2LAB_VECTORS").ok().and_then(|name| InstructionSet::from_name(&name));
    use_instruction_set(named.unwrap_or(InstructionSet::Amx))
}

/// Makes kernels use this instruction set, or [`highest`] if the processor lacks it, and returns
/// the one in use. A computation that runs meanwhile may call functions of both.
pub fn use_instruction_set(set: InstructionSet) -> InstructionSet {
    let set = set.min(highest());
    IN_USE.store(set as u8, Ordering::Relaxed);
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for set in InstructionSet::ALL {
            assert_eq!(InstructionSet::from_name(set.name()), Some(set));
        }
        assert_eq!(InstructionSet::from_name("avx"), None);
    }
}
