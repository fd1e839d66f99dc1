//! Plans a sweep, runs it and reads what it found.
//!
//!     cargo run --release -p res2lab-lab --example sweep -- [FOLDER]

use res2lab_error::Error;
use res2lab_lab::sweep::{self, Event};
use res2lab_lab::{Folders, SweepOptions, program};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

fn main() -> Result<(), Error> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "reports".to_owned());
    run(Path::new(&folder))
}

fn run(reports: &Path) -> Result<(), Error> {
    let words = ["experiments/quickstart.yaml", "scale=2,4", "seed=0,1", "depth=11", "epochs=1"];
    let options = SweepOptions {
        words: words.map(str::to_owned).to_vec(),
        name: Some("example".into()),
        folders: Folders { reports: reports.to_owned(), ..Folders::default() },
        ..SweepOptions::default()
    };
    let sweep = sweep::prepare(&options)?;
    println!("{} trials in {} slots", sweep.plan.trials.len(), sweep.slots.len());
    let stop = Arc::new(AtomicUsize::new(0));
    let mut on_event = |event: Event| {
        if let Event::Progress(snapshot) = event {
            snapshot.ended.iter().for_each(|ended| println!("ended: {}", ended.trial.label));
        }
    };
    let ended = sweep.run(&program::find()?, &stop, &mut on_event)?;
    println!("{} done, {} failed", ended.finish.done, ended.finish.failed);
    for arm in ended.summary.iter().flat_map(|summary| &summary.arms) {
        let mean = arm.mean.unwrap_or(f64::NAN);
        println!("{}: {mean:.2} % of {} seeds, {} parameters", arm.label, arm.n, arm.parameters);
    }
    println!("report: {}", ended.dir.page().display());
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_runs() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        std::env::set_current_dir(root).expect("the root");
        let folder = tempfile::tempdir().expect("a folder");
        super::run(folder.path()).expect("a sweep");
        assert!(folder.path().join("example/index.html").is_file());
        assert!(folder.path().join("example/trials.csv").is_file());
    }
}
