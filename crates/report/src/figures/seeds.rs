//! Figure: the values of each seed joined over the arms. Parallel lines mean that arms differ in
//! the same way for every seed.

use super::{Figure, Table, dot};
use crate::axis::Axis;
use crate::chart::{Chart, Grid, Kind, Mark, Scale, WIDTH};
use crate::format::{capital, fixed};
use crate::study::{Arm, Study};
use crate::svg::text_width;
use std::collections::BTreeSet;

const MOST_ARMS: usize = 12;
const MOST_SEEDS: usize = 20;

/// Draws the figure; `None` with one seed, or if the arms' names do not fit side by side.
pub fn figure(study: &Study) -> Option<Figure> {
    let arms: Vec<&Arm> = study.arms.iter().filter(|arm| arm.sample.is_some()).collect();
    let seeds: BTreeSet<u64> = arms.iter().flat_map(|arm| arm.values.keys().copied()).collect();
    let (names, title) = names(study, &arms);
    let widest = names.iter().map(|name| text_width(name)).fold(0.0, f64::max);
    let fits = (widest + 8.0) * arms.len() as f64 <= f64::from(WIDTH) - 80.0;
    if !(2..=MOST_ARMS).contains(&arms.len()) || !(2..=MOST_SEEDS).contains(&seeds.len()) || !fits {
        return None;
    }
    let at = |seed: &u64| {
        arms.iter()
            .enumerate()
            .filter_map(|(i, arm)| Some((i as f64, *arm.values.get(seed)?)))
            .collect()
    };
    let line = |seed: &u64| Mark {
        points: at(seed),
        kind: Kind::Guide,
        title: format!("seed {seed}"),
        ..Mark::default()
    };
    let mut marks: Vec<Mark> = seeds.iter().map(line).collect();
    for (i, arm) in arms.iter().enumerate() {
        marks.extend(arm.values.iter().map(|(seed, v)| dot(study, arm, *seed, *v, (i as f64, *v))));
    }
    let y = Scale::linear(
        arms.iter().flat_map(|arm| arm.values.values().copied()),
        &study.metric.title(),
    );
    let x = Scale::points(&names, None, &title, f64::from(WIDTH));
    let name = format!("{} of each seed", study.metric.name);
    Some(Figure {
        id: "seeds".into(),
        title: capital(&name),
        drawing: Chart { label: name, height: 230, x, y, grid: Grid::Horizontal, marks }.into(),
        how_to_read:
            "Each line is a seed. Where the lines run in parallel, seeds shift all arms alike and pairing by seed \
                      makes the comparison more precise; where they cross, the difference between arms depends on the seed."
                .into(),
        legend: Vec::new(),
        table: table(study, &arms, &seeds),
    })
}

/// Short names of the arms, without the part that the axis title already states; and the axis
/// title.
fn names(study: &Study, arms: &[&Arm]) -> (Vec<String>, String) {
    let axis: Option<&Axis> = study.axes.first().filter(|_| study.axes.len() == 1);
    let value = |arm: &&Arm| {
        arm.places[0][0].clone().filter(|_| arm.places.len() == 1 && arm.variant.is_empty())
    };
    let values = axis.and_then(|axis| {
        Some((arms.iter().map(value).collect::<Option<Vec<_>>>()?, axis.label.clone()))
    });
    values.unwrap_or_else(|| (arms.iter().map(|arm| arm.label.clone()).collect(), "arm".into()))
}

fn table(study: &Study, arms: &[&Arm], seeds: &BTreeSet<u64>) -> Table {
    let cell = |arm: &Arm, seed: &u64| {
        arm.values.get(seed).map_or("–".into(), |v| fixed(*v, study.decimals + 1))
    };
    let row = |arm: &&Arm| {
        std::iter::once(arm.label.clone()).chain(seeds.iter().map(|seed| cell(arm, seed))).collect()
    };
    Table {
        columns: std::iter::once("arm".to_owned())
            .chain(seeds.iter().map(|seed| format!("seed {seed}")))
            .collect(),
        rows: arms.iter().map(row).collect(),
    }
}
