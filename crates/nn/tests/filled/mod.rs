//! The rule of `golden.md` by which the reference networks are filled.

use res2lab_random::fnv1a64;

/// Uniform values in [-0.5, 0.5) from integer arithmetic, which any program can repeat exactly.
pub(crate) fn fill(name: &str, n: usize) -> Vec<f64> {
    let key = fnv1a64(name);
    let value = |i: u64| {
        let z = key.wrapping_add(i).wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    (0..n as u64).map(value).collect()
}
