//! Names and lines of words: shortened, wrapped between words on a terminal, with the first word in
//! color where it says what the line is.

use crate::screen::{self, Stream, Tone};
use console::{measure_text_width, truncate_str};

/// Blanks before what continues a line.
const INDENT: usize = 2;

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
    shortened_to(name, LONGEST_NAME)
}

/// The same for another length. A name in color is cut at its end, where its color ends, too.
pub(crate) fn shortened_to(name: &str, length: usize) -> String {
    if measure_text_width(name) <= length {
        return name.to_owned();
    }
    let letters: Vec<char> = name.chars().collect();
    if name.contains('\x1b') || measure_text_width(name) != letters.len() {
        return truncate_str(name, length, "…").into_owned();
    }
    let tail = length.saturating_sub(1) / 2;
    let head = &letters[..length.saturating_sub(1) - tail];
    head.iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect()
}

/// Lines of at most `width` columns. Breaks are between words; a word that is longer, such as a
/// path, stays whole, so that it can be copied.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrapped_line(line, width)).collect()
}

fn wrapped_line(line: &str, width: usize) -> Vec<String> {
    if measure_text_width(line) <= width {
        return vec![line.to_owned()];
    }
    let start = line.len() - line.trim_start().len();
    let indent = (start + INDENT).min(width / 2);
    let mut lines = Vec::new();
    let mut current = line[..start].to_owned();
    let mut is_empty = true;
    // Blanks between words are kept as they are: they may align columns.
    for piece in line[start..].split_inclusive(' ') {
        let word = piece.trim_end();
        let used = measure_text_width(&current);
        if !is_empty && used + measure_text_width(word) > width {
            lines.push(current.trim_end().to_owned());
            current = " ".repeat(indent);
        }
        current += piece;
        is_empty = false;
    }
    lines.push(current.trim_end().to_owned());
    lines
}

/// Text for `stream`: in color and wrapped on a terminal, unchanged elsewhere.
pub(crate) fn shown(stream: Stream, text: &str) -> String {
    let text = marked(stream, text);
    match screen::width(stream) {
        Some(width) => wrapped(&text, width).join("\n"),
        None => text,
    }
}

/// Colors the word that says what a line is.
fn marked(stream: Stream, text: &str) -> String {
    let marks = [
        ("error:", Tone::Bad),
        ("help:", Tone::Accent),
        ("warning:", Tone::Attention),
        ("note:", Tone::Faint),
        ("!", Tone::Bad),
    ];
    let found = marks.iter().find_map(|&(mark, tone)| Some((mark, tone, text.strip_prefix(mark)?)));
    match found {
        Some((mark, tone, rest)) => screen::paint(stream, tone, mark) + rest,
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_continue_with_an_indent() {
        let text = "note: a path is a choice of one route through every block";
        let lines = wrapped(text, 24);
        assert_eq!(lines, ["note: a path is a choice", "  of one route through", "  every block"]);
        assert_eq!(wrapped(text, 200), [text]);
        assert_eq!(wrapped("  ab cd ef", 8), ["  ab cd", "    ef"]);
    }

    #[test]
    fn a_word_longer_than_the_terminal_stays_whole() {
        let lines = wrapped("report: reports/a-very-long-name/index.html", 20);
        assert_eq!(lines, ["report:", "  reports/a-very-long-name/index.html"]);
    }

    #[test]
    fn colors_count_as_no_columns() {
        let text = "\u{1b}[31merror:\u{1b}[0m one two";
        assert_eq!(wrapped(text, 14), [text]);
        assert_eq!(wrapped(text, 13).len(), 2);
    }

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
}
