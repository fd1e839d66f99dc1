//! Snapshots of figures of small sweeps, as SVG.

mod fixture;

use fixture::{cases, sweep};
use res2lab_report::{Study, figures};

#[test]
fn figures_of_a_small_sweep() {
    let rows = sweep("small", &[("scale", &["2", "4"])], &[0, 1]);
    for figure in figures::all(&Study::of(&rows)) {
        insta::assert_snapshot!(format!("figure-{}", figure.id), figure.svg());
    }
}

#[test]
fn figures_have_classes_and_links_but_no_colors_of_their_own() {
    let rows = cases::grid();
    let study = Study::of(&rows);
    let figures = figures::all(&study);
    assert!(figures.len() >= 8, "{}", figures.len());
    for figure in &figures {
        let svg = &figure.svg();
        assert!(
            !svg.contains('#') && !svg.contains("rgb") && !svg.contains("style="),
            "{}",
            figure.id
        );
        // Main effects average over arms, and a block diagram belongs to all arms with that block.
        let is_of_arms = !["main-effects", "answer"].contains(&&figure.id[..])
            && !figure.id.starts_with("block-");
        assert!(
            (svg.contains("data-arm=") || !is_of_arms) && svg.contains("<title>"),
            "{}",
            figure.id
        );
        assert!(!figure.table.rows.is_empty() && !figure.how_to_read.is_empty(), "{}", figure.id);
        let columns = figure.table.columns.len();
        assert!(figure.table.rows.iter().all(|row| row.len() == columns), "{}", figure.id);
    }
}

/// Every coordinate of every mark of every figure lies within its picture.
#[test]
fn nothing_is_drawn_outside_the_picture() {
    for (name, rows) in cases::all() {
        for figure in figures::all(&Study::of(&rows)) {
            let svg = figure.svg();
            let size: Vec<f64> =
                attribute(&svg, "viewBox=\"")[0].split(' ').map(|n| n.parse().unwrap()).collect();
            let within = |names: &[&str], most: f64| {
                let values = names.iter().flat_map(|n| attribute(&svg, n));
                values.map(|v| v.parse::<f64>().unwrap()).all(|v| (-0.5..=most + 0.5).contains(&v))
            };
            assert!(within(&[" x=\"", " cx=\""], size[2]), "{name} {}", figure.id);
            assert!(within(&[" y=\"", " cy=\""], size[3]), "{name} {}", figure.id);
        }
    }
}

fn attribute<'a>(svg: &'a str, start: &str) -> Vec<&'a str> {
    svg.split(start).skip(1).map(|rest| &rest[..rest.find('"').unwrap()]).collect()
}

#[test]
fn curves_of_unfinished_trials_are_dashed_and_carry_their_id() {
    let rows = cases::half();
    let figures = figures::all(&Study::of(&rows));
    let curve = figures.iter().find(|f| f.id == "curve-acc1").unwrap();
    let id = &rows.trials[5].planned.id;
    assert!(
        curve.svg().contains("line dashed")
            && curve.svg().contains(&format!("data-trial=\"{id}\""))
    );
    assert!(curve.how_to_read.contains("Dashed lines"));
}
