//! Reads Python's pickles as data. A pickle is a program for a stack machine that may call any
//! function by name. This reader executes all instructions that Python writes, but it builds only
//! plain values and calls nothing: a call becomes a [`Made`], which records the function and its
//! arguments. A file that names a function that would run code is refused, since other readers
//! would run it.
//!
//! Reading order:
//! - this file: the values
//! - [`machine`]: the instructions; [`text`]: those of protocol 0, which are lines of text
//! - [`calls`]: names and calls; [`danger`]: which names would run code

mod calls;
mod danger;
mod machine;
mod text;

#[cfg(test)]
mod tests;

pub use machine::read;

/// The index of a value in [`Pickle::values`]. Values refer to each other by index, so sharing and
/// cycles are harmless.
pub type Id = usize;

/// A value as the pickle describes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A function or class by its full name.
    Global(String),
    /// The result of a call or a class, which is recorded but never made.
    Made(Box<Made>),
    /// An object outside the pickle (a storage), by its description.
    Persistent(Id),
    /// Bytes, sets and long numbers, which never describe a tensor.
    Other,
}

/// A call in a pickle, and the contents that would be set on its result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// The full name of the function or class.
    pub by: String,
    /// Positional arguments.
    pub args: Vec<Id>,
    /// Keys and values that would be set on the result, as on a dict.
    pub entries: Vec<(Id, Id)>,
    /// The attributes that would be set on the result.
    pub state: Option<Id>,
}

/// The values of a pickle, and the one that it represents.
#[derive(Clone, Debug)]
pub struct Pickle {
    pub values: Vec<Value>,
    pub root: Id,
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

    /// The members of a tuple or list. `torch.Size` is a tuple.
    pub fn items(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            Value::Made(made) if made.by == "torch.Size" => match self.get(*made.args.first()?) {
                Value::Tuple(items) => Some(items),
                _ => None,
            },
            _ => None,
        }
    }

    /// Keys and values of a dict, or of an object that is filled like one.
    pub fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Dict(entries) => Some(entries),
            Value::Made(made) if !made.entries.is_empty() => Some(&made.entries),
            _ => None,
        }
    }

    /// Looks a text key up in a dict.
    pub fn entry(&self, dict: &[(Id, Id)], key: &str) -> Option<Id> {
        dict.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, value)| *value)
    }
}
