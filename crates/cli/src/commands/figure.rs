//! `res2lab figure`: a figure of a sweep's report as a file of its own, or the list of figures.

use crate::args::{FigureArgs, FigureFormat};
use crate::print;
use res2lab_error::{Error, Kind};
use res2lab_experiment::words;
use res2lab_lab::{named, report};
use res2lab_report::Study;
use res2lab_report::figures::Figure;
use res2lab_report::saved::{self, Format, Look};
use res2lab_store::{Plan, SweepDir, atomic};
use std::path::PathBuf;

/// The word for every figure.
const ALL: &str = "all";

/// Writes the figures that are asked for, or lists what there is.
pub(crate) fn run(args: &FigureArgs) -> Result<u8, Error> {
    let dir = named::sweep(&args.folders.reports, &args.name)?;
    Plan::read(&dir).map_err(|e| e.of_kind(Kind::Input))?;
    let rows = report::read(std::slice::from_ref(&dir), &args.options())?;
    let study = Study::of(&rows);
    let figures = saved::all(&study);
    let Some(name) = &args.figure else {
        let entries: Vec<[String; 2]> =
            figures.iter().map(|figure| [figure.id.clone(), figure.title.clone()]).collect();
        print::entries(["figure", "title"], &entries);
        return Ok(0);
    };
    let chosen: Vec<&Figure> =
        if name == ALL { figures.iter().collect() } else { vec![find(&figures, name)?] };
    let look = Look { width_px: args.width, font: args.font.clone() };
    let mut status = 0;
    for figure in chosen {
        match saved::content(&study, figure, &look, format(args.format)) {
            Ok(content) => {
                let path = path(args, &dir, figure)?;
                atomic::write(&path, &content)?;
                print::line(&path.display().to_string());
            }
            // Of all figures those that a format cannot hold are told and left out.
            Err(e) if name == ALL => {
                print::told(&format!("note: {}; {}", e.cause, e.help));
                status = 1;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(status)
}

fn find<'f>(figures: &'f [Figure], name: &str) -> Result<&'f Figure, Error> {
    figures.iter().find(|figure| figure.id == name).ok_or_else(|| {
        let near = words::nearest(name, figures.iter().map(|figure| figure.id.as_str()));
        let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
        Error::input(
            format!("the report has no figure `{name}`"),
            format!("{near}without a figure's name all are listed"),
        )
    })
}

/// Where a figure goes; the folder is made.
fn path(args: &FigureArgs, dir: &SweepDir, figure: &Figure) -> Result<PathBuf, Error> {
    if let (Some(path), true) = (&args.output, args.figure.as_deref() != Some(ALL)) {
        return Ok(path.clone());
    }
    let folder = match &args.output {
        Some(folder) => folder.clone(),
        None => dir.path().join("figures"),
    };
    std::fs::create_dir_all(&folder).map_err(|e| {
        Error::machine(
            format!("cannot make the folder {}: {e}", folder.display()),
            "write elsewhere with --output",
        )
    })?;
    Ok(folder.join(format!("{}.{}", figure.id, format(args.format).extension())))
}

fn format(of: FigureFormat) -> Format {
    match of {
        FigureFormat::Svg => Format::Svg,
        FigureFormat::Png => Format::Png,
        FigureFormat::Pdf => Format::Pdf,
        FigureFormat::Pgf => Format::Pgf,
    }
}
