//! Axis mappings of charts: from numbers or categories to positions, with ticks at round values.

use crate::svg::{shorten, text_width};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// The mapping of one chart axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Position of the lower end.
    pub low: f64,
    /// Position of the upper end.
    pub high: f64,
    /// Tick positions with their text.
    pub ticks: Vec<(f64, String)>,
    /// Axis title with its unit.
    pub title: String,
    is_log: bool,
    /// Whether positions are numbers; categories are evenly spaced.
    is_numeric: bool,
}

impl Scale {
    /// A linear axis over the range of the values, with a margin of 6 % at both ends.
    pub fn linear(values: impl IntoIterator<Item = f64>, title: &str) -> Scale {
        let (low, high) = range(values);
        let room = 0.06 * (high - low);
        let low = low - room;
        let high = high + room;
        Scale {
            low,
            high,
            ticks: nice_ticks(low, high),
            title: title.to_owned(),
            is_log: false,
            is_numeric: true,
        }
    }

    /// A linear axis from zero to the greatest value, with a margin of 2 %; used for times.
    pub fn from_zero(values: impl IntoIterator<Item = f64>, title: &str) -> Scale {
        let high = 1.02 * range(values).1.max(0.01);
        Scale {
            low: 0.0,
            high,
            ticks: nice_ticks(0.0, high),
            title: title.to_owned(),
            is_log: false,
            is_numeric: true,
        }
    }

    /// An axis of positive numbers: logarithmic if they span a factor of eight, linear otherwise.
    /// `text` formats a number.
    pub fn positive(
        values: impl IntoIterator<Item = f64>,
        title: &str,
        text: impl Fn(f64) -> String,
    ) -> Scale {
        let values: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        let (least, most) = range(values.iter().copied());
        if least > 0.0 && most >= 8.0 * least {
            let mut scale = Scale::linear(values.into_iter().map(f64::log10), title);
            scale.ticks = log_ticks(scale.low, scale.high)
                .into_iter()
                .map(|v| (v.log10(), text(v)))
                .collect();
            return Scale { is_log: true, ..scale };
        }
        let mut scale = Scale::linear(values, title);
        for (at, shown) in &mut scale.ticks {
            *shown = text(*at);
        }
        scale.ticks.dedup_by(|a, b| a.1 == b.1);
        scale
    }

    /// An axis with a tick at each value of a swept axis: at its number if all values are numbers,
    /// evenly spaced otherwise. Ticks without room for their text are left out. `width` is in SVG
    /// units.
    pub fn points(values: &[String], numbers: Option<&[f64]>, title: &str, width: f64) -> Scale {
        let even: Vec<f64> = (0..values.len()).map(|i| i as f64).collect();
        let Some(numbers) = numbers else {
            let ticks = even.iter().copied().zip(values.iter().cloned()).collect();
            return Scale {
                low: -0.5,
                high: values.len() as f64 - 0.5,
                ticks,
                title: title.to_owned(),
                is_log: false,
                is_numeric: false,
            };
        };
        let mut scale = Scale::linear(numbers.iter().copied(), title);
        let logs: Vec<f64> = numbers.iter().map(|x| x.log10()).collect();
        // A logarithmic axis spaces learning rates such as 0.1, 0.01, 0.001 more evenly, but not 1,
        // 2, 3, 4.
        if numbers.iter().all(|&x| x > 0.0) && evenness(&logs) > 1.5 * evenness(numbers) {
            scale = Scale { is_log: true, ..Scale::linear(logs, title) };
        }
        let ticks =
            numbers.iter().map(|&x| scale.position(x)).zip(values.iter().cloned()).collect();
        scale.ticks = with_room(ticks, width / (scale.high - scale.low));
        scale
    }

    /// An axis of `n` rows from the top, without ticks.
    pub fn rows(n: usize) -> Scale {
        Scale {
            low: n as f64 - 0.5,
            high: -0.5,
            ticks: vec![],
            title: String::new(),
            is_log: false,
            is_numeric: false,
        }
    }

    /// The same axis without its title.
    pub fn without_title(&self) -> Scale {
        Scale { title: String::new(), ..self.clone() }
    }

    /// `lin`, `log` or `cat`, as figures state it.
    pub fn kind(&self) -> &'static str {
        match (self.is_numeric, self.is_log) {
            (false, _) => "cat",
            (_, true) => "log",
            _ => "lin",
        }
    }

    /// Adapts the ticks to `width` SVG units: numbers without room for their text are left out,
    /// names are shortened.
    pub fn fit(&mut self, width: f64) {
        let per_position = width / (self.high - self.low).abs();
        let ticks = std::mem::take(&mut self.ticks);
        self.ticks = if self.is_numeric {
            with_room(ticks, per_position)
        } else {
            let short = |(at, text): (f64, String)| (at, shorten(&text, per_position - 6.0));
            ticks.into_iter().map(short).collect()
        };
    }

    /// Whether a position is in the lowest tenth of the axis.
    pub fn is_near_low(&self, at: f64) -> bool {
        (at - self.low) / (self.high - self.low) < 0.1
    }

    /// The position of a number.
    pub fn position(&self, x: f64) -> f64 {
        if self.is_log { x.log10() } else { x }
    }
}

/// Lets plotters map positions to pixels and read the ticks.
impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, (first, last): (i32, i32)) -> i32 {
        let share = (position - self.low) / (self.high - self.low);
        (f64::from(first) + share * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // plotters requests key points a second time for minor grid lines, which these charts do
        // not have.
        if hint.weight().allow_light_points() {
            vec![]
        } else {
            self.ticks.iter().map(|(at, _)| *at).collect()
        }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, position: &f64) -> String {
        self.ticks
            .iter()
            .find(|(at, _)| at == position)
            .map(|(_, text)| text.clone())
            .unwrap_or_default()
    }
}

/// The smallest gap between neighbors as a share of the whole range.
fn evenness(ascending: &[f64]) -> f64 {
    let gaps = ascending.windows(2).map(|pair| pair[1] - pair[0]);
    let (low, high) = range(ascending.iter().copied());
    gaps.fold(f64::INFINITY, f64::min) / (high - low)
}

/// The least and the greatest finite value, widened so that the range is never empty.
fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|v| v.is_finite());
    let (low, high) =
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    match (low, high) {
        _ if low > high => (0.0, 1.0),
        _ if low == high => {
            (low - 0.5 * low.abs().clamp(0.1, 1.0), high + 0.5 * high.abs().clamp(0.1, 1.0))
        }
        range => range,
    }
}

/// Ticks at multiples of 1, 2, 2.5 or 5 times a power of ten.
fn nice_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let rough = (high - low) / 5.5;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|&s| s >= rough)
        .unwrap_or(rough);
    let decimals =
        (0..12).find(|&d| (step * 10f64.powi(d)).fract().abs() < 1e-6).unwrap_or(12) as usize;
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last)
        .map(|i| i as f64 * step)
        .map(|v| (v, crate::format::fixed(v, decimals)))
        .collect()
}

/// Ticks at powers of ten and at twice and five times those; round numbers over a short range.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let first = low.floor() as i32;
    let last = high.ceil() as i32;
    let steps: &[f64] = if high - low > 4.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let all = (first..=last).flat_map(|e| steps.iter().map(move |m| m * 10f64.powi(e)));
    all.filter(|v| (low..=high).contains(&v.log10())).collect()
}

/// Leaves out ticks without room for their text: of evenly spaced ones every second, third and so
/// on, so that the rest is evenly spaced; of others those whose text would touch the previous one.
fn with_room(ticks: Vec<(f64, String)>, units_per_position: f64) -> Vec<(f64, String)> {
    let is_clear = |(before, shown): &(f64, String), (at, text): &(f64, String)| {
        (at - before).abs() * units_per_position
            >= (text_width(text) + text_width(shown)) / 2.0 + 6.0
    };
    if is_even(&ticks) {
        let zero = ticks.iter().position(|(at, _)| *at == 0.0).unwrap_or(0);
        let every = |step: usize| ticks.iter().skip(zero % step).step_by(step);
        let fits =
            |step: &usize| every(*step).zip(every(*step).skip(1)).all(|(a, b)| is_clear(a, b));
        return every((1..ticks.len()).find(fits).unwrap_or(ticks.len())).cloned().collect();
    }
    let mut kept: Vec<(f64, String)> = Vec::new();
    for tick in ticks {
        if kept.last().is_none_or(|last| is_clear(last, &tick)) {
            kept.push(tick);
        }
    }
    kept
}

/// Whether there are at least three ticks, at equal distances.
fn is_even(ticks: &[(f64, String)]) -> bool {
    let gaps = || ticks.windows(2).map(|pair| pair[1].0 - pair[0].0);
    let first = gaps().next().unwrap_or(0.0);
    ticks.len() > 2 && gaps().all(|gap| (gap - first).abs() <= 1e-6 * first.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_within_the_range() {
        let scale = Scale::linear([96.6, 97.5], "accuracy");
        assert_eq!(texts(&scale), ["96.6", "96.8", "97.0", "97.2", "97.4"]);
        let scale = Scale::linear([3.0], "one value");
        assert!(scale.low < 3.0 && scale.high > 3.0 && !scale.ticks.is_empty());
        assert!(!Scale::linear([], "none").ticks.is_empty());
        assert!(Scale::linear([f64::NAN, 0.0, f64::INFINITY], "not numbers").high.is_finite());
    }

    #[test]
    fn wide_ranges_are_logarithmic() {
        let count = crate::format::tick;
        assert_eq!(
            texts(&Scale::positive([1e4, 1e6], "", count)),
            ["10 k", "20 k", "50 k", "100 k", "200 k", "500 k", "1 M"]
        );
        assert_eq!(
            texts(&Scale::positive([20e3, 30e3], "", count)),
            ["20 k", "22.5 k", "25 k", "27.5 k", "30 k"]
        );
        assert_eq!(texts(&Scale::positive([-1.0, 30.0], "", |v| v.to_string())).len(), 4);
    }

    #[test]
    fn ticks_that_are_left_out_leave_even_distances() {
        let mut scale = Scale::linear([-5.3, 5.3], "");
        assert_eq!(texts(&scale), ["−5.0", "−2.5", "0.0", "2.5", "5.0"]);
        scale.fit(160.0);
        assert_eq!(texts(&scale), ["−5.0", "0.0", "5.0"]);
    }

    #[test]
    fn ticks_of_points_do_not_touch() {
        let values: Vec<String> = (1..=100).map(|i| i.to_string()).collect();
        let numbers: Vec<f64> = (1..=100).map(f64::from).collect();
        let scale = Scale::points(&values, Some(&numbers), "", 360.0);
        assert!((3..40).contains(&scale.ticks.len()), "{:?}", texts(&scale));
        assert_eq!((scale.is_log, scale.position(3.0)), (false, 3.0));
        let rates = Scale::points(
            &["0.001".into(), "0.01".into(), "0.1".into()],
            Some(&[0.001, 0.01, 0.1]),
            "lr",
            360.0,
        );
        assert_eq!((rates.is_log, rates.position(0.01), texts(&rates).len()), (true, -2.0, 3));
    }
}
