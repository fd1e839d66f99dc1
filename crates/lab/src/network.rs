//! A network from words, with weights: what `eval`, `predict` and `weights` share.
use res2lab_arch::{Input, ModelOverrides, ModelSpec, zoo};
use res2lab_error::Error;
use res2lab_experiment::words::Piece;
use res2lab_experiment::{DataSpec, axes, fields, known};
use res2lab_nn::weights::{self, WeightsFile};
use res2lab_nn::{Engine, Net, Placement};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tch::{Device, Kind};

/// `MODEL field=value... key=value...`: a network's words, and those that are about something else.
pub struct Words {
    map: Map<String, Value>,
    others: BTreeMap<String, String>,
    /// Fields of a data set by their paths, such as `data.path`.
    data: Vec<(String, res2lab_experiment::Value)>,
}

impl Words {
    /// Splits words; `others` are the keys that are not fields of a network.
    pub fn split(words: &[String], others: &[&str]) -> Result<Words, Error> {
        let mut split = Words { map: Map::new(), others: BTreeMap::new(), data: vec![] };
        for word in words {
            let is_new = match word.split_once('=') {
                None => match split.map.insert("zoo".into(), word.as_str().into()) {
                    None => true,
                    Some(first) => {
                        let first = first.as_str().unwrap_or_default();
                        let cause = format!("two networks are named: {first} and {word}");
                        return Err(Error::input(
                            cause,
                            "name one; fields are written as name=value, e.g. scale=4",
                        ));
                    }
                },
                Some((key, text)) => {
                    split.add(key.trim(), res2lab_experiment::words::piece(text)?, others)?
                }
            };
            if !is_new {
                let key = word.split_once('=').map_or("zoo", |(key, _)| key);
                return Err(Error::input(format!("{key} is given twice"), "give each field once"));
            }
        }
        Ok(split)
    }

    /// Whether the key is new.
    fn add(&mut self, key: &str, piece: Piece, others: &[&str]) -> Result<bool, Error> {
        let path = fields::path_of(key).unwrap_or_default();
        let other = match path.as_str() {
            _ if others.contains(&key) => key,
            "init.weights" => "weights",
            "data.name" => "data",
            _ => "",
        };
        if others.contains(&other) {
            return Ok(self.others.insert(other.to_owned(), piece.text).is_none());
        }
        if let Some(field) = path
            .strip_prefix("model.")
            .filter(|field| res2lab_arch::overrides::FIELDS.contains(field))
        {
            let value = serde_json::to_value(axes::typed(&path, piece)).unwrap_or_default();
            return Ok(self.map.insert(field.to_owned(), value).is_none());
        }
        if path.starts_with("data.") && known::kind(&path).is_some() && !others.is_empty() {
            let is_new = self.data.iter().all(|(known, _)| *known != path);
            let value = axes::typed(&path, piece);
            self.data.push((path, value));
            return Ok(is_new);
        }
        let names = || res2lab_arch::overrides::FIELDS.iter().chain(others).copied();
        let near = res2lab_experiment::words::nearest(key, names()).map(str::to_owned);
        let of_data = || {
            fields::suggestion(key).filter(|path| path.starts_with("data.") && !others.is_empty())
        };
        let near =
            near.or_else(of_data).map(|near| format!("did you mean {near}? ")).unwrap_or_default();
        let known = names().collect::<Vec<_>>().join(", ");
        Err(Error::input(format!("no field is called {key}"), format!("{near}use one of {known}")))
    }

    /// The words about a data set's fields, over what is there.
    pub fn over_data(&self, data: DataSpec) -> Result<DataSpec, Error> {
        if self.data.is_empty() {
            return Ok(data);
        }
        let explain = |e: serde_yaml::Error| res2lab_experiment::experiment::explain(&e);
        let mut tree = serde_yaml::Mapping::new();
        tree.insert("data".into(), serde_yaml::to_value(data).map_err(explain)?);
        let mut tree = res2lab_experiment::Value::Mapping(tree);
        for (path, value) in &self.data {
            fields::set(&mut tree, path, value.clone());
        }
        let part = tree.get("data").cloned().unwrap_or_default();
        let data: DataSpec = serde_yaml::from_value(part).map_err(explain)?;
        // A folder without a name is a folder of pictures.
        let is_nameless = data.name.is_empty() && data.path.is_some();
        Ok(if is_nameless { DataSpec { name: "images".into(), ..data } } else { data })
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
    pub fn model(&self) -> Result<ModelOverrides, Error> {
        let text = serde_yaml::to_string(&Value::Object(self.map.clone())).unwrap_or_default();
        serde_yaml::from_str(&text).map_err(|e| {
            let mut e = res2lab_experiment::experiment::explain(&e);
            // The text was made here, so its lines mean nothing to the user.
            e.cause = e.cause.split(" at line ").next().unwrap_or_default().to_owned();
            e
        })
    }
}

/// Image shape and classes that a network was published for, or the stem's usual ones.
pub fn published_input(words: &ModelOverrides) -> Result<Input, Error> {
    let published = match &words.zoo {
        Some(name) => zoo::find(name)?.input,
        None if words.stem == Some(res2lab_arch::Stem::Cifar) => Input::square(32, 100),
        None => Input::square(224, 1000),
    };
    // Nobody has published these networks with a head. Pascal VOC has 21 classes.
    let classes = if words.head.is_some() { 21 } else { published.classes };
    Ok(Input { classes, ..published })
}

/// Refuses a network whose output is a map, where one label for an image is asked.
pub fn classifier(words: &ModelOverrides) -> Result<(), Error> {
    let Some(head) = words.head else { return Ok(()) };
    Err(Error::input(
        format!("head {} makes a map, and no label for an image", head.name()),
        "leave head out; model, rf and speed take networks with a head",
    ))
}

/// Image shape and classes: those of the weights where they tell, the published size where nobody
/// says another.
pub fn input_of(words: &Words, file: &WeightsFile, size: Option<usize>) -> Result<Input, Error> {
    let model = words.model()?;
    let published = published_input(&model)?;
    let px = size.unwrap_or(published.height);
    // Names of tensors are the same for any image.
    let graph = res2lab_arch::build(&model.resolve()?.0, published)?;
    let (classes, channels) = weights::ends(&graph.state, file).map_err(input)?;
    Ok(Input {
        channels: channels.unwrap_or(published.channels),
        height: px,
        width: px,
        classes: classes.unwrap_or(published.classes),
    })
}

/// An empty network on `device`.
pub fn build(model: &ModelSpec, input: Input, device: Device) -> Result<Net, Error> {
    build_in(model, input, device, Kind::Float)
}

/// The same with numbers of this kind.
pub fn build_in(model: &ModelSpec, input: Input, device: Device, kind: Kind) -> Result<Net, Error> {
    let graph = res2lab_arch::build(model, input)?;
    let placement = Placement::new(Engine::Autograd, &graph, device, kind);
    Net::new(graph, placement).map_err(self::input)
}

/// Weights that do not fit are the user's to change.
pub fn input(e: Error) -> Error {
    e.of_kind(res2lab_error::Kind::Input)
}

/// What the user can do nothing about.
pub fn machine(cause: &str) -> Error {
    Error::machine(cause, "please report this")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHERS: [&str; 3] = ["weights", "data", "size"];

    fn split(words: &[&str]) -> Result<Words, Error> {
        Words::split(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), &OTHERS)
    }

    #[test]
    fn words_are_understood_as_those_of_a_sweep_are() {
        let words = split(&[
            "resnet50",
            "blocks=[1,1]",
            "model.se=True",
            "scale='4'",
            "init.weights='a, b.pth'",
        ])
        .unwrap();
        let model = words.model().unwrap();
        assert_eq!(
            (model.zoo.as_deref(), model.blocks, model.se),
            (Some("resnet50"), Some(vec![1, 1]), Some(true))
        );
        assert_eq!((model.scale, words.get("weights")), (Some(4), Some("a, b.pth")));
        let words =
            split(&["data=cifar10", "data.path=../c10", "data.size=1e2", "data.augment.flip=true"])
                .unwrap();
        let data = words.over_data(DataSpec { pad_to: Some(32), ..DataSpec::default() }).unwrap();
        assert_eq!(
            (data.path.as_deref(), data.size, data.pad_to),
            (Some("../c10"), Some(100), Some(32))
        );
        assert!(data.augment.flip && words.get("data") == Some("cifar10"));
        for (word, near) in [
            ("scle=2", "scale"),
            ("sise=3", "size"),
            ("resize_=2", "data.resize"),
            ("wieghts=x", "weights"),
        ] {
            let e = split(&[word]).err().unwrap();
            assert!(e.help.contains(&format!("did you mean {near}?")), "{word}: {e:?}");
        }
        assert!(split(&["scale=2", "model.scale=4"]).is_err() && split(&["weights='a"]).is_err());
        assert!(Words::split(&["data.size=3".into()], &[]).is_err(), "a network alone has no data");
    }
}
