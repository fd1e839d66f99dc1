//! Checksums of the text files that this crate writes and reads back. A file with a wrong checksum
//! is rejected as a whole.
//!
//! The checksum is stored inside the file, so that one rename replaces both, and other programs can
//! still parse the file: a JSON object and a JSON line have it as last key, a YAML file in a
//! comment at the end. The checksum covers the text without the checksum. Files from older versions
//! have none and are read without verification.

use serde::de::DeserializeOwned;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Key in JSON objects.
const KEY: &str = "checksum";
/// Number of hex digits of a checksum.
const DIGITS: usize = 16;
const YAML: &str = "# checksum: ";

/// The error of a checksum that does not match the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Differs;

impl std::fmt::Display for Differs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("its checksum differs")
    }
}

/// A text whose checksum was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The text that the checksum covers.
    pub text: String,
    /// Whether the text had a checksum.
    pub was_checked: bool,
}

/// The XXH3 64-bit hash as hex digits.
pub fn digest(bytes: &[u8]) -> String {
    format!("{:016x}", xxh3_64(bytes))
}

/// Adds a checksum as the last key of an indented JSON object. Other JSON values are returned
/// unchanged.
pub fn seal_json(text: &str) -> String {
    match text.strip_suffix("\n}") {
        Some(open) => format!("{open},\n  \"{KEY}\": \"{}\"\n}}", digest(text.as_bytes())),
        None => text.to_owned(),
    }
}

/// Reverts [`seal_json`] and verifies the checksum.
pub fn open_json(text: &str) -> Result<Checked, Differs> {
    open(text.trim_end(), &format!(",\n  \"{KEY}\": \""), "\"\n}", "\n}")
}

/// Adds a checksum as the last key of a JSON object on one line.
pub fn seal_line(line: &str) -> String {
    match line.strip_suffix('}') {
        Some(open) => format!("{open},\"{KEY}\":\"{}\"}}", digest(line.as_bytes())),
        None => line.to_owned(),
    }
}

/// Reverts [`seal_line`] and verifies the checksum.
pub fn open_line(line: &str) -> Result<Checked, Differs> {
    open(line, &format!(",\"{KEY}\":\""), "\"}", "}")
}

/// Adds a checksum to YAML, in a comment at the end.
pub fn seal_yaml(text: &str) -> String {
    format!("{text}{YAML}{}\n", digest(text.as_bytes()))
}

/// Reverts [`seal_yaml`] and verifies the checksum.
pub fn open_yaml(text: &str) -> Result<Checked, Differs> {
    open(text, YAML, "\n", "")
}

/// Removes `before`, the digits and `after` from the end, appends `end`, and verifies the checksum.
/// An end that differs from this frame in a few bytes is a damaged checksum; an end that differs
/// more is a text without a checksum.
fn open(text: &str, before: &str, after: &str, end: &str) -> Result<Checked, Differs> {
    let unchecked = Checked { text: text.to_owned(), was_checked: false };
    let bytes = text.as_bytes();
    let Some(start) = bytes.len().checked_sub(before.len() + DIGITS + after.len()) else {
        return Ok(unchecked);
    };
    let digits = start + before.len()..start + before.len() + DIGITS;
    let wrong =
        differing(&bytes[start..digits.start], before) + differing(&bytes[digits.end..], after);
    match wrong {
        0 => {}
        few if few <= (before.len() + after.len()) * 2 / 5 => return Err(Differs),
        _ => return Ok(unchecked),
    }
    let body = text.get(..start).ok_or(Differs)?;
    let checked = Checked { text: format!("{body}{end}"), was_checked: true };
    if text.get(digits) == Some(&digest(checked.text.as_bytes())) {
        Ok(checked)
    } else {
        Err(Differs)
    }
}

/// The number of bytes that differ.
fn differing(found: &[u8], expected: &str) -> usize {
    found.iter().zip(expected.as_bytes()).filter(|(a, b)| a != b).count()
}

/// Opens the lines of an append-only file. A file from an older version may begin with lines
/// without checksums; after the first checksum, every line must have one. Yields each line's text,
/// or the reason why the line is damaged.
pub fn open_lines(text: &str) -> impl Iterator<Item = Result<String, &'static str>> {
    let mut checks = false;
    text.lines().map(move |line| match open_line(line) {
        Err(Differs) => Err("its checksum differs"),
        Ok(opened) if checks && !opened.was_checked => {
            Err("it has no checksum, unlike the lines before it")
        }
        Ok(opened) => {
            checks = opened.was_checked;
            Ok(opened.text)
        }
    })
}

/// Reads all values of an append-only file of JSON lines. Also returns the number of lines that are
/// damaged or were truncated by a crash.
pub fn read_lines<T: DeserializeOwned>(path: &Path) -> (Vec<T>, usize) {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut damaged = 0;
    let mut values = Vec::new();
    for (line, opened) in text.lines().zip(open_lines(&text)) {
        match opened.map(|line| serde_json::from_str(&line)) {
            Ok(Ok(value)) => values.push(value),
            _ => damaged += usize::from(!line.is_empty()),
        }
    }
    (values, damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JSON: &str = "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": [\n      2\n    ]\n  }\n}";
    const LINE: &str = "{\"event\":\"started\",\"id\":\"x\"}";
    const YAML_TEXT: &str = "model:\n  depth: 50\nseed: 3\n";

    #[test]
    fn what_is_sealed_opens_as_it_was_and_stays_valid() {
        let sealed = seal_json(JSON);
        assert!(
            serde_json::from_str::<serde_json::Value>(&sealed).unwrap()["checksum"].is_string()
        );
        assert_eq!(open_json(&sealed), Ok(Checked { text: JSON.into(), was_checked: true }));
        assert_eq!(open_json(&(sealed + "\n")).unwrap().text, JSON);
        let sealed = seal_line(LINE);
        assert!(
            serde_json::from_str::<serde_json::Value>(&sealed).unwrap()["checksum"].is_string()
        );
        assert_eq!(open_line(&sealed), Ok(Checked { text: LINE.into(), was_checked: true }));
        let sealed = seal_yaml(YAML_TEXT);
        assert_eq!(serde_yaml::from_str::<serde_json::Value>(&sealed).unwrap()["seed"], 3);
        assert_eq!(open_yaml(&sealed), Ok(Checked { text: YAML_TEXT.into(), was_checked: true }));
    }

    #[test]
    fn files_of_before_are_read_and_known_as_such() {
        for opened in [open_json(JSON), open_line(LINE), open_yaml(YAML_TEXT)] {
            assert!(!opened.unwrap().was_checked);
        }
        let grown = format!("{LINE}\n{}\n{LINE}\n", seal_line(LINE));
        let lines: Vec<_> = open_lines(&grown).collect();
        assert!(lines[0].is_ok() && lines[1].is_ok() && lines[2].is_err(), "{lines:?}");
    }

    proptest! {
        #[test]
        fn no_changed_byte_is_believed(at in 0usize..4096, bit in 0u8..7) {
            for (whole, open) in [
                (seal_json(JSON), open_json as fn(&str) -> Result<Checked, Differs>),
                (seal_line(LINE), open_line),
                (seal_yaml(YAML_TEXT), open_yaml),
            ] {
                let mut bytes = whole.clone().into_bytes();
                let at = at % bytes.len();
                bytes[at] ^= 1 << bit;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                // If only the checksum's frame is damaged, the text before it is unchanged.
                let original = open(&whole).unwrap().text;
                let body = original.trim_end_matches(['}', '\n']);
                let is_safe = match open(&text) {
                    Err(Differs) => true,
                    Ok(opened) => opened.text == original || (!opened.was_checked && opened.text.starts_with(body)),
                };
                prop_assert!(is_safe, "byte {} of {}", at, whole);
            }
        }
    }
}
