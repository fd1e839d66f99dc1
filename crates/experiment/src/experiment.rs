//! The experiment file as written: a base point and what to vary.

use crate::{DataSpec, EarlyStop, ExecutorSpec, InitSpec, Seeds, TrainSpec};
use crate::{SpecError, Value, known, yaml};
use res2lab_arch::ModelOverrides;
use serde::{Deserialize, Serialize};
use serde_yaml::Mapping;
use std::collections::BTreeMap;

/// One YAML file of experiments/.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Names the sweep's folder.
    pub name: String,
    /// The question that the report answers, one sentence; it is shown while what is varied is what
    /// this file varies.
    #[serde(default)]
    pub description: String,
    /// The base network.
    #[serde(default)]
    pub model: ModelOverrides,
    /// Where weights start.
    #[serde(default)]
    pub init: InitSpec,
    /// The images.
    #[serde(default)]
    pub data: DataSpec,
    /// The recipe.
    #[serde(default)]
    pub train: TrainSpec,
    /// Each arm is trained once per seed.
    #[serde(default = "one_seed")]
    pub seeds: Seeds,
    /// A grid: field to values. Fields joined with `+` change together.
    #[serde(default)]
    pub axes: Mapping,
    /// Named lists of overrides: name to (field to value).
    #[serde(default)]
    pub arms: Mapping,
    /// From the base point along one field at a time (the paper's figure 5): field to values.
    #[serde(default)]
    pub one_at_a_time: Mapping,
    /// Pairs of arms for the report to compare: each with the one that it is compared with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compare: Vec<Vec<Value>>,
    /// Every arm is compared with the one that has these values and is like it in everything else.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    pub against: Mapping,
    /// The arm that the others are compared with, where no pairs are named; without it the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Value>,
    /// The smallest difference that matters, percentage points of accuracy: arms nearer to each
    /// other are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// When trials that fall behind end early; never unless it is said, since it spoils
    /// comparisons.
    #[serde(
        default,
        with = "serde_yaml::with::singleton_map_recursive",
        skip_serializing_if = "Option::is_none"
    )]
    pub early_stop: Option<EarlyStop>,
    /// Who runs the trials.
    #[serde(default, with = "serde_yaml::with::singleton_map")]
    pub executor: ExecutorSpec,
    /// What others published for arms of these labels, for the report to set beside what was found.
    #[serde(default)]
    pub reference: Reference,
}

/// Published results.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Where they were published.
    #[serde(default)]
    pub source: String,
    /// Arm label to top-1 error in percent.
    #[serde(default)]
    pub top1_error: BTreeMap<String, f64>,
}

fn one_seed() -> Seeds {
    Seeds::List(vec![0])
}

/// A folder's name has no more bytes than this: file systems take 255, and pages and checkpoints
/// add to it.
const LONGEST_NAME: usize = 200;

/// Reads an experiment file; errors name the file, the field and the line.
pub fn read(bytes: &[u8], file: &str) -> Result<Experiment, SpecError> {
    parse(yaml::text(bytes).map_err(|e| e.at(file))?, file)
}

/// Reads the text of an experiment file.
pub fn parse(text: &str, file: &str) -> Result<Experiment, SpecError> {
    let fields = yaml::fields(text).map_err(|e| e.at(file))?;
    let tree = Value::Mapping(known::fit_file(fields));
    let read = serde_yaml::from_value::<Experiment>(tree.clone());
    let mut typed = read.map_err(|e| located(text, &tree, &e).at(file))?;
    // A name is what is written, whatever type YAML would give it.
    if let Ok(Named { name }) = serde_yaml::from_str(text) {
        typed.name = name;
    }
    check_name(&typed.name, "name").map_err(|e| e.at(file))?;
    Ok(typed)
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// The text knows lines, which the tree does not; but it does not know what was put right in the
/// tree. Written anew, the tree knows at least the field.
fn located(text: &str, tree: &Value, of_tree: &serde_yaml::Error) -> SpecError {
    let plain = explain(of_tree);
    let of_text = |text: &str| serde_yaml::from_str::<Experiment>(text).err().map(|e| explain(&e));
    let is_it = |found: &SpecError| found.cause.contains(&plain.cause);
    if let Some(found) = of_text(text).filter(is_it) {
        return found;
    }
    let written = serde_yaml::to_string(tree).ok().and_then(|text| of_text(&text)).filter(is_it);
    let of_written = written.map(|found| SpecError {
        cause: found.cause.split(" at line ").next().unwrap_or_default().to_owned(),
        ..found
    });
    of_written.unwrap_or(plain)
}

/// Refuses a name that cannot be a folder inside of the reports' folder. `what` is where the name
/// stands.
pub fn check_name(name: &str, what: &str) -> Result<(), SpecError> {
    let refuse =
        |help: &str| Err(SpecError::new(format!("{what} \"{name}\" cannot name a folder"), help));
    if name.len() > LONGEST_NAME {
        let cause =
            format!("{what} has {} letters, too many for a folder's name", name.chars().count());
        return Err(SpecError::new(cause, format!("use at most {LONGEST_NAME}")));
    }
    if !name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)) || name.is_empty() {
        return refuse("use letters, digits, hyphens, underscores and dots");
    }
    if name.starts_with('.') {
        return refuse("use letters, digits, hyphens, underscores and dots, and no dot in front");
    }
    Ok(())
}

/// A deserializer's message as cause and remedy. serde's own text carries the field, the
/// alternatives and the line.
pub fn explain(e: &serde_yaml::Error) -> SpecError {
    let text = e.to_string().replace('`', "");
    let text = text
        .replace("expected usize", "expected a whole number")
        .replace("expected u64", "expected a whole number");
    let text = text
        .replace("expected f64", "expected a number")
        .replace("expected struct ModelOverrides", "expected fields");
    let text = text
        .replace("unit value", "nothing")
        .replace("expected a boolean", "expected true or false");
    let text =
        text.replace("expected a YAML mapping", "expected names with values, e.g. {scale: [2, 4]}");
    let text = text.replace("expected a string", "expected text");
    let text = text.replace("an array of length 2", "a list of two numbers, e.g. [0.3, 1]");
    let text = text
        .replace("expected newtype variant", "expected its fields, e.g. {slurm: {partition: gpu}}");
    let (said, line) = match text.split_once(" at line ") {
        Some((said, line)) => (said, format!(" at line {line}")),
        None => (text.as_str(), String::new()),
    };
    // "unknown field x, expected one of a, b": the alternatives are the remedy.
    let is_name = said.contains("unknown field") || said.contains("unknown variant");
    let (cause, help) = match said.split_once(", expected ") {
        Some((cause, names)) if is_name => (cause, format!("use {names}")),
        Some((cause, wanted)) if wanted == "true or false" => (cause, format!("write {wanted}")),
        Some((cause, wanted)) => (cause, format!("give {wanted}")),
        None if said.contains("missing field") => {
            (said, "add it; experiments/quickstart.yaml shows a whole file".to_owned())
        }
        None => (
            said,
            "mend the YAML at that place; indentation, colons and brackets are the usual suspects"
                .to_owned(),
        ),
    };
    SpecError::new(format!("{cause}{line}"), help)
}
