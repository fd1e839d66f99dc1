//! Names and calls in a pickle. Names are checked, calls are recorded, and nothing is called.

use super::machine::{Machine, NO_OPERAND, pairs};
use super::{Id, Made, Value, danger};

impl Machine<'_> {
    pub(super) fn global(&mut self, instruction: u8) -> Result<(), String> {
        let full = if instruction == b'c' {
            self.named_in_lines()?
        } else {
            let name = self.pop()?;
            let module = self.pop()?;
            match (&self.values[module], &self.values[name]) {
                (Value::Str(module), Value::Str(name)) => format!("{module}.{name}"),
                _ => return Err("it names a function by something that is not text".into()),
            }
        };
        self.push(checked(full)?)
    }

    fn named_in_lines(&mut self) -> Result<String, String> {
        let module = self.line()?;
        let name = self.line()?;
        Ok(format!("{}.{}", String::from_utf8_lossy(module), String::from_utf8_lossy(name)))
    }

    pub(super) fn call(&mut self, instruction: u8) -> Result<(), String> {
        let (function, args) = match instruction {
            b'i' => {
                let class = checked(self.named_in_lines()?)?;
                let args = self.pop_to_mark()?;
                self.values.push(class);
                (self.values.len() - 1, args)
            }
            b'o' => {
                let mut parts = self.pop_to_mark()?;
                if parts.is_empty() {
                    return Err(NO_OPERAND.into());
                }
                (parts.remove(0), parts)
            }
            _ => {
                if instruction == 0x92 {
                    self.pop()?;
                }
                let args = self.pop()?;
                let function = self.pop()?;
                let args = match &self.values[args] {
                    Value::Tuple(args) => args.clone(),
                    _ => vec![],
                };
                (function, args)
            }
        };
        let by = self.name_of(function);
        if by.ends_with(".getattr") && args.iter().any(|&id| self.is_machinery(id)) {
            return Err(refused(&by));
        }
        let made = if by == "collections.OrderedDict" {
            Value::Dict(self.listed_pairs(&args)?)
        } else {
            Value::Made(Box::new(Made {
                by: self.class_behind(by, &args),
                args,
                ..Made::default()
            }))
        };
        self.push(made)
    }

    /// A class that PyTorch stores with its source text is recorded by its name too.
    fn name_of(&self, function: Id) -> String {
        let name = match &self.values[function] {
            Value::Global(name) => Some(name),
            Value::Made(made) => Some(&made.by),
            Value::Persistent(description) => match &self.values[*description] {
                Value::Tuple(parts) => match parts.get(1).map(|&class| &self.values[class]) {
                    Some(Value::Global(name)) => Some(name),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        };
        name.map_or_else(|| "something without a name".to_owned(), String::clone)
    }

    /// Protocols 0 and 1 make objects by a helper whose first argument is the class.
    fn class_behind(&self, by: String, args: &[Id]) -> String {
        let is_helper = ["copyreg._reconstructor", "copy_reg._reconstructor", "copyreg.__newobj__"]
            .contains(&&*by);
        match args.first().map(|&id| &self.values[id]) {
            Some(Value::Global(class)) if is_helper => class.clone(),
            _ => by,
        }
    }

    fn is_machinery(&self, id: Id) -> bool {
        matches!(&self.values[id], Value::Str(name) if danger::is_machinery(name))
    }

    /// An ordered dict is filled later, or given as a list of pairs.
    fn listed_pairs(&self, args: &[Id]) -> Result<Vec<(Id, Id)>, String> {
        let mut entries = vec![];
        if let Some(Value::List(items)) = args.first().map(|&id| &self.values[id]) {
            for &item in items {
                let (Value::Tuple(pair) | Value::List(pair)) = &self.values[item] else {
                    return Err("it makes a dict of something that is not pairs".into());
                };
                entries.extend(pairs(pair)?);
            }
        }
        Ok(entries)
    }
}

fn checked(full: String) -> Result<Value, String> {
    if danger::runs_code(&full) { Err(refused(&full)) } else { Ok(Value::Global(full)) }
}

fn refused(full: &str) -> String {
    format!("it asks for {full}, which would run code; nothing was run")
}
