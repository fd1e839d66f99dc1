//! Sweeps with planted effects: the first sentence and the banner state the planted result with its
//! numbers.

mod fixture;

use fixture::{cases, done, not_done, planned, rows, sweep};
use res2lab_report::Study;
use res2lab_report::answer::{self, Answer};
use res2lab_store::{Status, SweepRows};

fn answer(rows: &SweepRows) -> Answer {
    answer::of(&Study::of(rows))
}

/// Replaces the accuracies of the rows: `of(coordinates by axis, seed)`.
fn with(mut rows: SweepRows, of: impl Fn(&dyn Fn(&str) -> f64, u64) -> f64) -> SweepRows {
    for trial in &mut rows.trials {
        let planned = &trial.planned;
        let at = |axis: &str| {
            let found = planned.coordinates.iter().find(|(name, _)| name == axis);
            found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0.0)
        };
        let value = of(&at, planned.spec.seed);
        if let Some(result) = &mut trial.result {
            result.metrics.insert("val/acc1".into(), value);
        }
    }
    rows
}

/// Deterministic errors of a few tenths without structure.
fn error(a: f64, b: f64, seed: u64) -> f64 {
    const DIGITS: [f64; 16] = [
        0.11, -0.24, 0.07, 0.31, -0.15, -0.02, 0.19, -0.33, 0.26, -0.08, 0.04, -0.21, 0.15, 0.29,
        -0.12, -0.05,
    ];
    DIGITS[(3 * a as usize + 7 * b as usize + 5 * seed as usize) % 16]
}

const GRID: [(&str, &[&str]); 2] = [("depth", &["11", "20"]), ("scale", &["2", "4", "8"])];

#[test]
fn one_axis_of_a_grid_matters() {
    let rows = with(sweep("g", &GRID, &[0, 1, 2]), |at, seed| {
        95.0 + 0.2 * at("depth") + error(at("depth"), at("scale"), seed)
    });
    let said = answer(&rows);
    assert_eq!(said.banner, Vec::<String>::new());
    insta::assert_snapshot!(said.sentences[..3].join("\n"), @"
    depth=20 beats depth=11 by 1.83 points (95 % CI 1.64 to 2.02, n = 3 seeds, Holm-adjusted p < 0.001), averaged over scale; the same way round at every one of its values.
    All values of scale are equal within ±0.5 points (largest difference 0.18 points, scale=4 over scale=2, 90 % CI −0.01 to 0.37, n = 3 seeds, Holm-adjusted p = 0.019 of a larger one), averaged over depth.
    Whether the effect of depth depends on scale is not resolved: −0.35 points more at one value than at another at most, −0.82 to 0.12 possible (95 % CI, n = 3 seeds, Holm-adjusted p = 0.59); about 7 seeds would show 0.50 points.
    ");
}

#[test]
fn only_the_interaction_matters() {
    let rows = with(sweep("g", &GRID, &[0, 1, 2]), |at, seed| {
        let crossed = (at("depth") - 15.5) / 4.5 * (at("scale").log2() - 2.0);
        96.0 + crossed + error(at("depth"), at("scale"), seed)
    });
    insta::assert_snapshot!(answer(&rows).sentences[..3].join("\n"), @"
    The effect of depth depends on scale (F(2, 10) = 163.90, Holm-adjusted p < 0.001): depth=20 minus depth=11 is −1.96 points at scale=2 and +1.85 points at scale=8.
    All values of depth are equal within ±0.5 points (largest difference 0.03 points, depth=20 over depth=11, 90 % CI −0.13 to 0.18, n = 3 seeds, Holm-adjusted p < 0.001 of a larger one), averaged over scale; this average hides the interaction.
    All values of scale are equal within ±0.5 points (largest difference 0.18 points, scale=4 over scale=2, 90 % CI −0.01 to 0.37, n = 3 seeds, Holm-adjusted p = 0.013 of a larger one), averaged over depth; this average hides the interaction.
    ");
}

#[test]
fn equal_arms_are_equal_and_not_merely_without_a_difference() {
    let axes: [(&str, &[&str]); 1] = [("block", &["bottleneck", "res2", "basic"])];
    let rows = with(sweep("e", &axes, &[0, 1, 2, 3, 4, 5, 6]), |_, seed| {
        97.0 + 0.2 * error(0.0, 0.0, seed)
    });
    // Every arm has its own errors.
    let rows = SweepRows {
        trials: rows
            .trials
            .into_iter()
            .enumerate()
            .map(|(i, mut trial)| {
                let metrics = &mut trial.result.as_mut().unwrap().metrics;
                let value =
                    metrics["val/acc1"] + 0.2 * error(i as f64, 2.0, trial.planned.spec.seed);
                metrics.insert("val/acc1".into(), value);
                trial
            })
            .collect(),
        ..rows
    };
    insta::assert_snapshot!(answer(&rows).sentences[..3].join("\n"), @"
    All 2 arms are equal to block=bottleneck within ±0.5 points (7 seeds).
    block=basic and block=bottleneck are equal within ±0.5 points (difference +0.037 points, 90 % CI 0.000 to 0.073, n = 7 seeds, Holm-adjusted p < 0.001 of a larger difference).
    block=res2 and block=bottleneck are equal within ±0.5 points (difference +0.01 points, 90 % CI −0.05 to 0.08, n = 7 seeds, Holm-adjusted p < 0.001 of a larger difference).
    ");
}

#[test]
fn too_few_seeds_resolve_nothing() {
    let axes: [(&str, &[&str]); 1] = [("block", &["bottleneck", "res2", "basic"])];
    let two = with(sweep("f", &axes, &[0, 1]), |_, _| 96.0);
    let mut two = SweepRows { ..two };
    for (i, trial) in two.trials.iter_mut().enumerate() {
        let value = [96.0, 96.9, 98.1, 97.5, 95.2, 96.6][i];
        trial.result.as_mut().unwrap().metrics.insert("val/acc1".into(), value);
    }
    insta::assert_snapshot!(answer(&two).sentences.join("\n"), @"
    None of the 2 comparisons with block=bottleneck is resolved with 2 seeds.
    block=basic against block=bottleneck is not resolved: −0.6 points seen, −3.7 to 2.6 possible (95 % CI, n = 2 seeds, Holm-adjusted p = 0.54); about 7 seeds would show 0.6 points.
    block=res2 against block=bottleneck is not resolved: +1.3 points seen, −8.2 to 10.9 possible (95 % CI, n = 2 seeds, Holm-adjusted p = 0.54); about 9 seeds would show 1.3 points.
    Highest mean top-1 accuracy: block=res2 with 97.8 ± 0.4 %.
    ");
    let one = answer(&sweep("f", &axes, &[0]));
    assert!(
        one.sentences[0].starts_with("Nothing is resolved: each arm has one seed"),
        "{:?}",
        one.sentences
    );
}

#[test]
fn failed_arms_stand_in_the_banner() {
    let axes: [(&str, &[&str]); 1] = [("lr", &["0.1", "1", "10"])];
    let mut rows = sweep("d", &axes, &[0, 1, 2, 3]);
    for trial in rows.trials.iter_mut().filter(|t| t.planned.label == "lr=10") {
        *trial = not_done(trial, Status::Diverged, "the loss became NaN at step 31");
    }
    rows.trials[5] = not_done(&rows.trials[5], Status::Failed, "killed by signal 9");
    let said = answer(&rows);
    insta::assert_snapshot!(said.banner.join("\n"), @"
    5 of 12 trials failed or diverged (lr=1 1 of 4, lr=10 4 of 4) and are in no mean. Means of arms with failures are biased if failing depends on what is measured.
    lr=10 has no value: nothing below is about it.
    ");
    assert!(
        said.sentences[0].contains("lr=1 ") && !said.sentences[0].contains("lr=10"),
        "{:?}",
        said.sentences
    );
}

#[test]
fn sweeps_of_two_recipes_say_so_first() {
    let axes: [(&str, &[&str]); 1] = [("scale", &["2", "4"])];
    let long = sweep("long", &axes, &[0, 1, 2]);
    let mut short = sweep("short", &axes, &[0, 1, 2]);
    for trial in &mut short.trials {
        trial.planned.spec.train.epochs = 2;
        let value = trial.result.as_ref().unwrap().metrics["val/acc1"];
        trial
            .result
            .as_mut()
            .unwrap()
            .metrics
            .insert("val/acc1".into(), value - 2.0 + 0.1 * (value * 100.0 % 3.0));
    }
    let said = answer(&res2lab_report::together(vec![long, short]));
    insta::assert_snapshot!(said.banner.join("\n"), @"The sweeps differ in train.epochs (long: 6, short: 2). Every comparison between them mixes this with what was varied.");
    insta::assert_snapshot!(said.sentences[..2].join("\n"), @"
    sweep=long beats sweep=short by 1.92 points (95 % CI 1.79 to 2.04, n = 3 seeds, Holm-adjusted p < 0.001), averaged over scale; the same way round at every one of its values.
    scale=4 beats scale=2 by 0.15 points (95 % CI 0.03 to 0.27, n = 3 seeds, Holm-adjusted p = 0.048), averaged over sweep; the same way round at every one of its values; less than the margin of 0.5 points.
    ");
    assert!(
        said.sentences.last().unwrap().contains("sweep=long scale=4 (epochs=6)"),
        "{:?}",
        said.sentences
    );
}

#[test]
fn one_arm_is_compared_with_nothing() {
    let said = answer(&cases::all().into_iter().find(|(name, _)| *name == "one-arm").unwrap().1);
    assert_eq!(said.sentences.len(), 1);
    assert!(
        said.sentences[0].contains("95 % confidence interval of the mean 96.97 to 97.21"),
        "{:?}",
        said.sentences
    );
}

#[test]
fn contrasts_are_answered_pair_by_pair() {
    let nets = ["resnet50", "res2net50_26w_4s", "dla60", "dla60_res2net"];
    let mut rows = sweep("c", &[("zoo", &nets)], &[0, 1, 2, 3]);
    for trial in &mut rows.trials {
        let label = &trial.planned.label;
        let base = if label.contains("dla60") { 94.0 } else { 96.0 }
            + if label.contains("res2net50") { 1.5 } else { 0.0 };
        let value = base + 0.3 * error(label.len() as f64, 1.0, trial.planned.spec.seed);
        trial.result.as_mut().unwrap().metrics.insert("val/acc1".into(), value);
    }
    rows.plan.contrasts.pairs = [("res2net50_26w_4s", "resnet50"), ("dla60_res2net", "dla60")]
        .map(|(a, b)| (format!("zoo={a}"), format!("zoo={b}")))
        .to_vec();
    insta::assert_snapshot!(answer(&rows).sentences[..3].join("\n"), @"
    Of the first arms of 2 pairs, 1 is better and 1 is equal within ±0.5 points (4 seeds).
    zoo=res2net50_26w_4s beats zoo=resnet50 by 1.58 points (95 % CI 1.47 to 1.68, n = 4 seeds, Holm-adjusted p < 0.001).
    zoo=dla60_res2net and zoo=dla60 are equal within ±0.5 points (difference +0.01 points, 90 % CI −0.08 to 0.10, n = 4 seeds, Holm-adjusted p < 0.001 of a larger difference).
    ");
}

#[test]
fn an_ordered_axis_has_a_trend() {
    let rows = with(sweep("t", &[("scale", &["2", "4", "8", "16"])], &[0, 1, 2]), |at, seed| {
        95.0 + 0.6 * at("scale").log2() + 0.5 * error(at("scale"), 0.0, seed)
    });
    insta::assert_snapshot!(answer(&rows).sentences[..2].join("\n"), @"
    Top-1 accuracy rises by 0.611 points per doubling of scale (95 % CI 0.563 to 0.658, n = 3 seeds, Holm-adjusted p < 0.001).
    Neighbors: scale=4 beats scale=2 (+0.60 points, 95 % CI 0.45 to 0.75); scale=8 beats scale=4 (+0.69 points, 95 % CI 0.54 to 0.84); scale=16 beats scale=8 (+0.52 points, 95 % CI 0.37 to 0.67).
    ");
}

#[test]
fn a_curve_is_no_trend() {
    let rows = with(sweep("t", &[("scale", &["2", "4", "8", "16"])], &[0, 1, 2]), |at, seed| {
        let peak = if at("scale") == 4.0 || at("scale") == 8.0 { 2.0 } else { 0.0 };
        95.0 + peak + 0.5 * error(at("scale"), 0.0, seed)
    });
    insta::assert_snapshot!(answer(&rows).sentences[0], @"The means along scale do not lie on a line (F(2, 6) = 1097.12, Holm-adjusted p < 0.001): scale=8 has the highest, scale=2 the lowest.");
}

#[test]
fn a_smoke_test_claims_nothing() {
    let mut rows = cases::quickstart();
    rows.plan.is_smoke = true;
    let said = answer(&rows);
    assert!(
        said.banner[0].starts_with("Smoke test: networks, images and epochs are shrunk"),
        "{:?}",
        said.banner
    );
    assert_eq!(said.sentences.len(), 1);
    assert!(
        said.sentences[0].starts_with("Smoke test: all 12 trials ran to the end."),
        "{:?}",
        said.sentences
    );
    let page = res2lab_report::render(&rows).unwrap();
    assert!(page.contains("<h1>quickstart (smoke test)</h1>"), "the title says it");
    assert!(!page.contains("handwritten digits"), "the experiment's question is not asked");
    let figures = res2lab_report::figures::all(&Study::of(&rows));
    assert!(
        figures
            .iter()
            .all(|f| f.title.ends_with("(smoke test)") && f.svg().contains(">smoke test</text>"))
    );
}

#[test]
fn an_incomplete_grid_says_what_it_cannot_say() {
    let mut rows = sweep("g", &GRID, &[0, 1, 2]);
    for trial in rows.trials.iter_mut().filter(|t| t.planned.label == "depth=20 scale=8") {
        *trial = not_done(trial, Status::Diverged, "the loss became NaN");
    }
    let said = answer(&rows);
    assert!(
        said.banner.iter().any(|b| b.starts_with("depth=20 scale=8 has no value")),
        "{:?}",
        said.banner
    );
    let whole = said.sentences.join("\n");
    assert!(
        whole.contains(
            "The grid is incomplete: these findings are of its largest complete part, without depth=11 scale=8"
        ),
        "{whole}"
    );
}

#[test]
fn ties_are_ties() {
    let trial = |arm: &str, seed: u64, value: f64| {
        let mut trial = done(planned(&[("arm".to_owned(), arm.to_owned())], seed));
        trial.result.as_mut().unwrap().metrics.insert("val/acc1".into(), value);
        trial
    };
    let values = [
        ("a", 0, 99.0),
        ("a", 1, 98.0),
        ("b", 0, 99.0),
        ("b", 1, 98.0),
        ("c", 0, 97.0),
        ("c", 1, 96.5),
    ];
    let rows = rows(
        "tie",
        "just sweep",
        vec![],
        values.map(|(arm, seed, v)| trial(arm, seed, v)).to_vec(),
    );
    let said = answer(&rows).sentences.join("\n");
    assert!(said.contains("b against a: a tie, the same value in every shared seed"), "{said}");
}

#[test]
fn named_arms_that_differ_in_two_things_are_told() {
    let name = |name: &str| vec![("arm".to_owned(), name.to_owned())];
    let mut trials: Vec<_> =
        ["plain", "new"].iter().flat_map(|a| (0..3).map(|s| done(planned(&name(a), s)))).collect();
    for trial in trials.iter_mut().filter(|t| t.planned.label == "new") {
        trial.planned.spec.model.scale = 8;
        trial.planned.spec.train.epochs = 12;
    }
    let said = answer(&rows("two", "just sweep", vec![], trials.clone())).banner;
    assert_eq!(
        said,
        [
            "new and plain differ in their recipe as well as in their network: train.epochs (12 against 6). What they differ by \
          may come from either."
        ]
    );
    // If the arms differ in nothing but the recipe, the recipe is the compared axis, not a
    // confounder.
    trials.iter_mut().for_each(|t| t.planned.spec.model.scale = 4);
    assert!(answer(&rows("one", "just sweep", vec![], trials)).banner.is_empty());
}

#[test]
fn limits_of_time_and_lost_pictures_and_chosen_epochs_stand_in_the_banner() {
    let mut rows = cases::quickstart();
    rows.trials[0].reason = "ended by train.max_minutes after 3 epochs".into();
    rows.plan.notes = vec![
        "data/images: 3 files are left out, as their endings are not pictures'".into(),
        // Not about pictures, so listed among the plan's notes instead.
        "compare names a, which is no arm of this sweep; the command line varies other things than the file, so that is \
         left out"
            .into(),
    ];
    for trial in &mut rows.trials {
        let metrics = &mut trial.result.as_mut().unwrap().metrics;
        let best = metrics["best/acc1"];
        metrics.clear();
        metrics.insert("best/acc1".into(), best);
        metrics.insert("val/left_out".into(), 2.0);
        metrics.insert("train/left_out".into(), 1.0);
    }
    insta::assert_snapshot!(answer(&rows).banner.join("\n"), @"
    1 trial was ended by its time limit, before the last epoch.
    The epoch of each trial was chosen on the test images that its accuracy is measured on, so all accuracies are too high.
    Up to 2 test pictures could not be read in 12 trials; they count nowhere.
    Up to 1 training pictures could not be read in 12 trials; others stood in for them.
    data/images: 3 files are left out, as their endings are not pictures'.
    ");
}

#[test]
fn seeds_that_are_missing_are_told_and_adjusted_for() {
    let mut rows = cases::quickstart();
    rows.trials[1] = not_done(&rows.trials[1], Status::Failed, "killed by signal 9");
    let said = answer(&rows);
    assert!(said.cautions.iter().any(
        |c| c == "Arms have 2 to 3 seeds; effects are adjusted for the seeds that are missing."
    ));
    assert!(
        said.banner[0].starts_with("1 of 12 trials failed (scale=2 1 of 3) and is in no mean."),
        "{:?}",
        said.banner
    );
}

#[test]
fn spreads_that_differ_are_told() {
    let rows =
        with(sweep("t", &[("scale", &["2", "4", "8", "16"])], &[0, 1, 2, 3, 4, 5]), |at, seed| {
            let spread = if at("scale") == 16.0 { 8.0 } else { 0.5 };
            95.0 + spread * error(at("scale"), 1.0, seed)
        });
    let said = answer(&rows).cautions.join("\n");
    assert!(
        said.contains("The spread over seeds differs between arms (standard deviations"),
        "{said}"
    );
}
