//! Least squares of cells that were repeated with several seeds. The model is `value = cell + seed
//! + error`, with errors of equal variance; seeds are blocks.
//!
//! Cells may lack seeds. If none are missing, the fit is the analysis of variance of a complete
//! block design. With two cells, it is Student's paired test over the shared seeds.

use super::Estimate;
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use statrs::distribution::{ContinuousCDF, FisherSnedecor};
use std::collections::{BTreeMap, BTreeSet};

/// A least-squares fit of cells and seeds. The normal equations are reduced to the seeds by
/// eliminating the cells, so the cost grows with the number of seeds rather than of cells.
pub struct Blocks {
    /// Number of values per cell.
    counts: DVector<f64>,
    /// Cells × seeds (without the first seed): one if the cell has the seed, otherwise zero.
    incidence: DMatrix<f64>,
    /// Normal equations of the seeds after elimination of the cells; `None` for a single seed.
    seeds: Option<Cholesky<f64, Dyn>>,
    /// Means of the cells adjusted to all seeds.
    means: DVector<f64>,
    /// Residual mean square; `None` if there are no residual degrees of freedom or no variation.
    pub error: Option<f64>,
    /// Residual degrees of freedom.
    pub freedom: usize,
    /// Sum of squares of all values about their mean.
    pub total: f64,
    /// Number of distinct seeds.
    pub seed_count: usize,
}

/// A joint F-test of several contrasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FTest {
    /// Mean square of the contrasts over that of the error; `None` without an error estimate.
    pub f: Option<f64>,
    /// Number of linearly independent contrasts.
    pub freedom: usize,
    /// Degrees of freedom of the error.
    pub error_freedom: usize,
    /// p-value of the hypothesis that all contrasts are zero.
    pub p: Option<f64>,
    /// Sum of squares of the contrasts as a share of the total sum of squares.
    pub share: f64,
}

impl Blocks {
    /// Fits cells, each a map from seed to value. `None` if a cell is empty, or if the cells fall
    /// into groups without a direct or indirect shared seed.
    pub fn of(cells: &[&BTreeMap<u64, f64>]) -> Option<Blocks> {
        if cells.is_empty() || cells.iter().any(|cell| cell.is_empty()) || !is_connected(cells) {
            return None;
        }
        let seeds: Vec<u64> = cells
            .iter()
            .flat_map(|c| c.keys().copied())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let later = &seeds[1..];
        let counts =
            DVector::from_iterator(cells.len(), cells.iter().map(|cell| cell.len() as f64));
        let has =
            |cell: usize, seed: usize| f64::from(u8::from(cells[cell].contains_key(&later[seed])));
        let incidence = DMatrix::from_fn(cells.len(), later.len(), has);
        let plain = DVector::from_iterator(
            cells.len(),
            cells.iter().map(|c| c.values().sum::<f64>() / c.len() as f64),
        );
        let mut fit = Blocks {
            means: plain,
            counts,
            incidence,
            seeds: None,
            error: None,
            freedom: 0,
            total: total(cells),
            seed_count: seeds.len(),
        };
        let effects = fit.solve_for_seeds(cells, later)?;
        fit.take_error(cells, later, &effects);
        fit.means.add_scalar_mut(effects.sum() / seeds.len() as f64);
        Some(fit)
    }

    /// Solves for the effects of all seeds but the first, and adjusts the cells' means.
    fn solve_for_seeds(
        &mut self,
        cells: &[&BTreeMap<u64, f64>],
        later: &[u64],
    ) -> Option<DVector<f64>> {
        if later.is_empty() {
            return Some(DVector::zeros(0));
        }
        let per_cell = self.per_cell(&self.incidence);
        let have = |seed: &u64| cells.iter().filter(|cell| cell.contains_key(seed)).count() as f64;
        let diagonal =
            DMatrix::from_diagonal(&DVector::from_iterator(later.len(), later.iter().map(have)));
        let seeds = Cholesky::new(diagonal - self.incidence.transpose() * &per_cell)?;
        let sums = later.iter().map(|seed| {
            let of_cell = |(cell, mean): (&&BTreeMap<u64, f64>, &f64)| Some(cell.get(seed)? - mean);
            cells.iter().zip(self.means.iter()).filter_map(of_cell).sum::<f64>()
        });
        let effects = seeds.solve(&DVector::from_iterator(later.len(), sums));
        self.means -= per_cell * &effects;
        self.seeds = Some(seeds);
        Some(effects)
    }

    fn take_error(&mut self, cells: &[&BTreeMap<u64, f64>], later: &[u64], effects: &DVector<f64>) {
        let n: usize = cells.iter().map(|cell| cell.len()).sum();
        let effect = |seed: &u64| later.iter().position(|s| s == seed).map_or(0.0, |i| effects[i]);
        let residual = |(cell, mean): (&&BTreeMap<u64, f64>, &f64)| {
            cell.iter().map(|(seed, value)| (value - mean - effect(seed)).powi(2)).sum::<f64>()
        };
        let squares: f64 = cells.iter().zip(self.means.iter()).map(residual).sum();
        let largest =
            cells.iter().flat_map(|c| c.values()).fold(0.0_f64, |most, v| most.max(v.abs()));
        self.freedom = n - cells.len() - later.len();
        // Variation of the order of rounding errors is no error estimate: F would be arbitrarily
        // large.
        let is_rounding = squares <= (1e-12 * largest).powi(2) * n as f64;
        self.error = (self.freedom > 0 && !is_rounding).then(|| squares / self.freedom as f64);
    }

    /// Divides each row by the number of values in its cell.
    fn per_cell(&self, matrix: &DMatrix<f64>) -> DMatrix<f64> {
        DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |cell, j| {
            matrix[(cell, j)] / self.counts[cell]
        })
    }

    /// Covariance of contrasts (one per row), in units of the error variance.
    fn covariance(&self, contrasts: &DMatrix<f64>) -> DMatrix<f64> {
        let weighted = self.per_cell(&contrasts.transpose());
        let of_cells = contrasts * &weighted;
        match &self.seeds {
            Some(seeds) => {
                let through_seeds = self.incidence.transpose() * &weighted;
                of_cells + through_seeds.transpose() * seeds.solve(&through_seeds)
            }
            None => of_cells,
        }
    }

    /// Weighted mean of cells, adjusted to all seeds; the weights sum to one.
    pub fn mean(&self, weights: &[f64]) -> f64 {
        weights.iter().zip(self.means.iter()).map(|(weight, mean)| weight * mean).sum()
    }

    /// Estimates a contrast; the weights of the cells sum to zero.
    pub fn contrast(&self, weights: &[f64]) -> Estimate {
        let row = DMatrix::from_row_slice(1, weights.len(), weights);
        let value = (&row * &self.means)[0];
        let error = self.error.map(|error| (error * self.covariance(&row)[0]).sqrt());
        Estimate { value, error, freedom: self.freedom, seeds: self.seed_count }
    }

    /// Tests the hypothesis that all contrasts are zero. The contrasts must be linearly
    /// independent.
    pub fn test(&self, contrasts: &[Vec<f64>]) -> FTest {
        let cells = self.counts.len();
        let matrix = DMatrix::from_fn(contrasts.len(), cells, |i, j| contrasts[i][j]);
        let values = &matrix * &self.means;
        let squares = Cholesky::new(self.covariance(&matrix))
            .map_or(f64::NAN, |c| values.dot(&c.solve(&values)));
        let freedom = contrasts.len();
        let f = self.error.map(|error| squares / freedom as f64 / error).filter(|f| f.is_finite());
        let p = f.and_then(|f| {
            Some(FisherSnedecor::new(freedom as f64, self.freedom as f64).ok()?.sf(f))
        });
        let share = if self.total > 0.0 { squares / self.total } else { 0.0 };
        FTest { f, freedom, error_freedom: self.freedom, p, share }
    }
}

fn total(cells: &[&BTreeMap<u64, f64>]) -> f64 {
    let values: Vec<f64> = cells.iter().flat_map(|cell| cell.values().copied()).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|v| (v - mean).powi(2)).sum()
}

/// Whether every cell is connected with the first through shared seeds.
fn is_connected(cells: &[&BTreeMap<u64, f64>]) -> bool {
    let mut reached: BTreeSet<u64> = cells[0].keys().copied().collect();
    let mut waiting: Vec<usize> = (1..cells.len()).collect();
    loop {
        let (near, far): (Vec<usize>, Vec<usize>) = waiting
            .iter()
            .partition(|&&cell| cells[cell].keys().any(|seed| reached.contains(seed)));
        if near.is_empty() {
            return far.is_empty();
        }
        reached.extend(near.iter().flat_map(|&cell| cells[cell].keys().copied()));
        waiting = far;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{factors, paired};

    fn cells(values: &[&[Option<f64>]]) -> Vec<BTreeMap<u64, f64>> {
        let cell = |values: &&[Option<f64>]| {
            values.iter().enumerate().filter_map(|(seed, v)| Some((seed as u64, (*v)?))).collect()
        };
        values.iter().map(cell).collect()
    }

    fn grid() -> Vec<BTreeMap<u64, f64>> {
        let values = [
            [96.1, 96.4, 96.0, 96.6],
            [96.5, 96.6, 96.3, 97.1],
            [96.9, 97.0, 96.4, 97.2],
            [97.0, 97.4, 97.1, 97.3],
            [97.2, 97.3, 96.9, 97.9],
            [97.1, 97.2, 97.0, 97.4],
        ];
        let some: Vec<Vec<Option<f64>>> =
            values.iter().map(|v| v.iter().copied().map(Some).collect()).collect();
        cells(&some.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    fn fit(cells: &[BTreeMap<u64, f64>]) -> Blocks {
        Blocks::of(&cells.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn effects_are_those_of_least_squares() {
        // Reference: numpy 2.4, residual sums of squares by lstsq with sum-coded dummies of both
        // factors, their products and seeds, each effect left out in turn; scipy 1.17, f.sf.
        let expected = [
            (63.812_903_225_808_114, 4.615_285_748_393_867_6e-8, 0.562_292_146_328_988_8),
            (8.535_483_870_967_884, 0.010_524_218_220_406_683, 0.037_605_525_709_900_174),
            (7.374_193_548_387_483, 0.005_884_489_097_543_895, 0.064_978_255_308_265_2),
        ];
        for (set, (f, p, share)) in [vec![0], vec![1], vec![0, 1]].iter().zip(expected) {
            let ours = fit(&grid()).test(&factors::contrasts(&[3, 2], set));
            for (ours, theirs) in [(ours.f.unwrap(), f), (ours.p.unwrap(), p), (ours.share, share)]
            {
                assert!((ours - theirs).abs() < 1e-9 * theirs, "{ours} {theirs}");
            }
        }
    }

    #[test]
    fn two_cells_are_the_paired_test() {
        let both = cells(&[
            &[Some(96.6), Some(96.2), Some(96.9), Some(96.4), None],
            &[Some(97.1), Some(97.6), Some(96.8), None, Some(97.3)],
        ]);
        let ours = fit(&both).contrast(&[-1.0, 1.0]);
        let theirs = paired(&[(96.6, 97.1), (96.2, 97.6), (96.9, 96.8)]).unwrap();
        assert!((ours.value - theirs.difference.mean).abs() < 1e-12);
        assert!((ours.p().unwrap() - theirs.p().unwrap()).abs() < 1e-12);
    }

    #[test]
    fn one_seed_has_shares_but_no_test() {
        let first: Vec<BTreeMap<u64, f64>> =
            grid().iter().map(|c| BTreeMap::from([(0, c[&0])])).collect();
        let fit = fit(&first);
        let tests: Vec<FTest> = [vec![0], vec![1], vec![0, 1]]
            .iter()
            .map(|set| fit.test(&factors::contrasts(&[3, 2], set)))
            .collect();
        assert!(tests.iter().all(|t| t.p.is_none()));
        assert!((tests.iter().map(|t| t.share).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn cells_without_shared_seeds_are_not_fitted() {
        let apart =
            cells(&[&[Some(1.0), Some(2.0), None, None], &[None, None, Some(1.0), Some(3.0)]]);
        assert!(Blocks::of(&apart.iter().collect::<Vec<_>>()).is_none());
        let equal = cells(&[&[Some(97.0), Some(97.2)], &[Some(97.1), Some(97.3)]]);
        assert_eq!(fit(&equal).error, None, "differences that do not vary");
    }
}
