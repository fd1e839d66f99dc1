//! Equal budgets: `width=match:params`, `width=match:macs@resnet50`. A field is left open, and the
//! plan finds the value at which the arm's cost comes nearest to a reference network's.

use crate::{SpecError, Value};
use res2lab_arch::{ModelOverrides, ModelSpec};
use serde::{Deserialize, Serialize};

/// What is to be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantity {
    /// Trained values.
    Params,
    /// Multiply-adds of one image at the experiment's size.
    Macs,
    /// Wall time of an optimizer step on the devices that plan.
    Time,
}

/// The field that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Open {
    Width,
    Cardinality,
    Depth,
    Planes,
}

/// A budget of an arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// The field that is open.
    pub open: Open,
    /// What is to be equal.
    pub quantity: Quantity,
    /// The network whose cost is the target; None is the experiment's base network.
    pub of: Option<String>,
    /// The same, resolved.
    pub reference: ModelSpec,
}

const HELP: &str = "write match:params, match:macs or match:time, or match:params@NAME for a published network's, for width, cardinality, \
                    depth or planes, e.g. width=match:params@resnet50";

/// A budget as written, before its reference is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    open: Open,
    quantity: Quantity,
    of: Option<String>,
}

impl Asked {
    /// Reads `match:params@resnet50` as the value of the field at `path`; None for any other value.
    pub fn read(path: &str, value: &Value) -> Result<Option<Asked>, SpecError> {
        let Some(text) = value.as_str().and_then(|text| text.strip_prefix("match:")) else {
            return Ok(None);
        };
        let refuse = |why: String| Err(SpecError::new(why, HELP));
        let open = match path {
            "model.width" => Open::Width,
            "model.cardinality" => Open::Cardinality,
            "model.depth" => Open::Depth,
            "model.planes" => Open::Planes,
            _ => return refuse(format!("{path} cannot be matched")),
        };
        let (quantity, of) =
            text.split_once('@').map_or((text, None), |(quantity, of)| (quantity, Some(of)));
        let quantity = match quantity {
            "params" => Quantity::Params,
            "macs" => Quantity::Macs,
            "time" => Quantity::Time,
            other => return refuse(format!("match:{other} is not known")),
        };
        Ok(Some(Asked { open, quantity, of: of.map(str::to_owned) }))
    }

    /// With the network that it refers to; `base` is the experiment's.
    pub fn resolve(self, base: &ModelOverrides) -> Result<Budget, SpecError> {
        let words = match &self.of {
            None => base.clone(),
            Some(name) => res2lab_arch::zoo::find(name)?.words,
        };
        let (reference, _) = words.resolve()?;
        Ok(Budget { open: self.open, quantity: self.quantity, of: self.of, reference })
    }
}

impl Quantity {
    /// As written.
    pub fn name(self) -> &'static str {
        match self {
            Quantity::Params => "params",
            Quantity::Macs => "macs",
            Quantity::Time => "time",
        }
    }

    /// What a cost is counted in.
    pub fn unit(self) -> &'static str {
        match self {
            Quantity::Params => "params",
            Quantity::Macs => "macs",
            Quantity::Time => "microseconds a step",
        }
    }
}

impl Open {
    /// As written.
    pub fn name(self) -> &'static str {
        match self {
            Open::Width => "width",
            Open::Cardinality => "cardinality",
            Open::Depth => "depth",
            Open::Planes => "planes",
        }
    }

    /// The network with this field at `value`; None where the family has no such network.
    pub fn set(self, model: &ModelSpec, value: usize) -> Option<ModelSpec> {
        let mut model = model.clone();
        match self {
            Open::Width => model.width = value,
            Open::Cardinality => model.cardinality = value,
            Open::Planes => model.planes = value,
            Open::Depth => {
                let words = ModelOverrides { depth: Some(value), ..family_words(&model) };
                model.blocks = words.resolve().ok()?.0.blocks;
            }
        }
        model.check().ok()?;
        Some(model)
    }
}

/// What decides which depths there are.
fn family_words(model: &ModelSpec) -> ModelOverrides {
    ModelOverrides {
        family: Some(model.family),
        stem: Some(model.stem),
        ..ModelOverrides::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_and_nonsense_is_refused() {
        let read = |path: &str, text: &str| Asked::read(path, &Value::String(text.into()));
        let asked = read("model.width", "match:params@resnet50").unwrap().unwrap();
        assert_eq!(
            (asked.open, asked.quantity, asked.of.as_deref()),
            (Open::Width, Quantity::Params, Some("resnet50"))
        );
        assert_eq!(read("model.width", "26").unwrap(), None);
        assert!(read("model.width", "match:flops").unwrap_err().help.contains("match:macs"));
        assert!(read("train.epochs", "match:macs").unwrap_err().cause.contains("train.epochs"));
        let asked = read("model.width", "match:macs@resnet5").unwrap().unwrap();
        assert!(asked.resolve(&ModelOverrides::default()).is_err());
    }

    #[test]
    fn depths_are_those_of_the_family() {
        let (cifar, _) =
            ModelOverrides { stem: Some(res2lab_arch::Stem::Cifar), ..ModelOverrides::default() }
                .resolve()
                .unwrap();
        assert_eq!(Open::Depth.set(&cifar, 38).unwrap().blocks, [4, 4, 4]);
        assert_eq!(Open::Depth.set(&cifar, 39), None);
    }
}
