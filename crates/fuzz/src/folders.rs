//! Fuzz target for user folders: the kind of the data set, its files, and the names of its classes.

use std::path::Path;

/// Describes a folder. The input holds file names, one per line, and after an empty line the
/// content of the description files among them.
pub fn folder(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (names, content) = text.split_once("\n\n").unwrap_or((text, ""));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let set = folder.path().join("set");
    std::fs::create_dir(&set).expect("a folder in it");
    let mut pictures = 0;
    for name in names.lines().take(12).filter(|name| is_inside(name)) {
        let path = set.join(name);
        let describes = [".json", ".md", ".txt"].iter().any(|ending| name.ends_with(ending));
        let parent = path.parent().expect("it lies in the folder");
        if std::fs::create_dir_all(parent).is_ok() && !path.exists() {
            let _ = std::fs::write(path, if describes { content } else { "" });
            pictures += 1;
        }
    }
    for ending in ["parquet", "tar"] {
        if let Some(Some(files)) = crate::expected(res2lab_data::splits::find(&set, ending)) {
            assert!(files.train.len() + files.test.len() <= pictures);
        }
    }
    for (configuration, column) in [("default", "label"), ("a", "cls")] {
        let _ = res2lab_data::names::beside(&set, configuration, column);
    }
    let _ = res2lab_data::names::lines(&set, &["classes.txt", "labels.txt"]);
    describe(folder.path(), set);
}

/// Describes the folder twice, and compares the results.
fn describe(root: &Path, dir: std::path::PathBuf) {
    let wanted = res2lab_data::DatasetRequest {
        name: "./set".into(),
        dir,
        root: root.into(),
        ..Default::default()
    };
    if let Some(first) = crate::expected(res2lab_data::describe(&wanted)) {
        assert_eq!(crate::expected(res2lab_data::describe(&wanted)), Some(first));
    }
}

/// Whether a relative name stays inside the folder and is short enough for a file system.
fn is_inside(name: &str) -> bool {
    let is_part = |part: &str| !["", ".", ".."].contains(&part) && part.len() < 200;
    !name.contains('\0')
        && name.len() < 800
        && name.split('/').count() < 6
        && name.split('/').all(is_part)
}
