//! The table of effects: how much each axis matters, and how sure that is.

use super::context::{Effects, TextTable};
use crate::effects::{self, Effect, Trend};
use crate::format::{fixed, p_cell, p_value, plural, signed};
use crate::study::Study;

/// The table; None where no axis could be analysed.
pub fn table(study: &Study) -> Option<Effects> {
    let found = effects::of(study);
    if found.effects.is_empty() {
        return None;
    }
    let with_share = found.is_grid;
    let mut columns = vec!["axis".to_owned()];
    columns.extend(with_share.then(|| "share of variation".to_owned()));
    columns.extend(["best minus worst", "trend", "p"].map(str::to_owned));
    let row = |effect: &Effect| {
        let mut cells = vec![name(study, effect)];
        cells.extend(with_share.then(|| format!("{} %", fixed(100.0 * effect.share, 0))));
        cells.push(range(study, effect));
        cells.push(effect.trend.map_or("–".into(), |trend| trend_text(study, effect, trend)));
        cells.push(effect.p_holm.map_or("–".into(), p_cell));
        cells
    };
    let mut rows: Vec<Vec<String>> = found.effects.iter().map(row).collect();
    if with_share {
        let rest = 1.0 - found.effects.iter().map(|e| e.share).sum::<f64>();
        let mut cells = vec!["seeds and the rest".to_owned(), format!("{} %", fixed(100.0 * rest.max(0.0), 0))];
        cells.resize(columns.len(), "–".into());
        rows.push(cells);
    }
    Some(Effects { how_to_read: how_to_read(study, &found), table: TextTable::new(columns, rows) })
}

fn how_to_read(study: &Study, found: &effects::Effects) -> String {
    let what = match (found.is_grid, study.axes.len()) {
        (true, 1) | (false, _) => "Each axis along its own line of arms.",
        (true, _) => {
            "A complete grid: each axis with the others averaged out; × stands for what two axes do together beyond that."
        }
    };
    let test = if found.seeds > 1 {
        format!(
            " p is of an F-test with seeds as blocks ({}), corrected after Holm over the rows; trends are straight lines \
             through the means, one for each seed, with their own uncorrected p.",
            plural(found.seeds, "shared seed")
        )
    } else {
        " With one seed nothing can be tested.".into()
    };
    format!(
        "{what}{test} The findings above rest on the comparisons with the baseline alone; this table is for exploring."
    )
}

fn name(study: &Study, effect: &Effect) -> String {
    effect.axes.iter().map(|&a| study.axes[a].label.as_str()).collect::<Vec<_>>().join(" × ")
}

/// How far the best value's mean lies from the worst's.
fn range(study: &Study, effect: &Effect) -> String {
    let mut levels = effect.levels.clone();
    levels.sort_by(|a, b| a.1.mean.total_cmp(&b.1.mean));
    let (Some(low), Some(high)) = (levels.first(), levels.last()) else { return "–".into() };
    let axis = &study.axes[effect.axes[0]];
    let (best, worst) = if study.metric.higher_is_better { (high, low) } else { (low, high) };
    let difference = fixed(high.1.mean - low.1.mean, study.decimals + 1);
    format!("{difference}{} ({} over {})", study.metric.difference_unit, axis.values[best.0], axis.values[worst.0])
}

fn trend_text(study: &Study, effect: &Effect, trend: Trend) -> String {
    // A slope per unit may be small beside the values, a thousandth of a point per channel: two digits of it are shown.
    let size = trend.slope.mean.abs().max(1e-9);
    let decimals = (1.0 - size.log10().floor()).clamp(0.0, 6.0) as usize;
    let per = if trend.per_doubling {
        "doubling".to_owned()
    } else {
        format!("unit of {}", study.axes[effect.axes[0]].label)
    };
    let p = trend.p.map(|p| format!(", {}", p_value(p))).unwrap_or_default();
    format!("{}{} per {per}{p}", signed(trend.slope.mean, decimals.max(study.decimals)), study.metric.difference_unit)
}
