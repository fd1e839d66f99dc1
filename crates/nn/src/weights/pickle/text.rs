//! The instructions of protocol 0, whose operands are lines of text.

use super::Value;

const NO_NUMBER: &str = "a number of the pickle is none";

/// `I01`, `I00`, `I42`, `L42L`.
pub(super) fn whole(line: &[u8]) -> Result<Value, String> {
    let text = String::from_utf8_lossy(line);
    match text.trim() {
        "01" => Ok(Value::Bool(true)),
        "00" => Ok(Value::Bool(false)),
        text => {
            let digits = text.trim_end_matches('L');
            let is_number = digits.trim_start_matches('-').chars().all(|c| c.is_ascii_digit());
            match digits.parse() {
                Ok(n) => Ok(Value::Int(n)),
                // Longer than any size of a tensor.
                Err(_) if is_number && !digits.is_empty() => Ok(Value::Other),
                Err(_) => Err(NO_NUMBER.into()),
            }
        }
    }
}

/// `F1.5`, `Finf`, `Fnan`.
pub(super) fn float(line: &[u8]) -> Result<Value, String> {
    let text = String::from_utf8_lossy(line);
    text.trim().parse().map(Value::Float).map_err(|_| NO_NUMBER.into())
}

/// A place in the memo.
pub(super) fn place(line: &[u8]) -> Result<u64, String> {
    String::from_utf8_lossy(line).trim().parse().map_err(|_| NO_NUMBER.into())
}

/// Text in quotes, as Python's `repr` writes it.
pub(super) fn quoted(line: &[u8]) -> Result<Value, String> {
    let line = line.trim_ascii();
    let inner = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err("text of the pickle lacks its quotes".into()),
    };
    Ok(Value::Str(unescaped(inner, true)))
}

/// Latin-1 with `\u1234` for the rest ("raw-unicode-escape").
pub(super) fn raw_unicode(line: &[u8]) -> Value {
    Value::Str(unescaped(line, false))
}

fn unescaped(bytes: &[u8], all: bool) -> String {
    let mut text = String::new();
    let mut at = 0;
    while at < bytes.len() {
        let (c, used) = match &bytes[at..] {
            [b'\\', b'u', rest @ ..] => (code(rest, 4), 6),
            [b'\\', b'U', rest @ ..] => (code(rest, 8), 10),
            [b'\\', b'x', rest @ ..] if all => (code(rest, 2), 4),
            [b'\\', b'n', ..] if all => (Some('\n'), 2),
            [b'\\', b'r', ..] if all => (Some('\r'), 2),
            [b'\\', b't', ..] if all => (Some('\t'), 2),
            [b'\\', other @ (b'\\' | b'\'' | b'"'), ..] if all => (Some(char::from(*other)), 2),
            _ => (None, 1),
        };
        text.push(c.unwrap_or(char::from(bytes[at])));
        at += if c.is_some() { used } else { 1 };
    }
    text
}

fn code(digits: &[u8], count: usize) -> Option<char> {
    let digits = std::str::from_utf8(digits.get(..count)?).ok()?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}
