//! The metric that arms are compared by.

use crate::stats::Sample;
use res2lab_store::SweepRows;

/// A metric as the page names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its slash path.
    pub path: String,
    /// In words: `top-1 accuracy`.
    pub name: String,
    /// After a value: ` %` or nothing.
    pub unit: &'static str,
    /// After a difference: ` points` or nothing.
    pub difference_unit: &'static str,
    /// Whether more is better.
    pub higher_is_better: bool,
}

/// In the order of preference. The best evaluation's accuracy is the last resort: it picks the
/// epoch by test images.
const KNOWN: [(&str, &str); 6] = [
    ("val/acc1", "top-1 accuracy"),
    ("val/acc5", "top-5 accuracy"),
    ("val/loss", "test loss"),
    ("train/loss", "training loss"),
    ("train/acc1", "training accuracy"),
    ("best/acc1", "top-1 accuracy of the best epoch"),
];

impl Metric {
    /// Names a path.
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

    /// The preferred metric that any finished trial has; test accuracy if none has any.
    pub fn choose(rows: &SweepRows) -> Metric {
        let has = |path: &str| rows.trials.iter().any(|t| t.metric(path).is_some());
        let path = KNOWN.iter().map(|(path, _)| *path).find(|path| has(path));
        Metric::of(path.unwrap_or(KNOWN[0].0))
    }

    /// The part of an interval that the metric can take: no percentage is below 0 or above 100.
    pub fn possible(&self, (low, high): (f64, f64)) -> (f64, f64) {
        if self.unit == " %" { (low.max(0.0), high.min(100.0)) } else { (low, high) }
    }

    /// One standard deviation to either side of a mean, as far as the metric can take such values.
    pub fn bar(&self, mean: f64, std: f64) -> (f64, f64) {
        self.possible((mean - std, mean + std))
    }

    /// The same of an interval of differences.
    pub fn possible_difference(&self, (low, high): (f64, f64)) -> (f64, f64) {
        if self.unit == " %" { (low.max(-100.0), high.min(100.0)) } else { (low, high) }
    }

    /// The name with its unit, for the title of a chart's axis: `top-1 accuracy (%)`.
    pub fn title(&self) -> String {
        if self.unit.is_empty() {
            self.name.clone()
        } else {
            format!("{} ({})", self.name, self.unit.trim())
        }
    }

    /// Decimals that show the smallest spread with at least one digit.
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
