//! Writes pickles, and PyTorch's files that contain them. The instructions for each value are drawn
//! among those of Python's protocols 0 to 5. This generator shares no code with the reader.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::Write;

/// Pseudo-random numbers from a seed (splitmix64).
pub(super) struct Draws(pub u64);

impl Draws {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % n as u64) as usize
    }

    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// A Python value.
#[derive(Clone, Debug)]
pub(super) enum Py {
    None,
    Bool(bool),
    Int(i64),
    /// Two's complement, little-endian, of any length.
    Long(Vec<u8>),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Py>),
    List(Vec<Py>),
    Dict(Vec<(Py, Py)>),
    Ordered(Vec<(Py, Py)>),
    Set(Vec<Py>),
    Frozen(Vec<Py>),
    /// Module and name.
    Global(String, String),
    Object(Box<Object>),
    Tensor(Tensor),
}

/// An object that a call of a class or function creates. Entries and state are set afterwards.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub module: String,
    pub name: String,
    pub args: Vec<Py>,
    pub entries: Vec<(Py, Py)>,
    pub state: Option<Py>,
}

#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// The name of the storage class, e.g. `FloatStorage`.
    pub storage: &'static str,
    pub element: usize,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
    pub is_parameter: bool,
}

pub(super) fn text(s: &str) -> Py {
    Py::Str(s.to_owned())
}

pub(super) fn floats(shape: &[usize], values: &[f32]) -> Py {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    Py::Tensor(Tensor {
        storage: "FloatStorage",
        element: 4,
        shape: shape.to_vec(),
        bytes,
        is_parameter: false,
    })
}

pub(super) fn object(
    module: &str,
    name: &str,
    args: Vec<Py>,
    entries: Vec<(Py, Py)>,
    state: Option<Py>,
) -> Py {
    Py::Object(Box::new(Object { module: module.into(), name: name.into(), args, entries, state }))
}

/// The key, the bytes and the element size of each storage.
pub(super) type Storages = Vec<(String, Vec<u8>, usize)>;

/// A pickle under construction, and the storages that it refers to.
pub(super) struct Pickler<'a> {
    pub draws: &'a mut Draws,
    pub out: Vec<u8>,
    pub storages: Storages,
    kept: usize,
}

/// The pickle of `value` with its storages.
pub(super) fn pickle(value: &Py, draws: &mut Draws) -> (Vec<u8>, Storages) {
    let mut pickler = Pickler { draws, out: vec![0x80, 5], storages: vec![], kept: 0 };
    pickler.value(value);
    pickler.out.push(b'.');
    (pickler.out, pickler.storages)
}

impl Pickler<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Memoizes the top of the stack, as Python does with most values, or at random does nothing.
    fn keep(&mut self) {
        match self.draws.below(5) {
            0 if self.kept < 256 => self.put(&[b'q', self.kept as u8]),
            1 => {
                let number = self.kept as u32;
                self.put(&[&b"r"[..], &number.to_le_bytes()].concat());
            }
            2 => {
                let line = format!("p{}\n", self.kept);
                self.put(line.as_bytes());
            }
            _ => return,
        }
        self.kept += 1;
    }

    fn counted(&mut self, instruction: u8, length_bytes: usize, content: &[u8]) {
        self.out.push(instruction);
        let length = (content.len() as u64).to_le_bytes();
        self.put(&length[..length_bytes]);
        self.put(content);
    }

    fn value(&mut self, value: &Py) {
        match value {
            Py::None => self.put(b"N"),
            Py::Bool(b) if self.draws.below(2) == 0 => {
                self.put(if *b { b"I01\n" } else { b"I00\n" })
            }
            Py::Bool(b) => self.put(if *b { b"\x88" } else { b"\x89" }),
            Py::Int(n) => self.int(*n),
            Py::Long(bytes) => self.counted(0x8a, 1, bytes),
            Py::Float(x) if self.draws.below(2) == 0 => self.put(format!("F{x:?}\n").as_bytes()),
            Py::Float(x) => self.put(&[&b"G"[..], &x.to_be_bytes()].concat()),
            Py::Str(s) => self.str(s),
            Py::Bytes(b) => match self.draws.below(4) {
                0 if b.len() < 256 => self.counted(b'C', 1, b),
                1 => self.counted(0x8e, 8, b),
                2 => self.counted(0x96, 8, b),
                _ => self.counted(b'B', 4, b),
            },
            Py::Tuple(items) => self.tuple(items),
            Py::List(items) => self.list(items),
            Py::Dict(entries) => {
                self.put(b"}");
                self.keep();
                self.entries(entries);
            }
            Py::Ordered(entries) => {
                self.put(b"ccollections\nOrderedDict\n)R");
                self.keep();
                self.entries(entries);
            }
            Py::Set(items) => {
                self.put(b"\x8f\x94(");
                self.kept += 1;
                items.iter().for_each(|item| self.value(item));
                self.put(b"\x90");
            }
            Py::Frozen(items) => {
                self.put(b"(");
                items.iter().for_each(|item| self.value(item));
                self.put(b"\x91");
            }
            Py::Global(module, name) => self.global(module, name),
            Py::Object(object) => self.object(object),
            Py::Tensor(tensor) => self.tensor(tensor),
        }
    }

    fn int(&mut self, n: i64) {
        match self.draws.below(4) {
            0 if (0..256).contains(&n) => self.put(&[b'K', n as u8]),
            1 if (0..65536).contains(&n) => {
                self.put(&[&b"M"[..], &(n as u16).to_le_bytes()].concat())
            }
            2 if i32::try_from(n).is_ok() => {
                self.put(&[&b"J"[..], &(n as i32).to_le_bytes()].concat())
            }
            3 => self.put(format!("L{n}L\n").as_bytes()),
            _ if n % 2 == 0 => self.counted(0x8a, 1, &n.to_le_bytes()),
            _ if n > 1 => self.put(format!("I{n}\n").as_bytes()),
            _ => self.counted(0x8b, 4, &n.to_le_bytes()),
        }
    }

    fn str(&mut self, s: &str) {
        let bytes = s.as_bytes();
        match self.draws.below(5) {
            0 if s.is_ascii() => self.put(format!("V{s}\n").as_bytes()),
            1 if s.is_ascii() && !s.contains(['\'', '\\']) => {
                self.put(format!("S'{s}'\n").as_bytes())
            }
            2 => self.counted(b'X', 4, bytes),
            3 => self.counted(0x8d, 8, bytes),
            _ if bytes.len() < 256 => self.counted(0x8c, 1, bytes),
            _ => self.counted(b'X', 4, bytes),
        }
        self.keep();
    }

    fn tuple(&mut self, items: &[Py]) {
        let is_short = (1..=3).contains(&items.len()) && self.draws.below(2) == 0;
        if !is_short && !items.is_empty() {
            self.put(b"(");
        }
        items.iter().for_each(|item| self.value(item));
        match items.len() {
            0 => self.put(b")"),
            n if is_short => self.out.push(0x84 + n as u8),
            _ => self.put(b"t"),
        }
        self.keep();
    }

    fn list(&mut self, items: &[Py]) {
        match self.draws.below(3) {
            0 => {
                self.put(b"(");
                items.iter().for_each(|item| self.value(item));
                self.put(b"l");
            }
            1 => {
                self.put(b"](");
                items.iter().for_each(|item| self.value(item));
                self.put(b"e");
            }
            _ => {
                self.put(b"]");
                for item in items {
                    self.value(item);
                    self.put(b"a");
                }
            }
        }
        self.keep();
    }

    /// Sets items of the dict or object on top of the stack.
    fn entries(&mut self, entries: &[(Py, Py)]) {
        let at_once = self.draws.below(2) == 0;
        if at_once {
            self.put(b"(");
        }
        for (key, value) in entries {
            self.value(key);
            self.value(value);
            if !at_once {
                self.put(b"s");
            }
        }
        if at_once {
            self.put(b"u");
        }
    }

    fn global(&mut self, module: &str, name: &str) {
        if self.draws.below(2) == 0 {
            self.put(format!("c{module}\n{name}\n").as_bytes());
        } else {
            self.str(module);
            self.str(name);
            self.put(b"\x93");
        }
        self.keep();
    }

    fn object(&mut self, o: &Object) {
        let way = self.draws.below(5);
        match way {
            0 => {
                self.put(b"(");
                o.args.iter().for_each(|arg| self.value(arg));
                self.put(format!("i{}\n{}\n", o.module, o.name).as_bytes());
            }
            1 => {
                self.put(b"(");
                self.global(&o.module, &o.name);
                o.args.iter().for_each(|arg| self.value(arg));
                self.put(b"o");
            }
            _ => {
                self.global(&o.module, &o.name);
                self.tuple(&o.args);
                match way {
                    2 => self.put(b"\x81"),
                    3 => self.put(b"}\x92"),
                    _ => self.put(b"R"),
                }
            }
        }
        self.keep();
        if !o.entries.is_empty() {
            self.entries(&o.entries);
        }
        if let Some(state) = &o.state {
            self.value(state);
            self.put(b"b");
        }
    }

    fn tensor(&mut self, t: &Tensor) {
        if t.is_parameter {
            self.global("torch._utils", "_rebuild_parameter");
        }
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.put(b"((");
        self.str("storage");
        self.global("torch", t.storage);
        let key = self.storages.len().to_string();
        self.str(&key);
        self.str("cpu");
        self.int((t.bytes.len() / t.element) as i64);
        if self.draws.below(2) == 0 {
            self.put(b"N");
        }
        self.put(b"tQ");
        self.storages.push((key, t.bytes.clone(), t.element));
        self.int(0);
        let strides: Vec<usize> =
            (0..t.shape.len()).map(|axis| t.shape[axis + 1..].iter().product()).collect();
        let ints =
            |numbers: &[usize]| numbers.iter().map(|&n| Py::Int(n as i64)).collect::<Vec<_>>();
        self.tuple(&ints(&t.shape));
        self.tuple(&ints(&strides));
        self.value(&Py::Bool(false));
        self.put(b"ccollections\nOrderedDict\n)RtR");
        if t.is_parameter {
            self.put(b"\x88ccollections\nOrderedDict\n)R\x87R");
        }
        self.keep();
    }
}

/// The format of `torch.save` before 2020.
pub(super) fn legacy(value: &Py, draws: &mut Draws) -> Vec<u8> {
    let (body, storages) = pickle(value, draws);
    let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    file.extend(b"\x80\x02}(X\x0d\0\0\0little_endian\x88X\x10\0\0\0protocol_versionM\xe9\x03u.");
    file.extend(body);
    let keys = storages.iter().map(|(key, ..)| text(key)).collect();
    file.extend(pickle(&Py::List(keys), draws).0);
    for (_, bytes, element) in storages {
        file.extend(((bytes.len() / element) as u64).to_le_bytes());
        file.extend(bytes);
    }
    file
}

/// The current format of `torch.save`. `zip` writes an archive with the given names and contents.
pub(super) fn zipped(
    value: &Py,
    draws: &mut Draws,
    zip: impl Fn(Vec<(String, Vec<u8>)>) -> Vec<u8>,
) -> Vec<u8> {
    let (body, storages) = pickle(value, draws);
    let mut entries = vec![
        ("archive/data.pkl".to_owned(), body),
        ("archive/byteorder".into(), b"little".to_vec()),
    ];
    entries
        .extend(storages.into_iter().map(|(key, bytes, _)| (format!("archive/data/{key}"), bytes)));
    entries.push(("archive/version".into(), b"3\n".to_vec()));
    zip(entries)
}

/// Writes the file of a test.
pub(super) fn write(path: &std::path::Path, bytes: &[u8]) {
    std::fs::File::create(path)
        .and_then(|mut file| file.write_all(bytes))
        .expect("a file in a temporary folder");
}
