//! `res2lab time`: a few steps of a planned trial, read from standard input as JSON. What `plan`
//! starts in every slot.

use crate::args::TimeArgs;
use crate::print;
use res2lab_error::Error;
use res2lab_lab::cost_estimate::Timed;
use res2lab_lab::trial;
use res2lab_store::PlannedTrial;

/// Times and prints.
pub(crate) fn run(args: &TimeArgs) -> Result<u8, Error> {
    let help = "plan with: res2lab plan ...; it starts this command itself";
    let trial: PlannedTrial = serde_json::from_reader(std::io::stdin())
        .map_err(|e| Error::input(format!("standard input is not a planned trial: {e}"), help))?;
    res2lab_libtorch::keep_memory();
    let options = trial::options(&args.folders.data)?;
    let (timing, busy_s) = trial::guarded(|| res2lab_train::timing::time(&trial, &options))?;
    print::json(&Timed { timing, busy_s });
    Ok(0)
}
