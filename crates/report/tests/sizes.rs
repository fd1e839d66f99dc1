//! Accuracy by object size: a planted gain is found, and no gain is claimed without one.

mod fixture;

use res2lab_report::{Study, sizes, summarize};
use res2lab_store::SweepRows;

const GROUPS: [&str; 4] = ["20_35", "35_50", "50_70", "70_90"];

fn noise(a: u64, b: u64) -> f64 {
    let mut z = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 29)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}

/// Four scales and five seeds; `gain` points are added on the largest objects at scale 8.
fn sweep(gain: f64, start: u64) -> SweepRows {
    let mut rows = fixture::sweep("sizes", &[("scale", &["1", "2", "4", "8"])], &[0, 1, 2, 3, 4]);
    for (i, trial) in rows.trials.iter_mut().enumerate() {
        let metrics = &mut trial.result.as_mut().unwrap().metrics;
        let mut all = 0.0;
        for (g, group) in GROUPS.iter().enumerate() {
            let of_seed = 3.0 * noise(start + trial.planned.spec.seed, g as u64);
            let planted = if trial.planned.label == "scale=8" && g == 3 { gain } else { 0.0 };
            let value = 60.0
                + 8.0 * g as f64
                + of_seed
                + planted
                + 1.5 * noise(start + 1000 + i as u64, g as u64);
            metrics.insert(format!("val/acc1_size_{group}"), value);
            all += value / 4.0;
        }
        metrics.insert("val/acc1".into(), all);
    }
    rows
}

fn of_sizes(rows: &SweepRows) -> Vec<String> {
    let said = summarize(rows).verdict;
    said.into_iter()
        .filter(|s| s.starts_with("By the size") || s.starts_with("On objects"))
        .collect()
}

#[test]
fn a_planted_effect_is_found_where_it_was_planted() {
    let rows = sweep(6.0, 7);
    let said = of_sizes(&rows);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("On objects of 70–90 % of the image's side scale=8 gains +"),
        "{said:?}"
    );
    let study = Study::of(&rows);
    let figure = res2lab_report::figures::by_size::figure(&study).unwrap();
    assert_eq!((figure.table.rows.len(), sizes::of(&study).len()), (16, 16));
    assert!(
        res2lab_report::figures::by_size::figure(&Study::of(&fixture::cases::quickstart()))
            .is_none()
    );
}

#[test]
fn without_an_effect_claims_are_rare() {
    let sweeps = 500;
    let claims = (0..sweeps).filter(|&i| {
        let said = of_sizes(&sweep(0.0, 10_000 * (i + 1)));
        !said[0].starts_with(
            "By the size of the object: no difference from scale=1 is resolved on any size",
        )
    });
    let share = claims.count() as f64 / sweeps as f64;
    println!("{:.1} % of sweeps without an effect claim one", 100.0 * share);
    assert!(share <= 0.055, "{share}");
}
