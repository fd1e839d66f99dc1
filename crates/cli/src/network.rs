//! A network from words, with weights: what `eval`, `predict` and `weights` share.

use crate::failure::Failure;
use arch::{Input, ModelSpec, ModelWords, zoo};
use nn::weights::{self, WeightsFile};
use nn::{Layout, Net, NnError, Placement};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tch::{Device, Kind};

/// `MODEL field=value... key=value...`: a network's words, and those that are about something else.
pub struct Words {
    map: Map<String, Value>,
    others: BTreeMap<String, String>,
}

impl Words {
    /// Splits words; `others` are the keys that are not fields of a network.
    pub fn split(words: &[String], others: &[&str]) -> Result<Words, Failure> {
        let mut split = Words { map: Map::new(), others: BTreeMap::new() };
        for word in words {
            let (field, text) = word.split_once('=').unwrap_or(("zoo", word));
            let is_new = if others.contains(&field) {
                split.others.insert(field.to_owned(), text.to_owned()).is_none()
            } else if arch::spec::FIELDS.contains(&field) {
                let value = serde_json::to_value(spec::axes::scalar(text)).unwrap_or_default();
                split.map.insert(field.to_owned(), value).is_none()
            } else {
                let known = arch::spec::FIELDS.iter().chain(others).copied().collect::<Vec<_>>().join(", ");
                return Err(Failure::input(format!("no field is called {field}"), format!("use one of {known}")));
            };
            if !is_new {
                return Err(Failure::input(format!("{field} is given twice"), "give each field once"));
            }
        }
        Ok(split)
    }

    /// A word about something else.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.others.get(key).map(String::as_str)
    }

    /// The network's name if nothing but a name was given.
    pub fn name(&self) -> Option<&str> {
        self.map.get("zoo").and_then(Value::as_str).filter(|_| self.map.len() == 1)
    }

    /// The network's words.
    pub fn model(&self) -> Result<ModelWords, Failure> {
        let text = serde_yaml::to_string(&Value::Object(self.map.clone())).unwrap_or_default();
        serde_yaml::from_str(&text).map_err(|e| {
            let mut e = spec::experiment::explain(&e);
            // The text was made here, so its lines mean nothing to the user.
            e.cause = e.cause.split(" at line ").next().unwrap_or_default().to_owned();
            e.into()
        })
    }
}

/// Image shape and classes that a network was published for, or the stem's usual ones.
pub fn published_input(words: &ModelWords) -> Result<Input, Failure> {
    Ok(match &words.zoo {
        Some(name) => zoo::find(name)?.input,
        None if words.stem == Some(arch::Stem::Cifar) => Input::square(32, 100),
        None => Input::square(224, 1000),
    })
}

/// Image shape and classes: those of the weights where they tell, the published size where nobody says another.
pub fn input_of(words: &Words, file: &WeightsFile, size: Option<usize>) -> Result<Input, Failure> {
    let model = words.model()?;
    let published = published_input(&model)?;
    let px = size.unwrap_or(published.height);
    // Names of tensors are the same for any image.
    let graph = arch::build(&model.resolve()?.0, published)?;
    let (classes, channels) = weights::ends(&graph.state, file).map_err(self::input)?;
    Ok(Input {
        channels: channels.unwrap_or(published.channels),
        height: px,
        width: px,
        classes: classes.unwrap_or(published.classes),
    })
}

/// An empty network on the best device there is.
pub fn build(model: &ModelSpec, input: Input) -> Result<Net, Failure> {
    build_in(model, input, Kind::Float)
}

/// The same with numbers of this kind.
pub fn build_in(model: &ModelSpec, input: Input, kind: Kind) -> Result<Net, Failure> {
    let graph = arch::build(model, input)?;
    let device = Device::cuda_if_available();
    let layout = Layout::choose(&graph, device, false);
    Net::new(graph, Placement { device, kind, layout }).map_err(self::input)
}

/// Weights that do not fit are the user's to change.
pub fn input(e: NnError) -> Failure {
    Failure::input(e.cause, e.help)
}

/// What the user can do nothing about.
pub fn machine(cause: &str) -> Failure {
    Failure { status: crate::failure::FAILED, cause: cause.to_owned(), help: "please report this".into() }
}
