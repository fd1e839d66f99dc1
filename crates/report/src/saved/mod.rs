//! Figures as files of their own: SVG, PNG, PDF and PGF, at the width of a column and in a chosen
//! font.
//!
//! Reading order:
//! - [`fonts`]: the fonts of this machine
//! - [`pgf`]: the drawing commands of LaTeX's PGF
//! - here: which figure, how wide, in which format

mod fonts;
mod pgf;

use crate::figures::{self, Figure};
use crate::study::Study;
use crate::{legend, look};
use res2lab_error::Error;
use resvg::tiny_skia::{Color, Pixmap};
use resvg::usvg::{Options, Transform, Tree};

/// Of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Svg,
    Png,
    Pdf,
    Pgf,
}

/// How a figure is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// In CSS pixels, of which an inch has 96.
    pub width_px: i32,
    /// `serif`, `sans` or the name of a font of this machine.
    pub font: String,
}

/// CSS pixels per inch, which PDF and PGF have to know.
const PER_INCH: f32 = 96.0;
/// Pixels of a PNG per CSS pixel: 300 dots per inch.
const PNG_SCALE: f32 = 300.0 / PER_INCH;

impl Format {
    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Svg => "svg",
            Format::Png => "png",
            Format::Pdf => "pdf",
            Format::Pgf => "pgf",
        }
    }
}

/// The figures of a study for files: all but those that have nothing to show.
pub fn all(study: &Study) -> Vec<Figure> {
    figures::all(study)
}

/// The content of a figure's file. Fails if the machine lacks the font, and where a format cannot
/// hold the figure.
pub fn content(
    study: &Study,
    figure: &Figure,
    look: &Look,
    format: Format,
) -> Result<Vec<u8>, Error> {
    let family = fonts::css(&look.font);
    let svg = alone(&with_legend(study, figure, look.width_px), &family);
    if format == Format::Svg {
        return Ok(svg.into_bytes());
    }
    let fontdb = fonts::of_machine(&look.font)?;
    let options = Options { dpi: PER_INCH, fontdb, ..Options::default() };
    let tree = Tree::from_str(&svg, &options).map_err(|e| broken(figure, &e.to_string()))?;
    match format {
        Format::Svg => Ok(svg.into_bytes()),
        Format::Png => png(&tree).ok_or_else(|| broken(figure, "it has no area")),
        Format::Pdf => pdf(&tree).map_err(|e| broken(figure, &e)),
        Format::Pgf => pgf::of(&tree, &figure.title).map(String::into_bytes).ok_or_else(|| {
            Error::input(
                format!("figure {} holds pictures, which PGF cannot", figure.id),
                "save it with --format pdf, which LaTeX includes as well",
            )
        }),
    }
}

/// The picture with the legend that it needs outside of the page.
fn with_legend(study: &Study, figure: &Figure, width: i32) -> String {
    let svg = figure.drawing.svg_of(width);
    let legend = figure.drawing.needs_legend().then(|| legend::of(study, width)).flatten();
    legend.and_then(|legend| legend::above(&legend, &svg, width)).unwrap_or(svg)
}

/// The picture with its own style sheet and namespace.
fn alone(svg: &str, family: &str) -> String {
    let style = format!("<style>\n{}</style>\n", look::style(family));
    let head = "<svg xmlns=\"http://www.w3.org/2000/svg\"";
    let svg = svg.replacen("<svg", head, 1);
    svg.replacen(">\n", &format!(">\n{style}"), 1) + "\n"
}

fn png(tree: &Tree) -> Option<Vec<u8>> {
    let pixels = |length: f32| (length * PNG_SCALE).round() as u32;
    let mut pixmap = Pixmap::new(pixels(tree.size().width()), pixels(tree.size().height()))?;
    pixmap.fill(Color::WHITE);
    resvg::render(tree, Transform::from_scale(PNG_SCALE, PNG_SCALE), &mut pixmap.as_mut());
    pixmap.encode_png().ok()
}

fn pdf(tree: &Tree) -> Result<Vec<u8>, String> {
    let page = svg2pdf::PageOptions { dpi: PER_INCH };
    svg2pdf::to_pdf(tree, svg2pdf::ConversionOptions::default(), page).map_err(|e| e.to_string())
}

fn broken(figure: &Figure, why: &str) -> Error {
    Error::machine(
        format!("figure {} cannot be saved: {why}", figure.id),
        "this is a bug of res2lab; --format svg saves the picture as it is drawn",
    )
}
