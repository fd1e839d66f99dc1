//! Python's pickles as data. A pickle is a program for a stack machine that may call any function by name; this reader
//! knows only the instructions that build plain values, and notes calls of the few functions that a state dict needs
//! without making them. Any other function ends the reading with its name.

use std::collections::HashMap;

/// A value's place in [`Pickle::values`]. Values refer to each other by place, so sharing and cycles are harmless.
pub type Id = usize;

/// A value as the pickle describes it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A function or class by its full name, one of [`KNOWN`].
    Global(String),
    /// A call that the pickle asks for and that nobody makes: function and arguments (a tuple).
    Call {
        function: String,
        args: Id,
    },
    /// What the file around the pickle keeps (a storage), by its description.
    Persistent(Id),
}

/// A pickle's values and the one that it stands for.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Pickle {
    pub values: Vec<Value>,
    pub root: Id,
}

/// All that state dicts name. None of these is ever called here.
const KNOWN: [&str; 20] = [
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.Size",
    "torch.device",
    "torch.DoubleStorage",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.BFloat16Storage",
    "torch.LongStorage",
    "torch.IntStorage",
    "torch.ShortStorage",
    "torch.CharStorage",
    "torch.ByteStorage",
    "torch.BoolStorage",
    "torch.cuda.FloatStorage",
    "torch.cuda.HalfStorage",
    "torch.cuda.LongStorage",
    "torch.cuda.DoubleStorage",
];

/// Reads one pickle from the front of `bytes`, and says how many it took.
pub fn read(bytes: &[u8]) -> Result<(Pickle, usize), String> {
    let mut machine = Machine { bytes, at: 0, values: vec![], stack: vec![], marks: vec![], memo: HashMap::new() };
    let root = machine.run()?;
    Ok((Pickle { values: machine.values, root }, machine.at))
}

impl Pickle {
    /// The value at `id`.
    pub fn get(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// Text, if it is text.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, if it is one.
    pub fn int(&self, id: Id) -> Option<i128> {
        match self.get(id) {
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// The members of a tuple or list.
    pub fn items(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Looks a text key up in a dict.
    pub fn entry(&self, dict: &[(Id, Id)], key: &str) -> Option<Id> {
        dict.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, value)| *value)
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

const CUT_OFF: &str = "the pickle is cut off";
const NO_OPERAND: &str = "the pickle takes more from its stack than there is";

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let instruction = self.take(1)?[0];
            if instruction == b'.' {
                return self.pop();
            }
            self.execute(instruction)?;
        }
    }

    fn execute(&mut self, instruction: u8) -> Result<(), String> {
        match instruction {
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let top = *self.stack.last().ok_or(NO_OPERAND)?;
                self.stack.push(top);
                Ok(())
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' | b'M' | b'J' | 0x8a | 0x8b | b'G' => self.number(instruction),
            b'X' | 0x8c | 0x8d | b'T' | b'U' | b'C' | b'B' => self.string(instruction),
            b')' | b't' | 0x85 | 0x86 | 0x87 | b']' | b'l' | b'}' | b'd' => self.container(instruction),
            b'a' | b'e' | b's' | b'u' | b'b' => self.fill(instruction),
            b'q' | b'r' | b'h' | b'j' | 0x94 => self.remember(instruction),
            b'c' | 0x93 => self.global(instruction),
            b'R' => self.call(),
            b'Q' => {
                let description = self.pop()?;
                self.push(Value::Persistent(description))
            }
            0x81 | 0x92 | b'o' | b'i' => Err("it would create an object of a class; only tensors are read".into()),
            other => Err(format!("instruction 0x{other:02x} is not one that a state dict needs")),
        }
    }

    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len()).ok_or(CUT_OFF)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// A little-endian whole number of `count` bytes, at most eight.
    fn length(&mut self, count: usize) -> Result<u64, String> {
        Ok(self.take(count)?.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)))
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        // What lies under a mark belongs to it.
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(NO_OPERAND.into());
        }
        self.stack.pop().ok_or_else(|| NO_OPERAND.into())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or(NO_OPERAND)?;
        Ok(self.stack.split_off(mark))
    }

    fn number(&mut self, instruction: u8) -> Result<(), String> {
        let value = match instruction {
            b'K' => Value::Int(self.length(1)?.into()),
            b'M' => Value::Int(self.length(2)?.into()),
            b'J' => Value::Int((self.length(4)? as u32 as i32).into()),
            b'G' => {
                let bytes = self.take(8)?;
                Value::Float(f64::from_bits(bytes.iter().fold(0, |n, &byte| n << 8 | u64::from(byte))))
            }
            _ => {
                let count = self.length(if instruction == 0x8a { 1 } else { 4 })? as usize;
                Value::Int(signed(self.take(count)?)?)
            }
        };
        self.push(value)
    }

    fn string(&mut self, instruction: u8) -> Result<(), String> {
        let count = match instruction {
            0x8c | b'U' | b'C' => self.length(1)?,
            0x8d => self.length(8)?,
            _ => self.length(4)?,
        };
        let text = String::from_utf8_lossy(self.take(count as usize)?).into_owned();
        self.push(Value::Str(text))
    }

    fn container(&mut self, instruction: u8) -> Result<(), String> {
        let value = match instruction {
            b')' => Value::Tuple(vec![]),
            b']' => Value::List(vec![]),
            b'}' => Value::Dict(vec![]),
            b't' => Value::Tuple(self.pop_to_mark()?),
            b'l' => Value::List(self.pop_to_mark()?),
            b'd' => Value::Dict(pairs(&self.pop_to_mark()?)?),
            _ => {
                let count = usize::from(instruction - 0x84);
                let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                items.reverse();
                Value::Tuple(items)
            }
        };
        self.push(value)
    }

    /// Adds to the container under the operands. BUILD gives an object attributes; a dict's are not needed.
    fn fill(&mut self, instruction: u8) -> Result<(), String> {
        let operands = match instruction {
            b'e' | b'u' => self.pop_to_mark()?,
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => vec![self.pop()?],
        };
        if instruction == b'b' {
            return Ok(());
        }
        let target = *self.stack.last().ok_or(NO_OPERAND)?;
        match (instruction, &mut self.values[target]) {
            (b'a' | b'e', Value::List(items)) => items.extend(operands),
            (b's' | b'u', Value::Dict(entries)) => entries.extend(pairs(&operands)?),
            _ => return Err("it adds to something that is neither a list nor a dict".into()),
        }
        Ok(())
    }

    fn remember(&mut self, instruction: u8) -> Result<(), String> {
        let key = match instruction {
            0x94 => self.memo.len() as u64,
            b'q' | b'h' => self.length(1)?,
            _ => self.length(4)?,
        };
        if matches!(instruction, b'h' | b'j') {
            let id = *self.memo.get(&key).ok_or("it recalls a value that it never kept")?;
            self.stack.push(id);
            return Ok(());
        }
        let top = *self.stack.last().ok_or(NO_OPERAND)?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn global(&mut self, instruction: u8) -> Result<(), String> {
        let (module, name) = if instruction == b'c' {
            (self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (&self.values[module], &self.values[name]) {
                (Value::Str(module), Value::Str(name)) => (module.clone(), name.clone()),
                _ => return Err("it names a function by something that is not text".into()),
            }
        };
        let full = format!("{module}.{name}");
        if !KNOWN.contains(&full.as_str()) {
            return Err(format!("it asks for {full}, which no state dict needs; nothing was run"));
        }
        self.push(Value::Global(full))
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or(CUT_OFF)?;
        self.at += length + 1;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    fn call(&mut self) -> Result<(), String> {
        let (args, function) = (self.pop()?, self.pop()?);
        let Value::Global(function) = self.values[function].clone() else {
            return Err("it calls something that is not a function".into());
        };
        if function != "collections.OrderedDict" {
            return self.push(Value::Call { function, args });
        }
        // An ordered dict is filled later, or given as a list of pairs.
        let mut entries = vec![];
        if let Value::Tuple(args) = &self.values[args]
            && let Some(Value::List(items)) = args.first().map(|&id| &self.values[id])
        {
            for &item in items {
                let (Value::Tuple(pair) | Value::List(pair)) = &self.values[item] else {
                    return Err("it makes a dict of something that is not pairs".into());
                };
                entries.extend(pairs(pair)?);
            }
        }
        self.push(Value::Dict(entries))
    }
}

fn pairs(ids: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    if !ids.len().is_multiple_of(2) {
        return Err("it gives a dict a key without a value".into());
    }
    Ok(ids.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// Two's complement, little-endian.
fn signed(bytes: &[u8]) -> Result<i128, String> {
    if bytes.len() > 16 {
        return Err("it holds a whole number beyond all sizes of a tensor".into());
    }
    let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let filler = if negative { 0xff } else { 0 };
    let mut wide = [filler; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    Ok(i128::from_le_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_are_read_as_python_wrote_them() {
        // pickle.dumps({"a": (1, -2, 3.5), "b": [True, None]}, protocol=2)
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xffG@\x0c\x00\x00\x00\x00\x00\x00\x87q\x02X\x01\x00\x00\x00bq\x03]q\x04(\x88Neu.";
        let (pickle, length) = read(bytes).unwrap();
        assert_eq!(length, bytes.len());
        let Value::Dict(entries) = pickle.get(pickle.root) else { panic!("a dict") };
        let a = pickle.items(pickle.entry(entries, "a").unwrap()).unwrap();
        assert_eq!((pickle.int(a[0]), pickle.int(a[1])), (Some(1), Some(-2)));
        assert_eq!(pickle.get(a[2]), &Value::Float(3.5));
        let b = pickle.items(pickle.entry(entries, "b").unwrap()).unwrap();
        assert_eq!([pickle.get(b[0]), pickle.get(b[1])], [&Value::Bool(true), &Value::None]);
    }

    #[test]
    fn long_numbers_keep_their_sign() {
        assert_eq!(
            signed(&[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]).unwrap(),
            0x1950_a86a_20f9_469c_fc6c
        );
        assert_eq!(signed(&[0xff]).unwrap(), -1);
        assert_eq!(signed(&[]).unwrap(), 0);
    }

    #[test]
    fn functions_are_refused_by_name() {
        let e = read(b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.").unwrap_err();
        assert!(e.contains("posix.system") && e.contains("nothing was run"), "{e}");
        // The same through the newer instruction, and through a class.
        let e = read(b"\x80\x04\x8c\x05posix\x8c\x06system\x93.").unwrap_err();
        assert!(e.contains("posix.system"), "{e}");
        assert!(read(b"\x80\x02ccollections\nOrderedDict\n)\x81.").is_err());
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01J\xfe\xff\xff\xff\x86q\x02X\x01\x00\x00\x00bq\x03]q\x04(\x88Neu.";
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
        // Each byte in turn replaced by each instruction: errors or values, never a panic.
        for at in 0..whole.len() {
            for byte in 0..=255 {
                let mut bytes = whole.to_vec();
                bytes[at] = byte;
                let _ = read(&bytes);
            }
        }
    }
}
