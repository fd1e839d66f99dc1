//! The sentences of verdicts claim no more than the numbers support.

mod fixture;

use fixture::{cases, done, planned, rows};
use res2lab_store::SweepRows;

fn verdict(rows: &SweepRows) -> String {
    let study = res2lab_report::Study::of(rows);
    let answer = res2lab_report::answer::of(&study);
    let cautions = answer.cautions.iter().map(|c| format!("- {c}"));
    let banner = answer.banner.iter().map(|b| format!("! {b}"));
    banner.chain(answer.sentences).chain(cautions).collect::<Vec<_>>().join("\n")
}

/// Arms named by letters, with the given accuracies for seeds 0, 1, 2, ...
fn arms(values: &[&[f64]]) -> SweepRows {
    let trial = |(arm, values): (usize, &&[f64])| {
        let name = char::from(b'a' + arm as u8).to_string();
        let one = |(seed, &value): (usize, &f64)| {
            let mut trial = done(planned(&[("arm".to_owned(), name.clone())], seed as u64));
            trial.result.as_mut().unwrap().metrics.insert("val/acc1".into(), value);
            trial
        };
        values.iter().enumerate().map(one).collect::<Vec<_>>()
    };
    rows("arms", "just sweep", vec![], values.iter().enumerate().flat_map(trial).collect())
}

#[test]
fn verdicts_of_made_up_sweeps() {
    for (name, rows) in cases::all().into_iter().filter(|(name, _)| *name != "hostile") {
        insta::assert_snapshot!(format!("{name}"), verdict(&rows));
    }
}

#[test]
fn a_clear_difference_is_claimed_with_its_evidence() {
    let clear = verdict(&arms(&[&[96.0, 96.2, 96.1, 96.3, 96.2], &[97.0, 97.1, 97.2, 97.2, 97.1]]));
    insta::assert_snapshot!(clear, @"
    b beats a by 0.96 points (95 % CI 0.85 to 1.07, n = 5 seeds, p < 0.001).
    Highest mean top-1 accuracy: b with 97.12 ± 0.08 %.
    - Two-sided paired t-tests over shared seeds. Equal means nearer than 0.5 points (two one-sided tests). The results hold for this data set, this recipe and these seeds.
    ");
    let worse = verdict(&arms(&[&[97.0, 97.1, 97.2, 97.2, 97.1], &[96.0, 96.2, 96.1, 96.3, 96.2]]));
    assert!(worse.starts_with("b is worse than a by 0.96 points"), "{worse}");
}

#[test]
fn equal_differences_of_coarse_metrics_are_not_a_certainty() {
    let coarse = verdict(&arms(&[&[97.0, 97.2], &[97.1, 97.3], &[97.4, 97.5]]));
    assert!(
        coarse.contains(
            "b against a: not tested, as the difference is the same in every shared seed."
        ),
        "{coarse}"
    );
}

#[test]
fn many_arms_with_the_highest_mean_are_counted() {
    let equal: Vec<&[f64]> = vec![&[59.0, 60.0]; 12];
    let said = verdict(&arms(&equal));
    assert!(
        said.contains("12 arms share the highest mean top-1 accuracy, 59.5 %: a, b, c"),
        "{said}"
    );
    assert!(said.contains(" and 6 more.") && !said.contains("with 59"), "{said}");
    let two = verdict(&arms(&equal[..2]));
    assert!(
        two.contains("Highest mean top-1 accuracy: a with") && two.contains(" and b with"),
        "{two}"
    );
}

#[test]
fn the_baseline_is_the_first_arm_that_has_a_value() {
    let mut rows = cases::quickstart();
    for trial in rows.trials.iter_mut().take(3) {
        *trial = fixture::not_done(trial, res2lab_store::Status::Failed, "out of memory");
    }
    let said = verdict(&rows);
    assert!(
        said.contains("The first arm, scale=2, has no value; scale=4 stands in as the baseline."),
        "{said}"
    );
}

#[test]
fn losses_are_better_when_lower() {
    let mut rows = arms(&[&[1.0, 1.2, 1.1], &[0.5, 0.6, 0.7]]);
    for trial in &mut rows.trials {
        let metrics = &mut trial.result.as_mut().unwrap().metrics;
        let value = metrics["val/acc1"];
        metrics.clear();
        metrics.insert("val/loss".into(), value);
    }
    let said = verdict(&rows);
    assert!(said.starts_with("b beats a by 0.500 (95 % CI"), "{said}");
    assert!(said.contains("Lowest mean test loss: b with"), "{said}");
}

#[test]
fn an_interval_of_percentages_ends_at_0_and_100() {
    let said = verdict(&arms(&[&[100.0, 100.0, 33.0]]));
    assert!(said.contains("of the mean 0.0 to 100.0, cut at"), "{said}");
}
