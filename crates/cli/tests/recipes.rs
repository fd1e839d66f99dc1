//! Recipes through the binary: kill -9 in the second epoch of each, and every experiment in small.

mod common;

use common::{Bench, events, read_json, root, runs, stderr, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;

/// One arm for each part of a recipe, two epochs of mnist5k each.
const ARMS: &str = "
name: recipes
model: {stem: cifar, stem_stride: 2, depth: 11, planes: 8, width: 16, scale: 2}
train: {epochs: 2, batch_size: 50, log_every: 5}
arms:
  mixup: {train.mixup: 0.2}
  cutmix: {train.cutmix: 1.0}
  ema: {train.ema: 0.99, train.sizes: [20, 28]}
  accumulation: {train.accumulate: 2}
  bf16: {train.precision: bf16}
  all:
    data.name: generated
    data.images: 3000
    data.classes: 5
    data.size: 24
    data.augment: {flip: true, random_resized_crop: true, crop_scale: [0.4, 1], interpolation: random,
      auto: rand-m7-mstd0.5-inc1, grayscale: 0.1, repeats: 2, erase: 0.3}
    train.sizes: [16, 24]
    train.optimizer: {lamb: {lr: 5e-3, weight_decay: 0.02}}
    train.layer_decay: 0.9
    train.loss: {bce: {threshold: 0.2}}
    train.mixup: 0.2
    train.cutmix: 1.0
    train.mix_mode: elem
    train.drop_path: 0.2
    train.dropout: 0.1
    train.ema: 0.99
    train.ema_warmup: timm
    train.clip_agc: 0.1
";

fn bits(run: &Path) -> [Vec<u8>; 3] {
    ["checkpoints/last.safetensors", "checkpoints/best.safetensors", "metrics.jsonl"].map(|file| {
        std::fs::read(run.join(file)).unwrap_or_else(|e| panic!("{}: {file}: {e}", run.display()))
    })
}

#[test]
fn a_kill_in_the_second_epoch_changes_no_bit_of_any_recipe() {
    let bench = Bench::new();
    let file = bench.sweep("recipes.yaml");
    std::fs::write(&file, ARMS).unwrap();
    let line = |name: &str| {
        format!("sweep {} --no-time --slots 2 --threads 1 --name {name}", file.display())
    };
    assert!(bench.run(&line("whole")).status.success());

    let sweep = bench.sweep("killed");
    let mut runner = bench.spawn(&line("killed"));
    let mut killed = std::collections::BTreeSet::new();
    // Each trial once: a killed one counts as failed, and the runner goes on with the next.
    while killed.len() < 6 {
        let (id, process) = wait_for("a trial's second epoch", || {
            events(&sweep, "started").iter().find_map(|event| {
                let id = event["id"].as_str()?.to_owned();
                let run = sweep.join("runs").join(&id);
                let epoch = read_json(&run.join("progress.json"))?["epoch"].as_f64()?;
                let is_due =
                    epoch > 1.05 && !killed.contains(&id) && !run.join("result.json").exists();
                is_due.then(|| (id, event["process"].as_i64().unwrap_or(0) as i32))
            })
        });
        kill(Pid::from_raw(process), Signal::SIGKILL).expect("the trial runs");
        killed.insert(id);
    }
    assert_eq!(runner.wait().unwrap().code(), Some(1));
    let again = bench.run(&line("killed"));
    assert!(again.status.success(), "{}", stderr(&again));
    for (whole, killed) in runs(&bench.sweep("whole")).iter().zip(runs(&sweep)) {
        assert_eq!(whole.file_name(), killed.file_name());
        assert!(bits(whole) == bits(&killed), "{}: bits differ", killed.display());
        let log = std::fs::read_to_string(killed.join("attempt-2/log.txt")).unwrap();
        assert!(log.contains("resume from step") && !log.contains("resume from step 0 "), "{log}");
    }
}

/// Words that a log must hold for what an experiment's recipe switches on.
const EXPERIMENTS: [(&str, &[&str]); 13] = [
    ("shapes", &["nesterov", "label smoothing 0.1"]),
    ("quickstart", &["nesterov", "label smoothing 0.1"]),
    ("bench-digits", &["nesterov", "label smoothing 0.1"]),
    ("cifar100-table4", &["crop from padding 4", "flip", "weight decay 0.0005 on all"]),
    ("cifar100-fig5", &["crop from padding 4", "flip"]),
    (
        "imagenet-table1",
        &["random resized crop", "flip", "label smoothing 0.1", "weight decay 0.0001 on all"],
    ),
    ("imagenet-table3", &["random resized crop", "flip", "label smoothing 0.1"]),
    (
        "imagenet-v1b",
        &[
            "cutmix 1",
            "mixup 0.2",
            "ema",
            "clip norm 5",
            "bf16",
            "accumulate 2",
            "color jitter 0.4",
            "on weights",
        ],
    ),
    (
        "rsb-a1",
        &[
            "LAMB",
            "weight decay 0.01 on weights",
            "binary cross-entropy with threshold 0.2",
            "mixup 0.2",
            "drop path 0.05",
            "rand-m7-mstd0.5-inc1",
            "each image 3 times",
            "bicubic interpolation",
        ],
    ),
    ("rsb-a2", &["LAMB", "weight decay 0.02 on weights", "mixup 0.1", "cutmix 1", "drop path"]),
    ("rsb-a3", &["LAMB", "rand-m6-mstd0.5-inc1", "binary cross-entropy", "bf16"]),
    (
        "cifar-modern",
        &["AdamW", "trivial", "pair by pair", "drop path 0.1", "random erasing 0.25", "ema"],
    ),
    (
        "finetune",
        &["start from weights", "with a new last layer", "ema 0.9", "random resized crop"],
    ),
];

#[test]
fn every_experiment_runs_in_small_with_what_its_recipe_names_and_its_loss_falls() {
    let files = std::fs::read_dir(root().join("experiments")).unwrap().flatten();
    let mut names: Vec<_> =
        files.map(|f| f.path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "README");
    names.sort();
    let mut known = EXPERIMENTS.map(|(name, _)| name.to_owned());
    known.sort();
    assert_eq!(names, known, "a new experiment needs a line here");
    let bench = Bench::new();
    for (name, features) in EXPERIMENTS {
        let output = bench
            .run(&format!("sweep experiments/{name}.yaml --smoke --no-time --slots 2 --threads 1"));
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        for run in runs(&bench.sweep(&format!("{name}-smoke"))) {
            let log = std::fs::read_to_string(run.join("attempt-1/log.txt")).unwrap();
            for feature in features {
                assert!(log.contains(feature), "{name}: {feature} is not on: {log}");
            }
            let (first, last) = ends_of_the_loss(&run);
            assert!(last < first, "{}: loss {first} to {last}", run.display());
        }
    }
}

/// Means over the first and the last third of the logged training losses.
fn ends_of_the_loss(run: &Path) -> (f64, f64) {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let value = |line: &str| {
        let point: serde_json::Value = serde_json::from_str(line).ok()?;
        point.pointer("/values/train~1loss").or_else(|| point.get("train/loss"))?.as_f64()
    };
    let losses: Vec<f64> = text.lines().filter_map(value).collect();
    let third = losses.len() / 3;
    assert!(third > 0, "{}: too few losses", run.display());
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    (mean(&losses[..third]), mean(&losses[losses.len() - third..]))
}

#[test]
fn a_plan_of_imagenet_needs_no_images_and_shows_the_published_sizes() {
    let bench = Bench::new();
    let plan = bench.json("plan experiments/imagenet-table1.yaml --json --no-time");
    // Parameters and multiply-adds in millions (crates/arch/src/cost.rs says where from).
    let published = [
        ("zoo=resnet50", 25.557, 4089.0),
        ("zoo=res2net50_26w_4s", 25.699, 4255.0),
        ("zoo=resnext50_32x4d", 25.029, 4230.0),
        ("zoo=res2next50", 24.671, 4173.0),
        ("zoo=dla60_res2net", 20.848, 4123.0),
        ("zoo=dla60_res2next", 17.033, 3459.0),
    ];
    let trials = plan["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 10);
    for (label, parameters, macs) in published {
        let trial = trials.iter().find(|t| t["label"] == label).unwrap();
        let of = |field: &str| trial[field].as_f64().unwrap() / 1e6;
        assert!((of("parameters") - parameters).abs() < 0.001, "{label}: {}", of("parameters"));
        assert!((of("macs") - macs).abs() < 1.0, "{label}: {}", of("macs"));
    }
    assert!(plan["notes"].to_string().contains("is not here"));
    let output = bench.run("sweep experiments/imagenet-table1.yaml");
    assert_eq!(output.status.code(), Some(2));
    assert!(!bench.sweep("imagenet-table1").exists());
}

#[test]
fn the_step_of_a_recipe_and_of_its_pictures_can_be_timed() {
    let bench = Bench::new();
    let net = "stem=cifar depth=11 planes=8 width=16 scale=2 --size 32 --batch 4 --steps 1 \
               --threads 1 --json";
    for name in ["rsb-a1", "cifar-modern"] {
        let line = format!("speed train {net} --recipe experiments/{name}.yaml");
        assert!(bench.json(&line)["images_per_s"].as_f64().unwrap() > 0.0, "{name}");
    }
    let refused = |line: &str| {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        stderr(&output)
    };
    let error = refused(&format!("speed train {net} --recipe experiments/nothing.yaml"));
    assert!(error.contains("experiments/nothing.yaml") && error.contains("help: give"), "{error}");
    let error = refused("pipeline data --auto rand-q3");
    assert!(error.contains("rand-q3"), "{error}");
}
