//! Weights: what training scripts save beside them, around them, and instead of them.

use crate::common::{Bench, runs, stderr};
use pickled::{Draws, Py, Tensor, floats, object, text};
use std::path::PathBuf;
use std::process::Output;

#[path = "../../../nn/tests/pickled/mod.rs"]
mod pickled;

/// The network of crates/nn/tests/pth: images of three channels, ten classes.
const WORDS: &str = "block=res2 stem=cifar depth=11 planes=8 width=32 scale=2";
/// Pictures that need no files.
const SET: &str =
    "data=generated data.size=32 data.classes=10 data.images=64 batch=8 epochs=1 seed=0";

struct Case {
    bench: Bench,
    /// Names and tensors, as PyTorch saved them.
    state: Vec<(String, Py)>,
}

impl Case {
    fn new() -> Case {
        let bench = Bench::new();
        let plain = bench.sweep("plain.safetensors");
        let line = format!(
            "weights {WORDS} weights=crates/nn/tests/pth/zip.pth --out {}",
            plain.display()
        );
        let output = bench.run(&line);
        assert!(output.status.success(), "{}", stderr(&output));
        let bytes = std::fs::read(&plain).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |(name, view): (String, safetensors::tensor::TensorView)| {
            let values: Vec<f32> = view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
                .collect();
            (name, floats(view.shape(), &values))
        };
        let mut state: Vec<_> = file.tensors().into_iter().map(tensor).collect();
        state.sort_by(|a, b| a.0.cmp(&b.0));
        Case { bench, state }
    }

    fn path(&self) -> PathBuf {
        self.bench.sweep("p.pth")
    }

    /// The state dict with a prefix before every name.
    fn dict(&self, prefix: &str) -> Py {
        Py::Ordered(
            self.state
                .iter()
                .map(|(name, t)| (text(&format!("{prefix}{name}")), t.clone()))
                .collect(),
        )
    }

    fn save(&self, value: &Py) {
        pickled::write(&self.path(), &pickled::legacy(value, &mut Draws(1)));
    }

    /// As safetensors with further tensors.
    fn save_safetensors(&self, more: &[(&str, safetensors::Dtype)]) -> PathBuf {
        let mut views = vec![];
        for (name, value) in &self.state {
            let Py::Tensor(t) = value else { continue };
            let view = safetensors::tensor::TensorView::new(
                safetensors::Dtype::F32,
                t.shape.clone(),
                &t.bytes,
            );
            views.push((name.clone(), view.unwrap()));
        }
        let zeros = [0; 64];
        for (name, dtype) in more {
            let length = match dtype {
                safetensors::Dtype::F32 => 8,
                safetensors::Dtype::C64 => 16,
                _ => 2,
            };
            let view = safetensors::tensor::TensorView::new(*dtype, vec![2], &zeros[..length]);
            views.push(((*name).to_owned(), view.unwrap()));
        }
        let path = self.bench.sweep("p.safetensors");
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        path
    }

    /// `weights --out`, with what stands behind the file's name.
    fn convert(&self, choice: &str) -> Output {
        let out = self.bench.sweep("o.safetensors");
        let weights = format!("{}{choice}", self.path().display());
        self.bench.run(&format!("weights {WORDS} weights={weights} --out {}", out.display()))
    }

    /// Converts, and reads the result: the tensors that PyTorch saved.
    fn told(&self) -> String {
        let output = self.convert("");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", stderr(&output));
        let plain = std::fs::read(self.bench.sweep("plain.safetensors")).unwrap();
        assert!(std::fs::read(self.bench.sweep("o.safetensors")).unwrap() == plain, "{told}");
        told
    }

    fn refused(&self, line: &str) -> String {
        let output = self.bench.run(line);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        assert!(error.starts_with("error: ") && error.contains("\nhelp: "), "{error}");
        error
    }
}

fn pairs(entries: &[(&str, Py)]) -> Py {
    Py::Dict(entries.iter().map(|(key, value)| (text(key), value.clone())).collect())
}

#[test]
fn case_06_counters_of_profilers_are_of_no_use() {
    let mut case = Case::new();
    for part in ["", "bn1.", "layer1.0.", "layer1.0.conv1."] {
        for what in ["total_ops", "total_params"] {
            case.state.push((format!("{part}{what}"), floats(&[1], &[0.0])));
        }
    }
    case.save(&case.dict(""));
    assert!(case.told().contains("left out: 8 counters (total_ops, total_params)"));
}

#[test]
fn case_07_what_lies_beside_tensors_is_noted_and_never_built() {
    let case = Case::new();
    let dtype =
        object("numpy", "dtype", vec![text("f8"), Py::Bool(false), Py::Bool(true)], vec![], None);
    let beside = [
        object("argparse", "Namespace", vec![], vec![], Some(pairs(&[("lr", Py::Float(0.1))]))),
        object(
            "collections",
            "Counter",
            vec![Py::Dict(vec![(Py::Int(10), Py::Int(1))])],
            vec![],
            None,
        ),
        object(
            "numpy.core.multiarray",
            "scalar",
            vec![dtype.clone(), Py::Bytes(vec![0; 8])],
            vec![],
            None,
        ),
        object(
            "numpy._core.multiarray",
            "scalar",
            vec![dtype, Py::Bytes(vec![0; 8])],
            vec![],
            None,
        ),
        Py::Set(vec![text("conv1.weight")]),
    ];
    for value in beside {
        case.save(&pairs(&[
            ("epoch", Py::Int(3)),
            ("state_dict", case.dict("")),
            ("beside", value.clone()),
        ]));
        let told = case.told();
        if let Py::Object(o) = value {
            assert!(
                told.contains(&format!("beside the tensors, not built: {}.{}", o.module, o.name)),
                "{told}"
            );
        }
    }
    // Unless it would run code.
    let evil = object("os", "system", vec![text("touch res2lab-was-here")], vec![], None);
    case.save(&pairs(&[("state_dict", case.dict("")), ("args", evil)]));
    let error = stderr(&case.convert(""));
    assert!(error.contains("os.system, which would run code; nothing was run"), "{error}");
}

#[test]
fn case_08_prefixes_that_all_names_share_come_off() {
    let case = Case::new();
    for prefix in [
        "_orig_mod.module.",
        "module._orig_mod.",
        "backbone.",
        "student.backbone.",
        "model.encoder.",
    ] {
        case.save(&case.dict(prefix));
        let told = case.told();
        assert!(told.contains(&format!("the prefix {prefix} taken off")), "{told}");
    }
    for key in ["net", "module", "model", "state_dict", "params_ema"] {
        case.save(&pairs(&[(key, case.dict("model."))]));
        let told = case.told();
        assert!(told.contains(&format!("taken from {key}")) && told.contains("model."), "{told}");
    }
}

#[test]
fn case_09_a_missing_head_is_a_new_head_where_one_may_be_drawn() {
    let mut case = Case::new();
    case.state.retain(|(name, _)| !name.starts_with("fc."));
    case.save(&case.dict(""));
    let weights = case.path().display().to_string();
    let output = case
        .bench
        .run(&format!("sweep {WORDS} {SET} weights={weights} --name new --slots 1 --no-time"));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        String::from_utf8_lossy(&output.stdout)
            .contains("with a new last layer (the file has none)")
    );
    let log = std::fs::read_to_string(runs(&case.bench.sweep("new"))[0].join("attempt-1/log.txt"))
        .unwrap();
    assert!(log.contains("with a new last layer (the file has none)"), "{log}");
    let error = case.refused(&format!("eval {WORDS} weights={weights} data=mnist5k"));
    assert!(
        error.contains("it lacks fc.bias, fc.weight")
            || error.contains("it lacks fc.weight, fc.bias"),
        "{error}"
    );
}

#[test]
fn case_16_of_several_copies_one_is_chosen_and_told() {
    let case = Case::new();
    let zeros = |value: &Py| match value {
        Py::Tensor(t) => Py::Tensor(Tensor { bytes: vec![0; t.bytes.len()], ..t.clone() }),
        other => other.clone(),
    };
    let average = Py::Ordered(case.state.iter().map(|(name, t)| (text(name), zeros(t))).collect());
    case.save(&pairs(&[("state_dict", case.dict("")), ("state_dict_ema", average)]));
    let told = case.told();
    assert!(told.contains("taken from state_dict; there is also state_dict_ema"), "{told}");
    assert!(told.contains("weights=p.pth#state_dict_ema"), "{told}");
    let output = case.convert("#ema");
    assert!(output.status.success(), "{}", stderr(&output));
    let plain = std::fs::read(case.bench.sweep("plain.safetensors")).unwrap();
    assert!(std::fs::read(case.bench.sweep("o.safetensors")).unwrap() != plain);
    let error = stderr(&case.convert("#teacher"));
    assert!(error.contains("#teacher names none") && error.contains("#state_dict_ema"), "{error}");
}

#[test]
fn case_17_images_of_other_channels_are_told_by_the_plan() {
    let case = Case::new();
    let weights = "weights=crates/nn/tests/pth/zip.pth";
    let output = case.bench.run(&format!("plan {WORDS} {weights} data=mnist5k seed=0 --no-time"));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        told.contains("images have 1 channels, those of the weights 3: conv1.weight summed"),
        "{told}"
    );
    let line = format!(
        "sweep {WORDS} {weights} data=mnist5k epochs=1 batch=500 seed=0 --name gray --no-time"
    );
    let output = case.bench.run(&line);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn case_18_programs_and_whole_networks_are_called_by_their_names() {
    let case = Case::new();
    for (file, what, remedy) in [
        ("script.pt", "TorchScript", "torch.jit.load(FILE).state_dict()"),
        ("module.pth", "torch.save(model)", "model.state_dict()"),
    ] {
        let error =
            case.refused(&format!("eval {WORDS} weights=crates/nn/tests/pth/{file} data=mnist5k"));
        assert!(error.contains(what) && error.contains(remedy), "{error}");
    }
}

#[test]
fn case_19_types_matter_only_where_they_are_wanted() {
    use safetensors::Dtype;
    let case = Case::new();
    let others = [
        ("mask", Dtype::BOOL),
        ("codes", Dtype::U8),
        ("scales", Dtype::F8_E4M3),
        ("waves", Dtype::C64),
    ];
    let path = case.save_safetensors(&others);
    let out = case.bench.sweep("o.safetensors");
    let output = case.bench.run(&format!(
        "weights {WORDS} weights={} --out {}",
        path.display(),
        out.display()
    ));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("left out: 4 tensors of no use"));
    // One that is wanted is named with its type.
    let mut case = case;
    case.state.retain(|(name, _)| name != "bn1.bias");
    let path = case.save_safetensors(&[("bn1.bias", Dtype::C64)]);
    let said = case.refused(&format!(
        "weights {WORDS} weights={} --out {}",
        path.display(),
        out.display()
    ));
    assert!(
        said.contains("tensor bn1.bias is of type complex64, which weights never are"),
        "{said}"
    );
}

#[test]
fn case_21_another_network_of_the_family_is_recognized() {
    let case = Case::new();
    let line = "sweep block=res2 stem=cifar depth=11 planes=8 width=16 scale=4 weights=crates/nn/tests/pth/zip.pth";
    let error = case.refused(&format!("{line} {SET} --name other"));
    assert!(error.contains("scale 2 where this one has 4"), "{error}");
    assert!(!case.bench.sweep("other").exists(), "found before anything is written");
}

#[test]
fn case_22_what_is_no_file_of_weights_is_called_by_its_name() {
    let case = Case::new();
    let files: [(&[u8], &str); 4] = [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "Git LFS"),
        (b"<html><body>404</body></html>", "HTML"),
        (b"\x1f\x8b\x08\0\0\0", "gzip"),
        (b"", "it is empty"),
    ];
    let path = case.path();
    for (content, what) in files {
        std::fs::write(&path, content).unwrap();
        let error = stderr(&case.convert(""));
        assert!(error.contains(what), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = stderr(&case.convert(""));
    assert!(error.contains("it is a folder"), "{error}");
}

#[test]
fn case_23_the_home_folder_is_known_without_a_shell() {
    let case = Case::new();
    case.save(&case.dict(""));
    let line = format!(
        "weights {WORDS} weights=~/p.pth --out {}",
        case.bench.sweep("o.safetensors").display()
    );
    let output = case.bench.command(&line).env("HOME", case.bench.reports()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn one_tensor_too_many_is_named_as_the_only_one() {
    let mut case = Case::new();
    case.state.push(("extra.weight".into(), floats(&[2], &[0.5, 1.0])));
    case.save(&case.dict(""));
    let error = stderr(&case.convert(""));
    assert!(error.contains("and one that the network has no use for: extra.weight"), "{error}");
    assert!(!error.contains("name the network"), "{error}");
    // As a start for training it is left out, and that is said.
    let line = format!("plan {WORDS} {SET} weights={} --no-time", case.path().display());
    let output = case.bench.run(&line);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("left out: 1 tensor of no use to the network (extra.weight)"), "{told}");
}

#[test]
fn outputs_and_classes_that_differ_in_number_are_told() {
    let case = Case::new();
    case.save(&case.dict(""));
    let photos = case.bench.sweep("photos");
    for class in ["ant", "bee"] {
        for split in ["train", "val"] {
            let folder = photos.join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, 32, 32);
            encoder.set_color(png::ColorType::Rgb);
            encoder.write_header().unwrap().write_image_data(&[100; 32 * 32 * 3]).unwrap();
            std::fs::write(folder.join("0.png"), bytes).unwrap();
        }
    }
    let line =
        format!("eval {WORDS} weights={} data={} size=32", case.path().display(), photos.display());
    let output = case.bench.run(&line);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("the network has 10 outputs, the data 2 classes"), "{told}");
}

#[test]
fn missing_weights_are_a_note_of_the_plan_and_refused_by_the_sweep() {
    let case = Case::new();
    let line = format!("{WORDS} {SET} weights=/nope.pth --no-time");
    let output = case.bench.run(&format!("plan {line}"));
    assert!(output.status.success(), "{}", stderr(&output));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("note: weights=/nope.pth: there is no such file"), "{told}");
    assert!(case.refused(&format!("sweep {line}")).contains("there is no such file"));
}

/// The text of a hyper-parameter in an event file: an entry of a map from names to values of any
/// type.
fn hparam(events: &[u8], name: &str) -> Option<String> {
    let at = events.windows(name.len()).position(|window| window == name.as_bytes())?;
    // Field 2 is the value, in which field 3 is a text; each has its length before it.
    let [0x12, _, 0x1a, length, rest @ ..] = events.get(at + name.len()..)? else { return None };
    Some(String::from_utf8_lossy(rest.get(..usize::from(*length))?).into_owned())
}

#[test]
fn case_49_the_weights_of_an_arm_are_a_column_of_hparams() {
    let bench = Bench::new();
    let file = "crates/nn/tests/pth/zip.pth";
    let output = bench.run(&format!(
        "sweep {WORDS} {SET} weights=none,{file} --name w --no-time --slots 1 --threads 1"
    ));
    assert!(output.status.success(), "{}", stderr(&output));
    let events = |run: PathBuf| {
        let mut entries =
            std::fs::read_dir(run.join("attempt-1")).unwrap().flatten().map(|entry| entry.path());
        let is_events = |path: &PathBuf| {
            path.file_name().unwrap().to_string_lossy().starts_with("events.out.tfevents")
        };
        std::fs::read(entries.find(is_events).unwrap()).unwrap()
    };
    let found = runs(&bench.sweep("w")).into_iter().map(|run| hparam(&events(run), "init.weights"));
    let mut found: Vec<String> = found.map(|text| text.expect("a column of every arm")).collect();
    found.sort();
    assert_eq!(found.len(), 2);
    assert!(found[0].ends_with(file) && found[1] == "none", "{found:?}");
}
