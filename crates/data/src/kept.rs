//! Small images decoded once per machine: all trials read them through memory maps of one file, so that they share its
//! memory and none unpacks it again.

use crate::pack::{self, Entry, Pack};
use crate::{DataError, Images, cache};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a process's own, or of a file that others read too.
#[derive(Clone)]
pub enum Bytes {
    /// A vector.
    Own(Vec<u8>),
    /// An entry of a mapped file.
    Shared(Arc<Pack>, Entry),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Own(bytes) => bytes,
            Bytes::Shared(pack, entry) => pack.bytes(entry),
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes::Own(bytes)
    }
}

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes::Own(Vec::new())
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Bytes) -> bool {
        **self == **other
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// What `read` makes of the files `sources`, kept at `path` and mapped from there the next time. Where nothing can be kept,
/// it is just read.
pub fn kept(
    path: &Path,
    sources: &[PathBuf],
    read: impl FnOnce() -> Result<Images, DataError>,
) -> Result<Images, DataError> {
    if let Some(images) = open(path, sources) {
        return Ok(images);
    }
    let Ok(_alone) = cache::lock(path) else { return read() };
    // Another process may have built it while this one waited.
    if let Some(images) = open(path, sources) {
        return Ok(images);
    }
    let images = read()?;
    Ok(match build(path, &images) {
        Ok(()) => open(path, sources).unwrap_or(images),
        Err(_) => images,
    })
}

/// The planes, whose "label" is the number of channels, then the labels, then the number of labels as its "label".
fn build(path: &Path, images: &Images) -> Result<(), DataError> {
    let labels: Vec<u8> = images.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    let size = (images.width as u32, images.height as u32);
    pack::build(path, |packer| {
        let added = packer
            .add(&images.pixels, size, images.channels as u32)
            .and_then(|()| packer.add(&labels, (0, 0), images.len() as u32));
        added.map_err(|e| DataError::io(path, &e))?;
        Ok(Vec::new())
    })
}

/// None where it is not there, is older than its sources, or is damaged.
fn open(path: &Path, sources: &[PathBuf]) -> Option<Images> {
    if !path.is_file() || !cache::is_newer(path, sources) {
        return None;
    }
    let pack = Arc::new(Pack::open(path).ok()?);
    let [planes, labels] = *<&[Entry; 2]>::try_from(pack.entries()).ok()?;
    let (channels, height, width) = (planes.label as usize, planes.height as usize, planes.width as usize);
    let labels: Vec<u32> = pack.bytes(&labels).as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    if labels.len() * channels * height * width != planes.length as usize {
        return None;
    }
    Some(Images { channels, height, width, pixels: Bytes::Shared(pack, planes), labels })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn images() -> Images {
        Images {
            channels: 2,
            height: 1,
            width: 3,
            pixels: (0..12).collect::<Vec<u8>>().into(),
            labels: vec![7, 70_000],
        }
    }

    #[test]
    fn images_are_read_once_and_again_when_their_files_change() {
        let dir = tempfile::tempdir().unwrap();
        let (path, source) = (dir.path().join("train.images"), dir.path().join("source"));
        std::fs::write(&source, "x").unwrap();
        let sources = [source.clone()];
        let first = kept(&path, &sources, || Ok(images())).unwrap();
        let second = kept(&path, &sources, || panic!("it is there")).unwrap();
        assert!(first == images() && second == images());
        assert!(matches!(second.pixels, Bytes::Shared(..)));
        let later = SystemTime::now() + Duration::from_secs(5);
        std::fs::File::options().append(true).open(&source).unwrap().set_modified(later).unwrap();
        let changed = Images { labels: vec![1, 2], ..images() };
        assert_eq!(kept(&path, &sources, || Ok(changed.clone())).unwrap(), changed);
        std::fs::write(&path, "damaged").unwrap();
        assert_eq!(kept(&path, &[], || Ok(images())).unwrap(), images());
    }

    #[test]
    fn where_nothing_can_be_kept_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let read = kept(&dir.path().join("file/train.images"), &[], || Ok(images())).unwrap();
        assert!(matches!(read.pixels, Bytes::Own(_)));
    }
}
