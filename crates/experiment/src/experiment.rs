//! The experiment file as written: a base configuration, and the axes to vary.

use crate::{DataSpec, EarlyStop, ExecutorSpec, InitSpec, Keep, Seeds, TrainSpec};
use crate::{Value, known, yaml};
use res2lab_arch::ModelOverrides;
use res2lab_error::Error;
use serde::{Deserialize, Serialize};
use serde_yaml::Mapping;
use std::collections::BTreeMap;

/// An experiment file: one YAML file of experiments/.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name of the sweep's folder.
    pub name: String,
    /// The question that the report answers, in one sentence. It is shown only while the varied
    /// axes are those of this file.
    #[serde(default)]
    pub description: String,
    /// The base network.
    #[serde(default)]
    pub model: ModelOverrides,
    /// Initial weights.
    #[serde(default)]
    pub init: InitSpec,
    #[serde(default)]
    pub data: DataSpec,
    /// The recipe.
    #[serde(default)]
    pub train: TrainSpec,
    /// Each arm is trained once per seed.
    #[serde(default = "one_seed")]
    pub seeds: Seeds,
    /// A grid: configuration field to values. Fields joined with `+` change together.
    #[serde(default)]
    pub axes: Mapping,
    /// Named sets of overrides: name to (configuration field to value).
    #[serde(default)]
    pub arms: Mapping,
    /// Variations of one field at a time from the base (figure 5 of the Res2Net paper):
    /// configuration field to values.
    #[serde(default)]
    pub one_at_a_time: Mapping,
    /// Pairs of arms for the report to compare: each arm with its partner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compare: Vec<Vec<Value>>,
    /// Every arm is compared with the arm that has these values and equals it in everything else.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    pub against: Mapping,
    /// The arm with which the others are compared if no pairs are named; by default the first arm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Value>,
    /// The smallest difference that matters, percentage points of accuracy. Smaller differences
    /// count as equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// The early-stopping rule. There is none by default, because early stopping biases
    /// comparisons.
    #[serde(
        default,
        with = "serde_yaml::with::singleton_map_recursive",
        skip_serializing_if = "Option::is_none"
    )]
    pub early_stop: Option<EarlyStop>,
    /// Which checkpoints finished trials keep.
    #[serde(default, skip_serializing_if = "Keep::is_all")]
    pub keep: Keep,
    /// The executor of trials.
    #[serde(default, with = "serde_yaml::with::singleton_map")]
    pub executor: ExecutorSpec,
    /// Published results by arm label, which the report shows beside the measured ones.
    #[serde(default)]
    pub reference: Reference,
}

/// Published results.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The publication.
    #[serde(default)]
    pub source: String,
    /// Top-1 error in percent by arm label.
    #[serde(default)]
    pub top1_error: BTreeMap<String, f64>,
}

fn one_seed() -> Seeds {
    Seeds::List(vec![0])
}

/// Longest folder name in bytes. File systems allow 255, and names of pages and checkpoints extend
/// the folder's name.
const LONGEST_NAME: usize = 200;

/// Reads an experiment file. Errors name the file, the field and the line.
pub fn read(bytes: &[u8], file: &str) -> Result<Experiment, Error> {
    parse(yaml::text(bytes).map_err(|e| e.at(file))?, file)
}

/// Parses the text of an experiment file. Errors name `file`, the field and the line.
pub fn parse(text: &str, file: &str) -> Result<Experiment, Error> {
    let fields = yaml::fields(text).map_err(|e| e.at(file))?;
    let tree = Value::Mapping(known::fit_file(fields));
    let read = serde_yaml::from_value::<Experiment>(tree.clone());
    let mut typed = read.map_err(|e| located(text, &tree, &e).at(file))?;
    // The name is used as written, whatever type YAML would assign to it.
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

/// Locates an error. Parsing the original text yields a line, but fails to reproduce errors that
/// only occur in the corrected tree. Parsing the serialized tree then yields at least the field.
fn located(text: &str, tree: &Value, of_tree: &serde_yaml::Error) -> Error {
    let plain = explain(of_tree);
    let of_text = |text: &str| serde_yaml::from_str::<Experiment>(text).err().map(|e| explain(&e));
    let is_it = |found: &Error| found.cause.contains(&plain.cause);
    if let Some(found) = of_text(text).filter(is_it) {
        return found;
    }
    let written = serde_yaml::to_string(tree).ok().and_then(|text| of_text(&text)).filter(is_it);
    let of_written = written.map(|mut found| {
        found.cause = found.cause.split(" at line ").next().unwrap_or_default().to_owned();
        found
    });
    of_written.unwrap_or(plain)
}

/// Refuses a name that cannot be a folder inside the reports folder. `what` is the origin of the
/// name, for the message.
pub fn check_name(name: &str, what: &str) -> Result<(), Error> {
    let refuse =
        |help: &str| Err(Error::input(format!("{what} \"{name}\" cannot name a folder"), help));
    if name.len() > LONGEST_NAME {
        let cause =
            format!("{what} has {} letters, too many for a folder's name", name.chars().count());
        return Err(Error::input(cause, format!("use at most {LONGEST_NAME}")));
    }
    if !name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)) || name.is_empty() {
        return refuse("use letters, digits, hyphens, underscores and dots");
    }
    if name.starts_with('.') {
        return refuse("use letters, digits, hyphens, underscores and dots, and no dot in front");
    }
    Ok(())
}

/// Converts a deserializer's message to cause and remedy. serde's message includes the field, the
/// alternatives and the line.
pub fn explain(e: &serde_yaml::Error) -> Error {
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
    // In "unknown field x, expected one of a, b", the alternatives are the remedy.
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
    Error::input(format!("{cause}{line}"), help)
}
