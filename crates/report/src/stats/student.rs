//! Student's t distribution, central and noncentral.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::{erf::erfc, gamma::ln_gamma};

/// P(|T| >= |t|).
pub(super) fn two_sided_p(t: f64, freedom: f64) -> f64 {
    // The location and the scale are valid, and every caller has at least one degree of freedom.
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |d| 2.0 * d.sf(t.abs()))
}

/// The quantile of T at the given probability.
pub(super) fn quantile(probability: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |d| d.inverse_cdf(probability))
}

/// P(T >= t).
pub(super) fn upper_tail(t: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |d| d.sf(t))
}

/// The power of a two-sided t-test at level `alpha` whose statistic has the given noncentrality.
pub fn power(noncentrality: f64, freedom: f64, alpha: f64) -> f64 {
    noncentral_two_sided(quantile(1.0 - alpha / 2.0, freedom), noncentrality, freedom)
}

/// P(|T| >= critical) of a noncentral T: the power of a t-test at that critical value.
fn noncentral_two_sided(critical: f64, noncentrality: f64, freedom: f64) -> f64 {
    // T = (Z + noncentrality) / S, where S is a chi variable over the root of its degrees of
    // freedom. Given S = s, both tails are normal.
    let given = |s: f64| {
        normal_cdf(noncentrality - critical * s) + normal_cdf(-noncentrality - critical * s)
    };
    let ln_scale = 2f64.ln() + freedom / 2.0 * (freedom / 2.0).ln() - ln_gamma(freedom / 2.0);
    let density = |s: f64| (ln_scale + (freedom - 1.0) * s.ln() - freedom * s * s / 2.0).exp();
    simpson(
        |s| given(s) * if s > 0.0 { density(s) } else { density(1e-300) },
        0.0,
        1.0 + 9.0 / freedom.sqrt(),
    )
}

fn normal_cdf(x: f64) -> f64 {
    erfc(-x / std::f64::consts::SQRT_2) / 2.0
}

fn simpson(f: impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    const INTERVALS: usize = 4000;
    let h = (to - from) / INTERVALS as f64;
    let weight = |i: usize| match i {
        0 | INTERVALS => 1.0,
        _ if i % 2 == 1 => 4.0,
        _ => 2.0,
    };
    (0..=INTERVALS).map(|i| weight(i) * f(from + h * i as f64)).sum::<f64>() * h / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_tails_are_scipys() {
        // Reference: scipy 1.17, t.ppf(1 - a / 2, nu) for a = 0.05, 0.01, 0.05 / 3; 2 * t.sf(x, nu)
        // for x = 0.3, 2.5, 40.
        let scipys = [
            (
                1,
                12.706204736174694,
                63.656741162871526,
                38.188459297025744,
                0.8144528418445154,
                0.24223788318168682,
                0.015912179824051624,
            ),
            (
                2,
                4.302652729749462,
                9.924843200918287,
                7.648803937915553,
                0.7924856608401776,
                0.12961172022151082,
                0.0006244146721847406,
            ),
            (
                3,
                3.1824463052837078,
                5.840909309733355,
                4.856657272768983,
                0.783763292039919,
                0.08770664700806556,
                3.4380680789158506e-05,
            ),
            (
                4,
                2.7764451051977934,
                4.604094871349992,
                3.9607864827701835,
                0.7791214282774598,
                0.06676654481198814,
                2.3340163226012678e-06,
            ),
            (
                9,
                2.262157162798205,
                3.249835541592126,
                2.93332408837399,
                0.7709907037415248,
                0.033861827682985735,
                1.8982998449339822e-11,
            ),
            (
                29,
                2.045229642132703,
                2.756385903670605,
                2.540908149498905,
                0.7663170933289678,
                0.018325344338426086,
                6.346877329729342e-27,
            ),
            (
                99,
                1.9842169515864174,
                2.626405457280827,
                2.4353393004016732,
                0.7648061617402574,
                0.014062596921149069,
                6.385085160287251e-63,
            ),
        ];
        for (freedom, a, b, c, p, q, r) in scipys {
            let freedom = f64::from(freedom);
            let quantiles = [0.05, 0.01, 0.05 / 3.0].map(|a| quantile(1.0 - a / 2.0, freedom));
            let tails = [0.3, 2.5, 40.0].map(|t| two_sided_p(t, freedom));
            for (ours, scipys) in quantiles.into_iter().chain(tails).zip([a, b, c, p, q, r]) {
                assert!((ours - scipys).abs() <= 1e-9 * scipys, "{freedom}: {ours} {scipys}");
            }
        }
    }
}
