//! The metric by which arms are compared.

use crate::stats::Sample;
use res2lab_store::SweepRows;

/// A metric with its name and unit on the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Slash-separated path, e.g. `val/acc1`.
    pub path: String,
    /// Name in words: `top-1 accuracy`.
    pub name: String,
    /// Unit after a value: ` %` or nothing.
    pub unit: &'static str,
    /// Unit after a difference: ` points` or nothing.
    pub difference_unit: &'static str,
    pub higher_is_better: bool,
}

/// Known metrics in order of preference. The best evaluation's accuracy is the last resort, because
/// it selects the epoch by test images.
const KNOWN: [(&str, &str); 6] = [
    ("val/acc1", "top-1 accuracy"),
    ("val/acc5", "top-5 accuracy"),
    ("val/loss", "test loss"),
    ("train/loss", "training loss"),
    ("train/acc1", "training accuracy"),
    ("best/acc1", "top-1 accuracy of the best epoch"),
];

impl Metric {
    /// The metric at a path.
    pub fn of(path: &str) -> Metric {
        let name = KNOWN.iter().find(|(known, _)| *known == path).map_or(path, |(_, name)| name);
        let is_percent = path.contains("acc");
        Metric {
            path: path.to_owned(),
            name: name.to_owned(),
            unit: if is_percent { " %" } else { "" },
            difference_unit: if is_percent { " points" } else { "" },
            higher_is_better: !path.contains("loss"),
        }
    }

    /// The preferred metric among those that any finished trial has; test accuracy if no trial has
    /// one.
    pub fn choose(rows: &SweepRows) -> Metric {
        let has = |path: &str| rows.trials.iter().any(|t| t.metric(path).is_some());
        let path = KNOWN.iter().map(|(path, _)| *path).find(|path| has(path));
        Metric::of(path.unwrap_or(KNOWN[0].0))
    }

    /// Clips an interval to the metric's range: percentages lie between 0 and 100.
    pub fn possible(&self, (low, high): (f64, f64)) -> (f64, f64) {
        if self.unit == " %" { (low.max(0.0), high.min(100.0)) } else { (low, high) }
    }

    /// The interval of one standard deviation around a mean, clipped to the metric's range.
    pub fn bar(&self, mean: f64, std: f64) -> (f64, f64) {
        self.possible((mean - std, mean + std))
    }

    /// Clips an interval of differences to the metric's range: differences of percentages lie
    /// between -100 and 100.
    pub fn possible_difference(&self, (low, high): (f64, f64)) -> (f64, f64) {
        if self.unit == " %" { (low.max(-100.0), high.min(100.0)) } else { (low, high) }
    }

    /// Name with unit, for the title of a chart axis: `top-1 accuracy (%)`.
    pub fn title(&self) -> String {
        if self.unit.is_empty() {
            self.name.clone()
        } else {
            format!("{} ({})", self.name, self.unit.trim())
        }
    }

    /// The number of decimals that shows the smallest standard deviation with at least one digit.
    pub fn decimals<'a>(&self, samples: impl Iterator<Item = &'a Sample>) -> usize {
        let smallest =
            samples.filter_map(|s| s.std).filter(|&s| s > 0.0).fold(f64::INFINITY, f64::min);
        let (fewest, most) = if self.unit.is_empty() { (3, 5) } else { (1, 2) };
        if smallest.is_finite() {
            (-smallest.log10()).ceil().clamp(fewest as f64, most as f64) as usize
        } else {
            fewest
        }
    }
}
