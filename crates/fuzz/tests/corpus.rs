//! Runs every input of the corpus, including former findings, through its target.

use std::path::{Path, PathBuf};

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[test]
fn what_fuzzing_kept_gives_a_value_or_an_error() {
    for target in &res2lab_fuzz::TARGETS {
        let kept = inputs("corpus", target.name);
        assert!(kept.len() >= 10, "{} has {} inputs", target.name, kept.len());
        for path in kept.into_iter().chain(inputs("findings", target.name)) {
            let bytes = std::fs::read(&path).expect("an input");
            assert!(bytes.len() <= 8_000, "{} is large", path.display());
            let run = std::panic::AssertUnwindSafe(|| (target.run)(&bytes));
            assert!(std::panic::catch_unwind(run).is_ok(), "{} is a finding again", path.display());
        }
    }
}

#[test]
fn the_corpus_has_no_folder_of_a_target_that_is_gone() {
    for folder in inputs("corpus", "").into_iter().chain(inputs("findings", "")) {
        let name = folder.file_name().and_then(|name| name.to_str());
        assert!(
            name.is_some_and(|name| res2lab_fuzz::find(name).is_some()),
            "{} is no target",
            folder.display()
        );
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/fuzz.sh");
    let script = std::fs::read_to_string(script).expect("the script that fuzzes");
    let names = res2lab_fuzz::TARGETS.map(|target| target.name).join(" ");
    assert!(
        script.contains(&format!("targets=({names})")),
        "scripts/fuzz.sh does not name all targets"
    );
}
