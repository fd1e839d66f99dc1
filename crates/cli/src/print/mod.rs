//! Tables and JSON on standard output, remarks on standard error. A closed pipe (`| head`) ends the
//! output, not the command; a full disk behind it is remembered, and the command fails at its end.

mod table;
pub(crate) mod words;

pub(crate) use table::{Layout, Table, layout};
pub(crate) use words::{one_line, shortened};

use crate::screen::{self, Stream, Tone};
use console::measure_text_width;
use serde::Serialize;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

/// Rows under headers; columns after the first `left` are numbers and stand to the right.
pub(crate) fn table(headers: &[&str], left: usize, rows: Vec<Vec<String>>) {
    table_of(&Table { headers, left, rows, spare: &[], best: None });
}

/// Columns without room that are named.
const MOST_MISSING: usize = 6;

/// A table, and below it the columns for which a terminal has no room.
pub(crate) fn table_of(table: &Table) {
    let width = screen::width(Stream::Out);
    let Layout { lines, missing } = layout(table, width);
    raw(&lines.join("\n"));
    if !missing.is_empty() {
        let width = width.unwrap_or_default();
        let others = missing.len().saturating_sub(MOST_MISSING);
        let others = if others > 0 { format!(" and {others} more") } else { String::new() };
        let names = missing.iter().take(MOST_MISSING).cloned().collect::<Vec<_>>().join(", ");
        let text = format!("(no room at {width} columns: {names}{others}; --format csv has all)");
        let lines = words::wrapped(&text, width).join("\n");
        raw(&screen::paint(Stream::Out, Tone::Faint, &lines));
    }
}

/// Names with what they mean: a table of two columns, the second of which a terminal gets wrapped.
pub(crate) fn entries(headers: [&str; 2], entries: &[[String; 2]]) {
    let Some(width) = screen::width(Stream::Out) else {
        return table(&headers, 2, entries.iter().map(|entry| entry.to_vec()).collect());
    };
    let widest = entries.iter().map(|[name, _]| measure_text_width(name)).max().unwrap_or(0) + 2;
    for [name, meaning] in entries {
        let lines = words::wrapped(meaning, width.saturating_sub(widest).max(20));
        let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
        let name = format!("{name:<widest$}");
        let name = screen::paint(Stream::Out, Tone::Strong, &name);
        raw(format!("{name}{}", lines.join(&format!("\n{}", " ".repeat(widest)))).trim_end());
    }
}

/// Indented JSON.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => raw(&text),
        Err(e) => told(&format!("error: cannot print the result as JSON: {e}")),
    }
}

/// Why standard output could not be written, the first time.
static LOST: OnceLock<String> = OnceLock::new();

/// A line of words, which a terminal gets wrapped.
pub(crate) fn line(text: &str) {
    raw(&words::shown(Stream::Out, text));
}

/// Lines as they are, for other programs and for what is laid out already.
pub(crate) fn raw(text: &str) {
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
    if writeln!(std::io::stderr().lock(), "{}", words::shown(Stream::Err, text)).is_err() {
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

/// Formats a size in bytes: `5.47 kB`.
pub(crate) fn bytes(n: u64) -> String {
    let short = short(n);
    if short.contains(' ') { format!("{short}B") } else { format!("{short} B") }
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
