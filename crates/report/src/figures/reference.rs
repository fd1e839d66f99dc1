//! Figure: measured beside published values, for experiments that replicate a paper's table.

use super::rows::{Row, chosen, cut, rows_chart};
use super::{Figure, Legend, Table, of_arm};
use crate::chart::{Kind, Mark, Scale};
use crate::encoding::Style;
use crate::format::{fixed, signed};
use crate::study::{Arm, Study};

/// An arm's published top-1 accuracy in percent; `None` if the experiment states none.
pub fn published(study: &Study, arm: &Arm) -> Option<f64> {
    if study.metric.name != "top-1 accuracy" {
        return None;
    }
    let errors = &study.rows.plan.reference.top1_error;
    let labels = std::iter::once(&arm.label).chain(&arm.trials[0].planned.same_as);
    labels.filter_map(|label| errors.get(label)).next().map(|error| 100.0 - error)
}

/// Draws the figure; `None` unless an arm has both values.
pub fn figure(study: &Study) -> Option<Figure> {
    let both = |arm: &Arm| Some((arm.sample?.mean, published(study, arm)?));
    let arms = chosen(study, |arm| both(arm).is_some());
    if arms.is_empty() {
        return None;
    }
    let x = Scale::linear(
        arms.iter().filter_map(|arm| both(arm)).flat_map(|(a, b)| [a, b]),
        &study.metric.title(),
    );
    let rows = arms.iter().map(|arm| row(study, arm, both(arm))).collect();
    let measured: Vec<&Arm> = study.arms.iter().filter(|arm| both(arm).is_some()).collect();
    let source = &study.rows.plan.reference.source;
    let cells = |arm: &&Arm| {
        let (ours, theirs) = both(arm).unwrap_or((f64::NAN, f64::NAN));
        vec![arm.label.clone(), fixed(ours, 2), fixed(theirs, 2), signed(ours - theirs, 2)]
    };
    Some(Figure {
        id: "reference".into(),
        title: "What was published".into(),
        drawing: rows_chart(rows, x, None, "Accuracy found and published".into()),
        how_to_read: format!(
            "Symbols are means over our seeds, gray dots what was published ({source}), which may be a best epoch or a single \
             run; the line between them is the difference.{}",
            cut(measured.len())
        ),
        legend: vec![Legend {
            text: "published".into(),
            style: Style::default(),
            arm: String::new(),
        }],
        table: Table {
            columns: ["arm", "found %", "published %", "difference"].map(str::to_owned).to_vec(),
            rows: measured.iter().map(cells).collect(),
        },
    })
}

fn row(study: &Study, arm: &Arm, both: Option<(f64, f64)>) -> Row {
    let Some((ours, theirs)) = both else { return Row { label: arm.label.clone(), marks: vec![] } };
    let title = format!("{}: published {} %", arm.label, fixed(theirs, 2));
    let of_paper = |kind, points| Mark {
        points,
        kind,
        arm: arm.id.to_owned(),
        title: title.clone(),
        ..Mark::default()
    };
    let marks = vec![
        of_paper(Kind::Line, vec![(ours, 0.0), (theirs, 0.0)]),
        of_paper(Kind::Symbol, vec![(theirs, 0.0)]),
        of_arm(study, arm, Kind::Symbol, vec![(ours, 0.0)]),
    ];
    Row { label: arm.label.clone(), marks }
}
