//! CIFAR's Python format: pickled dictionaries with an array of bytes and a list of labels. The
//! parser supports the values in such files only, and never calls a function.

use std::borrow::Cow;
use std::ops::Range;

/// A pickled value. Bytes and texts are ranges of the file.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    None,
    Mark,
    Int(i64),
    Bytes(Range<usize>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// The name of a function or class.
    Name(String),
    /// An object that a call would create: function, arguments, and the state that is set
    /// afterwards.
    Call(Box<Value>, Box<Value>, Box<Value>),
}

impl Value {
    /// Whether the value is small enough to be memoized. Copies of copies could otherwise exhaust
    /// memory.
    fn is_noted(&self) -> bool {
        const MOST: usize = 64;
        !matches!(self, Value::List(_) | Value::Dict(_) | Value::Mark) && self.parts() <= MOST
    }

    fn parts(&self) -> usize {
        match self {
            Value::List(all) | Value::Tuple(all) => 1 + all.iter().map(Value::parts).sum::<usize>(),
            Value::Dict(all) => 1 + all.iter().map(|(a, b)| a.parts() + b.parts()).sum::<usize>(),
            Value::Call(a, b, c) => 1 + a.parts() + b.parts() + c.parts(),
            _ => 1,
        }
    }
}

/// Images and labels of one file.
#[derive(Debug, PartialEq)]
pub struct Batch {
    /// All pixels, image by image.
    pub pixels: Vec<u8>,
    pub labels: Vec<u32>,
}

/// The batch in a pickled file, with the labels under the key `labels`. An error is a phrase on the
/// file.
pub fn batch(bytes: &[u8], labels: &str) -> Result<Batch, String> {
    let Value::Dict(items) = load(bytes)? else { return Err("it holds no dictionary".into()) };
    let pixels = find(bytes, &items, "data").and_then(|data| pixels(bytes, data));
    let pixels = pixels.ok_or("it has no array of bytes called data")?;
    let Some(Value::List(list)) = find(bytes, &items, labels) else {
        return Err(format!("it has no list called {labels}"));
    };
    let label = |value: &Value| match value {
        Value::Int(n) => u32::try_from(*n).ok(),
        _ => None,
    };
    let labels = list
        .iter()
        .map(label)
        .collect::<Option<Vec<_>>>()
        .ok_or("a label is no whole number from 0 on")?;
    Ok(Batch { pixels, labels })
}

/// The list of texts under this key.
pub fn texts(bytes: &[u8], key: &str) -> Option<Vec<String>> {
    let Value::Dict(items) = load(bytes).ok()? else { return None };
    let Value::List(list) = find(bytes, &items, key)? else { return None };
    let name = |value: &Value| String::from_utf8(text(bytes, value)?.into_owned()).ok();
    list.iter().map(name).collect()
}

/// A text or bytes. Python 3 pickles bytes for Python 2 as a text to be encoded as Latin-1.
fn text<'a>(bytes: &'a [u8], value: &Value) -> Option<Cow<'a, [u8]>> {
    match value {
        Value::Bytes(range) => bytes.get(range.clone()).map(Cow::Borrowed),
        Value::Call(function, arguments, _)
            if **function == Value::Name("_codecs.encode".into()) =>
        {
            let Value::Tuple(arguments) = &**arguments else { return None };
            let Some(Value::Bytes(range)) = arguments.first() else { return None };
            let text = std::str::from_utf8(bytes.get(range.clone())?).ok()?;
            text.chars()
                .map(|c| u8::try_from(u32::from(c)).ok())
                .collect::<Option<Vec<u8>>>()
                .map(Cow::Owned)
        }
        _ => None,
    }
}

fn find<'a>(bytes: &[u8], items: &'a [(Value, Value)], key: &str) -> Option<&'a Value> {
    let is = |name: &Value| text(bytes, name).is_some_and(|name| *name == *key.as_bytes());
    items.iter().find(|(name, _)| is(name)).map(|(_, value)| value)
}

/// The bytes of a NumPy array: the longest text in its constructor call. The element type must be
/// u1.
fn pixels(bytes: &[u8], data: &Value) -> Option<Vec<u8>> {
    let Value::Call(..) = data else { return None };
    let mut longest = Cow::Borrowed(&[][..]);
    let mut is_bytes = false;
    let mut waiting = vec![data];
    while let Some(value) = waiting.pop() {
        if let Some(found) = text(bytes, value) {
            is_bytes |= matches!(&*found, b"u1" | b"|u1" | b"uint8");
            if found.len() > longest.len() {
                longest = found;
            }
            continue;
        }
        match value {
            Value::Call(function, arguments, state) => {
                waiting.extend([&**function, &**arguments, &**state])
            }
            Value::List(all) | Value::Tuple(all) => waiting.extend(all),
            _ => {}
        }
    }
    is_bytes.then(|| longest.into_owned())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Result<Range<usize>, String> {
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.bytes.len())
            .ok_or("it is cut off")?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    /// A little-endian unsigned integer of `length` bytes.
    fn number(&mut self, length: usize) -> Result<u64, String> {
        let range = self.take(length)?;
        Ok(self.bytes[range].iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte)))
    }

    fn sized(&mut self, length: usize) -> Result<Value, String> {
        let size = usize::try_from(self.number(length)?).map_err(|_| "it is cut off")?;
        Ok(Value::Bytes(self.take(size)?))
    }

    fn line(&mut self) -> Result<String, String> {
        let length =
            self.bytes[self.at..].iter().position(|&b| b == b'\n').ok_or("it is cut off")?;
        let range = self.take(length + 1)?;
        Ok(String::from_utf8_lossy(&self.bytes[range.start..range.end - 1]).into_owned())
    }

    fn text(&self, value: &Value) -> String {
        match value {
            Value::Bytes(range) => String::from_utf8_lossy(&self.bytes[range.clone()]).into_owned(),
            _ => String::new(),
        }
    }
}

fn load(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { bytes, at: 0 };
    let mut stack = Vec::<Value>::new();
    let mut memo = Vec::<(u64, Value)>::new();
    let keep = |memo: &mut Vec<(u64, Value)>, key: u64, value: Option<&Value>| {
        // Lists and dictionaries are filled after they are memoized, so a copy would be incomplete.
        // These files do not refer to them again.
        if let Some(value) = value.filter(|value| value.is_noted()) {
            memo.push((key, value.clone()));
        }
    };
    let mut kept = 0;
    loop {
        let code = reader.number(1)? as u8;
        let value = match code {
            b'.' => return stack.pop().ok_or_else(|| "it is damaged".into()),
            0x80 => {
                reader.take(1)?;
                continue;
            }
            0x95 => {
                reader.take(8)?;
                continue;
            }
            b'q' | b'r' => {
                let key = reader.number(if code == b'q' { 1 } else { 4 })?;
                keep(&mut memo, key, stack.last());
                continue;
            }
            0x94 => {
                keep(&mut memo, kept, stack.last());
                kept += 1;
                continue;
            }
            b'h' | b'j' => {
                let key = reader.number(if code == b'h' { 1 } else { 4 })?;
                let found = memo.iter().rev().find(|(k, _)| *k == key);
                found
                    .map(|(_, value)| value.clone())
                    .ok_or("it refers to a value of an unknown kind")?
            }
            b'N' => Value::None,
            b'(' => Value::Mark,
            b'}' => Value::Dict(vec![]),
            b']' => Value::List(vec![]),
            b')' => Value::Tuple(vec![]),
            0x88 | 0x89 => Value::Int(i64::from(code == 0x88)),
            b'K' => Value::Int(reader.number(1)? as i64),
            b'M' => Value::Int(reader.number(2)? as i64),
            b'J' => Value::Int(i64::from(reader.number(4)? as u32 as i32)),
            0x8a => {
                let length = reader.number(1)? as usize;
                Value::Int(if length <= 8 {
                    reader.number(length)? as i64
                } else {
                    return Err("a number is too large".into());
                })
            }
            b'U' | b'C' | 0x8c => reader.sized(1)?,
            b'T' | b'X' | b'B' => reader.sized(4)?,
            0x8d | 0x8e | 0x96 => reader.sized(8)?,
            b'c' => Value::Name(format!("{}.{}", reader.line()?, reader.line()?)),
            _ => operate(code, &mut stack, &reader)?,
        };
        stack.push(value);
    }
}

/// Executes operations that pop values from the stack and push one result.
fn operate(code: u8, stack: &mut Vec<Value>, reader: &Reader) -> Result<Value, String> {
    let damaged = || "it is damaged".to_owned();
    let pop = |stack: &mut Vec<Value>| stack.pop().ok_or_else(damaged);
    let marked = |stack: &mut Vec<Value>| -> Result<Vec<Value>, String> {
        let at = stack.iter().rposition(|v| *v == Value::Mark).ok_or_else(damaged)?;
        let values = stack.split_off(at + 1);
        stack.pop();
        Ok(values)
    };
    match code {
        b't' => Ok(Value::Tuple(marked(stack)?)),
        b'l' => Ok(Value::List(marked(stack)?)),
        0x85..=0x87 => {
            let at = stack.len().checked_sub((code - 0x84) as usize).ok_or_else(damaged)?;
            Ok(Value::Tuple(stack.split_off(at)))
        }
        b'a' | b'e' => {
            let new = if code == b'e' { marked(stack)? } else { vec![pop(stack)?] };
            let Value::List(mut list) = pop(stack)? else { return Err(damaged()) };
            list.extend(new);
            Ok(Value::List(list))
        }
        b's' | b'u' => {
            let new = if code == b'u' {
                marked(stack)?
            } else {
                let value = pop(stack)?;
                vec![pop(stack)?, value]
            };
            let Value::Dict(mut dict) = pop(stack)? else { return Err(damaged()) };
            dict.extend(new.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())));
            Ok(Value::Dict(dict))
        }
        0x93 => {
            let name = pop(stack)?;
            let module = pop(stack)?;
            Ok(Value::Name(format!("{}.{}", reader.text(&module), reader.text(&name))))
        }
        b'R' | 0x81 => {
            let arguments = pop(stack)?;
            let function = pop(stack)?;
            Ok(Value::Call(Box::new(function), Box::new(arguments), Box::new(Value::None)))
        }
        b'b' => {
            let state = pop(stack)?;
            let Value::Call(function, arguments, _) = pop(stack)? else { return Err(damaged()) };
            Ok(Value::Call(function, arguments, Box::new(state)))
        }
        code => Err(format!("it has an instruction {code:#04x}, which no such file needs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of Python 2 for `{'data': numpy array of 2 x 3 bytes, 'labels': [6, 300]}`
    /// (protocol 2).
    fn python2() -> Vec<u8> {
        let parts: [&[u8]; 10] = [
            b"\x80\x02}q\x00(U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04",
            b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87Rq\x06(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"U\x06",
            b"abcdef",
            b"tb",
            b"U\x06labelsq\x08",
            b"]q\x09(K\x06M\x2c\x01e",
            b"U\x05namesq\x0a",
            b"]q\x0b(U\x03catU\x03doge",
            b"u.",
        ];
        parts.concat()
    }

    #[test]
    fn a_batch_of_python_2_is_read() {
        let bytes = python2();
        let batch = batch(&bytes, "labels").unwrap();
        assert_eq!((batch.pixels, batch.labels), (b"abcdef".to_vec(), vec![6, 300]));
        assert_eq!(texts(&bytes, "names").unwrap(), ["cat", "dog"]);
        assert!(super::batch(&bytes, "fine_labels").unwrap_err().contains("fine_labels"));
    }

    /// The output of Python 3 for `{b'data': numpy array of 1 x 3 bytes, b'labels': [1]}` with
    /// protocol 2.
    #[test]
    fn bytes_that_python_3_wrote_for_python_2_are_read() {
        let parts: [&[u8]; 7] = [
            b"\x80\x02}q\x00(c_codecs\nencode\nq\x01X\x04\0\0\0dataq\x02X\x06\0\0\0latin1q\x03\x86q\x04Rq\x05",
            b"cnumpy._core.multiarray\n_reconstruct\nq\x06cnumpy\nndarray\nq\x07K\x00\x85q\x08h\x01X\x01\0\0\0bh\x03\x86Rq\x09\x87q\x0aRq\x0b",
            b"(K\x01K\x01K\x03\x86q\x0ccnumpy\ndtype\nq\x0dX\x02\0\0\0u1q\x0e\x89\x88\x87q\x0fRq\x10(K\x03X\x01\0\0\0|q\x11NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x12b\x89",
            b"h\x01X\x04\0\0\0\xc3\xbf12h\x03\x86q\x13Rq\x14tq\x15b",
            b"h\x01X\x06\0\0\0labelsh\x03\x86Rq\x16",
            b"]q\x17K\x01a",
            b"u.",
        ];
        let batch = batch(&parts.concat(), "labels").unwrap();
        assert_eq!((batch.pixels, batch.labels), (vec![0xff, b'1', b'2'], vec![1]));
    }

    #[test]
    fn damage_is_an_error_and_never_more() {
        let whole = python2();
        for i in 0..whole.len() {
            assert!(batch(&whole[..i], "labels").is_err());
            for flip in [1, 0x20, 0xff] {
                let mut bytes = whole.clone();
                bytes[i] ^= flip;
                let _ = batch(&bytes, "labels");
            }
        }
        assert!(batch(b"cos\nsystem\n(S'ls'\ntR.", "labels").is_err());
    }
}
