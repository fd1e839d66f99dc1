//! A sweep folder that an older version wrote: the same command finishes and reports it.
//!
//! `old/before` was written by commit e1385c4 on an Intel Xeon with AVX-512: one trial is done, the
//! other was stopped after its first epoch.

mod common;

use common::{Bench, read_json, runs, stderr};
use std::fs;
use std::path::Path;

const LINE: &str = "sweep depth=11 planes=4 width=26 scale=2 seed=0,1 epochs=3 batch=100 --slots 1 \
                    --threads 1 --name before";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_folder_of_an_older_version_is_resumed_and_reported() {
    let bench = Bench::new();
    let sweep = bench.sweep("before");
    copy(&common::root().join("crates/cli/tests/old/before"), &sweep);
    let [done, stopped]: [_; 2] = runs(&sweep)
        .into_iter()
        .map(|run| (run.join("result.json").exists(), run))
        .fold([None, None], |mut found, (is_done, run)| {
            found[usize::from(!is_done)] = Some(run);
            found
        });
    let (done, stopped) = (done.expect("a finished trial"), stopped.expect("a stopped trial"));
    let result = fs::read(done.join("result.json")).unwrap();

    let output = bench.run(LINE);
    assert!(output.status.success(), "{}", stderr(&output));
    // What was done is kept as it is.
    assert_eq!(fs::read(done.join("result.json")).unwrap(), result);
    let resumed = read_json(&stopped.join("result.json")).expect("a result");
    assert_eq!(resumed["status"], "done");
    assert_eq!(resumed["attempts"], 2);
    assert_eq!(resumed["engine"], "planned");
    let log = fs::read_to_string(stopped.join("attempt-2/log.txt")).unwrap();
    assert!(log.contains("resume from step 53"), "{log}");

    let table = bench.json("table before --format json");
    assert_eq!(table.as_array().map(Vec::len), Some(2), "{table}");
    let output = bench.run("report before");
    assert!(output.status.success(), "{}", stderr(&output));
    let page = fs::read_to_string(sweep.join("index.html")).unwrap();
    let caution = page.split("were trained by different builds of res2lab (").nth(1);
    let builds = caution.and_then(|rest| rest.split(')').next()).unwrap_or_default();
    assert!(builds.contains("e1385c4e0620"), "{builds}");
}
