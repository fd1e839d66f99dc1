//! The history of measurements, which shows when a change is slower.

use anyhow::{Context, Result};
use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;

/// One comparison, as one line of the file.
pub(crate) struct Line<'a> {
    pub what: &'a str,
    /// The unit of both figures.
    pub unit: &'a str,
    /// Median of this program.
    pub ours: f64,
    /// Median of PyTorch.
    pub theirs: f64,
    /// Median of the rounds' ratios, above 1 where this program is better.
    pub ratio: f64,
    /// Number of rounds.
    pub rounds: usize,
}

/// Appends a line to `path`, with a header if the file is new.
pub(crate) fn append(path: &Path, line: &Line) -> Result<()> {
    let is_new = !path.exists();
    let file = OpenOptions::new().create(true).append(true).open(path);
    let mut csv =
        csv::Writer::from_writer(file.with_context(|| format!("cannot open {}", path.display()))?);
    if is_new {
        csv.write_record([
            "date",
            "commit",
            "processor",
            "what",
            "unit",
            "ours",
            "theirs",
            "ratio",
            "rounds",
        ])?;
    }
    csv.write_record([
        output("date", &["-u", "+%Y-%m-%d"]),
        output("git", &["rev-parse", "--short=12", "HEAD"]),
        processor(),
        line.what.to_owned(),
        line.unit.to_owned(),
        format!("{:.4}", line.ours),
        format!("{:.4}", line.theirs),
        format!("{:.3}", line.ratio),
        line.rounds.to_string(),
    ])?;
    Ok(csv.flush()?)
}

/// The processor's name and the number of cores.
pub(crate) fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} x{cores}", name.map_or("unknown", |(_, name)| name))
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
}
