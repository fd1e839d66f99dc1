//! The cluster's commands, and what they say.

use crate::SweepError;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

/// Hands a script in and returns the job's id.
pub fn submit(script: &Path) -> Result<String, SweepError> {
    let output = run("sbatch", &["--parsable".as_ref(), script.as_os_str()])?;
    let said = String::from_utf8_lossy(&output.stdout);
    // On clusters of clusters the name of one follows.
    let job = said.trim().split(';').next().unwrap_or_default().to_owned();
    if output.status.success() && !job.is_empty() {
        return Ok(job);
    }
    Err(SweepError::input(
        format!("sbatch refused {}: {}", script.display(), first_line(&output.stderr)),
        "mend executor.slurm in the experiment file, or with --executor slurm:partition=...,time=...",
    ))
}

/// The places in the job's array that are waiting or running; None if the cluster does not answer.
pub fn alive(job: &str) -> Option<BTreeSet<usize>> {
    let arguments = ["--noheader", "--array", "--jobs", job, "--states=all", "--format=%K %T"];
    let output = run("squeue", &arguments.map(|a: &str| std::ffi::OsStr::new(a))).ok()?;
    if !output.status.success() {
        // A job that is over long enough is forgotten.
        return first_line(&output.stderr).contains("Invalid job id").then(BTreeSet::new);
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().filter_map(task_alive).collect())
}

/// `3 RUNNING` is 3; tasks that are over are nothing.
fn task_alive(line: &str) -> Option<usize> {
    let (task, state) = line.trim().split_once(' ')?;
    let is_over = [
        "COMPLETED",
        "FAILED",
        "CANCELLED",
        "TIMEOUT",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "DEADLINE",
        "BOOT_FAIL",
        "REVOKED",
    ];
    (!is_over.contains(&state.trim())).then(|| task.parse().ok())?
}

/// Ends a job with all its array.
pub fn cancel(job: &str) {
    let _ = run("scancel", &[job.as_ref()]);
}

/// Jobs that one array may have.
pub fn largest_array() -> usize {
    let output = run("scontrol", &["show".as_ref(), "config".as_ref()]);
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MaxArraySize")?.split_once('='))
        .map(|(_, n)| n.trim());
    // Indices stay below it. 1001 is the cluster's own default.
    line.and_then(|n| n.parse::<usize>().ok()).unwrap_or(1001).saturating_sub(1).max(1)
}

/// Puts this very job back into the queue, which ends it.
pub fn requeue(job: &str) -> Result<(), SweepError> {
    let output = run("scontrol", &["requeue".as_ref(), job.as_ref()])?;
    if output.status.success() {
        return Ok(());
    }
    Err(SweepError::machine(
        format!("job {job} could not be queued again: {}", first_line(&output.stderr)),
        "the same command submits what is left",
    ))
}

fn run(program: &str, arguments: &[&std::ffi::OsStr]) -> Result<Output, SweepError> {
    Command::new(program).args(arguments).output().map_err(|e| {
        SweepError::input(
            format!("cannot run {program}: {e}"),
            "run this on a machine of a SLURM cluster, or give --executor local",
        )
    })
}

fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or("no answer").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_alive_while_it_waits_runs_or_ends() {
        let lines = [
            "0 PENDING",
            "1 RUNNING",
            "2 COMPLETED",
            "3 COMPLETING",
            "4 TIMEOUT",
            "5 REQUEUED",
            "N/A RUNNING",
        ];
        let alive: Vec<usize> = lines.into_iter().filter_map(task_alive).collect();
        assert_eq!(alive, [0, 1, 3, 5]);
    }
}
