//! Writes the pages of all fixture sweeps, or of real sweeps, into a folder for inspection:
//! `cargo run --release -p res2lab-report --example pages -- FOLDER [SWEEP...]`.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use res2lab_store::{SweepDir, SweepRows};
use std::path::PathBuf;

fn main() {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let folder = arguments.next().expect("give a folder");
    let real: Vec<(String, SweepRows)> = arguments.map(read).collect();
    let pages = if real.is_empty() { made_up() } else { real };
    for (name, rows) in pages {
        let page = res2lab_report::render(&rows).expect("a page");
        let path = folder.join(format!("{name}.html"));
        std::fs::write(&path, &page).expect("the folder is writable");
        println!("{} ({} KiB)", path.display(), page.len() / 1024);
    }
}

fn made_up() -> Vec<(String, SweepRows)> {
    fixture::cases::all().into_iter().map(|(name, rows)| (name.to_owned(), rows)).collect()
}

fn read(sweep: PathBuf) -> (String, SweepRows) {
    let rows = res2lab_store::rows::read(&SweepDir::new(sweep), true).expect("a sweep's folder");
    (format!("real-{}", rows.plan.name), rows)
}
