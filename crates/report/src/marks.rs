//! The marks of charts: dots, symbols, bars, lines, bands, cells and text.

use crate::svg::{FONT, Svg, UNIT, color_class, shorten};
use plotters::element::{Drawable, PointCollection};
use plotters_backend::{BackendCoord, DrawingBackend, DrawingErrorKind};

/// One element of a chart that can be hovered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mark {
    /// In chart coordinates.
    pub points: Vec<(f64, f64)>,
    pub kind: Kind,
    /// A category color or a step of the ramp; `None` for elements that are not highlighted.
    pub color: Option<usize>,
    /// One of four shapes of symbols and dashes of lines.
    pub shape: usize,
    /// The arm's id, which links the mark with table rows.
    pub arm: String,
    /// The ids of several arms, for a line through them.
    pub arms: String,
    /// The trial's id, which links the mark with table rows.
    pub trial: String,
    /// Tooltip.
    pub title: String,
}

/// The column that a brush selects by.
#[derive(Clone, Debug, PartialEq)]
pub struct Brush {
    pub column: String,
    /// The values at the lower and the upper end.
    pub ends: (f64, f64),
    pub is_log: bool,
    /// The values from the lower end, evenly spaced, if they are categories.
    pub values: Vec<String>,
}

/// Half the width of a brush in SVG units.
const BRUSH: f64 = 13.0;

/// The appearance of a mark.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Kind {
    /// A single trial: a small circle.
    #[default]
    Dot,
    /// A mean: a symbol of the mark's shape, so that arms can be distinguished without color.
    Symbol,
    /// A hollow symbol: a number that leaves its question open.
    Open,
    /// A pale rectangle between two corners, behind everything.
    Zone,
    /// An error bar from the first point to the second.
    Bar,
    /// An error bar without caps, where many stand at one place.
    Thin,
    Line,
    Dashed,
    /// A guide line that belongs to no arm.
    Guide,
    /// The inside of a closed curve.
    Band,
    /// A dashed line along the Pareto front; belongs to no arm.
    Front,
    /// A rectangle between two corners.
    Block,
    /// A rectangle between two corners, with its fill level from 0 to 1 and centered text.
    Cell(f64, String),
    /// A hatched rectangle between two corners with centered text: a cell without a value.
    Missing(String),
    /// Text that starts at the point and is vertically centered on it.
    Text(String),
    /// Text that ends at the point and is vertically centered on it.
    TextEnd(String),
    /// Text centered on the point.
    Label(String),
    /// The area around the line between two points, from which a page selects a range.
    Brush(Brush),
    /// Large pale text over the whole chart.
    Stamp(String),
}

impl<'a> PointCollection<'a, (f64, f64)> for &'a Mark {
    type Point = &'a (f64, f64);
    type IntoIter = &'a [(f64, f64)];

    fn point_iter(self) -> &'a [(f64, f64)] {
        &self.points
    }
}

impl Drawable<Svg> for Mark {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        points: I,
        svg: &mut Svg,
        _: (u32, u32),
    ) -> Result<(), DrawingErrorKind<<Svg as DrawingBackend>::ErrorType>> {
        let at: Vec<BackendCoord> = points.collect();
        let Some(&first) = at.first() else { return Ok(()) };
        let last = *at.last().unwrap_or(&first);
        let dash = if self.is_line() { format!(" d{}", self.shape) } else { String::new() };
        let x = self.values(|point| point.0);
        let y = self.values(|point| point.1);
        let arms = &self.arms[..];
        let data = [
            ("arm", &self.arm[..]),
            ("arms", arms),
            ("trial", &self.trial[..]),
            ("x", &x),
            ("y", &y),
        ];
        let classes = format!("mark {}{dash}", color_class(self.color));
        svg.open_with(&classes, &data, &self.title);
        match &self.kind {
            Kind::Dot => svg.circle(first, 3.0, "dot"),
            Kind::Symbol => symbol(svg, first, self.shape, "symbol"),
            Kind::Open => symbol(svg, first, self.shape, "symbol open"),
            Kind::Zone => svg.path(corners(first, last), true, "zone"),
            Kind::Bar => bar(svg, first, last),
            Kind::Thin => svg.path(at, false, "bar thin"),
            Kind::Line => svg.path(at, false, "line"),
            Kind::Dashed => svg.path(at, false, "line dashed"),
            Kind::Guide => svg.path(at, false, "guide"),
            Kind::Front => svg.path(at, false, "guide front"),
            Kind::Block => svg.path(corners(first, last), true, "block"),
            Kind::Band => svg.path(at, true, "band"),
            Kind::Cell(level, text) => {
                svg.cell(first, last, *level);
                svg.text(text, middle(first, last), "middle", "label");
            }
            Kind::Missing(text) => {
                svg.path(corners(first, last), true, "missing");
                svg.text(text, middle(first, last), "middle", "label");
            }
            Kind::Text(text) => svg.text(&fitting(text, first, svg), first, "start", "label"),
            Kind::TextEnd(text) => svg.text(text, first, "end", "label"),
            Kind::Label(text) => svg.text(text, first, "middle", "label"),
            Kind::Brush(brush) => brush.draw(svg, first, last),
            Kind::Stamp(text) => svg.text(text, first, "middle", "smoke"),
        }
        svg.close();
        Ok(())
    }
}

/// Lines of more points carry no coordinates: curves would double in size.
const MOST_COORDINATES: usize = 16;

impl Mark {
    fn is_line(&self) -> bool {
        matches!(self.kind, Kind::Line)
    }

    /// The coordinates that a page states for the mark, so that positions can be checked.
    fn values(&self, of: fn(&(f64, f64)) -> f64) -> String {
        let is_data =
            matches!(self.kind, Kind::Dot | Kind::Symbol | Kind::Open | Kind::Line | Kind::Bar);
        if !is_data || self.points.len() > MOST_COORDINATES {
            return String::new();
        }
        self.points.iter().map(|point| short(of(point))).collect::<Vec<_>>().join(" ")
    }
}

impl Brush {
    fn draw(&self, svg: &mut Svg, from: BackendCoord, to: BackendCoord) {
        let unit = |pixels: i32| f64::from(pixels) / f64::from(UNIT);
        let rect = [
            ("x", unit(from.0) - BRUSH),
            ("y", unit(from.1.min(to.1))),
            ("width", 2.0 * BRUSH),
            ("height", unit((from.1 - to.1).abs())),
        ];
        let low = short(self.ends.0);
        let high = short(self.ends.1);
        let values = match &self.values[..] {
            [] => String::new(),
            values => serde_json::json!(values).to_string(),
        };
        let log = if self.is_log { "1" } else { "" };
        let data = [("column", &self.column[..]), ("low", &low), ("high", &high)];
        svg.rect("brush", rect, &[&data[..], &[("log", log), ("values", &values)]].concat());
    }
}

/// Six significant digits, which place a mark far below a pixel.
fn short(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return "0".to_owned();
    }
    let decimals = (5.0 - x.abs().log10().floor()).clamp(0.0, 12.0) as usize;
    let text = format!("{x:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Text shortened to the room between its start and the right edge.
fn fitting(text: &str, (x, _): BackendCoord, svg: &Svg) -> String {
    shorten(text, f64::from(svg.width()) - f64::from(x) / f64::from(UNIT) - 0.5 * FONT)
}

fn middle(a: BackendCoord, b: BackendCoord) -> BackendCoord {
    ((a.0 + b.0) / 2, (a.1 + b.1) / 2)
}

fn corners(a: BackendCoord, b: BackendCoord) -> [BackendCoord; 4] {
    [a, (b.0, a.1), b, (a.0, b.1)]
}

/// Draws a circle, square, triangle or diamond about nine units wide.
pub(crate) fn symbol(svg: &mut Svg, (x, y): BackendCoord, shape: usize, class: &str) {
    let r = 43;
    let corners: &[BackendCoord] = match shape % 4 {
        0 => return svg.circle((x, y), 4.6, class),
        1 => &[(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)],
        2 => &[(x, y - 55), (x + 52, y + 38), (x - 52, y + 38)],
        _ => &[(x, y - 58), (x + 58, y), (x, y + 58), (x - 58, y)],
    };
    svg.path(corners.iter().copied(), true, class);
}

/// Draws a line with a cap at each end.
fn bar(svg: &mut Svg, from: BackendCoord, to: BackendCoord) {
    let cap = 40;
    let (dx, dy) = if (to.0 - from.0).abs() > (to.1 - from.1).abs() { (0, cap) } else { (cap, 0) };
    svg.path([from, to], false, "bar");
    for (x, y) in [from, to] {
        svg.path([(x - dx, y - dy), (x + dx, y + dy)], false, "bar");
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn coordinates_keep_six_digits() {
        let texts = [0.0, 97.5, -2.0, 0.1, 123_456_789.0, 0.000_123_456_78, 100.0].map(short);
        assert_eq!(texts, ["0", "97.5", "-2", "0.1", "123456789", "0.000123457", "100"]);
    }
}
