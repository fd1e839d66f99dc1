//! The rules of docs/design.md, held by reading the workspace: who may depend on whom, who links
//! libtorch, where unsafe stands, and that every module says what it is.

mod common;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each crate's direct dependencies among ours.
const ALLOWED: [(&str, &[&str]); 21] = [
    ("error", &[]),
    ("workspace-hack", &[]),
    ("arch", &["error"]),
    ("random", &[]),
    ("kernels", &[]),
    ("planned", &["arch", "kernels"]),
    ("rf", &["error", "arch"]),
    ("experiment", &["error", "arch"]),
    ("libtorch", &["error"]),
    ("nn", &["error", "arch", "libtorch", "planned", "random"]),
    ("data", &["error", "experiment", "libtorch", "random"]),
    ("fetch", &["error"]),
    ("store", &["error", "arch", "experiment"]),
    (
        "train",
        &["error", "arch", "data", "kernels", "libtorch", "nn", "random", "experiment", "store"],
    ),
    ("sweep", &["error", "arch", "rf", "experiment", "store"]),
    ("report", &["error", "arch", "rf", "experiment", "store"]),
    ("explain", &["error", "arch", "nn", "rf"]),
    ("bench", &[]),
    ("fuzz", &["error", "arch", "data", "nn", "experiment"]),
    (
        "lab",
        &[
            "error",
            "arch",
            "data",
            "experiment",
            "explain",
            "fetch",
            "kernels",
            "libtorch",
            "nn",
            "random",
            "report",
            "rf",
            "store",
            "sweep",
            "train",
        ],
    ),
    (
        "cli",
        &[
            "error",
            "arch",
            "data",
            "experiment",
            "explain",
            "fetch",
            "kernels",
            "libtorch",
            "nn",
            "random",
            "report",
            "rf",
            "store",
            "sweep",
            "train",
            "lab",
        ],
    ),
];
const LINK_LIBTORCH: [&str; 7] = ["cli", "data", "explain", "lab", "libtorch", "nn", "train"];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(common::root())
        .output()
        .expect("cargo runs");
    let metadata: Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let name = |v: &Value| {
        let name = v["name"].as_str().unwrap_or_default();
        name.strip_prefix("res2lab-").unwrap_or(name).to_owned()
    };
    let of = |package: &Value| {
        let normal = package["dependencies"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|d| d["kind"].is_null());
        (name(package), normal.map(name).collect())
    };
    metadata["packages"].as_array().expect("packages").iter().map(of).collect()
}

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    let found = dependencies();
    let ours: BTreeSet<&String> = found.keys().collect();
    assert_eq!(found.len(), ALLOWED.len(), "a new crate needs a line here and in docs/design.md");
    for (name, allowed) in ALLOWED {
        for dependency in found[name].iter().filter(|d| ours.contains(d)) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
    let users = |of: &str| {
        found.iter().filter(|(_, d)| d.contains(of)).map(|(n, _)| n.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(users("tch"), LINK_LIBTORCH);
    assert_eq!(users("polars"), ["store"]);
    assert_eq!(users("plotters"), ["report"]);
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_module_says_what_it_is_and_unsafe_stands_where_memory_is_shared_only() {
    let crates = common::root().join("crates");
    let mut files = Vec::new();
    sources(&crates, &mut files);
    assert!(files.len() > 60);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source");
        let shown = file.strip_prefix(&crates).expect("inside").display().to_string();
        assert!(text.starts_with("//!"), "{shown} does not begin with //!");
        assert!(text.lines().count() <= 450, "{shown} is too long to read");
        let word = ["un", "safe {"].concat();
        let may = ["libtorch/", "kernels/", "planned/src/interpreter", "data/src/pack.rs"]
            .iter()
            .any(|at| shown.starts_with(at));
        assert!(!text.contains(&word) || may, "{shown} has {word}");
        // What a test prints is shown if it fails.
        let is_library = shown.contains("/src/") && !shown.ends_with("/tests.rs");
        let prints = text.contains("println!(") && is_library;
        let program = ["cli/", "bench/", "fuzz/"].iter().any(|at| shown.starts_with(at));
        assert!(!prints || program, "{shown} prints; only programs do");
        if shown.ends_with("src/lib.rs") {
            assert!(
                text.contains("must never know"),
                "{shown} does not say what it must never know"
            );
        }
    }
}

#[test]
fn every_dependency_is_used() {
    for entry in std::fs::read_dir(common::root().join("crates")).expect("a folder").flatten() {
        let manifest = entry.path().join("Cargo.toml");
        if !manifest.exists() || entry.file_name() == "workspace-hack" {
            continue;
        }
        let mut files = Vec::new();
        sources(&entry.path(), &mut files);
        let read = |file: &PathBuf| std::fs::read_to_string(file).expect("a source");
        let code: String = files.iter().map(read).collect();
        let manifest = std::fs::read_to_string(manifest).expect("a manifest");
        for name in manifest.lines().filter_map(|line| line.strip_suffix(".workspace = true")) {
            // The library of md-5 has another name than its package.
            let library = if name == "md-5" { "md5".to_owned() } else { name.replace('-', "_") };
            let crate_name = entry.file_name();
            let is_package = ["version", "edition", "rust-version", "license", "publish"];
            assert!(
                is_package.contains(&name) || code.contains(&library),
                "{} does not use {name}",
                crate_name.display()
            );
        }
    }
}
