//! docs/reference.md is what the program prints, and it lists every environment variable that any
//! source, script or recipe names.

mod common;

use common::{Bench, root, stderr};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const REMEDY: &str = "run `just reference`";
const PREFIX: &str = concat!("RES2LAB", "_");
/// The list of variables itself, which is no use of them.
const LIST: &str = "crates/cli/src/environment.rs";

fn page() -> String {
    let path = root().join("docs/reference.md");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("docs/reference.md: {e}; {REMEDY}"))
}

#[test]
fn the_reference_is_what_the_program_prints() {
    let output = Bench::new().run("reference");
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    let page = page();
    let differs = printed.lines().zip(page.lines()).find(|(printed, kept)| printed != kept);
    assert!(
        printed == page,
        "docs/reference.md is stale, {REMEDY}; the program prints and the file has: {differs:?}"
    );
}

/// The files below `folder` whose names end in one of `ends`.
fn files(folder: &Path, ends: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            files(&path, ends, found);
        } else if ends.iter().any(|end| name.ends_with(end)) {
            found.push(path);
        }
    }
}

/// Every text in which variables are named, with its path in the checkout.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut found = vec![root.join("justfile")];
    files(&root.join("crates"), &[".rs", ".py"], &mut found);
    files(&root.join("scripts"), &[".sh", ".py"], &mut found);
    assert!(found.len() > 200, "{}", found.len());
    let read = |path: &PathBuf| {
        let shown = path.strip_prefix(&root).expect("inside").display().to_string();
        (shown, std::fs::read_to_string(path).expect("a text"))
    };
    found.iter().map(read).collect()
}

/// The names made of capitals and underscores that follow `before` in `text`.
fn names(text: &str, before: &str) -> BTreeSet<String> {
    let is_part = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_';
    let after = text.split(before).skip(1);
    after
        .map(|rest| rest.chars().take_while(is_part).collect())
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn every_environment_variable_has_a_line_and_every_line_a_use() {
    let page = page();
    let mut used = BTreeSet::new();
    for (path, text) in sources() {
        if path == LIST {
            continue;
        }
        let own = names(&text, PREFIX).into_iter().map(|name| format!("{PREFIX}{name}"));
        let calls = ["env::var(\"", "env::var_os(\"", "os.environ.get(\""];
        let read = calls.into_iter().flat_map(|call| names(&text, call));
        for name in own.chain(read) {
            let line = format!("\n| `{name}` |");
            assert!(page.contains(&line), "{path}: {name} has no line in {LIST}; then {REMEDY}");
            used.insert(name);
        }
    }
    assert!(used.len() > 15, "{used:?}");
    for name in names(&page, &format!("\n| `{PREFIX}")) {
        let name = format!("{PREFIX}{name}");
        assert!(used.contains(&name), "nothing reads {name}; remove it from {LIST}");
    }
}
