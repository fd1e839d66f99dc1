//! When trials that fall behind end early. For searches among many arms; a comparison needs every
//! trial whole.

use crate::SpecError;
use serde::{Deserialize, Serialize};

/// `early_stop: {asha: {rungs: [2, 4], reduction: 3}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum EarlyStop {
    /// Asynchronous successive halving.
    Asha(Asha),
}

/// Asynchronous successive halving in its stopping form (Li et al., MLSys 2020): a trial that
/// reaches a rung goes on if its accuracy is among the best `1 / reduction` of those that have
/// reached it so far. It never waits for others, so which trials end early depends on who is
/// faster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asha {
    /// Epochs after which trials are compared.
    pub rungs: Vec<usize>,
    /// One of so many goes on.
    #[serde(default = "three")]
    pub reduction: usize,
}

fn three() -> usize {
    3
}

impl EarlyStop {
    /// The rule, checked.
    pub fn rule(&self) -> Result<Asha, SpecError> {
        let EarlyStop::Asha(asha) = self;
        let rising = asha.rungs.windows(2).all(|pair| pair[0] < pair[1]);
        if asha.rungs.first().is_none_or(|&rung| rung == 0) || !rising {
            return Err(SpecError::new(
                "early_stop.asha.rungs must rise from 1 or more",
                "give epochs, e.g. rungs: [2, 4, 8]",
            ));
        }
        if asha.reduction < 2 {
            return Err(SpecError::new(
                "early_stop.asha.reduction is below 2",
                "give at least 2, e.g. 3",
            ));
        }
        Ok(asha.clone())
    }
}
