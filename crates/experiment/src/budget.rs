//! Matched budgets: `width=match:params`, `width=match:macs@resnet50`. A configuration field is
//! left open, and the plan finds the value at which the arm's cost is nearest to a reference
//! network's.

use crate::Value;
use res2lab_arch::{ModelOverrides, ModelSpec};
use res2lab_error::Error;
use serde::{Deserialize, Serialize};

/// The cost that is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantity {
    /// Number of parameters.
    Params,
    /// Multiply-adds for one image of the experiment's size.
    Macs,
    /// Wall time of an optimizer step on the devices that make the plan.
    Time,
}

/// The open configuration field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Open {
    Width,
    Cardinality,
    Depth,
    Planes,
}

/// The matched budget of an arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    pub open: Open,
    pub quantity: Quantity,
    /// Name of the reference network; `None` for the experiment's base network.
    pub of: Option<String>,
    /// The reference network, whose cost is the target.
    pub reference: ModelSpec,
}

const HELP: &str = "write match:params, match:macs or match:time, or match:params@NAME for a published network's, for width, cardinality, \
                    depth or planes, e.g. width=match:params@resnet50";

/// A budget as written, before its reference network is resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    open: Open,
    quantity: Quantity,
    of: Option<String>,
}

impl Asked {
    /// Parses `match:params@resnet50` as the value of the configuration field at `path`; `None` for
    /// any other value.
    pub fn read(path: &str, value: &Value) -> Result<Option<Asked>, Error> {
        let Some(text) = value.as_str().and_then(|text| text.strip_prefix("match:")) else {
            return Ok(None);
        };
        let refuse = |why: String| Err(Error::input(why, HELP));
        let field = path.strip_prefix("model.");
        let Some(open) = Open::ALL.into_iter().find(|open| field == Some(open.name())) else {
            return refuse(format!("{path} cannot be matched"));
        };
        let (quantity, of) =
            text.split_once('@').map_or((text, None), |(quantity, of)| (quantity, Some(of)));
        let Some(quantity) = Quantity::ALL.into_iter().find(|known| known.name() == quantity)
        else {
            return refuse(format!("match:{quantity} is not known"));
        };
        Ok(Some(Asked { open, quantity, of: of.map(str::to_owned) }))
    }

    /// Resolves the reference network; `base` is the experiment's base network.
    pub fn resolve(self, base: &ModelOverrides) -> Result<Budget, Error> {
        let words = match &self.of {
            None => base.clone(),
            Some(name) => res2lab_arch::zoo::find(name)?.words,
        };
        let (reference, _) = words.resolve()?;
        Ok(Budget { open: self.open, quantity: self.quantity, of: self.of, reference })
    }
}

impl Quantity {
    pub const ALL: [Quantity; 3] = [Quantity::Params, Quantity::Macs, Quantity::Time];

    /// What is matched, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Quantity::Params => "number of parameters",
            Quantity::Macs => "multiply-adds for one image of the experiment's size",
            Quantity::Time => "wall time of an optimizer step on the devices that make the plan",
        }
    }

    /// The name in `match:NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Quantity::Params => "params",
            Quantity::Macs => "macs",
            Quantity::Time => "time",
        }
    }

    /// The unit of the cost in messages.
    pub fn unit(self) -> &'static str {
        match self {
            Quantity::Params => "params",
            Quantity::Macs => "macs",
            Quantity::Time => "microseconds a step",
        }
    }
}

impl Open {
    pub const ALL: [Open; 4] = [Open::Width, Open::Cardinality, Open::Depth, Open::Planes];

    /// The name in `match:NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Open::Width => "width",
            Open::Cardinality => "cardinality",
            Open::Depth => "depth",
            Open::Planes => "planes",
        }
    }

    /// The network with this configuration field set to `value`; `None` if the family has no such
    /// network.
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

/// The overrides that determine which depths exist.
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
