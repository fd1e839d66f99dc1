//! Python's pickles as data. A pickle is a program for a stack machine that may call any function
//! by name; this reader executes every instruction that Python writes, but builds plain values only
//! and calls nothing: a call becomes a [`Made`], which says by what it would be made and from what.
//! A file that names a function that would run code is refused by that name, since other readers
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

/// A value's place in [`Pickle::values`]. Values refer to each other by place, so sharing and
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
    /// What a call or a class would give. Nobody makes it.
    Made(Box<Made>),
    /// What the file around the pickle keeps (a storage), by its description.
    Persistent(Id),
    /// Bytes, sets and numbers of any length: nothing that describes a tensor.
    Other,
}

/// A call that the pickle asks for, and what it would fill the result with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// The function's or class's full name.
    pub by: String,
    /// Positional arguments.
    pub args: Vec<Id>,
    /// Keys and values that would be set on the result, as on a dict.
    pub entries: Vec<(Id, Id)>,
    /// What the result would be given as its attributes.
    pub state: Option<Id>,
}

/// A pickle's values and the one that it stands for.
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
