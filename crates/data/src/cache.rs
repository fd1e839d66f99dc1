//! Cache files. Each is written atomically, by one process at a time, with a checksum and the
//! digest of its sources. They are stored next to the data sets, or in the user's cache folder if
//! the data folder is not writable.

use crate::DataError;
use crate::digest::{Digest, checksum};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, Metadata};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The possible cache folders of a data set, the preferred one first.
#[derive(Clone, Debug)]
pub struct Places(Vec<PathBuf>);

impl Places {
    /// For the data set in `dir`; `root` is the folder of all data sets. Folders are named after
    /// the whole path.
    pub fn of(root: &Path, dir: &Path) -> Places {
        let whole = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        let name =
            whole.file_name().map_or_else(|| "data".into(), |n| n.to_string_lossy().into_owned());
        let name = format!("{name}-{:016x}", res2lab_random::fnv1a64(&whole.to_string_lossy()));
        Places([root.join(".cache"), of_user()].map(|place| place.join(&name)).to_vec())
    }

    /// The first of them in which `name` is, and `open` takes it.
    pub fn find<T>(&self, name: &str, open: impl Fn(&Path) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|place| open(&place.join(name)))
    }

    /// The first of them in which files can be written.
    pub fn writable(&self) -> Result<&Path, DataError> {
        let mut failed = None;
        for place in &self.0 {
            match probe(place) {
                Ok(()) => return Ok(place),
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        let why = failed.map(|e| e.to_string()).unwrap_or_default();
        Err(DataError::new(
            format!("nothing can be kept in {}: {why}", self.0[0].display()),
            "make the folder of data sets writable, name another with --data DIR, or leave data.cache_px out",
        ))
    }

    /// A note for the user if files are not stored next to the data sets.
    pub fn note(&self) -> Option<String> {
        let place = self.writable().ok().filter(|place| *place != self.0[0])?;
        let home = self.0[0].parent().unwrap_or(Path::new(".")).display();
        Some(format!("{home} cannot be written; decoded pictures are kept in {}", place.display()))
    }
}

/// The user's own cache folder, or a temporary one.
fn of_user() -> PathBuf {
    let given =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = given("XDG_CACHE_HOME").or_else(|| given("HOME").map(|home| home.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("res2lab")
}

fn probe(place: &Path) -> std::io::Result<()> {
    fs::create_dir_all(place)?;
    let path = place.join(format!("{}.probe", std::process::id()));
    File::create(&path)?;
    fs::remove_file(path)
}

/// Writes a file through `fill`. The file gets its name only when it is complete and on the disk.
pub fn build(
    path: &Path,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), DataError> {
    let failed = |e: std::io::Error| {
        DataError::new(
            format!("{}: {e}", path.display()),
            "free space, or make the folder of data sets writable (--data DIR)",
        )
    };
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let filled = File::create(&temporary).and_then(|mut file| {
        fill(&mut file)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    filled.map_err(|e| {
        let _ = fs::remove_file(&temporary);
        failed(e)
    })
}

/// A lock for building `path`, held until it is dropped. Other processes wait for it. It is
/// released if the process ends.
pub fn lock(path: &Path) -> Result<File, DataError> {
    let failed = |e: std::io::Error| {
        DataError::new(
            format!("{}: {e}", path.display()),
            "make the folder of data sets writable (--data DIR)",
        )
    };
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    let file = File::create(path.with_extension("lock")).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// Writes a value as JSON below a line with its checksum.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), DataError> {
    build(path, |file| {
        let text = serde_json::to_vec(value).map_err(std::io::Error::other)?;
        writeln!(file, "{:016x}", checksum(&text))?;
        file.write_all(&text)
    })
}

/// Reads a value that was written with a checksum. None if there is none, if it is damaged, or if
/// another version wrote it.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = fs::read(path).ok()?;
    let (sum, text) = bytes.split_at_checked(17)?;
    let sum = u64::from_str_radix(std::str::from_utf8(&sum[..16]).ok()?, 16).ok()?;
    (sum == checksum(text)).then(|| serde_json::from_slice(text).ok()).flatten()
}

/// The metadata that shows a change of a file or folder without reading it. It only decides whether
/// to read again; it is never part of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
}

impl Stamp {
    /// From what the file system says.
    pub fn of(found: &Metadata) -> Stamp {
        Stamp {
            size: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            inode: found.ino(),
        }
    }
}

/// The digest of a file, with its metadata at the time of reading.
#[derive(Serialize, Deserialize)]
struct Known {
    name: String,
    stamp: Stamp,
    digest: u64,
}

/// The digest of the contents of these files. Files with unchanged metadata are not read again.
pub fn sources(places: &Places, name: &str, files: &[PathBuf]) -> Result<u64, DataError> {
    let name = format!("{name}.sources.json");
    let before: Vec<Known> = places.find(&name, read_json).unwrap_or_default();
    let mut now = Vec::new();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stamp = Stamp::of(&path.metadata().map_err(|e| DataError::io(path, &e))?);
        let kept = before.iter().find(|known| known.name == name && known.stamp == stamp);
        let digest = kept.map_or_else(
            || content(path).map_err(|e| DataError::io(path, &e)),
            |kept| Ok(kept.digest),
        )?;
        now.push(Known { name, stamp, digest });
    }
    let is_new =
        now.len() != before.len() || now.iter().zip(&before).any(|(a, b)| a.stamp != b.stamp);
    if is_new && let Ok(place) = places.writable() {
        // A digest that cannot be cached is computed again the next time.
        let _ = write_json(&place.join(name), &now);
    }
    let mut digest = Digest::new("sources");
    for known in &now {
        digest.number(known.stamp.size);
        digest.number(known.digest);
    }
    Ok(digest.finish())
}

/// The parts of a large file that are read: the beginning, the end (where Parquet has its index)
/// and parts in between.
fn content(path: &Path) -> std::io::Result<u64> {
    const WHOLE: u64 = 256 << 20;
    const PART: u64 = 1 << 20;
    const PARTS: u64 = 32;
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut digest = Digest::new("content");
    let mut buffer = vec![0; PART as usize];
    let step = if size <= WHOLE { PART } else { (size - PART) / (PARTS - 1) };
    let mut at = 0;
    while at < size {
        file.seek(SeekFrom::Start(at))?;
        let length = PART.min(size - at) as usize;
        file.read_exact(&mut buffer[..length])?;
        digest.bytes(&buffer[..length]);
        at += step;
    }
    Ok(digest.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &Path) -> Places {
        Places(vec![root.join("first"), root.join("second")])
    }

    #[test]
    fn a_file_that_changes_and_keeps_its_time_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let file = dir.path().join("x.bin");
        let long_ago =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let write = |text: &str| {
            fs::write(&file, text).unwrap();
            File::options().append(true).open(&file).unwrap().set_modified(long_ago).unwrap();
            sources(&places, "x", std::slice::from_ref(&file)).unwrap()
        };
        let first = write("one");
        let second = write("two");
        assert_ne!(first, second);
        assert_eq!(write("one"), first, "what a file is depends on nothing but its content");
    }

    #[test]
    fn what_cannot_be_kept_in_the_first_place_is_kept_in_the_second() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("first"), "a file, not a folder").unwrap();
        let places = places(dir.path());
        assert_eq!(places.writable().unwrap(), dir.path().join("second"));
        assert!(places.note().unwrap().contains("second"));
        write_json(&dir.path().join("second/a.json"), &7).unwrap();
        assert_eq!(places.find("a.json", read_json::<u32>), Some(7));
    }

    #[test]
    fn damaged_json_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_json(&path, &vec![1, 2, 3]).unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!(read_json::<Vec<u8>>(&path), Some(vec![1, 2, 3]));
        for i in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[i] ^= 1;
            fs::write(&path, bytes).unwrap();
            let read = read_json::<Vec<u8>>(&path);
            assert!(read.is_none() || read == Some(vec![1, 2, 3]), "byte {i}");
        }
        fs::write(&path, "short").unwrap();
        assert_eq!(read_json::<Vec<u8>>(&path), None);
    }
}
