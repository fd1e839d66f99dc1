//! The grammar of axes: `scale=2,4,6,8`, `depth=20..56:9`, `seed=0..4`, `scale+width=2+48,4+26`,
//! `blocks=[2,2],[3,3]`.

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
        if label.is_empty() {
            return Err(SpecError::new(
                format!("\"{word}\" has no name before ="),
                "write name=values, e.g. scale=2,4",
            ));
        }
        let paths = paths(label)?;
        if let Some(values) = text.strip_prefix('=') {
            let help = format!("write {label}={}", values.trim());
            return Err(SpecError::new(format!("\"{word}\" has two = in a row"), help));
        }
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
                Ok(paths
                    .iter()
                    .zip(parts)
                    .map(|(path, part)| known::fit(path, part, false))
                    .collect())
            }
            (paths, Value::String(text)) => zipped(label, paths, &text),
            (paths, item) => check_width(label, vec![item], paths.len()),
        };
        let points = items.into_iter().map(point).collect::<Result<_, _>>()?;
        Axis::new(label, paths, points)
    }

    fn new(label: &str, paths: Vec<String>, points: Vec<Vec<Value>>) -> Result<Axis, SpecError> {
        if let Some(twice) = (1..points.len().min(1000)).find(|&i| points[..i].contains(&points[i]))
        {
            let shown = show_point(&points[twice]);
            let is_list = paths
                .iter()
                .all(|path| matches!(known::kind(path), Some(Kind::Wholes | Kind::Reals)));
            let help = if is_list && points.iter().flatten().all(Value::is_number) {
                let items =
                    points.iter().map(|point| show_point(point)).collect::<Vec<_>>().join(",");
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
    let paths =
        label.split('+').map(|name| fields::path_of(name.trim())).collect::<Result<Vec<_>, _>>()?;
    match (1..paths.len()).find(|&i| paths[..i].contains(&paths[i])) {
        Some(twice) => Err(SpecError::new(
            format!("{label} names {} twice", paths[twice]),
            "name each field once",
        )),
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
        Value::Sequence(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(","))
        }
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

fn check_width(label: &str, parts: Vec<Value>, width: usize) -> Result<Vec<Value>, SpecError> {
    if parts.len() == width {
        return Ok(parts);
    }
    Err(SpecError::new(
        format!(
            "{label} changes {width} fields together, but {} gives {}",
            show_point(&parts),
            parts.len()
        ),
        format!("join {width} values with +, e.g. {label}={}", vec!["1"; width].join("+")),
    ))
}

/// `scale=[2,4]` as other programs have it: the values of a field that takes no list stand without
/// brackets.
fn refuse_list(label: &str, paths: &[String], text: &str) -> Result<(), SpecError> {
    let takes_one = |path: &String| {
        path == "model.zoo"
            || matches!(known::kind(path), Some(Kind::Whole | Kind::Real | Kind::Flag | Kind::Name))
    };
    match text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) if paths.iter().all(takes_one) && !inner.contains(['[', ']']) => {
            let values: Vec<&str> = inner.split(',').map(str::trim).collect();
            let help = format!("write {label}={}", values.join(","));
            Err(SpecError::new(
                format!("{label} takes single values, not the list {}", text.trim()),
                help,
            ))
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

/// A word as the value that a YAML file would hold; nan and inf become numbers, to be refused as
/// such.
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
