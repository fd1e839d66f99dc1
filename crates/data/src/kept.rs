//! Small images, decoded once per machine. All trials map the same cache file into memory, so that
//! they share its pages and do not decode again.

use crate::Images;
use crate::cache::{self, Places};
use crate::error;
use crate::pack::{self, Entry, Pack};
use res2lab_error::Error;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// Bytes owned by the process, or bytes of a memory-mapped file.
#[derive(Clone)]
pub enum Bytes {
    /// A vector owned by the process.
    Own(Vec<u8>),
    /// An entry of a memory-mapped pack.
    Shared(Arc<Pack>, Entry),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Own(bytes) => bytes,
            Bytes::Shared(pack, entry) => pack.bytes_as_they_are(entry),
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

/// Returns the images of the cache file `name`, and the identity of their pixels and labels. If the
/// cache is missing or was built from a source with another digest, `read` decodes the images and
/// the cache is written. Without a writable cache folder, the images are only read.
pub fn kept(
    places: &Places,
    name: &str,
    source: u64,
    read: impl FnOnce() -> Result<Images, Error>,
) -> Result<(Images, u64), Error> {
    let find = || places.find(name, |path| open(path, source));
    if let Some(found) = find() {
        return Ok(found);
    }
    let read = || {
        read()
            .map(|images| (identity(&images), images))
            .map(|(identity, images)| (images, identity))
    };
    let Ok(path) = places.writable().map(|place| place.join(name)) else { return read() };
    let Ok(_alone) = cache::lock(&path) else { return read() };
    // Another process may have built the cache while this one waited for the lock.
    if let Some(found) = find() {
        return Ok(found);
    }
    let (images, identity) = read()?;
    Ok(match build(&path, source, &images) {
        Ok(()) => open(&path, source).unwrap_or((images, identity)),
        Err(_) => (images, identity),
    })
}

/// An entry of a pack: bytes, size, label.
type Part<'a> = (&'a [u8], (u32, u32), u32);

/// The entries of a pack: the planes, with the number of channels as label; then the labels, with
/// their number as label.
fn parts<'a>(images: &'a Images, labels: &'a [u8]) -> [Part<'a>; 2] {
    let size = (images.width as u32, images.height as u32);
    [(&images.pixels, size, images.channels as u32), (labels, (0, 0), images.len() as u32)]
}

fn label_bytes(images: &Images) -> Vec<u8> {
    images.labels.iter().flat_map(|label| label.to_le_bytes()).collect()
}

/// The identity of images, independent of the location and compression of their files.
pub fn identity(images: &Images) -> u64 {
    pack::identity_of(&parts(images, &label_bytes(images)))
}

fn build(path: &Path, source: u64, images: &Images) -> Result<(), Error> {
    let labels = label_bytes(images);
    pack::build(path, source, |packer| {
        for (bytes, size, label) in parts(images, &labels) {
            packer.add(bytes, size, label).map_err(|e| error::io(path, e))?;
        }
        Ok(Vec::new())
    })
}

/// Opens a cache file; `None` if it is missing, damaged or was built from other files.
fn open(path: &Path, source: u64) -> Option<(Images, u64)> {
    let pack = Arc::new(Pack::of(path, source)?);
    let [planes, labels] = *<&[Entry; 2]>::try_from(pack.entries()).ok()?;
    let channels = planes.label as usize;
    let height = planes.height as usize;
    let width = planes.width as usize;
    // Packs above a size limit are verified per entry, and the planes are a single entry. Reading
    // it verifies everything once.
    pack.bytes(&planes)?;
    let labels = pack.bytes(&labels)?.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
    let labels: Vec<u32> = labels.collect();
    if labels.len() * channels * height * width != planes.length as usize {
        return None;
    }
    let identity = pack.identity;
    Some((
        Images { channels, height, width, pixels: Bytes::Shared(pack, planes), labels },
        identity,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn images_are_read_once_and_again_when_their_files_are_others() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::of(dir.path(), &dir.path().join("set"));
        let kept = |source, read: &dyn Fn() -> Result<Images, Error>| {
            kept(&places, "train.images", source, read)
        };
        let (first, identity_of_first) = kept(1, &|| Ok(images())).unwrap();
        let (second, identity_of_second) = kept(1, &|| panic!("it is there")).unwrap();
        assert!(first == images() && second == images());
        assert_eq!(
            (identity_of_first, identity_of_second),
            (identity(&images()), identity(&images()))
        );
        assert!(matches!(second.pixels, Bytes::Shared(..)));
        let changed = Images { labels: vec![1, 2], ..images() };
        let (third, identity_of_third) = kept(2, &|| Ok(changed.clone())).unwrap();
        assert!(third == changed && identity_of_third != identity_of_first);
        std::fs::write(places.writable().unwrap().join("train.images"), "damaged").unwrap();
        assert_eq!(kept(2, &|| Ok(images())).unwrap().0, images());
    }
}
