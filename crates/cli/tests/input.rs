//! Wrong input: exit status 2, a cause and a remedy, nothing written.

mod common;

use common::{Bench, stderr};

/// Command, what the cause must name, what the remedy must name.
const WRONG: [(&str, &str, &str); 23] = [
    ("sweep scle=2", "scle", "scale"),
    ("sweep scale=0", "scale 0", "1 to"),
    ("sweep scale=4 width=1", "width 1 with planes 8", "width at least 8"),
    ("sweep scale=", "scale=", "scale=2,4"),
    ("sweep scale=2,,4", "empty value", "commas"),
    ("sweep seed=5..1", "seed=5..1 runs backwards", "seed=1..5"),
    ("sweep lr=nan", "train.optimizer.sgd.lr NaN", "above 0"),
    ("sweep lr=-0.1", "train.optimizer.sgd.lr -0.1", "above 0"),
    ("sweep depth=21", "depth 21 is not 9n + 2", "depth 20 or 29"),
    ("sweep epochs=0", "train.epochs 0", "at least 1"),
    ("sweep batch=5000", "batch_size 5000 is larger than the 4000", "at most 4000"),
    ("sweep scale=2 scale=4", "twice", "once"),
    ("sweep zoo=res2net5", "res2net5", "res2net50"),
    ("sweep planes=2 width=64 se=true", "se with planes 2", "planes at least 4"),
    ("sweep nowhere.yaml", "nowhere.yaml", "experiments/quickstart.yaml"),
    ("sweep data=mnits", "mnits", "mnist5k"),
    ("sweep data.path=/nowhere", "/nowhere", "data.path"),
    ("sweep --name ../up", "../up", "letters"),
    ("sweep --slots 0", "--slots 0", "at least 1"),
    ("sweep --device tpu", "tpu", "cpu"),
    ("sweep --epochs 3", "--epochs", "help"),
    ("sweep --sbatch", "--sbatch", "res2lab plan"),
    ("report nowhere", "no sweep", "reports/"),
];

#[test]
fn each_mistake_is_named_with_its_remedy_and_writes_nothing() {
    for (line, cause, help) in WRONG {
        let bench = Bench::new();
        let output = bench.run(line);
        let text = stderr(&output);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(output.status.code(), Some(2), "{line}: {text}");
        let [first, second] = lines[..] else { panic!("{line}: two lines, not {text}") };
        assert!(first.starts_with("error: ") && first.contains(cause), "{line}: {first}");
        assert!(second.starts_with("help: ") && second.contains(help), "{line}: {second}");
        assert_eq!(bench.reports().read_dir().unwrap().count(), 0, "{line} wrote something");
    }
}

#[test]
fn a_broken_file_is_told_with_its_line() {
    let bench = Bench::new();
    let file = bench.reports().join("x.yaml");
    for (text, cause) in [
        ("name: x\nmodel: {scale: [}\n", "x.yaml"),
        ("name: x\nmodel:\n  scle: 4\n", "line 3"),
        ("name: x\ntrain: {optimizer: {adam: {lr: 1}}}\n", "unknown variant adam"),
        ("name: x\ntrain: {optimizer: {sgd: {lr: .nan}}}\n", "NaN"),
        ("name: x\nseeds: []\n", "seeds is empty"),
        ("just text", "x.yaml"),
        ("", "x.yaml"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = bench.run(&format!("sweep {}", file.display()));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}: {said}");
        assert!(
            said.starts_with("error: ") && said.contains(cause) && said.lines().count() == 2,
            "{text}: {said}"
        );
        assert_eq!(bench.reports().read_dir().unwrap().count(), 1, "{text} wrote something");
    }
}

#[test]
fn a_truncated_data_set_is_told_with_path_and_sizes() {
    let bench = Bench::new();
    let data = bench.reports().join("cut");
    std::fs::create_dir(&data).unwrap();
    for entry in std::fs::read_dir(common::root().join("data/mnist5k")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let is_cut = path.to_string_lossy().contains("train-images");
        let keep = if is_cut { bytes.len() / 2 } else { bytes.len() };
        std::fs::write(data.join(path.file_name().unwrap()), &bytes[..keep]).unwrap();
    }
    let output = bench.run(&format!("sweep data.path={}", data.display()));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("train-images-idx3-ubyte.gz") && said.contains("expected 3136000 bytes"),
        "{said}"
    );
}
