//! The text of an experiment file as editors write it, and as a tree whose keys are what was
//! written: an arm called 2 or 1e5 keeps its name.

use crate::{SpecError, Value};
use serde::de::{self, Deserialize, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess};
use serde_yaml::value::{Tag, TaggedValue};
use serde_yaml::{Mapping, Number};
use std::fmt;

/// The text of a file's bytes. A byte order mark goes; what is no UTF-8 is refused by its name.
pub fn text(bytes: &[u8]) -> Result<&str, SpecError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let refuse =
        |what: String| Err(SpecError::new(what, "save it as UTF-8 (plain text) and try again"));
    let is_utf16 = [&b"\xFF\xFE"[..], b"\xFE\xFF"].iter().any(|mark| bytes.starts_with(mark))
        || (bytes.len() > 1 && (bytes[0] == 0) != (bytes[1] == 0));
    if is_utf16 {
        return refuse("it is UTF-16 text".into());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => refuse("it is no text: it has zero bytes".into()),
        Ok(text) => Ok(text),
        Err(e) => {
            let line = bytes[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count() + 1;
            refuse(format!("line {line} is not UTF-8 text (byte 0x{:02X})", bytes[e.valid_up_to()]))
        }
    }
}

/// The text as a tree of fields.
pub fn fields(text: &str) -> Result<Mapping, SpecError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let refuse =
        |what: &str| Err(SpecError::new(what, "experiments/quickstart.yaml shows a whole file"));
    let mut tree = match serde_yaml::from_str(text) {
        Ok(Tree(tree)) => tree,
        Err(e) => return Err(explain(text, &e)),
    };
    tree.apply_merge().map_err(|e| explain(text, &e))?;
    match tree {
        Value::Mapping(map) => Ok(map),
        Value::Null => refuse("it is empty"),
        Value::Sequence(_) => refuse("it holds a list, not fields"),
        _ => refuse("it holds no fields, but one value"),
    }
}

/// What YAML's parser says, and which letter of the line it may have stumbled over.
fn explain(text: &str, e: &serde_yaml::Error) -> SpecError {
    let said = crate::experiment::explain(e);
    let at = e.location().map_or(1, |place| place.line());
    // The parser often stumbles one line after the letter.
    let lines = text.lines().enumerate().skip(at.saturating_sub(2)).take(2);
    let found = lines.filter_map(|(i, line)| Some((i + 1, odd_letter(line)?))).next();
    if let Some((_, key)) = said.cause.split_once(TWICE) {
        // Behind it may stand where its map begins, which is not where it stands again.
        let key = key.split(" at line ").next().unwrap_or_default();
        let is_it = |line: &str| {
            line.trim_start()
                .strip_prefix(key)
                .is_some_and(|rest| rest.trim_start().starts_with(':'))
        };
        let second = text.lines().enumerate().filter(|(_, line)| is_it(line)).nth(1);
        let place = second.map(|(i, _)| format!(" (again on line {})", i + 1)).unwrap_or_default();
        return SpecError::new(format!("{key} is written twice{place}"), "write each name once");
    }
    match found {
        Some((line, (letter, help))) => {
            SpecError::new(format!("line {line} has {letter}: {}", said.cause), help)
        }
        None => said,
    }
}

/// What looks like a blank or a quote and is none.
fn odd_letter(line: &str) -> Option<(&'static str, &'static str)> {
    let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    let holds = |letters: &[char]| line.contains(letters);
    if indent.contains('\t') {
        Some(("a tab before its text", "YAML wants blanks there; write two blanks for each tab"))
    } else if holds(&['\u{a0}', '\u{2007}', '\u{202f}', '\u{3000}', '\u{200b}']) {
        Some(("a no-break or zero-width space", "write a plain blank in its place"))
    } else if holds(&['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
        Some(("typographic quotes", "write plain ones: \" or '"))
    } else {
        None
    }
}

/// Before the key that a map has twice.
const TWICE: &str = "duplicate key: ";

/// A value whose maps have text for keys, each once.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Tree, D::Error> {
        d.deserialize_any(TreeVisitor).map(Tree)
    }
}

struct TreeVisitor;

impl<'de> de::Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        Tree::deserialize(d).map(|Tree(value)| value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Tree(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Sequence(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Mapping::new();
        // A key read as text is what was written, whatever type YAML would give it.
        while let Some(key) = entries.next_key::<String>()? {
            let Tree(value) = entries.next_value()?;
            if map.contains_key(key.as_str()) {
                return Err(de::Error::custom(format!("{TWICE}{key}")));
            }
            map.insert(key.into(), value);
        }
        Ok(Value::Mapping(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (tag, contents) = tagged.variant::<String>()?;
        if tag.trim_start_matches('!').is_empty() {
            return Err(de::Error::custom("a tag without a name"));
        }
        let Tree(value) = contents.newtype_variant()?;
        Ok(Value::Tagged(Box::new(TaggedValue { tag: Tag::new(tag), value })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        let e = text(bytes).and_then(fields).unwrap_err();
        format!("{} | {}", e.cause, e.help)
    }

    #[test]
    fn files_are_read_as_editors_write_them() {
        let plain = fields("name: a\ntrain: {epochs: 2}\n").unwrap();
        for same in [
            &b"\xEF\xBB\xBFname: a\ntrain: {epochs: 2}\n"[..],
            b"name: a\r\ntrain: {epochs: 2}\r\n",
            b"name: a  \ntrain:   \n  epochs: 2   \n\n\n",
            b"---\nname:\ta\ntrain:\n  epochs: 2\n...\n",
            b"base: &e {epochs: 2}\nname: a\ntrain: {<<: *e}\n",
        ] {
            let mut map = fields(text(same).unwrap()).unwrap();
            map.remove("base");
            assert_eq!(map, plain, "{}", String::from_utf8_lossy(same));
        }
        let named = fields("arms: {2: {}, 1e5: {}, 0x1F: {}, true: {}, ~: {}, '': {}}").unwrap();
        let names: Vec<_> =
            named["arms"].as_mapping().unwrap().keys().map(|key| key.as_str().unwrap()).collect();
        assert_eq!(names, ["2", "1e5", "0x1F", "true", "~", ""]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let utf16: Vec<u8> = "name: a\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [&b"\xFF\xFE"[..], &utf16].concat();
        for (bytes, said) in [
            (&b""[..], "it is empty"),
            (b"# only a remark\n", "it is empty"),
            (b"- a\n- b\n", "it holds a list"),
            (b"just text", "it holds no fields"),
            (b"name: a\nmodel:\n\tscale: 4\n", "line 3 has a tab"),
            (
                b"name: a\ntrain: {epochs: 1}\ntrain: {epochs: 2}\n",
                "train is written twice (again on line 3)",
            ),
            (b"name: a\naxes: {scale: [2], scale: [4]}\n", "scale is written twice"),
            (b"name: gr\xF6\xDF\n", "line 1 is not UTF-8 text (byte 0xF6)"),
            (b"name: a\n\xC2\xA0model: {scale: 4}\n train: {}\n", "space"),
            (&utf16, "UTF-16"),
            (&marked, "UTF-16"),
            (b"name: a\0b", "zero bytes"),
            (b"name: a\n---\nname: b\n", "more than one document"),
        ] {
            let found = refused(bytes);
            assert!(found.contains(said), "{}: {found}", String::from_utf8_lossy(bytes));
        }
    }
}
