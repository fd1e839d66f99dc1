//! Runs both programs as processes, and computes medians of their output.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs a command to its end. Returns the wall time in seconds, and the JSON value that the command
/// printed last.
pub(crate) fn timed(mut command: Command) -> Result<(f64, Value)> {
    let started = Instant::now();
    let output = command
        .stderr(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    let wall_s = started.elapsed().as_secs_f64();
    ensure!(output.status.success(), "{command:?} failed: {}", output.status);
    let value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{command:?} printed no JSON"))?;
    Ok((wall_s, value))
}

/// The middle value, or the mean of the two middle values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}
