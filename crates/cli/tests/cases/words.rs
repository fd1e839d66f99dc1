//! Words of a command line and experiment files as people write them.

use crate::common::{Bench, root, stderr};
use std::path::Path;
use std::process::Output;

/// What a command says on both its outputs.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(output)
}

/// Runs words that may have blanks in them.
fn run(bench: &Bench, line: &str, more: &[&str]) -> (Option<i32>, String) {
    let output = bench.command(line).args(more).output().expect("the binary runs");
    (output.status.code(), said(&output))
}

/// A plan, which must succeed, of a file with this text.
fn plan_of(bench: &Bench, text: &str, more: &[&str]) -> String {
    let (status, said) = plan(bench, text.as_bytes(), more);
    assert_eq!(status, Some(0), "{text}: {said}");
    said
}

fn plan(bench: &Bench, bytes: &[u8], more: &[&str]) -> (Option<i32>, String) {
    let file = bench.sweep("x.yaml");
    std::fs::write(&file, bytes).unwrap();
    run(bench, &format!("plan {} --no-time", file.display()), more)
}

fn refused(bench: &Bench, line: &str, more: &[&str], parts: &[&str]) {
    let (status, said) = run(bench, line, more);
    assert_eq!(status, Some(2), "{line} {more:?}: {said}");
    assert!(parts.iter().all(|part| said.contains(part)), "{line} {more:?}: {parts:?} in {said}");
}

const MODEL: &str =
    "name: x\nmodel: {stem: cifar, stem_stride: 2, depth: 11, planes: 8, width: 26, scale: 4}\n";

/// A small folder of pictures of these classes.
fn pictures(folder: &Path, classes: &[&str]) {
    for (split, count) in [("train", 8), ("val", 4)] {
        for (i, class) in classes.iter().enumerate() {
            let place = folder.join(split).join(class);
            std::fs::create_dir_all(&place).unwrap();
            for n in 0..count {
                let file = std::fs::File::create(place.join(format!("{n}.png"))).unwrap();
                let mut encoder = png::Encoder::new(file, 32, 32);
                encoder.set_color(png::ColorType::Rgb);
                let mut writer = encoder.write_header().unwrap();
                let color = [40 + 60 * i as u8, 10 * n as u8, 90];
                writer.write_image_data(&color.repeat(32 * 32)).unwrap();
            }
        }
    }
}

#[test]
fn case_01_arms_that_start_from_other_weights_are_other_arms() {
    let bench = Bench::new();
    let plan = bench
        .json("plan --no-time scale=4 seed=0 weights=none,./a.safetensors,./b.safetensors --json");
    assert_eq!(plan["trials"].as_array().unwrap().len(), 3, "{}", plan["notes"]);
    for varied in [
        "axes: {init.weights: [null, ./x.pth]}",
        "one_at_a_time: {weights: [./x.pth]}",
        "arms: {scratch: {scale: 4}, tuned: {scale: 4, weights: ./x.pth}}",
    ] {
        let said = plan_of(&bench, &format!("{MODEL}{varied}\n"), &[]);
        assert!(said.contains("2 arms") && !said.contains("trained once"), "{varied}: {said}");
    }
}

#[test]
fn case_02_data_on_the_command_line_is_the_data() {
    let bench = Bench::new();
    let old = bench.sweep("old");
    let new = bench.sweep("new");
    pictures(&old, &["a", "b", "c"]);
    pictures(&new, &["cat", "dog"]);
    let text = format!(
        "{MODEL}data: {{name: images, path: {}, size: 32}}\ntrain: {{batch_size: 4}}\n",
        old.display()
    );
    let file = bench.sweep("x.yaml");
    std::fs::write(&file, text).unwrap();
    let plan = |word: String| {
        bench.json(&format!("plan {} {word} seed=0 --no-time --json", file.display()))
    };
    let of_new = plan(format!("data={}", new.display()));
    assert_eq!(of_new["trials"][0]["classes"], 2);
    assert!(
        of_new["notes"].to_string().contains("replaces the file's data set"),
        "{}",
        of_new["notes"]
    );
    let of_path = plan(format!("data.path={}", new.display()));
    assert_eq!(of_path["trials"][0]["classes"], 2);
    assert_eq!(plan("epochs=1".into())["trials"][0]["classes"], 3);
    // So it is with weights: the arms of the file do not take theirs instead.
    let arms = format!("{MODEL}arms: {{a: {{weights: ./a.pth}}, b: {{scale: 2}}}}\n");
    let said = plan_of(&bench, &arms, &["weights=./new.pth", "seed=0"]);
    assert!(said.contains("weights=./new.pth replaces the file's weights of a"), "{said}");
}

#[test]
fn case_03_a_range_stands_between_numbers_only() {
    let bench = Bench::new();
    for word in ["weights=../w/x.pth", "weights=../x.pth,./y.pth", "weights=./v1..v2"] {
        let (status, said) = run(&bench, "plan --no-time scale=4 seed=0", &[word]);
        assert_eq!(status, Some(0), "{word}: {said}");
    }
    for word in ["data=../photos", "data=./v1..v2"] {
        let (_, said) = run(&bench, "plan --no-time data.size=32", &[word]);
        assert!(!said.contains("range"), "{word}: {said}");
    }
    refused(&bench, "plan --no-time lr=1..x", &[], &["lr=1..x is not a range"]);
}

#[test]
fn case_14_arms_are_called_what_they_are_called() {
    let bench = Bench::new();
    let said = plan_of(
        &bench,
        &format!("{MODEL}arms:\n  2: {{scale: 2}}\n  8: {{scale: 8}}\n  1e5: {{scale: 3}}\n"),
        &[],
    );
    assert!(
        ["\n2 ", "\n8 ", "\n1e5 "].iter().all(|name| said.contains(name)) && !said.contains("base"),
        "{said}"
    );
    for (arms, parts) in [
        ("plain: [scale=1]", ["arm plain", "plain: {scale: 1}"]),
        ("wide: \"width=40\"", ["arm wide", "wide: {width: 40}"]),
        ("'': {scale: 1}", ["no name", "give each arm a name"]),
    ] {
        let (status, said) = plan(&bench, format!("{MODEL}arms:\n  {arms}\n").as_bytes(), &[]);
        assert!(
            status == Some(2) && parts.iter().all(|part| said.contains(part)),
            "{arms}: {said}"
        );
    }
    let (status, said) = plan(&bench, format!("{MODEL}axes: {{4: [1, 2]}}\n").as_bytes(), &[]);
    assert!(status == Some(2) && said.contains("no field is called 4"), "{said}");
}

#[test]
fn case_38_none_is_not_set() {
    let bench = Bench::new();
    for (word, arms) in [
        ("data.cache_px=null,64", "1 arm "),
        ("data.pad_to=none,32", "2 arms"),
        ("weights=none,./x.pth", "2 arms"),
    ] {
        let (status, said) = run(&bench, "plan --no-time scale=4 seed=0", &[word]);
        assert_eq!(status, Some(0), "{word}: {said}");
        assert!(word.starts_with("data.cache_px") || said.contains(arms), "{word}: {said}");
    }
}

#[test]
fn case_39_what_is_in_brackets_and_quotes_is_one_value() {
    let bench = Bench::new();
    let output = bench
        .run("sweep blocks=[1,1],[1,2] width=14,16 epochs=1 seed=0 batch=1000 --no-time --name bl");
    assert!(output.status.success(), "{}", stderr(&output));
    let rows = |condition: &str| run(&bench, "table bl --where", &[condition]).1;
    assert_eq!(rows("blocks=[1, 1]").lines().count(), 3, "{}", rows("blocks=[1, 1]"));
    assert_eq!(rows("blocks=[1,1],[1,2]").lines().count(), 5);
    assert_eq!(rows("label='blocks=[1,1] width=14'").lines().count(), 2);
    let none = rows("width=15");
    assert!(none.contains("no row has width=15; width is one of 14, 16"), "{none}");
    assert!(
        rows("label=nothing")
            .contains("no row has label=nothing; label is one of blocks=[1,1] width=14")
    );
    let csv = bench.command("table bl --format csv --where width=15").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&csv.stdout).lines().count(),
        1,
        "programs read headers and nothing else"
    );
    assert!(stderr(&csv).contains("no row has width=15"));
    refused(&bench, "table bl --where", &["label='a"], &["never closed"]);
    // A sweep is not one of its trials, and a trial may be named by its id or by its file of
    // weights.
    let (status, said) = run(&bench, "eval bl", &[]);
    assert!(
        status == Some(2) && said.contains("bl is a sweep of 4 trials") && said.contains("runs/"),
        "{said}"
    );
    let sweep = bench.sweep("bl").display().to_string();
    refused(&bench, "eval", &[&sweep], &["is a sweep of 4 trials"]);
    let first = &crate::common::runs(&bench.sweep("bl"))[0];
    let weights = first.join("checkpoints/best.safetensors").display().to_string();
    let id = first.file_name().unwrap().to_string_lossy().into_owned();
    let whole = bench.json(&format!("eval {} --json", first.display()));
    for word in [weights.as_str(), id.as_str()] {
        let same = bench.json(&format!("eval {word} --json"));
        assert_eq!(same["acc1"], whole["acc1"], "{word}");
    }
    let again =
        bench.json(&format!("eval {} data=mnist5k data.path=data/mnist5k --json", first.display()));
    assert_eq!(again["acc1"], whole["acc1"]);
    refused(
        &bench,
        &format!("eval {id} data.pathh=x"),
        &[],
        &["no field is called data.pathh", "did you mean data.path?"],
    );
    refused(&bench, "rf bll", &[], &["did you mean the sweep bl?"]);
    refused(&bench, "report bll", &[], &["no sweep", "did you mean bl?"]);
    // Names that leave the folder of reports.
    for line in ["report ..", "table ../x", "rf .. --measure", "report ."] {
        refused(&bench, line, &[], &["is not in the folder of reports", "--reports"]);
    }
    assert_eq!(run(&bench, "table", &[&sweep]).0, Some(0), "the path of its folder is a name too");
}

#[test]
fn case_40_numbers_may_stand_in_quotes_and_in_any_form() {
    let bench = Bench::new();
    let said = plan_of(
        &bench,
        &format!("{MODEL}axes: {{lr: ['1e-4', 0.1], batch: [1e1]}}\ntrain: {{epochs: '2'}}\n"),
        &[],
    );
    assert!(said.contains("lr=0.0001 batch=10") && said.contains("2 arms"), "{said}");
    let plan = bench.json("plan --no-time scale=4 seed=0 batch=1e1 lr='1e-4' --json");
    assert_eq!(plan["trials"][0]["train"]["batch_size"], 10);
    assert_eq!(plan["trials"][0]["train"]["optimizer"]["sgd"]["lr"], 1e-4);
}

#[test]
fn case_41_true_is_true_and_yes_is_told() {
    let bench = Bench::new();
    let (status, said) = run(&bench, "plan --no-time scale=4 seed=0 plain=True,False", &[]);
    assert!(
        status == Some(0) && said.contains("plain=true") && said.contains("plain=false"),
        "{said}"
    );
    refused(&bench, "plan --no-time sync_bn=yes", &[], &["yes", "write true or false"]);
    let (status, said) = plan(&bench, format!("{MODEL}train: {{sync_bn: yes}}\n").as_bytes(), &[]);
    assert!(
        status == Some(2) && said.contains("line 3") && said.contains("write true or false"),
        "{said}"
    );
}

#[test]
fn case_42_ranges_are_counted_in_decimals() {
    let bench = Bench::new();
    let (_, said) = run(&bench, "plan --no-time scale=4 seed=0 lr=1e-13..3e-13:1e-13", &[]);
    assert!(said.contains("3 arms") && said.contains("lr=2e-13"), "{said}");
    let (_, said) =
        run(&bench, "plan --no-time scale=4 seed=0 train.label_smoothing=0..0.3:0.1", &[]);
    assert!(said.contains("label_smoothing=0 ") && said.contains("label_smoothing=0.3 "), "{said}");
    refused(&bench, "plan --no-time lr=0.1..0.2", &[], &["has no step", "lr=0.1..0.2:0.1"]);
    refused(&bench, "plan --no-time depth=20..60:9", &[], &["write depth=20..56:9"]);
}

#[test]
fn case_48_no_name_leaves_the_folder() {
    let bench = Bench::new();
    let long = "x".repeat(300);
    for name in ["..", ".", "a/b", ".git", long.as_str()] {
        let (status, said) = plan(&bench, format!("name: {name}\n").as_bytes(), &[]);
        assert!(status == Some(2) && said.contains("folder"), "{name}: {said}");
        refused(&bench, "plan --no-time --name", &[name], &["--name", "folder"]);
        refused(&bench, "sweep --no-time --name", &[name], &["--name", "folder"]);
    }
    refused(&bench, "plan --no-time --name", &[&long], &["300 letters", "at most 200"]);
}

#[test]
fn case_51_a_name_keeps_to_its_line_and_place() {
    let bench = Bench::new();
    let long = "n".repeat(300);
    let text = format!("{MODEL}arms: {{{long}: {{scale: 2}}, \"two\\nlines\": {{scale: 4}}}}\n");
    let said = plan_of(&bench, &text, &[]);
    assert!(said.lines().all(|line| line.chars().count() < 200), "{said}");
    assert!(said.contains("…") && said.contains("two lines"), "{said}");
}

#[test]
fn fields_known_by_a_path_are_suggested() {
    let bench = Bench::new();
    for (word, field) in [
        ("ema=0.9", "train.ema"),
        ("mixup=0.2", "train.mixup"),
        ("label_smoothing=0.1", "train.label_smoothing"),
        ("wd=0", "train.optimizer.sgd.weight_decay"),
        ("augment.flip=true", "data.augment.flip"),
        ("batch_size=4", "batch"),
    ] {
        refused(
            &bench,
            "plan --no-time",
            &[word],
            &["no field is called", &format!("did you mean {field}?")],
        );
        let (name, value) = word.split_once('=').unwrap();
        let (status, said) =
            plan(&bench, format!("{MODEL}one_at_a_time: {{{name}: [{value}]}}\n").as_bytes(), &[]);
        assert!(
            status == Some(2) && said.contains(&format!("did you mean {field}?")),
            "{word}: {said}"
        );
    }
}

#[test]
fn axes_put_otherwise_are_corrected() {
    let bench = Bench::new();
    for line in [
        "plan scale 2 4",
        "plan --scale 2 4",
        "sweep --scale=2,4",
        "plan scale = 2,4",
        "plan scale=2, 4",
        "plan scale:2,4",
    ] {
        refused(&bench, line, &[], &["write scale=2,4"]);
    }
    refused(&bench, "plan scale=[2,4]", &[], &["write scale=2,4"]);
    refused(&bench, "plan name=x", &[], &["did you mean --name?"]);
    refused(&bench, "plan quickstart", &[], &["did you mean experiments/quickstart.yaml?"]);
    refused(&bench, "report", &[], &["not provided", "<NAMES>"]);
    refused(&bench, "speed train", &[], &["not provided", "<NAME | FIELD=VALUE>"]);
}

#[test]
fn experiment_files_are_read_as_any_editor_writes_them() {
    let bench = Bench::new();
    let text = format!("{MODEL}axes: {{scale: [2, 4]}}   \nseeds: [0]\n\n");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for same in [
        format!("\u{feff}{text}").into_bytes(),
        text.replace('\n', "\r\n").into_bytes(),
        text.clone().into_bytes(),
    ] {
        let (status, said) = plan(&bench, &same, &[]);
        assert!(status == Some(0) && said.contains("2 arms x 1 seed"), "{said}");
    }
    for (bytes, part) in [
        (&utf16[..], "UTF-16"),
        (b"name: x\nmodel:\n\tscale: 4\n", "line 3 has a tab"),
        (b"name: x\nname: y\n", "name is written twice"),
        (b"name: x\naxes: {scale: [2], scale: [4]}\n", "scale is written twice"),
        (b"", "is empty"),
        (b"- a\n", "holds a list"),
        (b"name: caf\xE9\n", "line 1 is not UTF-8"),
    ] {
        let (status, said) = plan(&bench, bytes, &[]);
        assert!(
            status == Some(2) && said.contains(part) && said.lines().count() == 2,
            "{part}: {said}"
        );
    }
}

#[test]
fn data_that_is_elsewhere_is_named_by_its_whole_path() {
    let bench = Bench::new();
    let file = root().join("experiments/quickstart.yaml").display().to_string();
    let mut command = bench.command("sweep scale=2");
    let output = command.arg(file).current_dir(bench.reports()).output().unwrap();
    let text = said(&output);
    let here = bench.reports().canonicalize().unwrap().join("data/mnist5k").display().to_string();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(&here) && text.contains("--data DIR"), "{here}: {text}");
    // The folder of all data sets is not the data set.
    let photos = bench.sweep("photos");
    pictures(&photos, &["cat", "dog"]);
    let photos = photos.display().to_string();
    let hint = format!("write data={photos}");
    let (status, text) = run(&bench, "sweep scale=2 --data", &[&photos]);
    assert!(status == Some(2) && text.contains(&hint), "{text}");
}

#[test]
fn remarks_that_change_no_status() {
    let bench = Bench::new();
    let (status, said) = run(&bench, "plan --no-time scale=2 seed=0 --threads 4096", &[]);
    assert!(status == Some(0) && said.contains("note: 4096 threads of a trial share"), "{said}");
    // A folder that nobody can write to.
    let (status, said) = run(&bench, "rf scale=2,4 --reports /proc/nowhere", &[]);
    assert!(
        status == Some(0) && said.contains("scale=4") && said.contains("note: there is no page"),
        "{said}"
    );
}
