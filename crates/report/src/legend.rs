//! What colors and shapes stand for: in one legend of a page, and above each figure that is saved,
//! since a file has no page around it.

use crate::encoding::{Encoding, Entry, Style};
use crate::marks::symbol;
use crate::study::Study;
use crate::svg::{Svg, UNIT, color_class, shorten, text_width};
use serde::Serialize;

/// Entries in rows, as a group of SVG.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Legend {
    /// In SVG units.
    pub height: i32,
    pub svg: String,
}

/// Height of a row, width of a sample, and the space after a sample and after an entry.
const ROW: i32 = 16;
const SAMPLE: i32 = 22;
const SPACE: i32 = 4;
const BETWEEN: i32 = 12;

/// An entry or the name of its axis, with its sample if it has one.
struct Piece {
    text: String,
    sample: Option<Sample>,
}

#[derive(Clone, Copy)]
enum Sample {
    /// A filled rectangle: only the color means something.
    Patch(Style),
    /// A line with a symbol on it.
    Line(Style),
}

impl Piece {
    fn new(text: &str, sample: Option<Sample>, width: i32) -> Piece {
        let taken = if sample.is_some() { SAMPLE + SPACE } else { 0 };
        Piece { text: shorten(text, f64::from(width - taken)), sample }
    }

    fn width(&self) -> i32 {
        let text = text_width(&self.text).ceil() as i32;
        text + if self.sample.is_some() { SAMPLE + SPACE } else { 0 }
    }

    fn draw(&self, svg: &mut Svg, left: i32, middle: i32) {
        let Some(sample) = self.sample else {
            return svg.text(&self.text, (left * UNIT, middle * UNIT), "start", "title");
        };
        sample.draw(svg, left, middle);
        let text = ((left + SAMPLE + SPACE) * UNIT, middle * UNIT);
        svg.text(&self.text, text, "start", "label");
    }
}

impl Sample {
    fn draw(self, svg: &mut Svg, left: i32, middle: i32) {
        let right = left + SAMPLE;
        let at = |x: i32, y: i32| (x * UNIT, y * UNIT);
        let (Sample::Patch(style) | Sample::Line(style)) = self;
        let classes = format!("{} d{}", color_class(style.color), style.shape);
        svg.open(&classes, "", "", "");
        match self {
            Sample::Patch(_) => {
                let (top, bottom) = (middle - 5, middle + 5);
                let corners = [at(left, top), at(right, top), at(right, bottom), at(left, bottom)];
                svg.path(corners, true, "block");
            }
            Sample::Line(_) => {
                svg.path([at(left, middle), at(right, middle)], false, "line");
                symbol(svg, at(left + SAMPLE / 2, middle), style.shape, "symbol");
            }
        }
        svg.close();
    }
}

/// The legend of the arms' colors and shapes for figures of this width in SVG units; `None` if
/// there is nothing to tell apart.
pub fn of(study: &Study, width: i32) -> Option<Legend> {
    if study.arms.len() < 2 {
        return None;
    }
    let pieces = pieces(study, width);
    let rows = rows(&pieces, width);
    let height = rows.iter().map(|row| row.0 + ROW).max()?;
    let mut svg = Svg::new(width, height);
    svg.open("legend", "", "", "");
    rows.iter().for_each(|(top, left, piece)| piece.draw(&mut svg, *left, top + ROW / 2));
    svg.close();
    Some(Legend { height, svg: svg.into_body() })
}

/// What the legend names: each axis that has colors or shapes with its values, or the arms.
pub fn entries(study: &Study) -> Vec<(String, Vec<Entry>)> {
    if study.encoding != Encoding::Arms {
        return study.encoding.entries(&study.axes);
    }
    let leads = study.arms.iter().filter(|arm| arm.is_lead);
    let mut arms: Vec<Entry> = leads
        .map(|arm| Entry {
            text: arm.label.clone(),
            style: arm.style(),
            condition: String::new(),
            arm: arm.id.to_owned(),
        })
        .collect();
    let others = study.arms.len() - arms.len();
    arms.extend((others > 0).then(|| Entry {
        text: format!("{others} other arms"),
        style: Style::default(),
        condition: String::new(),
        arm: String::new(),
    }));
    vec![("arm".to_owned(), arms)]
}

fn pieces(study: &Study, width: i32) -> Vec<Vec<Piece>> {
    let has_shapes = matches!(study.encoding, Encoding::Axes { shape: Some(_), .. });
    let of_entry = |entry: &Entry| {
        let is_patch = has_shapes && entry.style.color.is_some();
        let sample = if is_patch { Sample::Patch(entry.style) } else { Sample::Line(entry.style) };
        Piece::new(&entry.text, Some(sample), width)
    };
    let of_group = |(name, entries): &(String, Vec<Entry>)| {
        // Names of arms need no word before them.
        let name = (study.encoding != Encoding::Arms).then(|| Piece::new(name, None, width));
        name.into_iter().chain(entries.iter().map(of_entry)).collect()
    };
    entries(study).iter().map(of_group).collect()
}

/// Places pieces from left to right as (top, left, piece). Each group begins a row; what does not
/// fit goes on in the next one.
fn rows(groups: &[Vec<Piece>], width: i32) -> Vec<(i32, i32, &Piece)> {
    let mut placed = Vec::new();
    let mut top = 0;
    for group in groups {
        let mut left = 0;
        for piece in group {
            if left > 0 && left + piece.width() > width {
                left = 0;
                top += ROW;
            }
            placed.push((top, left, piece));
            left += piece.width() + BETWEEN;
        }
        top += ROW;
    }
    placed
}

/// The picture with the legend above it.
pub fn above(legend: &Legend, svg: &str, width: i32) -> Option<String> {
    let height: i32 = svg.split_once("height=\"")?.1.split_once('"')?.0.parse().ok()?;
    let whole = height + legend.height;
    let below = svg.replacen("<svg", &format!("<svg y=\"{}\"", legend.height), 1);
    Some(format!(
        "<svg width=\"{width}\" height=\"{whole}\" viewBox=\"0 0 {width} {whole}\">\n{}{below}</svg>",
        legend.svg
    ))
}
