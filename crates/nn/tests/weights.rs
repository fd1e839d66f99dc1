//! Files that other programs wrote. Weights that PyTorch 2.13 saved (tests/pth/README.md) give the
//! logits of the golden network. Damaged and hostile files are refused with the reason.

mod filled;

use filled::fill;
use res2lab_arch::{Input, ModelOverrides, build};
use res2lab_nn::weights::{Fit, Loaded, WeightsFile, load, to_bytes};
use res2lab_nn::{Engine, Layout, Mode, Net, Placement, init};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

fn net(scale: usize, classes: usize) -> Net {
    let words: ModelOverrides = serde_json::from_value(serde_json::json!({
        "block": "res2", "stem": "cifar", "depth": 11, "planes": 8, "width": 32, "scale": scale
    }))
    .unwrap();
    let graph =
        build(&words.resolve().unwrap().0, Input { channels: 3, height: 32, width: 32, classes })
            .unwrap();
    let placement = Placement {
        device: Device::Cpu,
        kind: Kind::Float,
        layout: Layout::ChannelsLast,
        engine: Engine::Autograd,
    };
    let mut net = Net::new(graph, placement).unwrap();
    init::init(net.params_mut(), 0);
    net
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pth").join(name)
}

fn loaded(net: &mut Net, name: &str, fit: Fit) -> Result<Loaded, String> {
    let file = WeightsFile::open(&file(name)).map_err(|e| format!("{} | {}", e.cause, e.help))?;
    load(net.params_mut(), &file, fit).map_err(|e| format!("{} | {}", e.cause, e.help))
}

fn refused(name: &str) -> String {
    loaded(&mut net(2, 10), name, Fit::Exact).unwrap_err()
}

/// The largest deviation from golden.json's logits, relative to their standard deviation.
fn deviation(net: &Net) -> f64 {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
    let golden = &golden["res2net11_p8_32w_2s"];
    let size = golden["size"].as_i64().unwrap();
    let pixels: Vec<f64> =
        fill("input", (2 * 3 * size * size) as usize).iter().map(|v| v * 2.0).collect();
    let images = net.prepare(&Tensor::from_slice(&pixels).view([2, 3, size, size]));
    let logits = tch::no_grad(|| net.logits(&images, Mode::Eval)).to_kind(Kind::Double);
    let theirs: Vec<Vec<f64>> = serde_json::from_value(golden["eval_logits"].clone()).unwrap();
    // The file has only the first logits of each row.
    let kept = theirs[0].len() as i64;
    let theirs = Tensor::from_slice(&theirs.concat()).view([2, kept]);
    (logits.narrow(1, 0, kept) - theirs).abs().max().double_value(&[])
        / golden["eval_std"].as_f64().unwrap()
}

#[test]
fn what_pytorch_saved_gives_the_golden_logits() {
    // Half precision has eleven significant bits.
    for (name, tolerance) in
        [("zip.pth", 1e-4), ("legacy.pth", 1e-4), ("wrapped.pth", 1e-4), ("half.pth", 2e-2)]
    {
        let mut net = net(2, 10);
        let done = loaded(&mut net, name, Fit::Exact).unwrap();
        assert!(
            !done.new_head && done.notes.iter().any(|n| n.contains("num_batches_tracked")),
            "{name}: {done:?}"
        );
        let d = deviation(&net);
        assert!(d < tolerance, "{name}: {d:e}");
    }
}

#[test]
fn our_own_files_are_read_as_any_other() {
    let mut first = net(2, 10);
    loaded(&mut first, "zip.pth", Fit::Exact).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.safetensors");
    std::fs::write(&path, to_bytes(first.params(), true, "").unwrap()).unwrap();
    let mut second = net(2, 10);
    load(second.params_mut(), &WeightsFile::open(&path).unwrap(), Fit::Exact).unwrap();
    assert!(deviation(&second) < 1e-4);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    assert!(WeightsFile::open(&path).err().unwrap().cause.contains("damaged"));
}

#[test]
fn a_safetensors_file_is_known_whatever_its_first_byte() {
    // The first byte is the low byte of the header's length. If it is 0x80, the file begins like a
    // pickle.
    let source = net(2, 10);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.safetensors");
    let mut first_bytes = std::collections::BTreeSet::new();
    for padding in (0..256).step_by(4) {
        let bytes = to_bytes(source.params(), false, &"x".repeat(padding)).unwrap();
        first_bytes.insert(bytes[0]);
        std::fs::write(&path, &bytes).unwrap();
        assert!(WeightsFile::open(&path).is_ok(), "first byte {:#x}", bytes[0]);
    }
    assert!(first_bytes.contains(&0x80), "{first_bytes:?}");
}

#[test]
fn another_number_of_classes_keeps_the_drawn_head_where_that_is_allowed() {
    let mut net7 = net(2, 7);
    let drawn = net7.params().tensor(net7.params().index("fc.weight").unwrap()).copy();
    let done = loaded(&mut net7, "zip.pth", Fit::Start).unwrap();
    assert!(done.new_head);
    assert_eq!(net7.params().tensor(net7.params().index("fc.weight").unwrap()), &drawn);
    let e = loaded(&mut net(2, 7), "zip.pth", Fit::Exact).unwrap_err();
    assert!(
        e.contains("fc.weight is [10, 128], the network's is [7, 128]") && e.contains("classes"),
        "{e}"
    );
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let e = loaded(&mut net(3, 10), "zip.pth", Fit::Start).unwrap_err();
    assert!(e.contains("it lacks layer1.0.convs.1.weight") && e.contains("and"), "{e}");
    // First one tensor has another name, then all values of one are NaN.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let mut source = net(2, 10);
    let renamed = to_bytes(source.params(), false, "").unwrap();
    let at = renamed.windows(14).position(|w| w == b"\"conv1.weight\"").unwrap();
    let mut renamed = renamed;
    renamed[at..at + 14].copy_from_slice(b"\"convX.weight\"");
    // The checksum's key is renamed, since a file of another program has no checksum.
    let sum = renamed.windows(6).position(|w| w == b"nxxh3 ").unwrap();
    renamed[sum..sum + 6].copy_from_slice(b"nother");
    std::fs::write(&path, renamed).unwrap();
    let e =
        load(net(2, 10).params_mut(), &WeightsFile::open(&path).unwrap(), Fit::Exact).unwrap_err();
    assert!(e.cause.contains("lacks conv1.weight, and it has unknown convX.weight"), "{}", e.cause);
    source.params_mut().set(0, &Tensor::full([8, 3, 3, 3], f64::NAN, (Kind::Float, Device::Cpu)));
    std::fs::write(&path, to_bytes(source.params(), false, "").unwrap()).unwrap();
    let e =
        load(net(2, 10).params_mut(), &WeightsFile::open(&path).unwrap(), Fit::Exact).unwrap_err();
    assert!(e.cause.contains("conv1.weight holds NaN"), "{}", e.cause);
}

#[test]
fn files_that_would_run_code_are_refused_by_name_and_nothing_runs() {
    for name in ["evil.pth", "evil_zip.pth"] {
        let e = refused(name);
        assert!(e.contains("posix.system") && e.contains("nothing was run"), "{e}");
    }
    assert!(!Path::new("res2lab-was-here").exists());
}

#[test]
fn damaged_files_are_errors_wherever_they_are_cut() {
    assert!(refused("truncated.pth").contains("damaged or cut off"));
    let dir = tempfile::tempdir().unwrap();
    let cut = dir.path().join("cut.pth");
    for name in ["legacy.pth", "zip.pth"] {
        let whole = std::fs::read(file(name)).unwrap();
        for end in (0..whole.len()).step_by(whole.len() / 60) {
            std::fs::write(&cut, &whole[..end]).unwrap();
            assert!(WeightsFile::open(&cut).is_err(), "{name} cut at {end}");
        }
    }
    std::fs::write(&cut, "<html>404</html>").unwrap();
    let e = WeightsFile::open(&cut).err().unwrap();
    assert!(e.cause.contains("HTML"), "{}", e.cause);
    assert!(WeightsFile::open(Path::new("nowhere.pth")).err().unwrap().help.contains("path"));
}
