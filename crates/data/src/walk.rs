//! Pictures below a folder, as torchvision's ImageFolder finds them: at any depth, through links,
//! by their endings, ordered by folder and then by name. What operating systems leave behind is not
//! looked at.

use crate::DataError;
use crate::cache::Stamp;
use crate::left_out::LeftOut;
use rayon::prelude::*;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Endings of pictures: torchvision's, and GIF.
pub const ENDINGS: [&str; 10] =
    ["jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp", "gif"];

/// A picture's file, as far as the file system tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub path: PathBuf,
    pub size: u64,
    pub modified: (i64, i64),
}

/// What is below a folder.
#[derive(Debug, Default)]
pub struct Walk {
    /// Pictures, in order.
    pub files: Vec<Found>,
    /// What was not taken.
    pub left_out: LeftOut,
    /// Every folder that was looked into.
    pub folders: Vec<(PathBuf, Stamp)>,
}

/// Whether a name is one that operating systems and programs give to what they leave among
/// pictures.
pub fn is_of_system(name: &OsStr) -> bool {
    const NAMES: [&str; 16] = [
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "icon\r",
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "__pycache__",
        "thumbs.db:encryptable",
    ];
    let name = name.as_bytes();
    name.starts_with(b".") || NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether a name has a picture's ending.
pub fn is_picture(name: &OsStr) -> bool {
    let ending = Path::new(name).extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|e| ENDINGS.contains(&e.as_str()))
}

/// A name for people: bytes that are not UTF-8 as `\xff`, so that different names stay different.
pub fn shown(name: &OsStr) -> String {
    let part = |chunk: std::str::Utf8Chunk| {
        let invalid: String = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect();
        format!("{}{invalid}", chunk.valid())
    };
    name.as_bytes().utf8_chunks().map(part).collect()
}

/// What is in a folder, links followed: its folders and its other entries, by name, and what
/// systems left there.
pub fn entries(
    dir: &Path,
    left_out: &mut LeftOut,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>), DataError> {
    let mut folders = Vec::new();
    let mut files = Vec::new();
    let failed = |e: std::io::Error| DataError::io(dir, &e);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if is_of_system(&entry.file_name()) {
            left_out.of_system.add(path.display().to_string());
            continue;
        }
        let kind = entry.file_type().map_err(failed)?;
        let is_folder = kind.is_dir() || (kind.is_symlink() && path.is_dir());
        if is_folder { folders.push(path) } else { files.push(path) }
    }
    folders.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    files.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok((folders, files))
}

/// Everything below `root`; nothing where there is no such folder.
pub fn walk(root: &Path) -> Result<Walk, DataError> {
    let mut walk = Walk::default();
    if !root.is_dir() {
        return Ok(walk);
    }
    let mut by_folder: Vec<(PathBuf, Vec<PathBuf>)> = Vec::new();
    let mut waiting = vec![(root.to_owned(), Vec::new())];
    while let Some((dir, above)) = waiting.pop() {
        let found = dir.metadata().map_err(|e| DataError::io(&dir, &e))?;
        let here = (
            std::os::unix::fs::MetadataExt::dev(&found),
            std::os::unix::fs::MetadataExt::ino(&found),
        );
        if above.contains(&here) {
            walk.left_out.loops.add(dir.display().to_string());
            continue;
        }
        let (folders, files) = entries(&dir, &mut walk.left_out)?;
        walk.folders.push((dir.clone(), Stamp::of(&found)));
        let inside = [above, vec![here]].concat();
        waiting.extend(folders.into_iter().map(|folder| (folder, inside.clone())));
        by_folder.push((dir, files));
    }
    // Folders as text, as os.walk's are sorted: `a-b` stands before `a/b`.
    by_folder.sort_by(|a, b| a.0.as_os_str().as_bytes().cmp(b.0.as_os_str().as_bytes()));
    let files: Vec<PathBuf> = by_folder.into_iter().flat_map(|(_, files)| files).collect();
    let looked: Vec<Looked> = files.into_par_iter().map(look).collect();
    for looked in looked {
        match looked {
            Looked::Picture(found) => walk.files.push(found),
            Looked::Empty(found) => {
                walk.left_out.empty.add(found.path.display().to_string());
                walk.files.push(found);
            }
            Looked::Broken(found) => {
                walk.left_out.broken.add(found.path.display().to_string());
                walk.files.push(found);
            }
            Looked::Special(path) => walk.left_out.special.add(path.display().to_string()),
            Looked::Other(path) => walk.left_out.other.add(path.display().to_string()),
        }
    }
    Ok(walk)
}

enum Looked {
    Picture(Found),
    Empty(Found),
    Broken(Found),
    Special(PathBuf),
    Other(PathBuf),
}

fn look(path: PathBuf) -> Looked {
    use std::os::unix::fs::MetadataExt;
    if !is_picture(path.file_name().unwrap_or_default()) {
        return Looked::Other(path);
    }
    match path.metadata() {
        Ok(m) if !m.is_file() => Looked::Special(path),
        Ok(m) => {
            let found = Found { path, size: m.len(), modified: (m.mtime(), m.mtime_nsec()) };
            if found.size == 0 { Looked::Empty(found) } else { Looked::Picture(found) }
        }
        Err(_) => Looked::Broken(Found { path, size: 0, modified: (0, 0) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    /// torchvision's make_dataset, line by line: `for root, _, fnames in sorted(os.walk(dir,
    /// followlinks=True))`, then `for fname in sorted(fnames)`, then the ending of the name in
    /// lower case. `files` are paths below the folder.
    fn torchvision(files: &[String]) -> Vec<String> {
        const EXTENSIONS: [&str; 9] =
            [".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"];
        let mut walked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for file in files {
            let (root, name) = file.rsplit_once('/').unwrap_or(("", file));
            walked.entry(root).or_default().push(name);
        }
        let mut found = vec![];
        for (root, mut names) in walked {
            names.sort_unstable();
            let is_valid =
                |name: &&str| EXTENSIONS.iter().any(|e| name.to_lowercase().ends_with(e));
            let joined = |name: &str| {
                if root.is_empty() { name.to_owned() } else { format!("{root}/{name}") }
            };
            found.extend(names.into_iter().filter(is_valid).map(joined));
        }
        found
    }

    /// How many are drawn: more where `just verify-long` asks for it.
    fn cases() -> u32 {
        std::env::var("RES2LAB_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(48)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(cases()))]
        #[test]
        fn pictures_and_their_order_are_those_of_torchvision(
            files in proptest::collection::btree_set("([abB](-b|_|é| )?/){0,3}[a-cÄ][0-9]{1,2}\\.(jpg|JPeg|png|txt|webp|tiff|ppm)", 0..30)
        ) {
            let dir = tempfile::tempdir().unwrap();
            let files: Vec<String> = files.into_iter().collect();
            for file in &files {
                let path = dir.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, "x").unwrap();
            }
            fs::write(dir.path().join("._a.png"), "x").unwrap();
            let walk = walk(dir.path()).unwrap();
            let below = |found: &Found| found.path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned();
            prop_assert_eq!(walk.files.iter().map(below).collect::<Vec<_>>(), torchvision(&files));
            prop_assert_eq!(walk.left_out.other.count(), files.iter().filter(|f| f.ends_with("txt")).count());
            prop_assert_eq!(walk.left_out.of_system.count(), 1);
        }
    }

    #[test]
    fn what_is_no_picture_is_counted_by_its_kind() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("good.png"), "x").unwrap();
        fs::write(at("empty.png"), "").unwrap();
        fs::create_dir_all(at("d.jpg")).unwrap();
        for hidden in [".DS_Store", "Thumbs.db", "@eaDir", ".ipynb_checkpoints", "__MACOSX"] {
            fs::create_dir(at(hidden)).unwrap();
            fs::write(at(hidden).join("x.png"), "x").unwrap();
        }
        std::os::unix::fs::symlink("/nowhere/at/all", at("link.jpg")).unwrap();
        std::os::unix::fs::symlink(dir.path(), at("d.jpg/loop")).unwrap();
        let name: OsString = OsStringExt::from_vec(vec![b'n', 0xff, b'.', b'P', b'N', b'G']);
        fs::write(dir.path().join(&name), "x").unwrap();
        let walk = walk(dir.path()).unwrap();
        let left = &walk.left_out;
        let counts = [&left.of_system, &left.empty, &left.broken, &left.loops, &left.other]
            .map(|t| t.count());
        assert_eq!((walk.files.len(), counts), (4, [5, 1, 1, 1, 0]));
        assert_eq!(shown(&name), "n\\xff.PNG");
        assert!(
            left.notes()
                .iter()
                .any(|note| note.starts_with("5 files and folders that systems leave"))
        );
    }
}
