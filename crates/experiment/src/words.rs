//! How a word of a command is cut: `name=value,value`, where quotes and brackets keep their text
//! together. Axes, `--where` and the words of a network all go through here.

use crate::SpecError;

/// A value as it was meant: without the blanks and the quotes around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What is written.
    pub text: String,
    /// It stood in quotes, so it is text, whatever it looks like.
    pub is_quoted: bool,
}

/// A quote opens at the start of a value, or behind one of these; elsewhere it is an apostrophe.
const BEFORE_A_QUOTE: [char; 8] = [',', '+', '=', ':', '[', '{', '<', '>'];

/// The parts of `text` between separators that stand outside of quotes and brackets.
pub fn split(text: &str, separator: char) -> Result<Vec<&str>, SpecError> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let behind = at + c.len_utf8();
        if c == separator {
            parts.push(&text[start..at]);
            start = behind;
            at = behind;
        } else {
            at = end_of_group(text, start, at)?.unwrap_or(behind);
        }
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// One part without its quotes. A quote is doubled to stand inside of its own kind.
pub fn piece(part: &str) -> Result<Piece, SpecError> {
    let text = part.trim();
    let Some(quote_mark) = text.chars().next().filter(is_quote) else {
        return Ok(Piece { text: text.to_owned(), is_quoted: false });
    };
    match end_of_quote(text, 0, false) {
        None => Err(unclosed(text, quote_mark)),
        Some(end) if end < text.len() => Err(SpecError::new(
            format!("something follows the closing quote in {text}"),
            format!("put all of it in quotes: {}", quote(text)),
        )),
        Some(end) => {
            let inner = &text[1..end - 1];
            let doubled = [quote_mark, quote_mark].iter().collect::<String>();
            Ok(Piece { text: inner.replace(&doubled, &quote_mark.to_string()), is_quoted: true })
        }
    }
}

/// The values of a list, each without its quotes.
pub fn pieces(text: &str) -> Result<Vec<Piece>, SpecError> {
    split(text, ',')?.into_iter().map(piece).collect()
}

/// `text` so that [`piece`] gives it back.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Of `known`, the name at the smallest edit distance from `name`, if one is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase().replace('-', "_");
    let (distance, found) =
        known.into_iter().map(|k| (edit_distance(&wanted, &k.to_lowercase()), k)).min()?;
    (distance <= 2 && distance < found.chars().count()).then_some(found)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

/// Where the quote or bracket that opens at `at` ends; None if none opens there. `start` is where
/// its part begins: what opens there must be closed, while a lone bracket inside of a file's name
/// is a letter like others.
fn end_of_group(text: &str, start: usize, at: usize) -> Result<Option<usize>, SpecError> {
    let Some(c) = text[at..].chars().next() else { return Ok(None) };
    let is_first = text[start..at].trim().is_empty();
    let end = match c {
        '[' | '{' => end_of_brackets(text, at),
        '\'' | '"' if is_first || text[..at].trim_end().ends_with(BEFORE_A_QUOTE) => {
            end_of_quote(text, at, false)
        }
        _ => return Ok(None),
    };
    if end.is_none() && is_first { Err(unclosed(&text[start..], c)) } else { Ok(end) }
}

fn unclosed(text: &str, mark: char) -> SpecError {
    let text = text.trim();
    let what = if is_quote(&mark) { "quote" } else { "bracket" };
    SpecError::new(
        format!("the {what} {mark} in {text} is never closed"),
        format!("close it; if it belongs to a name, put all of it in quotes: {}", quote(text)),
    )
}

fn is_quote(c: &char) -> bool {
    ['\'', '"'].contains(c)
}

/// The place behind the quote that closes the one at `at`. With `escapes`, as in YAML, a backslash
/// protects what follows it in double quotes.
fn end_of_quote(text: &str, at: usize, escapes: bool) -> Option<usize> {
    let mark = text[at..].chars().next()?;
    let escapes = escapes && mark == '"';
    let mut rest = text[at + 1..].char_indices().peekable();
    while let Some((i, c)) = rest.next() {
        if escapes && c == '\\' {
            rest.next();
        } else if c == mark {
            let is_doubled = !escapes && rest.peek().is_some_and(|&(_, next)| next == mark);
            if !is_doubled {
                return Some(at + 1 + i + 1);
            }
            rest.next();
        }
    }
    None
}

/// The place behind the bracket that closes the one at `at`.
fn end_of_brackets(text: &str, at: usize) -> Option<usize> {
    let mut open = Vec::new();
    let mut i = at;
    while let Some(c) = text[i..].chars().next() {
        let behind = i + c.len_utf8();
        let opens_quote = is_quote(&c) && text[..i].trim_end().ends_with(BEFORE_A_QUOTE);
        match c {
            '[' => open.push(']'),
            '{' => open.push('}'),
            ']' | '}' if open.pop() != Some(c) => return None,
            _ => {}
        }
        if open.is_empty() {
            return Some(behind);
        }
        i = if opens_quote { end_of_quote(text, i, true)? } else { behind };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<String> {
        split(text, ',').unwrap().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn quotes_and_brackets_keep_together() {
        assert_eq!(cut("2,4"), ["2", "4"]);
        assert_eq!(cut("[1,1],[1,2]"), ["[1,1]", "[1,2]"]);
        assert_eq!(cut("'a, b',\"c,d\""), ["'a, b'", "\"c,d\""]);
        assert_eq!(
            cut("{step: {every: 3, gamma: 0.1}},cosine"),
            ["{step: {every: 3, gamma: 0.1}}", "cosine"]
        );
        assert_eq!(cut("[\"a]\\\",\", 'b''],']"), ["[\"a]\\\",\", 'b''],']"]);
        assert_eq!(
            cut("./a(1,./b["),
            ["./a(1", "./b["],
            "a lone bracket inside of a name is a letter"
        );
        assert_eq!(cut("./bob's,./it's"), ["./bob's", "./it's"], "an apostrophe is a letter");
        assert_eq!(cut("partition=gpu,setup='load a,b'"), ["partition=gpu", "setup='load a,b'"]);
        assert_eq!(split("2+'a+b'", '+').unwrap(), ["2", "'a+b'"]);
    }

    #[test]
    fn what_is_left_open_is_refused_with_what_to_write() {
        for text in ["[1,2", "2,'a", "{a: [}", "\"x", "'a' b"] {
            let e = split(text, ',')
                .and_then(|parts| parts.into_iter().map(piece).collect::<Result<Vec<_>, _>>());
            assert!(e.is_err_and(|e| e.help.contains('\'') && !e.cause.is_empty()), "{text}");
        }
    }

    #[test]
    fn names_nearby_are_found() {
        assert_eq!(nearest("scle", ["scale", "width"]), Some("scale"));
        assert_eq!(nearest("Label-Smoothing", ["label_smoothing"]), Some("label_smoothing"));
        assert_eq!(nearest("4", ["se", "lr"]), None);
    }

    proptest! {
        #[test]
        fn a_quoted_value_comes_back_as_it_was(values in prop::collection::vec("\\PC*|[ '\",+=\\[\\]{}\\\\.:\n\t~a1-]{0,12}", 1..5)) {
            let line = values.iter().map(|value| quote(value)).collect::<Vec<_>>().join(" , ");
            let back = pieces(&line).unwrap();
            prop_assert!(back.iter().all(|piece| piece.is_quoted));
            prop_assert_eq!(back.into_iter().map(|piece| piece.text).collect::<Vec<_>>(), values);
        }

        /// Parts and separators are the text again, whatever it is.
        #[test]
        fn nothing_is_lost_in_cutting(text in "\\PC{0,40}|[ '\",+=\\[\\]{}\\\\.:a1-]{0,24}") {
            if let Ok(parts) = split(&text, ',') {
                prop_assert_eq!(parts.join(","), text.clone());
                let _ = parts.into_iter().map(piece).collect::<Vec<_>>();
            }
            let _ = pieces(&text);
        }
    }
}
