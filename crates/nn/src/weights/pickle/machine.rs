//! The stack machine: every instruction that Python's pickle writes, protocols 0 to 5.

use super::{Id, Pickle, Value, text};
use std::collections::HashMap;

/// Reads one pickle from the front of `bytes`, and says how many it took.
pub fn read(bytes: &[u8]) -> Result<(Pickle, usize), String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        values: vec![],
        stack: vec![],
        marks: vec![],
        memo: HashMap::new(),
    };
    let root = machine.run()?;
    Ok((Pickle { values: machine.values, root }, machine.at))
}

pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    pub(super) values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

const CUT_OFF: &str = "the pickle is cut off";
pub(super) const NO_OPERAND: &str = "the pickle takes more from its stack than there is";

impl<'a> Machine<'a> {
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
            // The protocol number and the lengths of frames are not needed.
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.discard(),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'I' | b'L' | b'F' | b'K' | b'M' | b'J' | 0x8a | 0x8b | b'G' => {
                self.number(instruction)
            }
            b'X' | 0x8c | 0x8d | b'T' | b'U' | b'S' | b'V' => self.string(instruction),
            b'C' | b'B' | 0x8e | 0x96 => self.binary(instruction),
            // A buffer that stands elsewhere, and its being read-only.
            0x97 => self.push(Value::Other),
            0x98 => Ok(()),
            b')' | b't' | 0x85 | 0x86 | 0x87 | b']' | b'l' | b'}' | b'd' | 0x8f | 0x91 => {
                self.container(instruction)
            }
            b'a' | b'e' | b's' | b'u' | 0x90 => self.fill(instruction),
            b'b' => self.build(),
            b'q' | b'r' | b'p' | b'h' | b'j' | b'g' | 0x94 => self.remember(instruction),
            b'c' | 0x93 => self.global(instruction),
            b'R' | 0x81 | 0x92 | b'o' | b'i' => self.call(instruction),
            0x82..=0x84 => {
                self.take(1 << (instruction - 0x82))?;
                self.push(Value::Global("an extension of copyreg".into()))
            }
            b'Q' => {
                let description = self.pop()?;
                self.push(Value::Persistent(description))
            }
            b'P' => {
                let description = text::raw_unicode(self.line()?);
                self.push(description)?;
                let description = self.pop()?;
                self.push(Value::Persistent(description))
            }
            other => Err(format!("0x{other:02x} is no instruction of a pickle")),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end =
            self.at.checked_add(count).filter(|&end| end <= self.bytes.len()).ok_or(CUT_OFF)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// Up to a line's end, which is taken too.
    pub(super) fn line(&mut self) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or(CUT_OFF)?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    /// A little-endian whole number of `count` bytes, at most eight.
    fn length(&mut self, count: usize) -> Result<u64, String> {
        Ok(self.take(count)?.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)))
    }

    fn counted(&mut self, length_bytes: usize) -> Result<&'a [u8], String> {
        let count = self.length(length_bytes)?;
        self.take(usize::try_from(count).map_err(|_| CUT_OFF)?)
    }

    pub(super) fn push(&mut self, value: Value) -> Result<(), String> {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
        Ok(())
    }

    fn top(&self) -> Result<Id, String> {
        self.stack.last().copied().ok_or_else(|| NO_OPERAND.into())
    }

    pub(super) fn pop(&mut self) -> Result<Id, String> {
        // What lies under a mark belongs to it.
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(NO_OPERAND.into());
        }
        self.stack.pop().ok_or_else(|| NO_OPERAND.into())
    }

    /// POP takes a mark away where one is on top, as Python writes for tuples that hold themselves.
    fn discard(&mut self) -> Result<(), String> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or(NO_OPERAND)?;
        Ok(self.stack.split_off(mark))
    }

    fn number(&mut self, instruction: u8) -> Result<(), String> {
        let value = match instruction {
            b'I' | b'L' => text::whole(self.line()?)?,
            b'F' => text::float(self.line()?)?,
            b'K' => Value::Int(self.length(1)?.into()),
            b'M' => Value::Int(self.length(2)?.into()),
            b'J' => Value::Int((self.length(4)? as u32 as i32).into()),
            b'G' => {
                let bytes = self.take(8)?;
                Value::Float(f64::from_bits(
                    bytes.iter().fold(0, |n, &byte| n << 8 | u64::from(byte)),
                ))
            }
            _ => signed(self.counted(if instruction == 0x8a { 1 } else { 4 })?),
        };
        self.push(value)
    }

    fn string(&mut self, instruction: u8) -> Result<(), String> {
        let value = match instruction {
            b'S' => text::quoted(self.line()?)?,
            b'V' => text::raw_unicode(self.line()?),
            _ => {
                let length_bytes = match instruction {
                    0x8c | b'U' => 1,
                    0x8d => 8,
                    _ => 4,
                };
                Value::Str(String::from_utf8_lossy(self.counted(length_bytes)?).into_owned())
            }
        };
        self.push(value)
    }

    fn binary(&mut self, instruction: u8) -> Result<(), String> {
        self.counted(match instruction {
            b'C' => 1,
            b'B' => 4,
            _ => 8,
        })?;
        self.push(Value::Other)
    }

    fn container(&mut self, instruction: u8) -> Result<(), String> {
        let value = match instruction {
            b')' => Value::Tuple(vec![]),
            b']' => Value::List(vec![]),
            b'}' => Value::Dict(vec![]),
            0x8f => Value::Other,
            b't' => Value::Tuple(self.pop_to_mark()?),
            b'l' => Value::List(self.pop_to_mark()?),
            b'd' => Value::Dict(pairs(&self.pop_to_mark()?)?),
            0x91 => {
                self.pop_to_mark()?;
                Value::Other
            }
            _ => {
                let count = usize::from(instruction - 0x84);
                let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                items.reverse();
                Value::Tuple(items)
            }
        };
        self.push(value)
    }

    /// Adds to the container under the operands.
    fn fill(&mut self, instruction: u8) -> Result<(), String> {
        let operands = match instruction {
            b'e' | b'u' | 0x90 => self.pop_to_mark()?,
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => vec![self.pop()?],
        };
        let target = self.top()?;
        match (instruction, &mut self.values[target]) {
            (b'a' | b'e', Value::List(items)) => items.extend(operands),
            (b's' | b'u', Value::Dict(entries)) => entries.extend(pairs(&operands)?),
            (b's' | b'u', Value::Made(made)) => made.entries.extend(pairs(&operands)?),
            // Lists and sets of other kinds: what they hold is not looked at.
            (b'a' | b'e' | 0x90, Value::Made(_) | Value::Other) => {}
            _ => return Err("it adds to something that is neither a list nor a dict".into()),
        }
        Ok(())
    }

    /// Sets the attributes of an object; those of a dict are not needed.
    fn build(&mut self) -> Result<(), String> {
        let state = self.pop()?;
        let target = self.top()?;
        if let Value::Made(made) = &mut self.values[target] {
            made.state = Some(state);
        }
        Ok(())
    }

    fn remember(&mut self, instruction: u8) -> Result<(), String> {
        let key = match instruction {
            0x94 => self.memo.len() as u64,
            b'q' | b'h' => self.length(1)?,
            b'p' | b'g' => text::place(self.line()?)?,
            _ => self.length(4)?,
        };
        if matches!(instruction, b'h' | b'j' | b'g') {
            let id = *self.memo.get(&key).ok_or("it recalls a value that it never kept")?;
            self.stack.push(id);
            return Ok(());
        }
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }
}

pub(super) fn pairs(ids: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    if !ids.len().is_multiple_of(2) {
        return Err("it gives a dict a key without a value".into());
    }
    Ok(ids.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// Decodes a little-endian number in two's complement. Numbers of more than 16 bytes are never
/// sizes of tensors.
pub(super) fn signed(bytes: &[u8]) -> Value {
    if bytes.len() > 16 {
        return Value::Other;
    }
    let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let filler = if negative { 0xff } else { 0 };
    let mut wide = [filler; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i128::from_le_bytes(wide))
}
