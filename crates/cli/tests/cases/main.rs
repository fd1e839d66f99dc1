//! What people really bring and what really happens to them, a test for each reported case, driving
//! the binary.

#[path = "../common/mod.rs"]
mod common;

mod accidents;
mod data;
mod layouts;
mod weights;
mod words;

/// docs/cases.md names every test of this folder, and no other.
#[test]
fn the_table_of_cases_is_complete() {
    let root = common::root();
    let table = std::fs::read_to_string(root.join("docs/cases.md")).unwrap();
    let named: std::collections::BTreeSet<&str> =
        table.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next()).collect();
    let mut found = std::collections::BTreeSet::new();
    let files = ["accidents", "data", "layouts", "weights", "words"].map(|file| {
        std::fs::read_to_string(root.join(format!("crates/cli/tests/cases/{file}.rs"))).unwrap()
    });
    for text in &files {
        found
            .extend(text.split("#[test]\nfn ").skip(1).filter_map(|after| after.split('(').next()));
    }
    assert_eq!(named, found);
}
