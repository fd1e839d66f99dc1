//! The grammar of axes: `scale=2,4,6,8`, `depth=20..56:9`, `seed=0..4`, `scale+width=2+48,4+26`, `blocks=[2,2],[3,3]`.

use crate::known::{self, Kind};
use crate::words::{self, Piece};
use crate::{SpecError, Value, fields, range};

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

impl Axis {
    /// A word of the command line.
    pub fn parse(word: &str) -> Result<Axis, SpecError> {
        let Some((label, text)) = word.split_once('=') else {
            return Err(SpecError::new(
                format!("\"{word}\" is neither a file nor an axis"),
                "write axes as name=values, e.g. scale=2,4,6,8",
            ));
        };
        let label = label.trim();
        let paths = paths(label)?;
        let items = words::split(text, ',').map_err(|e| e.at(label))?;
        if items.iter().any(|item| item.trim().is_empty()) {
            return Err(SpecError::new(
                format!("{label}= has an empty value"),
                format!("give {label} one or more values separated by commas, e.g. {label}=2,4"),
            ));
        }
        refuse_list(label, &paths, text)?;
        let mut points = Vec::new();
        for item in items {
            match &paths[..] {
                [path] => points.extend(range_or_value(label, path, item)?),
                paths => points.push(zipped(label, paths, item)?),
            }
        }
        Axis::new(label, paths, points)
    }

    /// An entry of `axes:` or `one_at_a_time:` in a file: a list, or the command line's text.
    pub fn from_yaml(label: &str, value: &Value) -> Result<Axis, SpecError> {
        let items = match value {
            Value::String(text) => return Axis::parse(&format!("{label}={text}")),
            Value::Sequence(items) if !items.is_empty() => items.clone(),
            Value::Sequence(_) | Value::Null | Value::Mapping(_) | Value::Tagged(_) => {
                paths(label)?;
                let help = format!("give a list, e.g. {label}: [2, 4]");
                return Err(SpecError::new(format!("axis {label} has no values"), help));
            }
            scalar => vec![scalar.clone()],
        };
        let paths = paths(label)?;
        let point = |item: Value| match (&paths[..], item) {
            ([path], item) => Ok(vec![known::fit(path, item, false)]),
            (paths, Value::Sequence(parts)) => {
                let parts = check_width(label, parts, paths.len())?;
                Ok(paths.iter().zip(parts).map(|(path, part)| known::fit(path, part, false)).collect())
            }
            (paths, Value::String(text)) => zipped(label, paths, &text),
            (paths, item) => check_width(label, vec![item], paths.len()),
        };
        let points = items.into_iter().map(point).collect::<Result<_, _>>()?;
        Axis::new(label, paths, points)
    }

    fn new(label: &str, paths: Vec<String>, points: Vec<Vec<Value>>) -> Result<Axis, SpecError> {
        if let Some(twice) = (1..points.len().min(1000)).find(|&i| points[..i].contains(&points[i])) {
            let shown = show_point(&points[twice]);
            let is_list = paths.iter().all(|path| matches!(known::kind(path), Some(Kind::Wholes | Kind::Reals)));
            let help = if is_list && points.iter().flatten().all(Value::is_number) {
                let items = points.iter().map(|point| show_point(point)).collect::<Vec<_>>().join(",");
                format!("a value of {label} is a list; write {label}=[{items}]")
            } else {
                "list each value once".into()
            };
            return Err(SpecError::new(format!("{label} lists {shown} twice"), help));
        }
        Ok(Axis { label: label.to_owned(), paths, points })
    }

    /// Whether it moves the seed and nothing else: seeds repeat an arm, they do not make one.
    pub fn is_seed(&self) -> bool {
        self.paths == ["seed"]
    }
}

/// The fields of a label such as `scale+width`.
fn paths(label: &str) -> Result<Vec<String>, SpecError> {
    let paths = label.split('+').map(|name| fields::path_of(name.trim())).collect::<Result<Vec<_>, _>>()?;
    match (1..paths.len()).find(|&i| paths[..i].contains(&paths[i])) {
        Some(twice) => Err(SpecError::new(format!("{label} names {} twice", paths[twice]), "name each field once")),
        None => Ok(paths),
    }
}

/// A point as a user would write it.
pub fn show_point(point: &[Value]) -> String {
    point.iter().map(show).collect::<Vec<_>>().join("+")
}

/// A value as a user would write it.
pub fn show(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(s) => s.clone(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => {
            let text = n.to_string();
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
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

/// `scale=[2,4]` as other programs have it: the values of a field that takes no list stand without brackets.
fn refuse_list(label: &str, paths: &[String], text: &str) -> Result<(), SpecError> {
    let takes_one =
        |path: &String| matches!(known::kind(path), Some(Kind::Whole | Kind::Real | Kind::Flag | Kind::Name));
    match text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) if paths.iter().all(takes_one) && !inner.contains(['[', ']']) => {
            let values: Vec<&str> = inner.split(',').map(str::trim).collect();
            let help = format!("write {label}={}", values.join(","));
            Err(SpecError::new(format!("{label} takes single values, not the list {}", text.trim()), help))
        }
        _ => Ok(()),
    }
}

fn zipped(label: &str, paths: &[String], item: &str) -> Result<Vec<Value>, SpecError> {
    let parts = words::split(item, '+').map_err(|e| e.at(label))?;
    if parts.len() != paths.len() {
        let shown = parts.iter().map(|part| Value::from(part.trim())).collect();
        return check_width(label, shown, paths.len());
    }
    paths.iter().zip(parts).map(|(path, part)| value(label, path, part)).collect()
}

fn range_or_value(label: &str, path: &str, item: &str) -> Result<Vec<Vec<Value>>, SpecError> {
    let takes_numbers = matches!(known::kind(path), Some(Kind::Whole | Kind::Real));
    // `../photos` is a folder. A field that is not known may take anything.
    if (takes_numbers || known::kind(path).is_none())
        && let Some(points) = range::points(label, item, takes_numbers)?
    {
        return Ok(points.into_iter().map(|point| vec![known::fit(path, point, false)]).collect());
    }
    Ok(vec![vec![value(label, path, item)?]])
}

/// One value of the field at `path`, as it is typed.
fn value(label: &str, path: &str, item: &str) -> Result<Value, SpecError> {
    let piece = words::piece(item).map_err(|e| e.at(label))?;
    Ok(typed(path, piece))
}

/// What was typed as the value of the field at `path`: text stays as it is, numbers become numbers.
pub fn typed(path: &str, piece: Piece) -> Value {
    let is_text = piece.is_quoted || matches!(known::kind(path), Some(Kind::Text | Kind::Name));
    let value = if is_text { Value::String(piece.text) } else { scalar(&piece.text) };
    known::fit(path, value, piece.is_quoted)
}

/// A word as the value that a YAML file would hold; nan and inf become numbers, to be refused as such.
fn scalar(text: &str) -> Value {
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
        assert_eq!(shown("lr=1e-13..3e-13:1e-13"), "train.optimizer.sgd.lr = 1e-13 2e-13 3e-13");
        assert_eq!(shown("train.label_smoothing=0..0.3:0.1"), "train.label_smoothing = 0 0.1 0.2 0.3");
        assert_eq!(shown("train.mixup=-0.3..0.3:0.3"), "train.mixup = -0.3 0 0.3");
        assert_eq!(shown("batch=1e1,2.0e1"), "train.batch_size = 10 20");
        assert_eq!(shown("data=../photos,./v1..v2"), "data.name = ../photos ./v1..v2");
        assert_eq!(shown("weights=none,'none','a, b'"), "init.weights = none none a, b");
        assert_eq!(shown("data.pad_to=null,32"), "data.pad_to = none 32");
        assert_eq!(shown("scale=[2, 4]"), "scale takes single values, not the list [2, 4] | write scale=2,4");
        assert_eq!(shown("plain=True,false"), "train.plain = true false");
        assert_eq!(
            shown("zoo+weights=resnet50+'a+b',resnet101+none"),
            "model.zoo+init.weights = resnet50+a+b resnet101+none"
        );
    }

    #[test]
    fn mistakes_come_with_their_remedy() {
        insta::assert_snapshot!(
            ["scle=2", "scale=", "seed=5..1", "depth=20..60:9", "scale+width=2", "scale=2,2", "scale", "lr=1..x", "lr=1..2:0",
             "lr=0.1..0.2", "lr=1..1e30", "blocks=[1,2", "blocks=3,4,3", "ema=0.9"]
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
        lr=1..x is not a range | write first..last or first..last:step in numbers, e.g. lr=0.1..0.3:0.1
        lr=1..2:0 has a step of 0 | give a step above 0
        lr=0.1..0.2 has no step, and the step is 1 where none is written | write the step behind a colon, e.g. lr=0.1..0.2:0.1
        lr=1..1e30: its numbers are too far apart | list the values, separated by commas
        blocks: the bracket [ in [1,2 is never closed | close it; if it belongs to a name, put all of it in quotes: '[1,2'
        blocks lists 3 twice | a value of blocks is a list; write blocks=[3,4,3]
        no field is called ema | did you mean train.ema? a field can also be given by its path, e.g. train.label_smoothing
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

        /// What stands in quotes is text, and comes back as it was.
        #[test]
        fn quoted_text_comes_back(texts in prop::collection::hash_set("\\PC{0,12}|[ '\",+=\\[\\]{}.:~a1-]{0,12}", 1..4)) {
            let quoted: Vec<String> = texts.iter().map(|text| words::quote(text)).collect();
            for name in ["weights", "data.path"] {
                let axis = Axis::parse(&format!("{name}={}", quoted.join(","))).unwrap();
                let expected: Vec<_> = texts.iter().map(|text| vec![Value::String(text.clone())]).collect();
                prop_assert_eq!(axis.points, expected);
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
