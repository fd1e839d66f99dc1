//! `res2lab clean NAME`: checkpoints that finished trials no longer need are listed, and with
//! `--yes` removed.

use crate::args::CleanArgs;
use crate::{print, records};
use res2lab_error::Error;
use res2lab_lab::named;
use res2lab_lab::text::count;
use res2lab_store::disk::{self, Unneeded};
use serde::Serialize;

/// A file of the list.
#[derive(Serialize)]
struct Row {
    path: String,
    bytes: u64,
    is_removed: bool,
}

/// Lists, and removes if asked to.
pub(crate) fn run(args: &CleanArgs) -> Result<u8, Error> {
    let dir = named::sweep(&args.folders.reports, &args.name)?;
    // A sweep that runs may still read what it wrote.
    let _held = res2lab_sweep::hold(&dir)?;
    let files = disk::unneeded_of_sweep(&dir, args.keep.keep())?;
    if args.yes {
        disk::remove(&files)?;
    }
    if !args.output.is_text() {
        let row = |file: &Unneeded| Row {
            path: file.path.display().to_string(),
            bytes: file.bytes,
            is_removed: args.yes,
        };
        let rows: Vec<Row> = files.iter().map(row).collect();
        records::print(args.output.format(), &rows, &rows)?;
        return Ok(0);
    }
    if files.is_empty() {
        print::line("nothing to remove: no finished trial has checkpoints beyond those");
        return Ok(0);
    }
    let rows =
        files.iter().map(|file| vec![file.path.display().to_string(), print::bytes(file.bytes)]);
    print::table(&["file", "size"], 1, rows.collect());
    let total = print::bytes(files.iter().map(|file| file.bytes).sum());
    let files = count(files.len(), "file");
    print::line(&match args.yes {
        true => format!("removed {files}, {total}"),
        false => format!("{files}, {total}; to remove them give --yes"),
    });
    Ok(0)
}
