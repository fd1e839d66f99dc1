//! Contrasts of the cells of a grid: main effects and interactions of marginal means in which all
//! cells weigh alike.

/// The level of a factor in a cell; the last factor varies fastest.
pub fn level(levels: &[usize], factor: usize, cell: usize) -> usize {
    cell / levels[factor + 1..].iter().product::<usize>() % levels[factor]
}

/// Linearly independent contrasts of the main effect (one factor in `set`) or the interaction
/// (several factors). All are zero if and only if there is no such effect.
pub fn contrasts(levels: &[usize], set: &[usize]) -> Vec<Vec<f64>> {
    let cells: usize = levels.iter().product();
    let rest: usize = (0..levels.len()).filter(|f| !set.contains(f)).map(|f| levels[f]).product();
    let mut chosen: Vec<Vec<usize>> = vec![vec![]];
    for &factor in set {
        let longer = |head: &Vec<usize>| {
            (1..levels[factor]).map(|l| [&head[..], &[l]].concat()).collect::<Vec<_>>()
        };
        chosen = chosen.iter().flat_map(longer).collect();
    }
    let weights = |chosen: &Vec<usize>| {
        let of_cell = |cell: usize| {
            let each =
                set.iter().zip(chosen).map(|(&factor, &to)| match level(levels, factor, cell) {
                    0 => -1.0,
                    at if at == to => 1.0,
                    _ => 0.0,
                });
            each.product::<f64>() / rest as f64
        };
        (0..cells).map(of_cell).collect()
    };
    chosen.iter().map(weights).collect()
}

/// Weights of levels at `x` whose contrast is the slope of the least-squares line through the
/// means.
pub fn slope(x: &[f64]) -> Vec<f64> {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let squares: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
    x.iter().map(|x| (x - mean) / squares).collect()
}

/// Linearly independent contrasts of levels at `x` that are all zero if and only if the means lie
/// on a line: the third and every later level against the line through the first two.
pub fn beyond_line(x: &[f64]) -> Vec<Vec<f64>> {
    let beyond = |at: usize| {
        let t = (x[at] - x[0]) / (x[1] - x[0]);
        let mut weights = vec![0.0; x.len()];
        weights[0] = t - 1.0;
        weights[1] = -t;
        weights[at] = 1.0;
        weights
    };
    (2..x.len()).map(beyond).collect()
}

/// Spreads weights of a factor's levels over the cells.
pub fn of_levels(levels: &[usize], factor: usize, weights: &[f64]) -> Vec<f64> {
    let cells: usize = levels.iter().product();
    let share = levels[factor] as f64 / cells as f64;
    (0..cells).map(|cell| share * weights[level(levels, factor, cell)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_count_with_the_last_factor_fastest() {
        let places: Vec<_> =
            (0..6).map(|cell| (level(&[3, 2], 0, cell), level(&[3, 2], 1, cell))).collect();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]);
        assert_eq!(of_levels(&[3, 2], 0, &[0.0, 1.0, 0.0]), [0.0, 0.0, 0.5, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn contrasts_leave_out_what_other_factors_do() {
        assert_eq!(contrasts(&[2, 2], &[0]), [[-0.5, -0.5, 0.5, 0.5]]);
        assert_eq!(contrasts(&[2, 2], &[0, 1]), [[1.0, -1.0, -1.0, 1.0]]);
        assert_eq!(contrasts(&[3, 4, 2], &[0, 1]).len(), 6);
        for set in [vec![0], vec![2], vec![0, 1], vec![1, 2]] {
            assert!(
                contrasts(&[3, 4, 2], &set).iter().all(|c| c.iter().sum::<f64>().abs() < 1e-12)
            );
        }
    }

    #[test]
    fn slopes_and_departures_are_of_lines() {
        let x = [1.0, 2.0, 4.0];
        let of =
            |weights: &[f64], y: [f64; 3]| weights.iter().zip(y).map(|(w, y)| w * y).sum::<f64>();
        assert!((of(&slope(&x), [5.0, 5.5, 6.5]) - 0.5).abs() < 1e-12);
        assert!(of(&beyond_line(&x)[0], [5.0, 5.5, 6.5]).abs() < 1e-12);
        assert!((of(&beyond_line(&x)[0], [5.0, 5.5, 7.0]) - 0.5).abs() < 1e-12);
    }
}
