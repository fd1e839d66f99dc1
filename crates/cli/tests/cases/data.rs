//! Pictures and data sets: folders as they really are, files of other programs, caches of other
//! data.

use super::layouts::put_kind;
use crate::common::{Bench, root, stderr};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A folder for data sets and reports, both its own.
pub(super) struct Place {
    bench: Bench,
}

const QUICK: &str = "data.size=32 batch=4 epochs=1 seed=0 --no-time --slots 1 --threads 1";

impl Place {
    pub(super) fn new() -> Place {
        Place { bench: Bench::new() }
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.bench.reports().join("data").join(name)
    }

    /// A command in which T stands for the folder of data sets.
    pub(super) fn run(&self, line: &str) -> Output {
        let data = self.at("").display().to_string();
        // A temporary folder's own name may end with that letter.
        let line = line.replace("=T/", &format!("={data}")).replace(" T/", &format!(" {data}"));
        self.bench.run(&format!("{line} --data {data}"))
    }

    pub(super) fn out(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(super) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.out(&format!("{line} --json"))).expect("JSON")
    }

    /// What a command that is refused says.
    pub(super) fn refused(&self, line: &str) -> String {
        let output = self.run(line);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.starts_with("error: ") && said.lines().count() == 2, "{line}: {said}");
        said
    }

    pub(super) fn plan(&self, words: &str) -> Value {
        self.json(&format!("plan --no-time scale=2 data.size=32 batch=4 epochs=1 seed=0 {words}"))
    }

    /// Trains one small network on T/NAME and gives its folder.
    pub(super) fn trained(&self, words: &str, name: &str) -> PathBuf {
        let line = format!("sweep scale=2 {QUICK} {words} --name {name}");
        let output = self.run(&line);
        let sweep = self.bench.sweep(name);
        assert!(output.status.success(), "{line}: {}{}", stderr(&output), consoles(&sweep));
        crate::common::runs(&sweep).pop().expect("a run")
    }
}

fn consoles(sweep: &Path) -> String {
    let read = |run: PathBuf| fs::read_to_string(run.join("console.txt")).unwrap_or_default();
    crate::common::runs(sweep).into_iter().map(read).collect()
}

pub(super) fn notes(plan: &Value) -> String {
    plan["notes"].to_string()
}

pub(super) fn counts(plan: &Value) -> (u64, u64, u64) {
    let trial = &plan["trials"][0];
    let of = |name: &str| trial[name].as_u64().unwrap_or_default();
    (of("train_images"), of("test_images"), of("classes"))
}

pub(super) fn png(path: &Path, rgb: [usize; 3], shade: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let row: Vec<u8> = (0..40).flat_map(|x| rgb.map(|c| ((c + shade + x) % 256) as u8)).collect();
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), 40, 30);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&row.repeat(30)).unwrap();
}

/// Eight training and four test pictures of each class.
pub(super) fn tree(dir: &Path, classes: &[&str]) {
    for (k, class) in classes.iter().enumerate() {
        for (split, count) in [("train", 8), ("val", 4)] {
            let rgb = [40 + 80 * k, (456 - 70 * k) % 256, 60 * k];
            (0..count).for_each(|i| png(&dir.join(format!("{split}/{class}/{i}.png")), rgb, i));
        }
    }
}

fn set_old(path: &Path) {
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_230_000_000);
    fs::File::open(path).unwrap().set_modified(old).unwrap();
}

#[test]
fn case_04_decoded_pictures_that_were_kept_are_those_of_the_folder() {
    let place = Place::new();
    tree(&place.at("p"), &["cat", "dog"]);
    place.trained("data=T/p data.cache_px=32", "c1");
    tree(&place.at("p"), &["ant"]);
    let run = place.trained("data=T/p data.cache_px=32", "c2");
    let result = place.json(&format!("eval {}", run.display()));
    let names: Vec<&str> =
        result["classes"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!((result["images"].as_u64(), names), (Some(12), vec!["ant", "cat", "dog"]));
}

#[test]
fn case_05_binary_files_of_the_same_size_and_an_older_time_are_read_again() {
    let place = Place::new();
    let write = |first: u8, records: u8| {
        fs::create_dir_all(place.at("c10")).unwrap();
        let names = (1..=5).map(|k| format!("data_batch_{k}.bin")).chain(["test_batch.bin".into()]);
        for name in names {
            let record = |i: u8| [vec![(i + first) % 10], vec![i.wrapping_mul(9); 3072]].concat();
            fs::write(
                place.at("c10").join(&name),
                (0..records).flat_map(record).collect::<Vec<u8>>(),
            )
            .unwrap();
            set_old(&place.at("c10").join(&name));
        }
    };
    let eval = |run: &Path| place.json(&format!("eval {}", run.display()));
    write(0, 20);
    let first = place.trained("data=cifar10 data.path=T/c10 ", "k1");
    assert_eq!(eval(&first)["images"], 20);
    write(3, 20);
    let other = eval(&first);
    write(0, 40);
    assert_eq!(eval(&first)["images"], 40);
    write(0, 20);
    assert_ne!(other["loss"], eval(&first)["loss"], "other labels");
}

#[test]
fn a_folder_whose_times_were_kept_is_listed_anew() {
    let place = Place::new();
    tree(&place.at("ls"), &["cat", "dog"]);
    assert_eq!(counts(&place.plan("data=T/ls")), (16, 8, 2));
    for class in ["ls/train/cat", "ls/val/cat"].map(|class| place.at(class)) {
        let before = class.metadata().unwrap().modified().unwrap();
        for new in ["20.png", "21.png"] {
            fs::copy(class.join("0.png"), class.join(new)).unwrap();
        }
        fs::remove_file(class.join("1.png")).unwrap();
        fs::File::open(&class).unwrap().set_modified(before).unwrap();
    }
    assert_eq!(counts(&place.plan("data=T/ls")), (17, 9, 2));
}

#[test]
fn case_10_what_systems_leave_is_not_there() {
    let place = Place::new();
    tree(&place.at("mac"), &["cat", "dog"]);
    for split in ["train", "val"] {
        for i in 0..4 {
            fs::write(place.at(&format!("mac/{split}/cat/._{i}.png")), b"\0\x05\x16\x07").unwrap();
        }
        fs::create_dir(place.at(&format!("mac/{split}/.ipynb_checkpoints"))).unwrap();
        fs::write(place.at(&format!("mac/{split}/dog/Thumbs.db")), "x").unwrap();
    }
    fs::create_dir_all(place.at("mac/train/__MACOSX")).unwrap();
    let plan = place.plan("data=T/mac");
    assert_eq!(counts(&plan), (16, 8, 2));
    assert!(
        notes(&plan).contains("13 files and folders that systems leave are not looked at"),
        "{}",
        notes(&plan)
    );
}

#[test]
fn case_36_test_pictures_without_labels_are_called_so() {
    let place = Place::new();
    put_kind(&place, "u", "train", "binary");
    put_kind(&place, "u", "test", "unlabeled");
    let said = place.refused("plan --no-time scale=2 seed=0 batch=4 data=T/u");
    assert!(said.contains("test.parquet: test has no labels (column label is -1)"), "{said}");
    assert!(said.contains("help: add a split with labels"), "{said}");
}

#[test]
fn case_35_shards_that_are_missing_are_named() {
    let place = Place::new();
    let fixtures = root().join("crates/data/tests/parquet");
    fs::create_dir_all(place.at("part")).unwrap();
    for (from, to) in [
        ("train-00000-of-00001", "train-00000-of-00003"),
        ("test-00000-of-00001", "test-00000-of-00001"),
    ] {
        fs::copy(fixtures.join(format!("{from}.parquet")), place.at(&format!("part/{to}.parquet")))
            .unwrap();
    }
    let said = place.refused("plan --no-time data=T/part batch=4");
    assert!(
        said.contains("train-00001-of-00003.parquet, train-00002-of-00003.parquet missing"),
        "{said}"
    );
}

#[test]
fn case_15_and_28_names_of_classes_travel_with_the_trial_and_single_pictures_are_answered() {
    let place = Place::new();
    tree(&place.at("photos"), &["0", "1", "10", "2"]);
    let run = place.trained("data=T/photos", "mine");
    let run = run.display();
    let picture = place.at("photos/val/2/0.png");
    fs::remove_dir_all(place.at("photos/train")).unwrap();
    let row = &place.json(&format!("predict {run} {}", picture.display()))[0];
    for guess in row["guesses"].as_array().unwrap() {
        let class = guess["class"].as_u64().unwrap() as usize;
        assert_eq!(guess["name"], ["0", "1", "10", "2"][class]);
    }
    let said = |file: &str, bytes: &[u8]| {
        fs::write(place.at(file), bytes).unwrap();
        place.refused(&format!("predict {run} T/{file}"))
    };
    assert!(said("z.jpg", b"").contains("z.jpg: is empty"));
    assert!(said("h.png", b"<html>").contains("h.png: is an HTML page"));
    let beside = place.run(&format!("predict {run} T/z.jpg {}", picture.display()));
    assert_eq!(beside.status.code(), Some(1), "{}", stderr(&beside));
    assert!(
        String::from_utf8_lossy(&beside.stdout).contains("2/0.png")
            && stderr(&beside).contains("z.jpg: is empty")
    );
    fs::write(place.at("names.txt"), "one\n").unwrap();
    let said = place.refused(&format!("predict {run} classes=T/names.txt {}", picture.display()));
    assert!(said.contains("has 1 name for 4 classes"), "{said}");
}

#[test]
fn a_network_for_gray_images_is_shown_pictures_in_gray() {
    let place = Place::new();
    let output = place
        .bench
        .run("sweep scale=2 seed=0 epochs=1 batch=500 --no-time --name gray --threads 1 --slots 1");
    assert!(output.status.success(), "{}", stderr(&output));
    let run = crate::common::runs(&place.bench.sweep("gray")).pop().unwrap();
    png(&place.at("x.png"), [200, 10, 10], 0);
    let line = format!("predict {} {} --json", run.display(), place.at("x.png").display());
    let rows = place.bench.json(&line);
    let share: f64 =
        rows[0]["guesses"].as_array().unwrap().iter().map(|g| g["share"].as_f64().unwrap()).sum();
    assert!(share > 0.3 && share < 1.0 + 1e-9, "{rows}");
}

#[test]
fn case_24_25_and_27_classes_that_lack_pictures_and_pictures_that_are_none_are_told() {
    let place = Place::new();
    tree(&place.at("photos"), &["cat", "dog"]);
    fs::create_dir(place.at("photos/train/new")).unwrap();
    fs::remove_dir_all(place.at("photos/val/cat")).unwrap();
    fs::write(place.at("photos/train/cat/z.png"), "").unwrap();
    fs::create_dir(place.at("photos/train/cat/d.jpg")).unwrap();
    std::os::unix::fs::symlink("/nowhere", place.at("photos/train/cat/l.jpg")).unwrap();
    fs::write(place.at("photos/val/dog/e.png"), "").unwrap();
    let plan = place.plan("data=T/photos");
    let told = notes(&plan);
    for expected in [
        "class new has no pictures in train/",
        "2 classes have no pictures in val/: cat, new",
        "2 pictures are empty: train/cat/z.png, val/dog/e.png",
        "1 picture is a broken link: train/cat/l.jpg",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let run = place.trained("data=T/photos", "told");
    let result = crate::common::read_json(&run.join("result.json")).unwrap();
    assert_eq!(
        (&result["metrics"]["val/left_out"], &result["metrics"]["train/left_out"]),
        (&1.0.into(), &2.0.into())
    );
    let table: Value =
        serde_json::from_str(&place.out("table told --columns all --format json")).unwrap();
    assert_eq!(
        (&table[0]["val_left_out"], &table[0]["train_left_out"]),
        (&1.0.into(), &2.0.into()),
        "{table}"
    );
    let shown = place.out(&format!("eval {} --batch 4", run.display()));
    assert!(
        shown.contains("1 of 5 pictures cannot be read") && shown.contains("e.png: is empty"),
        "{shown}"
    );
    let checked = place.run("data check T/photos");
    let shown = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(1));
    for expected in
        ["l.jpg: is a broken link", "z.png: is empty", "2 training pictures cannot be read"]
    {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

#[test]
fn case_32_and_34_compressed_or_not_whatever_the_ending_and_in_torchvisions_folders() {
    let place = Place::new();
    let raw = place.at("MNIST/raw");
    fs::create_dir_all(&raw).unwrap();
    for entry in fs::read_dir(root().join("data/mnist5k")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        // Compressed content without its ending.
        fs::copy(entry.path(), raw.join(name.trim_end_matches(".gz"))).unwrap();
    }
    let plan = |data: &str| counts(&place.json(&format!("plan --no-time scale=2 seed=0 {data}")));
    assert_eq!(plan("data=mnist data.path=T/MNIST"), (4000, 1000, 10));
    assert_eq!(plan("data=T/MNIST"), (4000, 1000, 10));
    fs::write(raw.join("t10k-labels-idx1-ubyte"), "<!DOCTYPE html><html>").unwrap();
    let said = place.refused("plan --no-time data=mnist data.path=T/MNIST");
    assert!(said.contains("t10k-labels-idx1-ubyte: is an HTML page"), "{said}");
}

#[test]
fn a_path_that_is_no_data_set_is_called_what_it_is() {
    let place = Place::new();
    tree(&place.at("photos"), &["cat", "dog"]);
    tree(&place.at("flat"), &["cat"]);
    fs::rename(place.at("flat/train"), place.at("one")).unwrap();
    fs::create_dir(place.at("nothing")).unwrap();
    for (data, expected) in [
        ("T/nowhere", "there is no such folder"),
        ("T/photos/train/cat/0.png", "is a file, a picture"),
        ("T/photos/train", "is the folder train itself"),
        ("T/photos/val", "is the folder val itself"),
        ("T/one", "has pictures in cat/, but no folders train and val"),
        ("T/nothing", "is empty"),
    ] {
        let said = place.refused(&format!("plan --no-time data={data} batch=4"));
        assert!(said.contains(expected), "{data}: {said}");
        let folder = place.run(&format!("pipeline {data}"));
        assert!(stderr(&folder).contains(expected), "pipeline {data}: {}", stderr(&folder));
    }
}

#[test]
fn decoded_pictures_are_kept_elsewhere_where_the_data_folder_cannot_be_written() {
    let place = Place::new();
    tree(&place.at("photos"), &["cat", "dog"]);
    // A file where the folder of what is kept would be: nobody can write there, not even root.
    fs::write(place.at(".cache"), "").unwrap();
    let home = place.at("home");
    let data = place.at("");
    let run = |line: &str| {
        let line = format!(
            "{line} scale=2 {QUICK} data={}/photos data.cache_px=32 --data {}",
            data.display(),
            data.display()
        );
        place.bench.command(&line).env("XDG_CACHE_HOME", &home).output().unwrap()
    };
    let plan = run("plan");
    let shown = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(
        plan.status.success() && shown.contains("decoded pictures are kept in"),
        "{shown}{}",
        stderr(&plan)
    );
    let sweep = run("sweep --name kept");
    assert!(sweep.status.success(), "{}{}", stderr(&sweep), consoles(&place.bench.sweep("kept")));
    fs::remove_dir_all(&home).ok();
    fs::write(&home, "").unwrap();
    let refused = run("plan");
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("nothing can be kept in"), "{}", stderr(&refused));
}

#[test]
fn names_that_are_no_text_and_homes_are_understood() {
    use std::os::unix::ffi::OsStringExt;
    let place = Place::new();
    tree(&place.at("photos"), &["cat", "dog"]);
    for split in ["train", "val"] {
        let class =
            place.at("photos").join(split).join(std::ffi::OsString::from_vec(vec![b'd', 0xff]));
        fs::rename(place.at("photos").join(split).join("dog"), &class).unwrap();
        let name = std::ffi::OsString::from_vec(vec![0xfe, b'.', b'p', b'n', b'g']);
        fs::rename(class.join("0.png"), class.join(name)).unwrap();
    }
    let line = format!("plan scale=2 {QUICK} data=~/photos --json");
    let output = place.bench.command(&line).env("HOME", place.at("")).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(counts(&serde_json::from_slice(&output.stdout).unwrap()), (16, 8, 2));
    let run = place.trained("data=T/photos", "bytes");
    let names = crate::common::read_json(&run.join("classes.json")).unwrap();
    assert_eq!(names, serde_json::json!(["cat", "d\\xff"]));
}

#[test]
fn classes_of_another_data_set_are_matched_by_name_or_refused() {
    let place = Place::new();
    tree(&place.at("three"), &["ant", "cat", "dog"]);
    tree(&place.at("two"), &["cat", "dog"]);
    tree(&place.at("other"), &["cat", "eel"]);
    let run = place.trained("data=T/three", "three");
    let result = place.json(&format!("eval {} data=T/two", run.display()));
    let images = |class: usize| result["classes"][class]["images"].as_u64();
    assert_eq!([images(0), images(1), images(2)], [Some(0), Some(4), Some(4)]);
    let said = place.refused(&format!("eval {} data=T/other", run.display()));
    assert!(said.contains("class eel is none of the network's: ant, cat, dog"), "{said}");
}
