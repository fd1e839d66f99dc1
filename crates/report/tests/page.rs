//! Pages of all fixture sweeps are complete, load nothing from the network, and escape hostile
//! names.

mod fixture;

use fixture::cases;
use serde_json::Value;

fn page(rows: &res2lab_store::SweepRows) -> String {
    res2lab_report::render(rows).unwrap()
}

/// The embedded JSON.
fn data(page: &str) -> Value {
    let start = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = start + page[start..].find("</script>").unwrap();
    serde_json::from_str(&page[start..end]).unwrap()
}

fn column<'a>(data: &'a Value, name: &str) -> Vec<&'a Value> {
    let at = data["trial_columns"].as_array().unwrap().iter().position(|c| c == name).unwrap();
    data["trial_rows"].as_array().unwrap().iter().map(|row| &row[at]).collect()
}

/// The visible text: the page without style, scripts and embedded data.
fn visible(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some(start) = ["<style", "<script"].iter().filter_map(|tag| rest.find(tag)).min() {
        let close = if rest[start..].starts_with("<style") { "</style>" } else { "</script>" };
        text += &rest[..start];
        rest = &rest[start + rest[start..].find(close).unwrap() + close.len()..];
    }
    text + rest
}

#[test]
fn every_page_is_whole_and_asks_no_network_for_anything() {
    for (name, rows) in cases::all() {
        let page = page(&rows);
        assert!(
            page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"),
            "{name}"
        );
        for asked in [
            "http://",
            "https://",
            "src=\"",
            "@import",
            "url(",
            "<link rel=\"stylesheet\"",
            "fetch(",
            "//cdn",
        ] {
            assert!(!page.contains(asked), "{name} contains {asked}");
        }
        assert!(page.contains("default-src 'none'"), "{name}");
        let text = visible(&page);
        let numbers =
            ["\"NaN", "\"inf", "\"-inf", "NaN %", "inf %", "NaN to", "± NaN", "undefined"];
        assert!(!numbers.iter().any(|n| text.contains(n)), "{name} shows a number that is none");
        let data = data(&page);
        assert_eq!(data["summary"]["planned"], rows.trials.len(), "{name}");
        assert_eq!(column(&data, "id").len(), rows.trials.len(), "{name}");
    }
}

#[test]
fn tags_are_closed_in_the_order_they_were_opened() {
    const VOID: [&str; 6] = ["meta", "link", "input", "br", "circle", "path"];
    for (name, rows) in cases::all() {
        let page = page(&rows);
        let text = visible(&page);
        let mut open: Vec<&str> = Vec::new();
        for tag in text.split('<').skip(1).map(|part| &part[..part.find('>').unwrap_or(0)]) {
            let word = tag.split(|c: char| c.is_whitespace()).next().unwrap_or_default();
            if let Some(closed) = word.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed), "{name}: </{closed}>");
            } else if !tag.ends_with('/') && !word.starts_with('!') && !VOID.contains(&word) {
                open.push(word);
            }
        }
        assert!(open.is_empty(), "{name}: {open:?} left open");
    }
}

#[test]
fn names_cannot_become_markup() {
    let rows = cases::hostile();
    let page = page(&rows);
    // The page's own scripts: the end of a long table, the data and the code.
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(page.matches("</script>").count(), 3);
    assert!(!page.contains("<img") && !page.contains("<b>"));
    assert!(
        page.contains("größe_日本語 &amp; &#x27;x&#x27; {{ 7*7 }}"),
        "a name is shown as it is, and not evaluated"
    );
    assert!(!page.contains('\u{1b}'), "control characters of logs stay out");
    let data = data(&page);
    assert_eq!(data["summary"]["name"], rows.plan.name);
    assert_eq!(column(&data, "label")[0], &Value::from(rows.trials[0].planned.label.clone()));
}

#[test]
fn a_half_finished_sweep_says_so_and_lists_what_is_missing() {
    let text = visible(&page(&cases::half()));
    assert!(text.contains("12 trials: 5 done, 2 running, 1 interrupted, 3 pending, 1 failed"));
    assert!(text.contains("Not finished: 5 of 12 trials done."));
    assert!(text.contains("killed by signal 9 (out of memory?)"));
    assert!(text.contains("Running and pending"));
    let summary = res2lab_report::summarize(&cases::half());
    let counts: Vec<_> =
        summary.arms.iter().map(|arm| (arm.trials.done, arm.trials.failed, arm.n)).collect();
    assert_eq!(counts, [(3, 0, 3), (2, 0, 2), (0, 1, 0), (0, 0, 0)]);
}

#[test]
fn only_failures_still_give_reasons_and_no_figure_of_accuracy() {
    let text = visible(&page(&cases::failures()));
    assert!(text.contains("all 12 failed or diverged"));
    assert_eq!(
        text.matches("the loss became NaN at step 31").count(),
        2 * 6,
        "among the trials and among the failures"
    );
    assert!(!text.contains("id=\"by-axis-0\"") && text.contains("id=\"curve-loss\""));
    // A diverged trial stopped early, so its time does not count as the arm's time.
    assert!(
        res2lab_report::summarize(&cases::failures()).arms.iter().all(|arm| arm.wall_s.is_none())
    );
}

#[test]
fn one_trial_and_one_seed_claim_nothing() {
    let one = res2lab_report::summarize(&fixture::sweep("one", &[], &[0]));
    assert_eq!((one.arms[0].std, one.arms[0].difference), (None, None));
    let seed = res2lab_report::summarize(&fixture::sweep("seed", &[("scale", &["2", "4"])], &[0]));
    assert!(
        seed.arms
            .iter()
            .all(|arm| arm.std.is_none() && arm.p_holm.is_none() && arm.difference_low.is_none())
    );
    assert!(seed.arms[1].difference.is_some());
    assert!(seed.verdict[0].starts_with("Nothing is resolved: each arm has one seed"));
}

#[test]
fn missing_and_nan_metrics_are_left_out_and_counted() {
    let rows = cases::missing();
    let summary = res2lab_report::summarize(&rows);
    assert_eq!(summary.arms.iter().map(|arm| arm.n).collect::<Vec<_>>(), [3, 2, 2, 3]);
    assert!(summary.cautions.iter().any(|c| c == "2 trials finished without a usable val/acc1."));
    let page = page(&rows);
    assert!(visible(&page).contains(">NaN</td>"), "the table shows what was logged");
    assert_eq!(column(&data(&page), "val_acc1")[4], &Value::Null);
}

#[test]
fn arms_of_one_network_are_shown_at_each_of_their_places() {
    let text = visible(&page(&cases::same_as()));
    assert!(text.contains("same as scale=1 width=40"));
    let start = text.find("id=\"by-axis-1\"").unwrap();
    let table = &text[start..start + text[start..].find("</figure>").unwrap()];
    assert_eq!(table.matches("<tr><td>40</td><td>1</td>").count(), 1, "{table}");
}

#[test]
fn trials_of_other_code_are_marked() {
    let text = visible(&page(&cases::mixed_code()));
    assert_eq!(text.matches("done †").count(), 5);
    assert!(text.contains("5 trials were trained by another build than the plan"));
    assert!(text.contains("git 1111111-dirty (5 trials)"));
}

#[test]
fn arms_of_another_base_are_told_apart_and_never_joined() {
    let summary = res2lab_report::summarize(&cases::earlier());
    let labels: Vec<_> = summary.arms.iter().map(|arm| arm.label.as_str()).collect();
    let expected = [
        "scale=2 (epochs=6)",
        "scale=4 (epochs=6)",
        "scale=6 (epochs=6)",
        "scale=8 (epochs=6)",
        "scale=2 (epochs=12)",
    ];
    assert_eq!(labels[..5], expected);
    assert!(summary.arms.iter().all(|arm| arm.n == 3));
}

#[test]
fn axes_of_one_at_a_time_meet_in_the_base() {
    let rows = cases::one_at_a_time();
    let study = res2lab_report::Study::of(&rows);
    let axes: Vec<_> =
        study.axes.iter().map(|axis| (axis.label.as_str(), axis.values.join(","))).collect();
    let expected = [("scale", "2,4,6,8"), ("depth", "11,20,29"), ("width", "13,26,52")];
    assert_eq!(axes, expected.map(|(label, values)| (label, values.to_owned())));
    let lines = |axis| {
        res2lab_report::lines::along(&study, axis)
            .iter()
            .map(|g| g.points.len())
            .collect::<Vec<_>>()
    };
    assert_eq!([lines(0), lines(1), lines(2)], [vec![4], vec![3], vec![3]]);
}

#[test]
fn two_hundred_trials_stay_below_three_megabytes() {
    let rows = cases::many();
    assert_eq!(rows.trials.len(), 200);
    assert!(page(&rows).len() < 3_000_000);
}

#[test]
fn of_a_large_sweep_most_rows_wait_until_they_are_asked_for() {
    let seeds: Vec<u64> = (0..600).collect();
    let page = page(&fixture::sweep("large", &[("data.name", &["</script><b>", "4"])], &seeds));
    assert!(page.contains("id=\"later-trials\" data-rows=\"1100\""));
    assert_eq!(visible(&page).matches("<tr data-arm=").count(), 2 + 100);
    // The data, two tables' deferred rows and the script; their content must not end an element
    // early.
    assert_eq!((page.matches("<script").count(), page.matches("</script>").count()), (4, 4));
}

#[test]
fn the_json_of_a_summary_keeps_its_names() {
    let summary = serde_json::to_value(res2lab_report::summarize(&cases::quickstart())).unwrap();
    let arm = &summary["arms"][3];
    let names: Vec<_> = arm.as_object().unwrap().keys().map(String::as_str).collect();
    insta::assert_snapshot!(names.join(" "), @"arm label same_as coordinates metric mean std n against difference difference_low difference_high p_holm verdict shared_seeds parameters macs activations rf_min_px rf_max_px image_px images_per_s wall_s peak_memory_mib planned done running interrupted pending failed diverged stopped_early");
    insta::assert_snapshot!(summary.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" "), @"name metric higher_is_better baseline planned done running interrupted pending failed diverged stopped_early question is_smoke banner verdict family details cautions arms");
    assert_eq!(arm["coordinates"]["scale"], "8");
}

#[test]
fn the_page_is_written_beside_its_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let dir = res2lab_store::SweepDir::new(folder.path());
    let missing = res2lab_report::write(&dir, false).unwrap_err();
    assert!(missing.cause.contains("there is no sweep in"), "{missing}");
    cases::quickstart().plan.write(&dir).unwrap();
    let summary = res2lab_report::write(&dir, false).unwrap();
    assert_eq!((summary.trials.planned, summary.trials.pending), (12, 12));
    assert!(
        std::fs::read_to_string(dir.page())
            .unwrap()
            .contains("No trial has finished yet: 12 trials planned.")
    );
}

#[test]
fn the_authors_words_are_woven_in() {
    let mut rows = cases::quickstart();
    rows.author_notes = "---\ntitle: Mine\nquestion: Why scale?\nfigures: cost-macs, nothing\n---\n\
                         Before *all*.\n\n## Cost\n\nCheap.\n\n## Discussion\n\n<script>x</script> done\n"
        .into();
    let text = visible(&page(&rows));
    assert!(
        text.contains("<h1>Mine</h1>") && text.contains("<p class=\"question\">Why scale?</p>")
    );
    assert!(text.contains("Before <em>all</em>.") && text.contains("<h2>Discussion</h2>"));
    let cost = &text[text.find("<section id=\"cost\"").unwrap()..];
    assert!(cost[..cost.find("<figure").unwrap()].contains("<p>Cheap.</p>"));
    assert!(text.contains("id=\"cost-macs\"") && !text.contains("id=\"cost-parameters\""));
    assert!(text.contains("id=\"answer\"") && text.contains("there is no figure nothing"));
    assert!(text.contains("&lt;script&gt;x"));
}

#[test]
fn a_figure_stands_where_the_authors_text_has_its_picture() {
    let mut rows = cases::quickstart();
    rows.author_notes = "## Discussion\n\nSee:\n\n![cost](#cost-macs)\n\nand so on.\n".into();
    let text = visible(&page(&rows));
    let own = &text[text.find("<section id=\"own-0\"").unwrap()..];
    let own = &own[..own.find("</section>").unwrap()];
    assert!(own.contains("<figure id=\"cost-macs\""), "{own}");
    assert!(own.find("See:").unwrap() < own.find("<figure").unwrap());
    assert_eq!(text.matches("id=\"cost-macs\"").count(), 1, "it stands in one place");
    assert!(text.contains("id=\"cost-parameters\""), "the others stay where they are");
}

#[test]
fn every_axis_is_a_column_of_tables_of_arms_and_of_trials() {
    let rows = cases::grid();
    let page = page(&rows);
    let data = data(&page);
    for axis in ["depth", "width", "cardinality"] {
        assert_eq!(column(&data, axis).len(), rows.trials.len(), "{axis}");
    }
    let study = res2lab_report::Study::of(&rows);
    for figure in res2lab_report::figures::all(&study) {
        let columns = &figure.table.columns;
        if columns[0] == "arm" {
            assert_eq!(columns[1..4], ["depth", "width", "cardinality"], "{}", figure.id);
            let row = &figure.table.rows[0];
            assert!(row[0].contains(&format!("depth={} ", row[1])), "{} {row:?}", figure.id);
        }
    }
}

#[test]
fn published_values_stand_beside_ours() {
    let mut rows = cases::quickstart();
    let label = rows.trials[0].planned.label.clone();
    rows.plan.reference.source = "a <b> table".into();
    rows.plan.reference.top1_error.insert(label.clone(), 3.5);
    let text = visible(&page(&rows));
    assert!(text.contains("What was published") && text.contains("a &lt;b&gt; table"));
    assert!(
        text.contains(&format!("{label}: published 96.50 %")) && text.contains(">published %<")
    );
    assert!(!visible(&page(&cases::quickstart())).contains("What was published"));
}

/// Five recipes as arms: each is named with the fields in which it differs from the baseline, whatever
/// the number of fields.
#[test]
fn arms_that_are_recipes_say_where_they_differ_from_the_baseline() {
    let names = ["plain", "smoothed", "adamw <b>", "lamb", "augmented"];
    let mut rows = fixture::sweep("recipes", &[("arm", &names)], &[0, 1, 2]);
    for trial in &mut rows.trials {
        let name = trial.planned.label.clone();
        let spec = &mut trial.planned.spec;
        let optimizer = |text: &str| serde_json::from_str(text).unwrap();
        match &name[..] {
            "smoothed" => spec.train.label_smoothing = 0.2,
            "adamw <b>" => spec.train.optimizer = optimizer(r#"{"adamw": {"lr": 0.001}}"#),
            "lamb" => {
                spec.train.optimizer = optimizer(r#"{"lamb": {"lr": 0.005}}"#);
                spec.train.sizes = vec![16, 24];
                spec.train.drop_path = 0.05;
                spec.train.schedule = serde_json::from_str(r#"{"cosine": {}}"#).unwrap();
            }
            "augmented" => {
                spec.data.augment.auto = Some(res2lab_experiment::Auto::parse("trivial").unwrap());
                spec.data.augment.erase = 0.25;
            }
            _ => {}
        }
    }
    let text = visible(&page(&rows));
    assert!(text.contains("<h3>Where arms differ from plain</h3>"));
    let list = &text[text.find("<dl class=\"recipes\">").unwrap()..];
    let list = &list[..list.find("</dl>").unwrap()];
    assert!(list.contains("<dt>smoothed</dt>\n<dd>train.label_smoothing 0.2</dd>"), "{list}");
    assert!(list.contains("<dt>adamw &lt;b&gt;</dt>"), "{list}");
    assert!(list.contains("train.optimizer.adamw.lr 0.001"), "{list}");
    assert!(list.contains("train.schedule.cosine") && !list.contains(" none"), "{list}");
    assert!(list.contains("train.sizes [16,24]; ") && list.contains("train.drop_path 0.05"));
    assert!(list.contains("data.augment.auto trivial") && list.contains("erase 0.25"), "{list}");
    assert!(!list.contains("sgd") && !list.contains("<dt>plain"), "{list}");
    assert!(text.contains("this data set, these recipes and these seeds"));
    // A single field is a column of a table, as for any axis.
    let few = visible(&page(&cases::quickstart()));
    assert!(!few.contains("dl class=\"recipes\"") && few.contains("this recipe and these seeds"));
}
