//! Layouts of folders and columns of shards that people bring.

use super::data::{Place, counts, notes, png, tree};
use crate::common::root;
use serde_json::Value;
use std::fs;

#[test]
fn case_11_pictures_are_read_at_any_depth_and_of_any_kind_and_the_rest_is_counted() {
    let place = Place::new();
    tree(&place.at("n"), &["cat", "dog"]);
    png(&place.at("n/train/cat/set2/x.png"), [1, 2, 3], 0);
    let kinds = root().join("crates/data/tests/pictures");
    for (from, to) in [
        ("plain.bmp", "1.bmp"),
        ("lossy.webp", "2.webp"),
        ("lzw.tif", "3.TIFF"),
        ("plain.gif", "4.gif"),
    ] {
        fs::copy(kinds.join(from), place.at("n/train/dog").join(to)).unwrap();
    }
    // Called one thing, being another.
    fs::copy(kinds.join("plain.bmp"), place.at("n/train/dog/5.jpg")).unwrap();
    fs::write(place.at("n/train/dog/notes.txt"), "x").unwrap();
    let plan = place.plan("data=T/n");
    assert_eq!(counts(&plan), (22, 8, 2));
    assert!(
        notes(&plan).contains("its ending is not a picture's: train/dog/notes.txt"),
        "{}",
        notes(&plan)
    );
    assert!(place.out("data check T/n").contains("every picture can be read"));
}

#[test]
fn case_12_the_hubs_layouts_are_read() {
    let place = Place::new();
    let fixtures = root().join("crates/data/tests/parquet");
    let put = |from: &str, to: &str| {
        fs::create_dir_all(place.at(to).parent().unwrap()).unwrap();
        fs::copy(fixtures.join(from), place.at(to)).unwrap();
    };
    let train = "train-00000-of-00001.parquet";
    let test = "test-00000-of-00001.parquet";
    put(train, &format!("hf/plain_text/{train}"));
    put(test, &format!("hf/plain_text/{test}"));
    put(train, "hf2/train/0000.parquet");
    put(test, "hf2/test/0000.parquet");
    let plan =
        |data: &str| counts(&place.json(&format!("plan --no-time scale=2 seed=0 batch=4 {data}")));
    assert_eq!(plan("data=cifar100 data.path=T/hf"), (12, 6, 100));
    assert_eq!(plan("data=T/hf"), (12, 6, 3));
    assert_eq!(plan("data=T/hf2"), (12, 6, 3));
}

/// One of the files that pyarrow wrote, as a split of T/NAME.
pub(super) fn put_kind(place: &Place, name: &str, split: &str, kind: &str) {
    fs::create_dir_all(place.at(name)).unwrap();
    let from = root().join(format!("crates/data/tests/parquet/kinds/{kind}.parquet"));
    fs::copy(from, place.at(&format!("{name}/{split}.parquet"))).unwrap();
}

#[test]
fn case_13_columns_of_bytes_and_of_texts_are_read_and_others_are_named() {
    let place = Place::new();
    let line = |name: &str| format!("plan --no-time scale=2 seed=0 batch=4 data=T/{name}");
    for kind in ["binary", "large_binary", "text", "large_text", "dictionary"] {
        ["train", "test"].iter().for_each(|split| put_kind(&place, kind, split, kind));
        assert_eq!(counts(&place.json(&line(kind))), (8, 8, 2), "{kind}");
    }
    // The texts are the names of the classes.
    let run = place.trained("data=T/dictionary", "named");
    let result = place.json(&format!("eval {}", run.display()));
    let names: Vec<&Value> =
        result["classes"].as_array().unwrap().iter().map(|class| &class["name"]).collect();
    assert_eq!(names, ["cat", "dog"]);
    for (kind, expected) in [
        ("real", "column label is 0.5 (float64) in row 0"),
        ("no_bytes", "column image has no bytes in row 0, only the path a.png"),
    ] {
        ["train", "test"].iter().for_each(|split| put_kind(&place, kind, split, kind));
        let said = place.refused(&line(kind));
        assert!(said.contains(&format!("train.parquet: {expected}")), "{said}");
    }
}
