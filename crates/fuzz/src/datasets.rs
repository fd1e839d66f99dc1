//! Pictures and the files of data sets, as far as pixels and labels.

use crate::check_error;
use res2lab_data::decode::{self, IN_FULL};
use res2lab_data::{DataError, DatasetRequest, Split};
use std::path::Path;

/// One picture of any kind, and a JPEG also at a part of its size.
pub fn picture(bytes: &[u8]) {
    let mut pixels = vec![];
    let mut decode = |reduction| match decode::decode(&png_with_sums(bytes), &mut pixels, reduction)
    {
        Ok(sizes) => assert_eq!(pixels.len(), sizes.decoded.0 * sizes.decoded.1 * 3),
        Err(said) => check_error(&said, "-"),
    };
    decode(IN_FULL);
    if bytes.starts_with(b"\xff\xd8") {
        decode(&|_, _| 8);
    }
}

/// A PNG with the checksums that its chunks should have, which a fuzzer cannot guess.
fn png_with_sums(bytes: &[u8]) -> Vec<u8> {
    let mut png = bytes.to_vec();
    let mut at = 8;
    while bytes.starts_with(b"\x89PNG") && at + 12 <= png.len() {
        let length = u32::from_be_bytes([png[at], png[at + 1], png[at + 2], png[at + 3]]) as usize;
        let end = at + 8 + length;
        let Some(chunk) = png.get(at + 4..end) else { break };
        let mut sum = flate2::Crc::new();
        sum.update(chunk);
        let Some(place) = png.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&sum.sum().to_be_bytes());
        at = end + 4;
    }
    png
}

/// The two files of a split, both splits alike: the labels' length in two bytes, the labels, the
/// images.
pub fn idx(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let (labels, images) = rest.split_at(rest.len().min(u16::from_le_bytes(*length).into()));
    let folder = tempfile::tempdir().expect("a temporary folder");
    for split in ["train", "t10k"] {
        write(folder.path(), &format!("{split}-images-idx3-ubyte"), images);
        write(folder.path(), &format!("{split}-labels-idx1-ubyte"), labels);
    }
    let Some(Some(files)) = expected(res2lab_data::idx::find(folder.path())) else { return };
    let Some(read) = expected(res2lab_data::idx::read(&files, Split::Train)) else { return };
    assert_eq!(read.pixels.len(), read.labels.len() * read.channels * read.height * read.width);
}

/// A pickled file of CIFAR.
pub fn cifar(bytes: &[u8]) {
    if let Err(said) = res2lab_data::pickled::batch(bytes, "labels") {
        check_error(&said, "-");
    }
    let _ = res2lab_data::pickled::texts(bytes, "label_names");
}

/// A Parquet file, as both splits.
pub fn parquet(bytes: &[u8]) {
    data_set(bytes, "parquet");
}

/// A tar shard, as both splits.
pub fn tar(bytes: &[u8]) {
    data_set(&tar_with_sums(bytes), "tar");
}

/// A tar with the checksums that its headers should have, which a fuzzer cannot guess.
fn tar_with_sums(bytes: &[u8]) -> Vec<u8> {
    let mut tar = bytes.to_vec();
    let mut at = 0;
    while let Some(header) =
        tar.get_mut(at..at + 512).filter(|header| header.iter().any(|&byte| byte != 0))
    {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let size = header[124..136].iter().take_while(|byte| (b'0'..b'8').contains(*byte));
        let size = size.fold(0_usize, |size, byte| {
            size.wrapping_mul(8).wrapping_add(usize::from(byte - b'0'))
        });
        at = at.saturating_add(512).saturating_add(size.div_ceil(512).saturating_mul(512));
    }
    tar
}

/// A data set of one file a split: described, then opened from what was kept of it, and every
/// picture looked at.
fn data_set(bytes: &[u8], ending: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("set");
    std::fs::create_dir(&dir).expect("a folder in it");
    for split in ["train", "val"] {
        write(&dir, &format!("{split}-000000.{ending}"), bytes);
    }
    let wanted = DatasetRequest {
        name: "./set".into(),
        dir,
        root: folder.path().into(),
        ..DatasetRequest::default()
    };
    let Some(described) = expected(res2lab_data::describe(&wanted)) else { return };
    let set = expected(res2lab_data::open(&wanted)).expect("what was described can be opened");
    assert_eq!(
        (described.facts.identity, described.facts.train_images),
        (set.identity, set.train.len())
    );
    for said in res2lab_data::shaped::unreadable(&set.train) {
        check_error(&said, "-");
    }
}

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(dir.join(name), bytes).expect("a file in a temporary folder");
}

pub(crate) fn expected<T>(result: Result<T, DataError>) -> Option<T> {
    result.map_err(|e| check_error(&e.cause, &e.help)).ok()
}
