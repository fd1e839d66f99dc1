//! Tables and JSON on standard output, remarks on standard error. A closed pipe (`| head`) ends the
//! output, not the command; a full disk behind it is remembered, and the command fails at its end.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

/// Rows under headers; columns after the first `left` are numbers and stand to the right.
pub(crate) fn table(headers: &[&str], left: usize, rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(headers);
    table.add_rows(
        rows.into_iter().map(|row| row.iter().map(|cell| one_line(cell)).collect::<Vec<_>>()),
    );
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if i == 0 { 0 } else { 2 }, 0));
        if i >= left {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    line(&table.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>().join("\n"));
}

/// Letters of a name in a table; a longer one would make every line as long.
const LONGEST_NAME: usize = 60;

/// Text that keeps to its line.
pub(crate) fn one_line(text: &str) -> String {
    if text.contains(|c: char| c.is_control()) {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        text.to_owned()
    }
}

/// A name with its middle left out where it is long: names often begin and often end alike.
pub(crate) fn shortened(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let head = &letters[..LONGEST_NAME / 2];
    let tail = &letters[letters.len() - LONGEST_NAME / 2 + 1..];
    head.iter().chain(&['…']).chain(tail).collect()
}

/// Indented JSON.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(&text),
        Err(e) => told(&format!("error: cannot print the result as JSON: {e}")),
    }
}

/// Why standard output could not be written, the first time.
static LOST: OnceLock<String> = OnceLock::new();

/// A line of text.
pub(crate) fn line(text: &str) {
    note(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Remembers that standard output is lost; a reader who has gone away has lost nothing.
pub(crate) fn note(written: std::io::Result<()>) {
    if let Err(e) = written.and_then(|()| std::io::stdout().flush())
        && e.kind() != ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| e.to_string());
    }
}

/// Why part of the output is lost; None if nobody misses any.
pub(crate) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// A line on standard error. Where that cannot be written, a trial's parent still reads it from
/// standard output.
pub(crate) fn told(text: &str) {
    if writeln!(std::io::stderr().lock(), "{text}").is_err() {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }
}

/// Formats a count with three digits and a decimal prefix: 31624 as `31.6 k`, 4254927872 as `4.25
/// G`.
pub(crate) fn short(n: u64) -> String {
    let x = n as f64;
    let (value, unit) = match n {
        0..1_000 => return n.to_string(),
        1_000..1_000_000 => (x / 1e3, "k"),
        1_000_000..1_000_000_000 => (x / 1e6, "M"),
        _ => (x / 1e9, "G"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// Formats seconds as `45 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let s = seconds.round().max(0.0) as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_place() {
        let long = format!("{}{}", "a".repeat(200), "z".repeat(100));
        let short = shortened(&long);
        assert_eq!(short.chars().count(), LONGEST_NAME);
        assert!(short.starts_with("aaa") && short.contains('…') && short.ends_with("zzz"));
        assert_eq!(
            (shortened("scale=4").as_str(), one_line("a\n b\tc").as_str()),
            ("scale=4", "a b c")
        );
    }

    #[test]
    fn numbers_and_durations_are_short() {
        assert_eq!(
            ["31.6 k", "4.25 G", "999", "25.7 M"].map(str::to_owned),
            [31_624, 4_254_927_872, 999, 25_699_120].map(short)
        );
        assert_eq!(
            ["0 s", "3 min 20 s", "2 h 5 min"].map(str::to_owned),
            [0.2, 200.0, 7_510.0].map(duration)
        );
    }
}
