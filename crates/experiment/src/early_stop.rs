//! Early stopping of trials that fall behind. It suits searches among many arms; a comparison needs
//! every trial in full.
use res2lab_error::Error;
use serde::{Deserialize, Serialize};

/// The early-stopping rule: `early_stop: {asha: {rungs: [2, 4], reduction: 3}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum EarlyStop {
    /// Asynchronous successive halving.
    Asha(Asha),
}

/// Asynchronous successive halving in its stopping variant (Li et al., MLSys 2020). A trial that
/// reaches a rung continues if its accuracy is among the best `1 / reduction` of those that have
/// reached the rung so far. Trials never wait for each other, so the set of stopped trials depends
/// on their speed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asha {
    /// Epochs after which trials are compared.
    pub rungs: Vec<usize>,
    /// Reduction factor: one of this many trials continues.
    #[serde(default = "three")]
    pub reduction: usize,
}

fn three() -> usize {
    3
}

impl EarlyStop {
    /// Returns the rule after checking it.
    pub fn rule(&self) -> Result<Asha, Error> {
        let EarlyStop::Asha(asha) = self;
        let rising = asha.rungs.windows(2).all(|pair| pair[0] < pair[1]);
        if asha.rungs.first().is_none_or(|&rung| rung == 0) || !rising {
            return Err(Error::input(
                "early_stop.asha.rungs must rise from 1 or more",
                "give epochs, e.g. rungs: [2, 4, 8]",
            ));
        }
        if asha.reduction < 2 {
            return Err(Error::input(
                "early_stop.asha.reduction is below 2",
                "give at least 2, e.g. 3",
            ));
        }
        Ok(asha.clone())
    }
}
