//! Checkpoints that other programs wrote (crates/bench/checks/layouts.py). The reader finds the
//! network in each of them and loads every value exactly. For a file without weights, the error
//! names the kind of the file.

mod filled;

use filled::fill;
use res2lab_arch::{Input, ModelOverrides, build};
use res2lab_nn::weights::{Fit, Loaded, WeightsFile, load};
use res2lab_nn::{Engine, Layout, Net, Placement};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

fn net(channels: usize, classes: usize) -> Net {
    let words: ModelOverrides = serde_json::from_value(serde_json::json!({
        "block": "res2", "blocks": [1, 1, 1, 1], "planes": 2, "width": 64, "scale": 2
    }))
    .unwrap();
    let input = Input { channels, height: 64, width: 64, classes };
    let graph = build(&words.resolve().unwrap().0, input).unwrap();
    Net::new(
        graph,
        Placement {
            device: Device::Cpu,
            kind: Kind::Double,
            layout: Layout::Contiguous,
            engine: Engine::Planned,
        },
    )
    .unwrap()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pth").join(name)
}

fn loaded(net: &mut Net, name: &str, fit: Fit) -> Result<Loaded, String> {
    let file = WeightsFile::open(&path(name)).map_err(|e| format!("{} | {}", e.cause, e.help))?;
    load(net.params_mut(), &file, fit).map_err(|e| format!("{} | {}", e.cause, e.help))
}

/// The values with which the script filled a tensor, rounded to half precision.
fn wanted(copy: &str, name: &str, shape: &[i64]) -> Tensor {
    let values = fill(&format!("{copy}{name}"), shape.iter().product::<i64>() as usize);
    Tensor::from_slice(&values)
        .view(shape)
        .to_kind(Kind::Float)
        .to_kind(Kind::Half)
        .to_kind(Kind::Double)
}

/// Asserts that every tensor has the script's values. The last layer may differ unless `with_head`.
fn assert_filled(net: &Net, copy: &str, with_head: bool) {
    for (index, entry) in net.params().entries().iter().enumerate() {
        let tensor = net.params().tensor(index);
        let same = tensor.detach() == wanted(copy, &entry.name, &tensor.size());
        assert!(same || (!with_head && entry.name.starts_with("fc.")), "{copy}{}", entry.name);
    }
}

#[test]
fn checkpoints_of_other_programs_are_loaded_to_the_bit() {
    let cases: [(&str, &str, &[&str]); 5] = [
        ("timm.pth.tar", "", &["state_dict; there is also state_dict_ema", "argparse.Namespace"]),
        ("timm.pth.tar#ema", "ema ", &["state_dict_ema; there is also state_dict"]),
        (
            "lightning.ckpt",
            "",
            &["taken from state_dict", "the prefix model. taken off", "argparse.Namespace"],
        ),
        (
            "mmpretrain.pth",
            "",
            &["the prefix backbone. taken off", "the last layer taken from state_dict.head.fc"],
        ),
        (
            "authors2019.pth",
            "",
            &["taken from state_dict", "the prefix module. taken off", "numpy"],
        ),
    ];
    for (name, copy, told) in cases {
        let mut net = net(3, 5);
        let done = loaded(&mut net, name, Fit::Exact).unwrap();
        assert_filled(&net, copy, true);
        let notes = done.notes.join("\n");
        told.iter().for_each(|words| assert!(notes.contains(words), "{name}: {words} in\n{notes}"));
    }
}

#[test]
fn an_encoder_without_a_last_layer_starts_a_training_and_nothing_else() {
    let mut net = net(3, 5);
    let done = loaded(&mut net, "smp.pth", Fit::Start).unwrap();
    assert!(done.new_head, "{done:?}");
    assert_filled(&net, "", false);
    let notes = done.notes.join("\n");
    assert!(
        notes.contains("the prefix encoder. taken off") && notes.contains("decoder."),
        "{notes}"
    );
    let e = loaded(&mut net, "smp.pth", Fit::Exact).unwrap_err();
    assert!(e.contains("lacks fc.weight, fc.bias") && e.contains("start a sweep from them"), "{e}");
}

#[test]
fn images_of_other_channels_are_met_as_timm_meets_them() {
    let first = |channels: usize| {
        let mut net = net(channels, 5);
        let done = loaded(&mut net, "timm.pth.tar", Fit::Start).unwrap();
        (net.params().tensor(0).detach().copy(), done.notes.join("\n"))
    };
    let theirs = wanted("", "conv1.weight", &[64, 3, 7, 7]);
    let (one, notes) = first(1);
    assert_eq!(one, theirs.sum_dim_intlist([1_i64].as_slice(), true, None));
    assert!(
        notes.contains("images have 1 channels, those of the weights 3: conv1.weight summed"),
        "{notes}"
    );
    // The weights for four channels are those of red, green, blue and red again, times 3/4.
    let (four, notes) = first(4);
    assert_eq!(four, Tensor::cat(&[&theirs, &theirs.narrow(1, 0, 1)], 1) * 0.75);
    assert!(notes.contains("repeated and scaled"), "{notes}");
    let e = loaded(&mut net(1, 5), "timm.pth.tar", Fit::Exact).unwrap_err();
    assert!(e.contains("conv1.weight is [64, 3, 7, 7], the network's is [64, 1, 7, 7]"), "{e}");
}

#[test]
fn what_is_no_file_of_weights_is_called_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| {
        let e = WeightsFile::open(path).err().unwrap();
        format!("{} | {}", e.cause, e.help)
    };
    for (name, what, remedy) in [
        ("script.pt", "TorchScript", "torch.jit.load(FILE).state_dict()"),
        (
            "module.pth",
            "a whole pickled network (torch.save(model), a torch.nn.modules.container.Sequential)",
            "model.state_dict()",
        ),
    ] {
        let e = refused(&path(name));
        assert!(e.contains(what) && e.contains(remedy), "{e}");
    }
    let cases: [(&[u8], &str, &str); 14] = [
        (b"", "it is empty", "again"),
        (
            b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title>",
            "HTML page (\"Google Drive - Quota",
            "again",
        ),
        (b"\n  <html>", "HTML", "again"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "XML", "again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 102\n",
            "pointer of Git LFS",
            "git lfs pull",
        ),
        (b"\x1f\x8b\x08\0\0\0\0\0", "gzip", "unpack"),
        (b"\x89HDF\r\n\x1a\n\0\0", "HDF5", "convert"),
        (b"\x08\x07\x12\x07pytorch\x1a\x051.7.1:\xff", "ONNX", "state_dict()"),
        (b"{\"error\": \"not found\"}", "JSON", "safetensors"),
        (b"404: Not Found", "text (\"404: Not Found\")", "safetensors"),
        (b"\0\0\0\0\0\0\0\0\0\0\0\0", "zeros", "again"),
        (b"(dp0\nVepoch\np1\nI3\ns.", "torch.save did not write it", "torch.save(state_dict"),
        (b"\x80\x04}\x94.", "torch.save did not write it", "torch.save(state_dict"),
        (b"\xff\x01garbage\x02that is no text", "neither safetensors nor a .pth", "safetensors"),
    ];
    for (content, what, remedy) in cases {
        let file = folder.path().join("x.pth");
        std::fs::write(&file, content).unwrap();
        let e = refused(&file);
        assert!(e.contains(what) && e.contains(remedy), "{e}");
    }
    std::fs::write(folder.path().join("model.safetensors"), "x").unwrap();
    let e = refused(folder.path());
    assert!(e.contains("it is a folder") && e.contains("model.safetensors"), "{e}");
}

#[test]
fn files_with_an_index_are_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = net(3, 5);
    loaded(&mut source, "timm.pth.tar", Fit::Exact).unwrap();
    // Each of the two files has every other tensor.
    let entries = source.params().entries();
    let mut map = serde_json::Map::new();
    for part in 0..2 {
        let name = format!("model-0000{}-of-00002.safetensors", part + 1);
        let mine = (part..entries.len()).step_by(2);
        let bytes: Vec<Vec<u8>> = mine
            .clone()
            .map(|i| {
                Vec::<f64>::try_from(source.params().tensor(i).detach().contiguous().view([-1]))
                    .unwrap()
                    .iter()
                    .flat_map(|v| v.to_le_bytes())
                    .collect()
            })
            .collect();
        let views = mine.zip(&bytes).map(|(i, bytes)| {
            map.insert(entries[i].name.clone(), name.clone().into());
            let view = safetensors::tensor::TensorView::new(
                safetensors::Dtype::F64,
                entries[i].shape.clone(),
                bytes,
            );
            (entries[i].name.clone(), view.unwrap())
        });
        std::fs::write(
            folder.path().join(&name),
            safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap(),
        )
        .unwrap();
    }
    let index = folder.path().join("model.safetensors.index.json");
    std::fs::write(&index, serde_json::json!({"metadata": {}, "weight_map": map}).to_string())
        .unwrap();
    let mut whole = net(3, 5);
    load(whole.params_mut(), &WeightsFile::open(&index).unwrap(), Fit::Exact).unwrap();
    assert_filled(&whole, "", true);
    // A part without its index is refused, and so is an index with a missing part.
    let first = folder.path().join("model-00001-of-00002.safetensors");
    let e = load(whole.params_mut(), &WeightsFile::open(&first).unwrap(), Fit::Exact).unwrap_err();
    assert!(e.help.contains("weights=model.safetensors.index.json"), "{} | {}", e.cause, e.help);
    std::fs::remove_file(first).unwrap();
    let e = WeightsFile::open(&index).err().unwrap();
    assert!(
        e.cause.contains("1 of its 2 files are not beside it: model-00001-of-00002.safetensors"),
        "{}",
        e.cause
    );
}

#[test]
fn another_network_of_the_family_is_recognized() {
    let of = |words: serde_json::Value, classes: usize| {
        let words: ModelOverrides = serde_json::from_value(words).unwrap();
        build(&words.resolve().unwrap().0, Input::square(64, classes)).unwrap()
    };
    let save = |graph: res2lab_arch::Graph, path: &Path| {
        let net = Net::new(
            graph,
            Placement {
                device: Device::Cpu,
                kind: Kind::Float,
                layout: Layout::Contiguous,
                engine: Engine::Planned,
            },
        )
        .unwrap();
        std::fs::write(path, res2lab_nn::weights::to_bytes(net.params(), false, "").unwrap())
            .unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let told = |wanted: serde_json::Value| {
        let file = WeightsFile::open(&path).unwrap();
        res2lab_nn::weights::check(&of(wanted, 1000).state, &file, Fit::Start).err().unwrap().cause
    };
    save(of(serde_json::json!({"zoo": "resnet50"}), 1000), &path);
    let e = told(serde_json::json!({"zoo": "res2net50_26w_4s"}));
    assert!(e.contains("these are resnet50's weights, and the network is res2net50_26w_4s"), "{e}");
    let small = |scale: usize, width: usize| serde_json::json!({"stem": "cifar", "depth": 20, "planes": 16, "width": width, "scale": scale});
    save(of(small(4, 24), 10), &path);
    let e = told(small(8, 16));
    assert!(e.contains("width 24 where this one has 16, scale 4 where this one has 8"), "{e}");
    // The weights of a deeper network contain all tensors of a shallower one. They must be refused
    // nevertheless.
    save(
        of(
            serde_json::json!({"stem": "cifar", "depth": 29, "planes": 16, "width": 24, "scale": 4}),
            10,
        ),
        &path,
    );
    let e = told(small(4, 24));
    assert!(
        e.contains("depth 29 where this one has 20") && e.contains("has unknown layer1.2"),
        "{e}"
    );
}
