//! The grammar of axes: `scale=2,4,6,8`, `depth=20..56:9`, `seed=0..4`, `scale+width=2+48,4+26`, `blocks=[2,2],[3,3]`.

use crate::{SpecError, Value, fields};
use serde_yaml::Number;

/// One axis of a sweep: fields that change together, and the points along it.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// As written, e.g. `scale` or `scale+width`.
    pub label: String,
    /// Where the values go, e.g. `model.scale`.
    pub paths: Vec<String>,
    /// One value per path and point.
    pub points: Vec<Vec<Value>>,
}

/// More points on one axis than this are a slip of the keyboard.
const MOST_POINTS: usize = 100_000;

impl Axis {
    /// A word of the command line.
    pub fn parse(word: &str) -> Result<Axis, SpecError> {
        let Some((label, text)) = word.split_once('=') else {
            return Err(SpecError::new(
                format!("\"{word}\" is neither a file nor an axis"),
                "write axes as name=values, e.g. scale=2,4,6,8",
            ));
        };
        let items = split_outside_brackets(text, ',');
        if items.iter().any(|item| item.trim().is_empty()) {
            return Err(SpecError::new(
                format!("{label}= has an empty value"),
                format!("give {label} one or more values separated by commas, e.g. {label}=2,4"),
            ));
        }
        let width = label.split('+').count();
        let mut points = Vec::new();
        for item in items {
            points.extend(if width == 1 { range_or_scalar(label, item)? } else { vec![zipped(label, item, width)?] });
        }
        Axis::new(label, points)
    }

    /// An entry of `axes:`, `arms:` or `one_at_a_time:` in a file: a list, or the command line's text.
    pub fn from_yaml(label: &str, value: &Value) -> Result<Axis, SpecError> {
        let width = label.split('+').count();
        match value {
            Value::String(text) => Axis::parse(&format!("{label}={text}")),
            Value::Sequence(items) if !items.is_empty() => {
                let point = |item: &Value| match item {
                    Value::Sequence(parts) if width > 1 => check_width(label, parts.clone(), width),
                    Value::String(text) if width > 1 => zipped(label, text, width),
                    other if width == 1 => Ok(vec![other.clone()]),
                    _ => check_width(label, vec![item.clone()], width),
                };
                Axis::new(label, items.iter().map(point).collect::<Result<_, _>>()?)
            }
            Value::Sequence(_) | Value::Null | Value::Mapping(_) | Value::Tagged(_) => {
                Err(SpecError::new(format!("axis {label} has no values"), format!("give a list, e.g. {label}: [2, 4]")))
            }
            scalar => Axis::new(label, vec![vec![scalar.clone()]]),
        }
    }

    fn new(label: &str, points: Vec<Vec<Value>>) -> Result<Axis, SpecError> {
        let paths = label.split('+').map(fields::path_of).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) = (1..paths.len()).find(|&i| paths[..i].contains(&paths[i])) {
            return Err(SpecError::new(format!("{label} names {} twice", paths[twice]), "name each field once"));
        }
        if let Some(twice) = (1..points.len().min(1000)).find(|&i| points[..i].contains(&points[i])) {
            let shown = show_point(&points[twice]);
            return Err(SpecError::new(format!("{label} lists {shown} twice"), "list each value once"));
        }
        Ok(Axis { label: label.to_owned(), paths, points })
    }

    /// Whether it moves the seed and nothing else: seeds repeat an arm, they do not make one.
    pub fn is_seed(&self) -> bool {
        self.paths == ["seed"]
    }
}

/// A point as a user would write it.
pub fn show_point(point: &[Value]) -> String {
    point.iter().map(show).collect::<Vec<_>>().join("+")
}

/// A value as a user would write it.
pub fn show(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::Sequence(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(",")),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

fn check_width(label: &str, parts: Vec<Value>, width: usize) -> Result<Vec<Value>, SpecError> {
    if parts.len() == width {
        return Ok(parts);
    }
    Err(SpecError::new(
        format!("{label} changes {width} fields together, but {} gives {}", show_point(&parts), parts.len()),
        format!("join {width} values with +, e.g. {label}={}", vec!["1"; width].join("+")),
    ))
}

fn zipped(label: &str, item: &str, width: usize) -> Result<Vec<Value>, SpecError> {
    check_width(label, split_outside_brackets(item, '+').into_iter().map(scalar).collect(), width)
}

fn range_or_scalar(label: &str, item: &str) -> Result<Vec<Vec<Value>>, SpecError> {
    let Some((first, rest)) = item.split_once("..") else { return Ok(vec![vec![scalar(item)]]) };
    let (last, step) = rest.split_once(':').unwrap_or((rest, "1"));
    let malformed = || {
        let help = format!("write first..last or first..last:step, e.g. {label}=20..56:9");
        SpecError::new(format!("{label}={item} is not a range"), help)
    };
    let number = |s: &str| s.trim().parse::<f64>().ok().filter(|x| x.is_finite()).ok_or_else(malformed);
    let (a, b, by) = (number(first)?, number(last)?, number(step)?);
    if by <= 0.0 {
        return Err(SpecError::new(format!("{label}={item} has a step of {step}"), "give a step above 0"));
    }
    if a > b {
        return Err(SpecError::new(
            format!("{label}={item} runs backwards"),
            format!("write the smaller end first: {label}={last}..{first}"),
        ));
    }
    let steps = ((b - a) / by).round();
    if steps >= MOST_POINTS as f64 {
        return Err(SpecError::new(format!("{label}={item} has {steps} points"), "give a larger step"));
    }
    let last_reached = a + ((b - a) / by + 1e-9).floor() * by;
    if (last_reached - b).abs() > 1e-9 * b.abs().max(1.0) {
        return Err(SpecError::new(
            format!(
                "{label}={item} does not reach its end: both ends are included, and the steps end on {last_reached}"
            ),
            format!("write {label}={first}..{last_reached}:{step}"),
        ));
    }
    let whole = [first, step].iter().all(|s| s.trim().parse::<i64>().is_ok());
    // Rounding to twelve digits turns 0.1 + 2 * 0.1 back into 0.3.
    let at = |i: usize| (a + i as f64 * by) * 1e12;
    let value = |i: usize| {
        if whole { Number::from(a as i64 + i as i64 * by as i64) } else { Number::from(at(i).round() / 1e12) }
    };
    Ok((0..=steps as usize).map(|i| vec![Value::Number(value(i))]).collect())
}

/// A word as the value that a YAML file would hold; nan and inf become numbers, to be refused as such.
pub fn scalar(text: &str) -> Value {
    let text = text.trim();
    if text.starts_with(['[', '{']) {
        return serde_yaml::from_str(text).unwrap_or_else(|_| Value::String(text.into()));
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Value::Number(whole.into());
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Value::Number(whole.into());
    }
    if let Ok(real) = text.parse::<f64>() {
        return Value::Number(real.into());
    }
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => Value::String(text.to_owned()),
    }
}

fn split_outside_brackets(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            c if c == separator && depth == 0 => {
                parts.push(&text[start..i]);
                start = i + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(word: &str) -> String {
        match Axis::parse(word) {
            Ok(axis) => {
                let points: Vec<_> = axis.points.iter().map(|p| show_point(p)).collect();
                format!("{} = {}", axis.paths.join("+"), points.join(" "))
            }
            Err(e) => format!("{} | {}", e.cause, e.help),
        }
    }

    #[test]
    fn what_the_design_promises() {
        assert_eq!(shown("scale=2,4,6,8"), "model.scale = 2 4 6 8");
        assert_eq!(shown("depth=20..56:9"), "model.depth = 20 29 38 47 56");
        assert_eq!(shown("seed=0..4"), "seed = 0 1 2 3 4");
        assert_eq!(shown("train.optimizer.sgd.lr=0.1,0.05"), "train.optimizer.sgd.lr = 0.1 0.05");
        assert_eq!(shown("lr=0.1..0.3:0.1"), "train.optimizer.sgd.lr = 0.1 0.2 0.3");
        assert_eq!(shown("scale+width=2+48,4+26,8+14"), "model.scale+model.width = 2+48 4+26 8+14");
        assert_eq!(shown("blocks=[2,2],[3,4,6,3]"), "model.blocks = [2,2] [3,4,6,3]");
        assert_eq!(shown("zoo=resnet50,res2net50"), "model.zoo = resnet50 res2net50");
    }

    #[test]
    fn mistakes_come_with_their_remedy() {
        insta::assert_snapshot!(
            ["scle=2", "scale=", "seed=5..1", "depth=20..60:9", "scale+width=2", "scale=2,2", "scale", "lr=1..x", "n=1..2:0"]
                .map(shown)
                .join("\n"),
            @r#"
        no field is called scle | did you mean scale? a field can also be given by its path, e.g. train.label_smoothing
        scale= has an empty value | give scale one or more values separated by commas, e.g. scale=2,4
        seed=5..1 runs backwards | write the smaller end first: seed=1..5
        depth=20..60:9 does not reach its end: both ends are included, and the steps end on 56 | write depth=20..56:9
        scale+width changes 2 fields together, but 2 gives 1 | join 2 values with +, e.g. scale+width=1+1
        scale lists 2 twice | list each value once
        "scale" is neither a file nor an axis | write axes as name=values, e.g. scale=2,4,6,8
        lr=1..x is not a range | write first..last or first..last:step, e.g. lr=20..56:9
        n=1..2:0 has a step of 0 | give a step above 0
        "#
        );
    }

    proptest! {
        /// No text makes the parser panic, and what it accepts has points.
        #[test]
        fn any_text_is_parsed_or_refused(word in "[a-z+.=,:0-9\\[\\]{}nai -]{0,24}") {
            if let Ok(axis) = Axis::parse(&word) {
                prop_assert!(!axis.points.is_empty());
                prop_assert!(axis.points.iter().all(|p| p.len() == axis.paths.len()));
            }
        }

        /// A range written from its parts has exactly those parts.
        #[test]
        fn a_range_includes_both_ends(a in 0..1000_i64, n in 0..50_i64, by in 1..20_i64) {
            let axis = Axis::parse(&format!("depth={a}..{}:{by}", a + n * by)).expect("the steps end on the end");
            let expected: Vec<_> = (0..=n).map(|i| vec![Value::Number((a + i * by).into())]).collect();
            prop_assert_eq!(axis.points, expected);
        }
    }
}
