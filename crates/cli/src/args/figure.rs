//! Of `res2lab figure`.

use super::{AskArgs, Folders};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `res2lab figure`.
#[derive(Args, Debug)]
pub(crate) struct FigureArgs {
    /// The sweep's name (a folder under reports/)
    pub name: String,
    /// The figure's id, or all; without it the figures are listed
    pub figure: Option<String>,
    /// Of the file
    #[arg(long, value_enum, default_value_t = FigureFormat::Svg)]
    pub format: FigureFormat,
    /// Width with its unit: in, cm, mm, pt or px; text keeps its size
    #[arg(long, default_value = "3.25in", value_parser = width)]
    pub width: i32,
    /// serif, sans, or the name of a font of this machine; PGF takes the document's
    #[arg(long, default_value = "sans")]
    pub font: String,
    /// The file (default: figures/ID.FORMAT in the sweep's folder)
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Show what earlier commands on this sweep asked for, too
    #[arg(long)]
    pub all: bool,
    /// What the report asks, this time
    #[command(flatten)]
    pub ask: AskArgs,
    /// Where reports are
    #[command(flatten)]
    pub folders: Folders,
}

/// Of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FigureFormat {
    /// With its own style sheet
    Svg,
    /// At 300 dots per inch
    Png,
    /// With its fonts
    Pdf,
    /// Commands of LaTeX's pgf
    Pgf,
}

/// CSS pixels per unit.
const UNITS: [(&str, f64); 5] =
    [("in", 96.0), ("cm", 96.0 / 2.54), ("mm", 9.6 / 2.54), ("pt", 96.0 / 72.27), ("px", 1.0)];
/// Widths in pixels at which figures can be read.
const WIDTHS: std::ops::RangeInclusive<f64> = 200.0..=4000.0;

/// A width in pixels.
fn width(text: &str) -> Result<i32, String> {
    let Some((number, per_unit)) =
        UNITS.iter().find_map(|(unit, px)| Some((text.trim().strip_suffix(unit)?, *px)))
    else {
        return Err("write a number and a unit: in, cm, mm, pt or px, e.g. 3.25in".to_owned());
    };
    let px = number.trim().parse::<f64>().map(|n| n * per_unit);
    match px {
        Ok(px) if WIDTHS.contains(&px) => Ok(px.round() as i32),
        Ok(_) => Err("figures are 200 to 4000 px wide (2.1in to 41in)".to_owned()),
        Err(_) => Err(format!("`{number}` is no number; write for example 3.25in")),
    }
}

#[cfg(test)]
mod tests {
    use super::width;

    #[test]
    fn widths_have_units() {
        assert_eq!(width("3.25in"), Ok(312));
        assert_eq!(width("8 cm"), Ok(302));
        assert_eq!(width("350px"), Ok(350));
        assert!(width("3.25").is_err() && width("1in").is_err() && width("xin").is_err());
    }
}
