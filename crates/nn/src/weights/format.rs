//! Recognizes the format of a file by its first bytes, and names other formats in messages.

/// The formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Safetensors,
    /// PyTorch's since 2020.
    Zip,
    /// PyTorch's before: pickles, then storages.
    Legacy,
    /// A list of the files that hold the tensors.
    Index,
}

/// The problem of a file, and its remedy.
pub(super) type Refusal = (String, String);

/// The first bytes of files that are mistaken for weights, with their names and remedies.
const MAGIC: [(&[u8], &str, &str); 16] = [
    (b"\x1f\x8b", "is compressed by gzip", UNPACK),
    (b"BZh", "is compressed by bzip2", UNPACK),
    (b"\xfd7zXZ", "is compressed by xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd", UNPACK),
    (b"7z\xbc\xaf", "is a 7-zip archive", UNPACK),
    (b"Rar!", "is a RAR archive", UNPACK),
    (b"\x89HDF\r\n\x1a\n", "is HDF5, as Keras and TensorFlow write it", OTHER_LIBRARY),
    (
        b"\x93NUMPY",
        "is a NumPy array",
        "save the network's state_dict() with torch.save or as safetensors",
    ),
    (b"GGUF", "is GGUF, a format for language models", OTHER_LIBRARY),
    (
        b"version https://git-lfs",
        "is a pointer of Git LFS; the weights themselves were not fetched",
        LFS,
    ),
    (
        b"/annex/objects/",
        "is a pointer of git-annex; the weights themselves were not fetched",
        "run git annex get",
    ),
    (b"%PDF", "is a PDF document", PUBLISHED),
    (b"\x89PNG", "is a picture (PNG)", "give the weights with weights= and pictures without it"),
    (
        b"\xff\xd8\xff",
        "is a picture (JPEG)",
        "give the weights with weights= and pictures without it",
    ),
    (b"\x7fELF", "is a program or a library", PUBLISHED),
    (b"PAR1", "is a Parquet table", PUBLISHED),
];

const UNPACK: &str = "unpack it and give the file inside";
const LFS: &str = "run git lfs pull in its repository, or download the file itself";
const OTHER_LIBRARY: &str =
    "convert it to PyTorch, and save state_dict() with torch.save or as safetensors";
const PUBLISHED: &str = "give a safetensors file or a .pth of PyTorch";
const AGAIN: &str = "download it again; what came is a page for a browser";
const ONNX: &str =
    "save the PyTorch network's state_dict() instead; ONNX renames and fuses what res2lab needs";

/// The format of a file, or an error that names what it is instead. `name` is the file's name, for
/// formats that cannot be recognized by content.
pub(super) fn recognize(bytes: &[u8], name: &str) -> Result<Format, Refusal> {
    let is = |what: &str, help: &str| Err((format!("it {what}"), help.to_owned()));
    if bytes.is_empty() {
        return Err((
            "it is empty".into(),
            "get the file again; it was not written or not downloaded".into(),
        ));
    }
    if looks_like_safetensors(bytes) {
        return Ok(Format::Safetensors);
    }
    if bytes.starts_with(b"PK") {
        return Ok(Format::Zip);
    }
    // The second is torch.save's magic number in protocols 0 and 1.
    if bytes[0] == 0x80 || bytes.starts_with(b"L119547037146038801333356L") {
        return Ok(Format::Legacy);
    }
    if let Some((_, what, help)) = MAGIC.into_iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return is(what, help);
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return is("is a tar archive", UNPACK);
    }
    if bytes.iter().take(4096).all(|&b| b == 0) {
        return is(
            "holds nothing but zeros where it should begin",
            "get the file again; its download did not end",
        );
    }
    if let Some(found) = text(bytes) {
        return found;
    }
    other(bytes, name)
}

/// Whether a JSON object follows a length of eight bytes. No pickle has a brace at this position.
fn looks_like_safetensors(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    bytes.get(8) == Some(&b'{') && length.is_some_and(|n| n < 100_000_000)
}

/// The kind of a text file; None if the bytes are not text.
fn text(bytes: &[u8]) -> Option<Result<Format, Refusal>> {
    let front = &bytes[..bytes.len().min(2048)];
    let front = front.strip_prefix(b"\xef\xbb\xbf").unwrap_or(front);
    let is_text = |b: &u8| *b >= 0x20 || b.is_ascii_whitespace();
    if !front.iter().all(is_text) {
        return None;
    }
    let shown = String::from_utf8_lossy(front);
    let begin = shown.trim_start();
    let lower = begin.to_ascii_lowercase();
    let refusal = |what: String, help: &str| Some(Err((what, help.to_owned())));
    if lower.starts_with("<!doctype") || lower.starts_with("<html") || lower.contains("<head>") {
        return refusal(format!("it is an HTML page{}", titled(begin)), AGAIN);
    }
    if begin.starts_with('<') {
        return refusal(
            "it is an XML page, as servers answer when they refuse a download".into(),
            AGAIN,
        );
    }
    if begin.starts_with('{') {
        return Some(index_or_text(bytes));
    }
    let pickled = super::pickle::read(bytes);
    if let Err(why) = &pickled
        && why.contains("would run code")
    {
        return refusal(why.clone(), super::HOSTILE);
    }
    if pickled.is_ok_and(|(_, length)| length + 2 >= bytes.len() && length > 3) {
        return Some(Ok(Format::Legacy));
    }
    let line: String = begin.lines().next().unwrap_or_default().chars().take(60).collect();
    refusal(format!("it is text (\"{}\")", line.trim_end()), PUBLISHED)
}

/// The title of an HTML page, which distinguishes an exceeded quota from a login.
fn titled(page: &str) -> String {
    let lower = page.to_ascii_lowercase();
    let title = lower
        .find("<title>")
        .and_then(|at| page.get(at + 7..))
        .and_then(|rest| rest.split('<').next());
    title
        .map(|t| t.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|t| !t.is_empty())
        .map_or_else(String::new, |t| format!(" (\"{}\")", t.chars().take(60).collect::<String>()))
}

fn index_or_text(bytes: &[u8]) -> Result<Format, Refusal> {
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(value) if value["weight_map"].is_object() => Ok(Format::Index),
        _ => Err(("it is JSON text".into(), PUBLISHED.into())),
    }
}

/// Formats of other libraries that have no simple signature.
fn other(bytes: &[u8], name: &str) -> Result<Format, Refusal> {
    let front = &bytes[..bytes.len().min(256)];
    let has = |word: &[u8]| front.windows(word.len()).any(|part| part == word);
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is = |what: &str, help: &str| Err((format!("it {what}"), help.to_owned()));
    match ending.as_str() {
        "onnx" => return is("is an ONNX network", ONNX),
        "pb" | "index" | "tflite" => return is("is TensorFlow's", OTHER_LIBRARY),
        "msgpack" => return is("is Flax's (msgpack)", OTHER_LIBRARY),
        "caffemodel" => return is("is Caffe's", OTHER_LIBRARY),
        "pte" => return is("is ExecuTorch's program", "save state_dict() of the network itself"),
        "engine" | "plan" | "trt" => {
            return is("is a TensorRT engine", "save state_dict() of the network itself");
        }
        _ => {}
    }
    // ONNX begins with its version and the producer's name; both are fields of a protocol buffer.
    if bytes[0] == 0x08 && (has(b"pytorch") || has(b"onnx")) && bytes.get(2) == Some(&0x12) {
        return is("is an ONNX network", ONNX);
    }
    if bytes.get(4..8) == Some(b"TFL3") {
        return is("is TensorFlow Lite's", OTHER_LIBRARY);
    }
    if bytes.len() < 8 {
        return is("is cut off after a few bytes", "get the file again");
    }
    is("is neither safetensors nor a .pth of PyTorch", PUBLISHED)
}

/// Names a zip archive that has no `data.pkl`, or more entries than torch.save writes.
pub(super) fn zip_kind(names: &[&str]) -> Option<Refusal> {
    let has = |what: &dyn Fn(&str) -> bool| names.iter().any(|name| what(name));
    let refusal = |what: &str, help: &str| Some((format!("it is {what}"), help.to_owned()));
    if has(&|n| n.ends_with("/constants.pkl") || n.contains("/code/__torch__")) {
        let help =
            "save its weights: torch.save(torch.jit.load(FILE).state_dict(), \"weights.pth\")";
        return refusal("a TorchScript archive (torch.jit.save), which holds a program", help);
    }
    if has(&|n| n.ends_with("models/model.json") || n.ends_with("archive_format")) {
        let help =
            "save its weights: torch.save(torch.export.load(FILE).state_dict, \"weights.pth\")";
        return refusal("a program of torch.export, with its weights inside", help);
    }
    if has(&|n| n.ends_with("/data.pkl") || n == "data.pkl") {
        return None;
    }
    if has(&|n| n.ends_with("model.weights.h5")) {
        return refusal("a Keras network", OTHER_LIBRARY);
    }
    if has(&|n| n.ends_with(".npy")) {
        return refusal(
            "an archive of NumPy arrays (.npz)",
            "save the network's state_dict() with torch.save",
        );
    }
    let weights = |n: &&&str| {
        [".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".tar"].iter().any(|e| n.ends_with(e))
    };
    if let Some(inside) = names.iter().find(weights) {
        return refusal(&format!("a zip archive around {inside}"), UNPACK);
    }
    let what = "a zip archive without data.pkl: torch.save did not write it";
    refusal(what, PUBLISHED)
}

/// Names a folder that was given instead of a file.
pub(super) fn folder(path: &std::path::Path) -> Refusal {
    const KNOWN: [&str; 9] = [
        "model.safetensors.index.json",
        "model.safetensors",
        "pytorch_model.bin.index.json",
        "pytorch_model.bin",
        "checkpoints/best.safetensors",
        "checkpoints/last.safetensors",
        "model_best.pth.tar",
        "last.ckpt",
        "checkpoint.pth",
    ];
    let help = match KNOWN.into_iter().find(|name| path.join(name).is_file()) {
        Some(name) => format!("give the file in it: weights={}", path.join(name).display()),
        None if path.join(".metadata").is_file() => {
            "convert it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER weights.pth".into()
        }
        None => "give the file itself, e.g. FOLDER/model.safetensors".into(),
    };
    let what = match () {
        () if path.join(".metadata").is_file() => {
            "it is a folder, a checkpoint of torch.distributed"
        }
        () if path.join("saved_model.pb").is_file() => "it is a folder, a SavedModel of TensorFlow",
        () if path.join("data.pkl").is_file() => {
            "it is a folder, an unpacked .pth; zip it again without compression"
        }
        () => "it is a folder",
    };
    (what.to_owned(), help)
}
