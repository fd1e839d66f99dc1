//! The axes of a sweep as columns of its tables.

use super::frame::Values;
use serde_json::Value;
use std::borrow::Cow;

/// An axis as a column: its name, and its value in each trial.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisColumn {
    pub name: String,
    /// In the order of the sweep's trials; `None` where a trial has no value on the axis.
    pub values: Vec<Option<String>>,
}

impl AxisColumn {
    /// The meaning of the column.
    pub const MEANING: &str = "an axis of the sweep";

    /// Whether every value can be read as `T`. Columns of numbers are sorted and compared as such.
    fn is<T: std::str::FromStr>(&self) -> bool {
        self.values.iter().flatten().all(|value| value.parse::<T>().is_ok())
    }

    /// The values of these trials. The type is that of the whole column.
    pub(super) fn values_of(&self, trials: impl Iterator<Item = usize>) -> Values<'_> {
        let texts = trials.map(|i| self.values[i].as_deref());
        match () {
            () if self.is::<u64>() => Values::Count(texts.map(|text| text?.parse().ok()).collect()),
            () if self.is::<f64>() => Values::Real(texts.map(|text| text?.parse().ok()).collect()),
            () => Values::Text(texts.map(|text| text.map(Cow::Borrowed)).collect()),
        }
    }

    /// All values as JSON.
    pub fn json(&self) -> Vec<Value> {
        let values = self.values_of(0..self.values.len());
        (0..self.values.len()).map(|i| values.json(i)).collect()
    }
}
