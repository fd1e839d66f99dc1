//! What the arms' last stages see: the distribution of path receptive fields, exact, beside the image's size.

use super::rows::{Row, chosen, cut, rows_chart};
use super::{Figure, Table, titled};
use crate::chart::{Kind, Scale};
use crate::format::fixed;
use crate::study::{Arm, Study};
use rf::paths::{Summary, share_within};
use rf::{Weighting, last_stage, paths};

/// One arm's paths.
struct Seen<'s, 'a> {
    arm: &'s Arm<'a>,
    summary: Summary,
    image_px: u64,
    within: f64,
    /// Standard deviation of the analytic effective field, pixels.
    sigma: f64,
}

/// The figure; None where all arms see the same.
pub fn figure(study: &Study) -> Option<Figure> {
    let arms = chosen(study, |_| true);
    let found: Vec<Seen> = arms.into_iter().filter_map(seen).collect();
    if found.len() < 2 || found.windows(2).all(|pair| pair[0].summary == pair[1].summary) {
        return None;
    }
    let image = found.iter().map(|r| r.image_px).max()? as f64;
    let ends = found.iter().flat_map(|r| [r.summary.min_px as f64, r.summary.max_px as f64, image]);
    let x = Scale::linear(ends.chain([0.0]), "receptive field of a path (px)");
    let rows = found.iter().map(row).collect();
    Some(Figure {
        id: "receptive".into(),
        title: "What a unit of the last stage sees".into(),
        svg: rows_chart(rows, x, Some(image), "receptive fields of paths by arm".into()),
        how_to_read: format!(
            "Exact, from the graph: of all paths from the image to a unit of the last stage, symbols are the mean field, bars \
             hold 90 % of the paths, dashed lines all of them; every path counts one. The line is the image's width: what lies \
             beyond it looks at padding. Effective fields, which training shapes, are smaller.{}",
            cut(study.arms.len())
        ),
        legend: Vec::new(),
        table: Table {
            columns: [
                "arm",
                "min px",
                "max px",
                "mean px",
                "sd px",
                "5 to 95 %",
                "within the image",
                "analytic sigma px",
            ]
            .map(str::to_owned)
            .to_vec(),
            rows: found.iter().map(cells).collect(),
        },
    })
}

fn row(r: &Seen) -> Row {
    let s = &r.summary;
    let (mean, sd) = (fixed(s.mean_px, 1), fixed(s.sd_px, 1));
    let title = format!("{}: paths see {} to {} px, {mean} ± {sd} on average", r.arm.label, s.min_px, s.max_px);
    let mark = |kind, ends: &[f64]| titled(r.arm, kind, ends.iter().map(|px| (*px, 0.0)).collect(), title.clone());
    let marks = vec![
        mark(Kind::Dashed, &[s.min_px as f64, s.max_px as f64]),
        mark(Kind::Bar, &[s.p05_px as f64, s.p95_px as f64]),
        mark(Kind::Symbol, &[s.mean_px]),
    ];
    Row { label: r.arm.label.clone(), marks }
}

fn seen<'s, 'a>(arm: &'s Arm<'a>) -> Option<Seen<'s, 'a>> {
    let planned = &arm.trials[0].planned;
    let graph = planned.graph().ok()?;
    let end = last_stage(&graph);
    let found = paths(&graph, Weighting::Structural, &[end]).pop()?;
    let sigma = rf::spread::sigmas(&graph, Weighting::Structural)[end.0];
    let image_px = planned.image_px as u64;
    Some(Seen { arm, summary: found.summary()?, image_px, within: share_within(&found.sizes(), image_px), sigma })
}

fn cells(r: &Seen) -> Vec<String> {
    let s = &r.summary;
    vec![
        r.arm.label.clone(),
        s.min_px.to_string(),
        s.max_px.to_string(),
        fixed(s.mean_px, 1),
        fixed(s.sd_px, 1),
        format!("{} to {}", s.p05_px, s.p95_px),
        format!("{} %", fixed(100.0 * r.within, 1)),
        fixed(r.sigma, 1),
    ]
}
