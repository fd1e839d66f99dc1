//! `res2lab time`: a few steps of a planned trial, read from standard input as JSON. What `plan`
//! starts in every slot.

use crate::args::TimeArgs;
use crate::commands::trial;
use crate::failure::Failure;
use crate::print;
use res2lab_store::{PlannedTrial, Timing};
use serde::{Deserialize, Serialize};

/// What is printed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Timed {
    /// Without the time to start.
    pub timing: Timing,
    /// How long the timing itself took, seconds.
    pub busy_s: f64,
}

/// Times and prints.
pub(crate) fn run(args: &TimeArgs) -> Result<u8, Failure> {
    let help = "plan with: res2lab plan ...; it starts this command itself";
    let trial: PlannedTrial = serde_json::from_reader(std::io::stdin())
        .map_err(|e| Failure::input(format!("standard input is not a planned trial: {e}"), help))?;
    res2lab_libtorch::keep_memory();
    let options = trial::options_without_run(&args.folders)?;
    let (timing, busy_s) = trial::guarded(|| res2lab_train::timing::time(&trial, &options))?;
    print::json(&Timed { timing, busy_s });
    Ok(0)
}
