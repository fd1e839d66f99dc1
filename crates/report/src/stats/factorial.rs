//! Analysis of variance of a complete grid in which every cell was repeated with the same seeds.
//!
//! Seeds are blocks: what a seed adds to all cells alike is taken out. What main effects, two-way interactions and seeds
//! leave over is the error that effects are tested against.

use statrs::distribution::{ContinuousCDF, FisherSnedecor};

/// Values of every cell for every seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Levels of each factor; the last factor moves fastest.
    pub levels: Vec<usize>,
    /// `values[cell][seed]`, as many cells as the levels' product.
    pub values: Vec<Vec<f64>>,
}

/// What one factor does, or two together beyond what they do alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// One factor, or two.
    pub factors: Vec<usize>,
    /// Its sum of squares as a share of all variation.
    pub share: f64,
    /// Its degrees of freedom.
    pub freedom: usize,
    /// Its mean square over the error's; None where there is no error to compare with.
    pub f: Option<f64>,
    /// The probability of an F as large if it did nothing.
    pub p: Option<f64>,
}

impl Grid {
    /// How many seeds there are.
    pub fn seeds(&self) -> usize {
        self.values.first().map_or(0, Vec::len)
    }

    /// The level of a factor in a cell.
    pub fn level(&self, factor: usize, cell: usize) -> usize {
        cell / self.levels[factor + 1..].iter().product::<usize>() % self.levels[factor]
    }

    /// For each combination of `factors`' levels, the mean over everything else and over the seeds that `wanted` holds for.
    pub fn means(&self, factors: &[usize], wanted: impl Fn(usize) -> bool) -> Vec<f64> {
        let size = factors.iter().map(|&f| self.levels[f]).product();
        let (mut sums, mut counts) = (vec![0.0; size], vec![0_usize; size]);
        for (cell, values) in self.values.iter().enumerate() {
            let at = factors.iter().fold(0, |at, &f| at * self.levels[f] + self.level(f, cell));
            for (_, value) in values.iter().enumerate().filter(|(seed, _)| wanted(*seed)) {
                sums[at] += value;
                counts[at] += 1;
            }
        }
        sums.into_iter().zip(counts).map(|(sum, n)| sum / n as f64).collect()
    }

    /// Main effects, then two-way interactions.
    pub fn sources(&self) -> Vec<Source> {
        let n = (self.values.len() * self.seeds()) as f64;
        let grand = self.means(&[], |_| true)[0];
        let total: f64 = self.values.iter().flatten().map(|v| (v - grand).powi(2)).sum();
        let seed_means = (0..self.seeds()).map(|s| self.means(&[], |seed| seed == s)[0]);
        let of_seeds: f64 = seed_means.map(|m| (m - grand).powi(2)).sum::<f64>() * self.values.len() as f64;

        let pairs = (0..self.levels.len()).flat_map(|a| (a + 1..self.levels.len()).map(move |b| vec![a, b]));
        let sets: Vec<Vec<usize>> = (0..self.levels.len()).map(|a| vec![a]).chain(pairs).collect();
        let squares: Vec<f64> = sets.iter().map(|set| self.squares(set, grand, n)).collect();
        let freedoms: Vec<usize> = sets.iter().map(|set| set.iter().map(|&f| self.levels[f] - 1).product()).collect();

        let error = (total - squares.iter().sum::<f64>() - of_seeds).max(0.0);
        let error_freedom = n - 1.0 - freedoms.iter().sum::<usize>() as f64 - (self.seeds() as f64 - 1.0);
        // Without a second seed the error would be interactions of three factors, which are not noise.
        let has_error = self.seeds() > 1 && error_freedom >= 1.0 && error > 1e-12 * total;
        let source = |((factors, squares), freedom): ((Vec<usize>, f64), usize)| {
            let f = has_error.then(|| squares / freedom as f64 / (error / error_freedom));
            let p = f.and_then(|f| Some(FisherSnedecor::new(freedom as f64, error_freedom).ok()?.sf(f)));
            let share = if total > 0.0 { squares / total } else { 0.0 };
            Source { factors, share, freedom, f, p }
        };
        sets.into_iter().zip(squares).zip(freedoms).map(source).collect()
    }

    /// The sum of squares of one factor, or of an interaction beyond its factors.
    fn squares(&self, set: &[usize], grand: f64, n: f64) -> f64 {
        let joint = self.means(set, |_| true);
        let alone: Vec<Vec<f64>> = set.iter().map(|&f| self.means(&[f], |_| true)).collect();
        let beyond = |(at, mean): (usize, &f64)| match set {
            [_] => mean - grand,
            _ => {
                let second = self.levels[set[1]];
                mean - alone[0][at / second] - alone[1][at % second] + grand
            }
        };
        joint.iter().enumerate().map(|cell| beyond(cell).powi(2)).sum::<f64>() * n / joint.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let values = [
            [96.1, 96.4, 96.0, 96.6],
            [96.5, 96.6, 96.3, 97.1],
            [96.9, 97.0, 96.4, 97.2],
            [97.0, 97.4, 97.1, 97.3],
            [97.2, 97.3, 96.9, 97.9],
            [97.1, 97.2, 97.0, 97.4],
        ];
        Grid { levels: vec![3, 2], values: values.map(|v| v.to_vec()).to_vec() }
    }

    #[test]
    fn effects_are_those_of_least_squares() {
        // numpy 2.4: residual sums of squares by lstsq with sum-coded dummies of both factors, their products and seeds,
        // each effect left out in turn; scipy 1.17: f.sf
        let expected = [
            (63.812_903_225_808_114, 4.615_285_748_393_867_6e-8, 0.562_292_146_328_988_8),
            (8.535_483_870_967_884, 0.010_524_218_220_406_683, 0.037_605_525_709_900_174),
            (7.374_193_548_387_483, 0.005_884_489_097_543_895, 0.064_978_255_308_265_2),
        ];
        for (ours, (f, p, share)) in grid().sources().iter().zip(expected) {
            for (ours, theirs) in [(ours.f.unwrap(), f), (ours.p.unwrap(), p), (ours.share, share)] {
                assert!((ours - theirs).abs() < 1e-9 * theirs, "{ours} {theirs}");
            }
        }
    }

    #[test]
    fn one_seed_has_shares_but_no_test() {
        let one = Grid { values: grid().values.iter().map(|v| v[..1].to_vec()).collect(), ..grid() };
        let sources = one.sources();
        assert!(sources.iter().all(|s| s.p.is_none()));
        assert!((sources.iter().map(|s| s.share).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn cells_count_with_the_last_factor_fastest() {
        assert_eq!(
            (0..6).map(|cell| (grid().level(0, cell), grid().level(1, cell))).collect::<Vec<_>>(),
            [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1),]
        );
        assert_eq!(grid().means(&[0], |seed| seed == 0), [96.3, 96.95, 97.15]);
    }
}
