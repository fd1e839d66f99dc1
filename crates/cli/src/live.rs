//! Lines at the foot of a terminal that are drawn again and again, below what has been said.

use crate::screen::{self, Stream};
use std::io::Write;

/// The lines as they stand on the terminal.
#[derive(Default)]
pub(crate) struct Live {
    lines: Vec<String>,
    /// Columns of the terminal when they were drawn.
    width: usize,
}

impl Live {
    /// Replaces the lines. Each must be narrower than the terminal.
    pub(crate) fn draw(&mut self, lines: Vec<String>) {
        let width = screen::width(Stream::Err).unwrap_or(80);
        if lines != self.lines || width != self.width {
            self.write("", lines, width);
        }
    }

    /// Prints `text`, which stays, above the lines.
    pub(crate) fn say(&mut self, text: &str) {
        let width = screen::width(Stream::Err).unwrap_or(80);
        let lines = std::mem::take(&mut self.lines);
        let erased = erase(&lines, width);
        // Lines of another width would wrap; the next drawing brings them back.
        let lines = if width == self.width { lines } else { Vec::new() };
        self.put(&format!("{erased}{text}\n"), lines, width);
    }

    /// Removes the lines.
    pub(crate) fn end(&mut self) {
        self.draw(Vec::new());
    }

    fn write(&mut self, text: &str, lines: Vec<String>, width: usize) {
        let erased = erase(&self.lines, width);
        self.put(&format!("{erased}{text}"), lines, width);
    }

    /// One write, so that no half-drawn screen is seen.
    fn put(&mut self, before: &str, lines: Vec<String>, width: usize) {
        let drawn: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let text = format!("{before}{drawn}");
        let mut stderr = std::io::stderr().lock();
        // A terminal that has gone away shows nothing more.
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
        self.lines = lines;
        self.width = width;
    }
}

/// Moves to the first of the lines and clears the screen from there. A terminal that became
/// narrower shows a line on several rows.
fn erase(lines: &[String], width: usize) -> String {
    let rows: usize = lines
        .iter()
        .map(|line| console::measure_text_width(line).div_ceil(width.max(1)).max(1))
        .sum();
    if rows == 0 { String::new() } else { format!("\r\x1b[{rows}A\x1b[J") }
}

/// A bar of `cells` columns.
pub(crate) fn bar(share: f64, cells: usize) -> String {
    let full = ((share.clamp(0.0, 1.0) * cells as f64) as usize).min(cells);
    "█".repeat(full) + &"░".repeat(cells - full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rows_are_erased_as_a_narrower_terminal_shows() {
        let lines = ["a".repeat(79), String::new(), "b".repeat(30)];
        assert_eq!(erase(&lines, 80), "\r\x1b[3A\x1b[J");
        assert_eq!(erase(&lines, 60), "\r\x1b[4A\x1b[J");
        assert_eq!(erase(&lines, 20), "\r\x1b[7A\x1b[J");
        assert_eq!(erase(&[], 80), "");
    }

    #[test]
    fn a_bar_is_full_only_at_the_end() {
        assert_eq!(bar(0.0, 4), "░░░░");
        assert_eq!(bar(0.99, 4), "███░");
        assert_eq!((bar(1.0, 4), bar(7.0, 4)), ("████".to_owned(), "████".to_owned()));
    }
}
