//! Accuracy by object size, for data sets that know object sizes. Corresponds to table 6 of the
//! Res2Net paper.

use crate::format::{fixed, p_value, plural, signed};
use crate::stats::{self, ALPHA, Paired, Sample};
use crate::study::{Arm, Study};
use std::collections::{BTreeMap, BTreeSet};

/// Prefix of metrics that give the accuracy on objects between two shares of the image's side,
/// percent.
const PREFIX: &str = "val/acc1_size_";

/// A group of object sizes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Lower bound, percent of the image's side.
    pub low: u32,
    /// Upper bound, percent of the image's side.
    pub high: u32,
}

/// The result of one arm on one group of sizes.
#[derive(Clone)]
pub struct Cell<'s, 'a> {
    pub arm: &'s Arm<'a>,
    pub group: Group,
    pub sample: Sample,
    /// Comparison with the baseline over shared seeds; `None` for the baseline itself.
    pub against: Option<Paired>,
    /// p-value after Holm's correction over all arms and groups that could be tested.
    pub p_holm: Option<f64>,
}

impl Group {
    fn of(path: &str) -> Option<Group> {
        let (low, high) = path.strip_prefix(PREFIX)?.split_once('_')?;
        Some(Group { low: low.parse().ok()?, high: high.parse().ok()? })
    }

    fn path(&self) -> String {
        format!("{PREFIX}{}_{}", self.low, self.high)
    }

    /// The group's label: `20–35 %`.
    pub fn label(&self) -> String {
        format!("{}–{} %", self.low, self.high)
    }
}

/// All cells: arms in the study's order, groups from the smallest. Empty if object sizes are
/// unknown.
pub fn of<'s, 'a>(study: &'s Study<'a>) -> Vec<Cell<'s, 'a>> {
    let results = study.rows.trials.iter().filter_map(|t| t.result.as_ref());
    let groups: BTreeSet<Group> =
        results.flat_map(|r| r.metrics.keys()).filter_map(|path| Group::of(path)).collect();
    let values = |arm: &Arm, group: &Group| -> BTreeMap<u64, f64> {
        let path = group.path();
        arm.trials.iter().filter_map(|t| Some((t.planned.spec.seed, t.metric(&path)?))).collect()
    };
    let mut cells = Vec::new();
    for arm in &study.arms {
        for group in &groups {
            let own = values(arm, group);
            let Some(sample) = Sample::of(&own.values().copied().collect::<Vec<_>>()) else {
                continue;
            };
            let base =
                study.baseline().filter(|base| base.id != arm.id).map(|base| values(base, group));
            let pairs = base.map(|base| {
                own.iter()
                    .filter_map(|(seed, v)| Some((*base.get(seed)?, *v)))
                    .collect::<Vec<(f64, f64)>>()
            });
            let against = pairs.and_then(|pairs| stats::paired(&pairs));
            cells.push(Cell { arm, group: group.clone(), sample, against, p_holm: None });
        }
    }
    let tested: Vec<usize> =
        (0..cells.len()).filter(|&i| cells[i].against.is_some_and(|p| p.p().is_some())).collect();
    let raw: Vec<f64> = tested.iter().filter_map(|&i| cells[i].against?.p()).collect();
    for (&i, p) in tested.iter().zip(stats::holm(&raw)) {
        cells[i].p_holm = Some(p);
    }
    cells
}

/// Maximum number of cells with a sentence of their own.
const MOST: usize = 4;

/// Sentences on the object sizes whose accuracy rises or falls. Empty if object sizes are unknown
/// or nothing could be tested.
pub fn sentences(study: &Study) -> Vec<String> {
    let cells = of(study);
    let tested: Vec<&Cell> = cells.iter().filter(|cell| cell.p_holm.is_some()).collect();
    let (Some(baseline), false) = (study.baseline(), tested.is_empty()) else { return Vec::new() };
    let mut clear: Vec<&Cell> =
        tested.iter().copied().filter(|cell| cell.p_holm.is_some_and(|p| p < ALPHA)).collect();
    if clear.is_empty() {
        return vec![format!(
            "By the size of the object: no difference from {} is resolved on any size ({} tested).",
            baseline.label,
            plural(tested.len(), "comparison")
        )];
    }
    clear.sort_by(|a, b| a.p_holm.unwrap_or(1.0).total_cmp(&b.p_holm.unwrap_or(1.0)));
    let more = clear.len().saturating_sub(MOST);
    let mut said: Vec<String> = clear.iter().take(MOST).map(|cell| sentence(study, cell)).collect();
    if more > 0 {
        said.push(format!(
            "The figure by object size has {} more.",
            plural(more, "clear difference")
        ));
    }
    said
}

fn sentence(study: &Study, cell: &Cell) -> String {
    let Some(paired) = cell.against else { return String::new() };
    let gain = paired.difference.mean;
    let verb = if gain > 0.0 { "gains" } else { "loses" };
    let interval = paired.interval().map_or(String::new(), |(low, high)| {
        format!(
            "95 % CI {} to {}, ",
            fixed(low, study.difference_decimals),
            fixed(high, study.difference_decimals)
        )
    });
    format!(
        "On objects of {} of the image's side {} {verb} {} points ({interval}n = {}, Holm-adjusted {} over arms and sizes).",
        cell.group.label(),
        cell.arm.label,
        signed(gain, study.difference_decimals),
        paired.difference.n,
        p_value(cell.p_holm.unwrap_or(1.0)),
    )
}
