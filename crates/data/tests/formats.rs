//! Data sets as written by other programs (Parquet, tar shards, IDX), intact and damaged.

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use res2lab_data::order::{self, Shard};
use res2lab_data::stream::StreamOptions;
use res2lab_data::{
    Augment, Batch, CropRange, DataSet, DatasetRequest, Description, EpochPlan, Pictures, Source,
    Split, Stream,
};
use res2lab_error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A picture of 40 x 30 pixels whose color depends on `number`.
fn png(number: usize) -> Vec<u8> {
    let pixels: Vec<u8> = (0..40 * 30)
        .flat_map(|i| [number as u8 * 20, (i % 40) as u8 * 6, (i / 40) as u8 * 8])
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 40, 30);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

enum Labels<'a> {
    Numbers(&'a [Option<i64>]),
    Texts(&'a [&'a str]),
    Reals(&'a [f64]),
}

/// Writes Parquet like pyarrow: a column `image` of bytes (in a group with a path, like Hugging
/// Face) and a column `label`.
fn parquet(path: &Path, pictures: &[Option<Vec<u8>>], labels: &Labels, is_group: bool) {
    let label = match labels {
        Labels::Numbers(_) => "int64 label",
        Labels::Texts(_) => "binary label (STRING)",
        Labels::Reals(_) => "double label",
    };
    let image = if is_group {
        "optional group image { optional binary bytes; optional binary path (STRING); }"
    } else {
        "optional binary image;"
    };
    let schema =
        parse_message_type(&format!("message schema {{ {image} optional {label}; }}")).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = SerializedFileWriter::new(
        File::create(path).unwrap(),
        Arc::new(schema),
        Default::default(),
    )
    .unwrap();
    let mut group = writer.next_row_group().unwrap();
    let depth = if is_group { 2 } else { 1 };
    let levels: Vec<i16> =
        pictures.iter().map(|p| if p.is_some() { depth } else { depth - 1 }).collect();
    let bytes: Vec<ByteArray> =
        pictures.iter().flatten().map(|p| ByteArray::from(p.clone())).collect();
    let paths = vec![ByteArray::from("a.png"); pictures.len()];
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&bytes, Some(&levels), None).unwrap();
    column.close().unwrap();
    if is_group {
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<ByteArrayType>()
            .write_batch(&paths, Some(&vec![2; pictures.len()]), None)
            .unwrap();
        column.close().unwrap();
    }
    let mut column = group.next_column().unwrap().unwrap();
    let there = vec![1; pictures.len()];
    match labels {
        Labels::Numbers(all) => {
            let levels: Vec<i16> = all.iter().map(|n| i16::from(n.is_some())).collect();
            let numbers: Vec<i64> = all.iter().flatten().copied().collect();
            column.typed::<Int64Type>().write_batch(&numbers, Some(&levels), None).unwrap();
        }
        Labels::Texts(all) => {
            let texts: Vec<ByteArray> = all.iter().map(|text| ByteArray::from(*text)).collect();
            column.typed::<ByteArrayType>().write_batch(&texts, Some(&there), None).unwrap();
        }
        Labels::Reals(all) => {
            column.typed::<DoubleType>().write_batch(all, Some(&there), None).unwrap();
        }
    }
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

fn wanted(dir: &Path) -> DatasetRequest {
    DatasetRequest {
        name: "./set".into(),
        dir: dir.join("set"),
        root: dir.into(),
        ..DatasetRequest::default()
    }
}

fn describe(dir: &Path) -> Result<Description, Error> {
    res2lab_data::describe(&wanted(dir))
}

fn four() -> Vec<Option<Vec<u8>>> {
    (0..4).map(|i| Some(png(i))).collect()
}

#[test]
fn case_13_pictures_as_bytes_and_labels_as_texts_are_read() {
    let dir = tempfile::tempdir().unwrap();
    for is_group in [false, true] {
        parquet(
            &dir.path().join("set/train.parquet"),
            &four(),
            &Labels::Texts(&["dog", "cat", "dog", "ant"]),
            is_group,
        );
        parquet(
            &dir.path().join("set/test.parquet"),
            &four(),
            &Labels::Texts(&["cat", "ant", "ant", "dog"]),
            is_group,
        );
        let found = describe(dir.path()).unwrap();
        assert_eq!(
            (found.classes, found.facts.train_images, found.facts.classes),
            (vec!["ant".into(), "cat".into(), "dog".into()], 4, 3)
        );
        let set = res2lab_data::open(&wanted(dir.path())).unwrap();
        let labels = |p: &Pictures| (0..4).map(|i| p.label(i)).collect::<Vec<_>>();
        assert_eq!((labels(&set.train), labels(&set.test)), (vec![2, 1, 2, 0], vec![1, 0, 0, 2]));
    }
}

#[test]
fn case_13_and_36_what_cannot_be_read_names_column_and_type() {
    let good: &[Option<i64>] = &[Some(0), Some(1), Some(0), Some(1)];
    let unlabeled: &[Option<i64>] = &[Some(-1); 4];
    let none: &[Option<i64>] = &[None; 4];
    let some: &[Option<i64>] = &[Some(0), None, Some(0), Some(1)];
    let large: &[Option<i64>] = &[Some(0), Some(1 << 40), Some(0), Some(1)];
    let without: Vec<Option<Vec<u8>>> = vec![None; 4];
    for (pictures, train, test, expected) in [
        (
            four(),
            Labels::Reals(&[0.5, 1.0, 1.0, 0.0]),
            Labels::Numbers(good),
            "column label is 0.5 (float64) in row 0",
        ),
        (
            four(),
            Labels::Numbers(good),
            Labels::Numbers(unlabeled),
            "test has no labels (column label is -1)",
        ),
        (
            four(),
            Labels::Numbers(good),
            Labels::Numbers(none),
            "test has no labels (column label is null)",
        ),
        (four(), Labels::Numbers(good), Labels::Numbers(some), "column label is null in row 1"),
        (
            four(),
            Labels::Numbers(large),
            Labels::Numbers(good),
            "column label is 1099511627776 in row 1",
        ),
        (
            four(),
            Labels::Numbers(good),
            Labels::Texts(&["a", "b", "a", "b"]),
            "those of the training images numbers",
        ),
        (
            four(),
            Labels::Texts(&["a", "b", "a", "b"]),
            Labels::Texts(&["a", "c", "a", "b"]),
            "class c is not among those",
        ),
        (
            without,
            Labels::Numbers(good),
            Labels::Numbers(good),
            "column image has no bytes in row 0, only the path a.png",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        parquet(&dir.path().join("set/train.parquet"), &pictures, &train, true);
        parquet(&dir.path().join("set/test.parquet"), &four(), &test, true);
        let e = describe(dir.path()).unwrap_err();
        assert!(e.cause.contains(expected), "{expected}: {e}");
    }
}

#[test]
fn case_05_other_labels_in_files_of_the_same_time_and_size_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["train", "test"].map(|split| dir.path().join(format!("set/{split}.parquet")));
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_230_000_000);
    let write = |labels: &[Option<i64>]| {
        for file in &files {
            parquet(file, &four(), &Labels::Numbers(labels), false);
            File::options().append(true).open(file).unwrap().set_modified(old).unwrap();
        }
        let set = res2lab_data::open(&wanted(dir.path())).unwrap();
        let labels: Vec<u32> = (0..4).map(|i| set.train.label(i)).collect();
        (labels, set.identity)
    };
    let first = write(&[Some(0), Some(1), Some(2), Some(1)]);
    let second = write(&[Some(2), Some(1), Some(0), Some(1)]);
    assert_eq!((first.0, second.0), (vec![0, 1, 2, 1], vec![2, 1, 0, 1]));
    assert_ne!(first.1, second.1);
}

/// Writes the same pictures to folders and to tar shards: four classes, `count` pictures per split.
fn folders_and_tars(dir: &Path, count: usize, shards: usize) {
    for split in ["train", "val"] {
        let mut pictures: Vec<(String, usize)> =
            (0..count).map(|i| (format!("c{}/{i:05}", i % 4), i)).collect();
        pictures.sort();
        fs::create_dir_all(dir.join("tars")).unwrap();
        for (number, part) in pictures.chunks(count.div_ceil(shards)).enumerate() {
            let file =
                File::create(dir.join(format!("tars/imagenet-{split}-{number:06}.tar"))).unwrap();
            let mut tar = tar::Builder::new(file);
            let mut add = |name: String, bytes: &[u8]| {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                header.set_mode(0o644);
                tar.append_data(&mut header, name, bytes).unwrap();
            };
            for (key, i) in part {
                let flat = key.replace('/', "_");
                let picture = png(*i);
                add(format!("{flat}.png"), &picture);
                if i % 2 == 0 {
                    add(format!("{flat}.cls"), format!("{}\n", i % 4).as_bytes());
                } else {
                    add(format!("{flat}.json"), format!("{{\"label\": {}}}", i % 4).as_bytes());
                }
                add(format!("._{flat}.png"), b"\0\x05\x16\x07");
                let path = dir.join(format!("set/{split}/{key}.png"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, picture).unwrap();
            }
            tar.finish().unwrap();
        }
    }
}

fn stream(set: DataSet, threads: usize) -> Stream {
    let options = StreamOptions {
        size: 16,
        resize: 18,
        statistics: res2lab_data::normalize::IMAGENET.to_vec(),
        threads,
        max_corrupt: 0,
        device: tch::Device::Cpu,
        kind: tch::Kind::Float,
    };
    Stream::new(set, options).unwrap()
}

/// The batches of an epoch from `first_step` on.
fn epoch(set: DataSet, threads: usize, first_step: usize) -> Vec<Batch> {
    let range = CropRange { scale: [0.3, 1.0], ratio: [0.75, 1.33] };
    let augment = Augment { flip: true, crop: Some(range), ..Augment::default() };
    let batches = order::training_batches(set.train.len(), 5, 2, 8, Shard::WHOLE, first_step);
    let mut stream = stream(set, threads);
    stream
        .begin(EpochPlan {
            split: Split::Train,
            batches,
            augment: Some((augment, order::epoch_key(5, 2))),
        })
        .unwrap();
    std::iter::from_fn(|| stream.next_batch().unwrap()).collect()
}

#[test]
fn tar_shards_give_the_stream_of_folders_with_any_number_of_threads_and_after_a_resume() {
    let dir = tempfile::tempdir().unwrap();
    folders_and_tars(dir.path(), 200, 4);
    let tars = || {
        res2lab_data::open(&DatasetRequest { dir: dir.path().join("tars"), ..wanted(dir.path()) })
            .unwrap()
    };
    let folders = res2lab_data::open(&wanted(dir.path())).unwrap();
    assert!(matches!(tars().train, Pictures::Tars(_)) && tars().train.len() == 200);
    let one = epoch(tars(), 1, 0);
    let three = epoch(tars(), 3, 0);
    let folders = epoch(folders, 2, 0);
    assert_eq!((one.len(), three.len(), folders.len()), (25, 25, 25));
    for (i, batch) in one.iter().enumerate() {
        for other in [&three[i], &folders[i]] {
            assert_eq!(
                (&batch.images, &batch.labels, &batch.indices),
                (&other.images, &other.labels, &other.indices)
            );
        }
    }
    let resumed = epoch(tars(), 2, 9);
    assert!(
        resumed.iter().zip(&one[9..]).all(|(a, b)| a.images == b.images) && resumed.len() == 16
    );
    // The cached index gives the same description, and so does a copy in another folder.
    let described = |at: &Path| {
        res2lab_data::describe(&DatasetRequest { dir: at.into(), ..wanted(dir.path()) }).unwrap()
    };
    let first = described(&dir.path().join("tars"));
    let again = described(&dir.path().join("tars"));
    assert_eq!(first, again);
    let copy = dir.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(dir.path().join("tars")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    assert_eq!(described(&copy).facts.identity, first.facts.identity);
}

#[test]
fn tar_shards_that_are_cut_off_or_lack_labels_are_named() {
    let said = |change: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        folders_and_tars(dir.path(), 16, 4);
        fs::rename(dir.path().join("set"), dir.path().join("folders")).unwrap();
        fs::rename(dir.path().join("tars"), dir.path().join("set")).unwrap();
        change(&dir.path().join("set"));
        describe(dir.path()).unwrap_err().cause
    };
    let cut = |length: u64| {
        move |dir: &Path| {
            let file =
                File::options().write(true).open(dir.join("imagenet-train-000001.tar")).unwrap();
            file.set_len(file.metadata().unwrap().len() - length).unwrap();
        }
    };
    for length in [1024, 1500, 4000] {
        let cause = said(&cut(length));
        assert!(cause.contains("train-000001.tar") && cause.contains("cut off"), "{cause}");
    }
    let gone = said(&|dir| fs::remove_file(dir.join("imagenet-train-000002.tar")).unwrap());
    assert!(gone.contains("imagenet-train-000002.tar missing"), "{gone}");
    let empty = said(&|dir| {
        (1..4)
            .for_each(|i| fs::remove_file(dir.join(format!("imagenet-val-00000{i}.tar"))).unwrap());
        tar::Builder::new(File::create(dir.join("imagenet-val-000000.tar")).unwrap())
            .into_inner()
            .unwrap();
    });
    assert!(empty.contains("no pictures with labels"), "{empty}");
    let html =
        said(&|dir| fs::write(dir.join("imagenet-val-000000.tar"), "<html>not found").unwrap());
    assert!(html.contains("is an HTML page"), "{html}");
}

/// Writes a valid small data set and returns the file to damage.
fn valid(dir: &Path, which: usize) -> PathBuf {
    let numbers: &[Option<i64>] = &[Some(0), Some(1), Some(2), Some(1)];
    match which {
        0 | 1 => {
            for split in ["train", "test"] {
                parquet(
                    &dir.join(format!("set/{split}.parquet")),
                    &four(),
                    &Labels::Numbers(numbers),
                    which == 0,
                );
            }
            dir.join("set/train.parquet")
        }
        2 => {
            folders_and_tars(dir, 4, 1);
            fs::remove_dir_all(dir.join("set")).unwrap();
            fs::rename(dir.join("tars"), dir.join("set")).unwrap();
            dir.join("set/imagenet-train-000000.tar")
        }
        which => {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/mnist5k");
            fs::create_dir_all(dir.join("set")).unwrap();
            for entry in fs::read_dir(source).unwrap().flatten() {
                fs::copy(entry.path(), dir.join("set").join(entry.file_name())).unwrap();
            }
            let what = if which == 3 { "labels-idx1" } else { "images-idx3" };
            dir.join(format!("set/t10k-{what}-ubyte.gz"))
        }
    }
}

/// The number of random cases, which `RES2LAB_CASES` sets (more in `just verify-long`).
fn cases() -> u32 {
    std::env::var("RES2LAB_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    /// A damaged file gives a data set, or an error with a help and a cause of one line.
    #[test]
    fn damaged_files_give_data_or_an_error(
        which in 0..5_usize,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..5),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = valid(dir.path(), which);
        let mut bytes = fs::read(&path).unwrap();
        for (at, value, is_at_end) in flips {
            // Parquet's metadata are at the end.
            let from = if is_at_end { bytes.len().saturating_sub(600) } else { 0 };
            let at = from + at.index(bytes.len() - from);
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(&path, bytes).unwrap();
        if let Err(e) = describe(dir.path()) {
            prop_assert!(!e.cause.contains('\n') && !e.help.is_empty(), "{}", e);
        }
    }
}
