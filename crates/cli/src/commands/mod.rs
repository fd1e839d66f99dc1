//! One file per command. Each takes its arguments and returns the exit status.

pub(crate) mod arm_columns;
pub(crate) mod clean;
pub(crate) mod data;
pub(crate) mod env;
pub(crate) mod eval;
pub(crate) mod figure;
pub(crate) mod manual;
pub(crate) mod model;
pub(crate) mod pipeline;
pub(crate) mod plan;
pub(crate) mod predict;
pub(crate) mod profile;
pub(crate) mod reference;
pub(crate) mod report;
pub(crate) mod rf;
pub(crate) mod speed;
pub(crate) mod sweep;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod trial;
pub(crate) mod weights;
pub(crate) mod worker;

use res2lab_error::Error;
use res2lab_experiment::Precision;

/// Of `--precision`.
pub(crate) fn precision(word: &str) -> Result<Precision, Error> {
    match word {
        "f32" => Ok(Precision::F32),
        "tf32" => Ok(Precision::Tf32),
        "bf16" => Ok(Precision::Bf16),
        "fp16" => Ok(Precision::Fp16),
        other => Err(Error::input(
            format!("--precision {other} is unknown"),
            "give f32, tf32, bf16 or fp16",
        )),
    }
}
