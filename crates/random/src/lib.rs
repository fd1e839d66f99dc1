//! Counter-based randomness: every draw is a pure function of a key and a counter. There is no
//! generator state to save, a resumed run makes the draws of an uninterrupted one, and draws do not
//! depend on how work is sharded.
//!
//! This crate must never know: what the numbers are for. It has no state, no clock, no entropy.
//!
//! A [`Key`] identifies a stream of draws. [`Key::with`] derives sub-streams (of a seed, then an
//! epoch, then a sample).

/// The key of a stream of draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// The root stream of a seed.
    pub fn new(seed: u64) -> Key {
        Key(mix(seed ^ 0x7265_7332_6c61_6231))
    }

    /// A sub-stream by number.
    pub fn with(self, part: u64) -> Key {
        Key(mix(self.0 ^ mix(part.wrapping_add(GOLDEN))))
    }

    /// A sub-stream by name (64-bit FNV-1a of the name).
    pub fn named(self, name: &str) -> Key {
        self.with(fnv1a64(name))
    }

    /// Draw `counter`: 64 uniform bits.
    pub fn bits(self, counter: u64) -> u64 {
        mix(self.0.wrapping_add(counter.wrapping_mul(GOLDEN)))
    }

    /// Draw `counter`, uniform in [0, 1) with 53 bits.
    pub fn uniform(self, counter: u64) -> f64 {
        (self.bits(counter) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Draw `counter`, uniform in 0..n. The bias is below n / 2^64.
    pub fn below(self, counter: u64, n: u64) -> u64 {
        ((u128::from(self.bits(counter)) * u128::from(n)) >> 64) as u64
    }

    /// Draw `counter`, standard normal (Box-Muller on two uniform draws).
    pub fn normal(self, counter: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(2 * counter)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(2 * counter + 1)).cos()
    }

    /// A draw from Beta(alpha, alpha), alpha from above 0 to 100: Jöhnk's rejection for small
    /// alpha, which takes two uniform draws a try; for larger ones the ratio of two gamma draws
    /// (Marsaglia and Tsang 2000).
    pub fn beta(self, alpha: f64) -> f64 {
        if alpha > 1.0 {
            let a = self.with(1).gamma(alpha);
            let b = self.with(2).gamma(alpha);
            return a / (a + b);
        }
        for trial in 0..10_000 {
            let u = self.uniform(2 * trial);
            let v = self.uniform(2 * trial + 1);
            // In logarithms: for a small alpha the powers themselves vanish.
            let x = u.ln() / alpha;
            let y = v.ln() / alpha;
            let largest = x.max(y);
            let sum = largest + ((x - largest).exp() + (y - largest).exp()).ln();
            if sum <= 0.0 {
                return (x - sum).exp();
            }
        }
        // Never reached: a try fails with probability of at most one half.
        0.5
    }

    /// A draw from Gamma(shape, 1), shape at least 1.
    fn gamma(self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        for trial in 0..10_000 {
            let x = self.named("normal").normal(trial);
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform(trial).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
        d
    }

    /// A permutation of 0..n, by sorting one draw per element.
    pub fn permutation(self, n: usize) -> Vec<u32> {
        let mut keyed: Vec<(u64, u32)> =
            (0..n as u32).map(|i| (self.bits(u64::from(i)), i)).collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, i)| i).collect()
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014).
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(GOLDEN);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// 64-bit FNV-1a.
pub fn fnv1a64(name: &str) -> u64 {
    name.bytes()
        .fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix64_and_fnv_agree_with_their_published_vectors() {
        // splitmix64 from state 1234567: first output of the reference program.
        assert_eq!(mix(1_234_567), 6_457_827_717_110_365_317);
        assert_eq!(fnv1a64("a"), 0xAF63_DC4C_8601_EC8C);
    }

    #[test]
    fn draws_have_the_moments_they_should() {
        let key = Key::new(3).named("moments");
        let n = 100_000;
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        assert!((mean(&|i| key.uniform(i)) - 0.5).abs() < 0.005);
        assert!(mean(&|i| key.normal(i)).abs() < 0.02);
        assert!((mean(&|i| key.normal(i).powi(2)) - 1.0).abs() < 0.02);
        assert!((mean(&|i| key.below(i, 5) as f64) - 2.0).abs() < 0.03);
    }

    #[test]
    fn streams_differ_and_repeat() {
        let key = Key::new(0);
        assert_ne!(key.with(0).bits(0), key.with(1).bits(0));
        assert_ne!(Key::new(0).bits(1), Key::new(1).bits(0));
        assert_eq!(key.named("x").bits(7), Key::new(0).named("x").bits(7));
    }

    #[test]
    fn a_permutation_has_every_element_once() {
        let mut order = Key::new(1).permutation(1000);
        assert_ne!(order[..5], [0, 1, 2, 3, 4]);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1000));
    }

    #[test]
    fn beta_has_its_moments() {
        // Mean 1/2 and variance 1 / (4 (2 alpha + 1)); 20,000 draws, five standard errors.
        for alpha in [0.1, 0.2, 1.0, 2.5] {
            let draws: Vec<f64> = (0..20_000).map(|i| Key::new(5).with(i).beta(alpha)).collect();
            let n = draws.len() as f64;
            let mean = draws.iter().sum::<f64>() / n;
            let variance = draws.iter().map(|x| (x - 0.5).powi(2)).sum::<f64>() / n;
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((mean - 0.5).abs() < 5.0 * (expected / n).sqrt(), "{alpha}: mean {mean}");
            assert!(
                (variance / expected - 1.0).abs() < 0.05,
                "{alpha}: variance {variance}, expected {expected}"
            );
        }
    }
}
