//! State dicts as training scripts save them, from a generator: nested in other values, with any
//! prefix, and with arbitrary values beside the tensors. Each of them is loaded exactly. A file
//! that would run code is refused, and the error names the function.

mod filled;
mod pickled;

use filled::fill;
use pickled::{Draws, Py, Tensor as Stored, floats, object, text};
use proptest::prelude::*;
use res2lab_arch::{Input, ModelOverrides, StateEntry, build};
use res2lab_nn::weights::{Fit, WeightsFile, load};
use res2lab_nn::{Engine, Layout, Net, Placement, init};
use std::io::{Cursor, Write};
use std::path::Path;
use tch::{Device, Kind, Tensor};

fn net(scale: usize) -> Net {
    let words: ModelOverrides = serde_json::from_value(serde_json::json!({
        "block": "res2", "stem": "cifar", "depth": 11, "planes": 4, "width": 16, "scale": scale
    }))
    .unwrap();
    let graph = build(
        &words.resolve().unwrap().0,
        Input { channels: 3, height: 32, width: 32, classes: 5 },
    )
    .unwrap();
    let placement = Placement {
        device: Device::Cpu,
        kind: Kind::Float,
        layout: Layout::Contiguous,
        engine: Engine::Planned,
    };
    let mut net = Net::new(graph, placement).unwrap();
    init::init(net.params_mut(), 0);
    net
}

/// Values that differ between names, and between copies of a network.
fn values(copy: &str, entry: &StateEntry) -> Vec<f32> {
    fill(&format!("{copy}{}", entry.name), entry.elements()).iter().map(|&v| v as f32).collect()
}

/// The entries of a state dict, with `prefix` before each name.
fn state(entries: &[StateEntry], prefix: &str, copy: &str) -> Vec<(Py, Py)> {
    let one =
        |e: &StateEntry| (text(&format!("{prefix}{}", e.name)), floats(&e.shape, &values(copy, e)));
    entries.iter().map(one).collect()
}

fn zip(entries: Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(vec![]));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in entries {
        writer.start_file(name, options).unwrap();
        writer.write_all(&content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn saved(value: &Py, draws: &mut Draws) -> tempfile::NamedTempFile {
    let bytes = if draws.below(2) == 0 {
        pickled::legacy(value, draws)
    } else {
        pickled::zipped(value, draws, zip)
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    pickled::write(file.path(), &bytes);
    file
}

/// Loads a file, asserts that every value is that of `copy`, and returns the notes. An error is the
/// cause.
fn loads(path: &Path, copy: &str) -> Result<Vec<String>, String> {
    let mut net = net(2);
    let file = WeightsFile::open(path).map_err(|e| e.cause)?;
    let loaded = load(net.params_mut(), &file, Fit::Exact).map_err(|e| e.cause)?;
    for (index, entry) in net.params().entries().iter().enumerate() {
        let wanted = Tensor::from_slice(&values(copy, entry));
        assert_eq!(net.params().tensor(index).contiguous().view([-1]), wanted, "{}", entry.name);
    }
    Ok(loaded.notes)
}

/// A random value of a kind that training scripts store beside weights.
fn foreign(draws: &mut Draws, depth: usize) -> Py {
    let inner = |draws: &mut Draws| if depth == 0 { Py::Int(7) } else { foreign(draws, depth - 1) };
    match draws.below(22) {
        0 => Py::None,
        1 => Py::Int(draws.below(100_000) as i64 - 5000),
        2 => Py::Float(76.13),
        3 => text("res2net50_26w_4s, état"),
        4 => Py::Bool(draws.below(2) == 0),
        5 => Py::Long(vec![1; 1 + draws.below(40)]),
        6 => Py::Bytes(vec![0; draws.below(300)]),
        7 => Py::Tuple((0..draws.below(5)).map(|_| inner(draws)).collect()),
        8 => Py::List((0..draws.below(4)).map(|_| inner(draws)).collect()),
        9 => Py::Dict((0..draws.below(4)).map(|i| (Py::Int(i as i64), inner(draws))).collect()),
        10 => Py::Set(vec![text("conv1.weight"), Py::Int(3)]),
        11 => Py::Frozen(vec![text("a")]),
        which @ 12..=18 => foreign_object(which, draws, &inner),
        19 => Py::Global("torch".into(), "float32".into()),
        20 => {
            let buffer = Py::Dict(vec![
                (text("momentum_buffer"), floats(&[2, 3], &[0.5; 6])),
                (text("step"), Py::Int(9)),
            ]);
            Py::Dict(vec![
                (text("state"), Py::Dict(vec![(Py::Int(0), buffer)])),
                (text("param_groups"), inner(draws)),
            ])
        }
        _ => {
            let kinds = [
                ("BoolStorage", 1),
                ("ByteStorage", 1),
                ("LongStorage", 8),
                ("HalfStorage", 2),
                ("QInt8Storage", 1),
            ];
            let (storage, element) = *draws.one(&kinds);
            Py::Tensor(Stored {
                storage,
                element,
                shape: vec![4],
                bytes: vec![1; 4 * element],
                is_parameter: false,
            })
        }
    }
}

/// An object of a class that torch does not define.
fn foreign_object(which: usize, draws: &mut Draws, inner: &dyn Fn(&mut Draws) -> Py) -> Py {
    match which {
        12 => object(
            "argparse",
            "Namespace",
            vec![],
            vec![],
            Some(Py::Dict(vec![(text("lr"), inner(draws))])),
        ),
        13 => object(
            "collections",
            "Counter",
            vec![Py::Dict(vec![(Py::Int(30), Py::Int(1))])],
            vec![],
            None,
        ),
        14 => {
            let dtype = object(
                "numpy",
                "dtype",
                vec![text("f8"), Py::Bool(false), Py::Bool(true)],
                vec![],
                None,
            );
            object(
                "numpy._core.multiarray",
                "scalar",
                vec![dtype, Py::Bytes(vec![0; 8])],
                vec![],
                None,
            )
        }
        15 => object("datetime", "datetime", vec![Py::Bytes(vec![7; 10])], vec![], None),
        16 => object("pathlib", "PosixPath", vec![text("data"), text("imagenet")], vec![], None),
        17 => object(
            "collections",
            "defaultdict",
            vec![Py::Global("builtins".into(), "list".into())],
            vec![(text("x"), inner(draws))],
            None,
        ),
        _ => object(
            "my.project.config",
            "Config",
            vec![inner(draws)],
            vec![],
            Some(Py::Tuple(vec![Py::None, inner(draws)])),
        ),
    }
}

/// Nests a state dict in up to three levels of containers, each with further values.
fn nested(state: Vec<(Py, Py)>, draws: &mut Draws) -> Py {
    let keys = [
        "state_dict",
        "model",
        "net",
        "module",
        "network",
        "params",
        "model_state_dict",
        "checkpoint",
        "weights",
    ];
    let mut value = if draws.below(2) == 0 { Py::Ordered(state) } else { Py::Dict(state) };
    for level in 0..draws.below(4) {
        let mut entries = vec![(text(keys[draws.below(keys.len())]), value)];
        entries.extend(
            (0..draws.below(5)).map(|i| (text(&format!("beside{level}{i}")), foreign(draws, 2))),
        );
        draws.shuffle(&mut entries);
        value = match draws.below(4) {
            0 => Py::Ordered(entries),
            1 => object("omegaconf.dictconfig", "Holder", vec![], entries, None),
            2 => Py::Tuple(vec![Py::Int(3), Py::Dict(entries)]),
            _ => Py::Dict(entries),
        };
    }
    value
}

/// The number of random cases, which `RES2LAB_CASES` sets (more in `just verify-long`).
fn cases() -> u32 {
    std::env::var("RES2LAB_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(96)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn any_nest_with_any_prefix_and_anything_beside_it_is_loaded(seed: u64) {
        let draws = &mut Draws(seed);
        let parts = ["module.", "_orig_mod.", "model.", "backbone.", "encoder.", "student.", "net.", "0.", "resnet."];
        let prefix: String = (0..draws.below(4)).map(|_| *draws.one(&parts)).collect();
        let entries = net(2).params().entries().to_vec();
        let mut all = state(&entries, &prefix, "");
        for i in 0..draws.below(4) {
            // Counters, and values that are not tensors, may be among the tensors themselves.
            all.push((text(&format!("{prefix}bn1.total_ops{}", if i == 0 { "" } else { "x" })), Py::Float(0.0)));
            all.push((text(&format!("{prefix}beside{i}")), foreign(draws, 1)));
            let counter = floats(&[1], &[0.0]);
            all.push((text(&format!("{prefix}layer1.{i}.total_ops")), counter));
        }
        // Weights may be float16. A float16 tensor among them that the network lacks is therefore
        // an error.
        all.retain(|(_, value)| !matches!(value, Py::Tensor(t) if t.storage == "HalfStorage"));
        all.retain(|(key, value)| !matches!((key, value), (Py::Str(k), Py::Dict(_)) if k.contains("beside")));
        draws.shuffle(&mut all);
        let file = saved(&nested(all, draws), draws);
        let notes = loads(file.path(), "").map_err(TestCaseError::fail)?;
        let is_told = notes.iter().any(|note| note.contains(prefix.as_str()));
        prop_assert!(prefix.is_empty() || is_told, "{prefix}: {notes:?}");
    }

    #[test]
    fn of_two_copies_the_one_that_is_asked_for_is_taken(seed: u64) {
        let draws = &mut Draws(seed);
        let entries = net(2).params().entries().to_vec();
        let pairs = [
            ("state_dict", "state_dict_ema", "ema"),
            ("model", "model_ema", "ema"),
            ("student", "teacher", "teacher"),
            ("encoder_q", "encoder_k", "encoder_k"),
            ("online", "target", "target"),
            ("net", "ema_model.module", "ema_model"),
        ];
        let (raw, follower, choice) = *draws.one(&pairs);
        // The copies are in two dicts, or in one dict with two prefixes.
        let mut all = if draws.below(2) == 0 {
            vec![
                (text(raw), Py::Dict(state(&entries, "", "raw "))),
                (text(follower), Py::Dict(state(&entries, "", "average "))),
            ]
        } else {
            let both = [(raw, "raw "), (follower, "average ")];
            both.iter().flat_map(|(name, copy)| state(&entries, &format!("{name}."), copy)).collect()
        };
        draws.shuffle(&mut all);
        let file = saved(&Py::Dict(all), draws);
        let notes = loads(file.path(), "raw ").map_err(TestCaseError::fail)?;
        let told = &notes[0];
        prop_assert!(told.contains(raw) && told.contains(&format!("#{follower}")), "{notes:?}");
        let chosen = format!("{}#{choice}", file.path().display());
        loads(Path::new(&chosen), "average ").map_err(TestCaseError::fail)?;
        let chosen = format!("{}#{raw}", file.path().display());
        loads(Path::new(&chosen), "raw ").map_err(TestCaseError::fail)?;
    }

    #[test]
    fn what_would_run_code_is_refused_by_name_wherever_it_stands(seed: u64) {
        let draws = &mut Draws(seed);
        let bad = [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("nt", "system"),
            ("runpy", "_run_code"), ("builtins", "exec"), ("importlib", "import_module"), ("torch", "os.system")];
        let (module, name) = *draws.one(&bad);
        let entries = net(2).params().entries().to_vec();
        let mut all = state(&entries, "", "");
        all.push((text("beside"), object(module, name, vec![text("touch res2lab-was-here")], vec![], None)));
        draws.shuffle(&mut all);
        let file = saved(&nested(all, draws), draws);
        let e = loads(file.path(), "").unwrap_err();
        prop_assert!(e.contains(&format!("{module}.{name}")) && e.contains("nothing was run"), "{e}");
        prop_assert!(!Path::new("res2lab-was-here").exists());
    }

    #[test]
    fn no_damage_makes_it_panic(seed: u64) {
        let draws = &mut Draws(seed);
        let entries = net(2).params().entries().to_vec();
        let value = nested(state(&entries, "", ""), draws);
        let mut bytes = match draws.below(3) {
            0 => pickled::legacy(&value, draws),
            1 => pickled::zipped(&value, draws, zip),
            _ => res2lab_nn::weights::to_bytes(net(2).params(), true, "").unwrap(),
        };
        // Lengths, names and instructions are near the beginning of the file.
        let reach = if draws.below(2) == 0 { bytes.len() } else { bytes.len().min(3000) };
        for _ in 0..1 + draws.below(20) {
            let at = draws.below(reach);
            bytes[at] = draws.below(256) as u8;
        }
        bytes.truncate(bytes.len() - if draws.below(4) == 0 { draws.below(bytes.len()) } else { 0 });
        let file = tempfile::NamedTempFile::new().unwrap();
        pickled::write(file.path(), &bytes);
        if let Ok(file) = WeightsFile::open(file.path()) {
            let _ = load(net(2).params_mut(), &file, Fit::Start);
        }
    }

    #[test]
    fn bytes_of_any_kind_are_an_error_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = res2lab_nn::weights::pickle::read(&bytes);
        let file = tempfile::NamedTempFile::new().unwrap();
        pickled::write(file.path(), &bytes);
        prop_assert!(WeightsFile::open(file.path()).is_err());
    }
}

#[test]
fn a_wanted_tensor_of_something_unknown_is_named() {
    let draws = &mut Draws(1);
    let entries = net(2).params().entries().to_vec();
    let mut all = state(&entries, "", "");
    all[0].1 = object("my.quantizer", "QTensor", vec![Py::Int(3)], vec![], None);
    let e = loads(saved(&Py::Dict(all), draws).path(), "").unwrap_err();
    assert!(
        e.contains("tensor conv1.weight is made by my.quantizer.QTensor, which is not known here"),
        "{e}"
    );
    let mut all = state(&entries, "", "");
    let bytes = vec![0; entries[0].elements()];
    let shape = entries[0].shape.clone();
    all[0].1 = Py::Tensor(Stored {
        storage: "ByteStorage",
        element: 1,
        shape,
        bytes,
        is_parameter: false,
    });
    let e = loads(saved(&Py::Dict(all), draws).path(), "").unwrap_err();
    assert!(e.contains("tensor conv1.weight is of type uint8, which weights never are"), "{e}");
}
