//! A chart as plain data (two axis mappings and marks), and its drawing by plotters.

use crate::svg::{self, Svg, UNIT, text_width};
use plotters::element::{BackendCoordOnly, Drawable, PointCollection};
use plotters::prelude::{ChartBuilder, DrawingArea, DrawingAreaErrorKind};
use plotters::style::{IntoFont, text_anchor};
use plotters_backend::{BackendCoord, DrawingBackend, DrawingErrorKind};
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

pub use crate::scale::Scale;

/// The content of a chart.
pub struct Chart {
    /// Accessible name of the SVG.
    pub label: String,
    /// Height in SVG units; all charts are [`WIDTH`] wide.
    pub height: i32,
    /// Horizontal axis, left to right.
    pub x: Scale,
    /// Vertical axis, bottom to top.
    pub y: Scale,
    pub grid: Grid,
    /// Drawn in this order.
    pub marks: Vec<Mark>,
}

/// Width of every chart in SVG units. Text of 12 units is then readable on a phone.
pub const WIDTH: i32 = 440;

/// Grid lines at the ticks of one chart axis, or none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    Horizontal,
    Vertical,
    None,
}

/// One element of a chart that can be hovered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mark {
    /// In chart coordinates.
    pub points: Vec<(f64, f64)>,
    pub kind: Kind,
    /// One of eight colors; `None` for the color of elements that are not highlighted.
    pub color: Option<usize>,
    /// The arm's id, which links the mark with table rows.
    pub arm: String,
    /// The trial's id, which links the mark with table rows.
    pub trial: String,
    /// Tooltip.
    pub title: String,
}

/// The appearance of a mark.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Kind {
    /// A single trial: a small circle.
    #[default]
    Dot,
    /// A mean: a symbol that depends on the color, so that arms can be distinguished without color.
    Symbol,
    /// An error bar from the first point to the second.
    Bar,
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
    /// Text that starts at the point and is vertically centered on it.
    Text(String),
    /// Text centered on the point.
    Label(String),
}

/// Renders `chart` as SVG. If plotters fails, the result is a message in place of the figure.
pub fn draw(chart: &Chart) -> String {
    let backend = Rc::new(RefCell::new(Svg::new(WIDTH, chart.height)));
    match draw_on(&DrawingArea::from(&backend), chart) {
        Ok(()) => backend.borrow().finish(&chart.label),
        Err(e) => format!("<p>This figure could not be drawn: {}</p>", svg::escape(&e.to_string())),
    }
}

type Failed = DrawingAreaErrorKind<Infallible>;

fn draw_on(area: &DrawingArea<Svg, plotters::coord::Shift>, chart: &Chart) -> Result<(), Failed> {
    let font = ("sans-serif", svg::FONT * f64::from(UNIT)).into_font();
    let size = |units: f64| (units * f64::from(UNIT)).ceil() as i32;
    let widest = chart.y.ticks.iter().map(|(_, text)| text_width(text)).fold(0.0, f64::max);
    let title_height = |scale: &Scale| if scale.title.is_empty() { 0.0 } else { 1.3 * svg::FONT };
    let mut context = ChartBuilder::on(area)
        .margin_top(size(10.0))
        // The last tick's text is centered on the right end of the plot.
        .margin_right(size(
            chart.x.ticks.last().map_or(0.0, |(_, text)| text_width(text) / 2.0).clamp(8.0, 30.0),
        ))
        .x_label_area_size(size(8.0 + 1.2 * svg::FONT + title_height(&chart.x)))
        .y_label_area_size(size(8.0 + widest + title_height(&chart.y)))
        .build_cartesian_2d(chart.x.clone(), chart.y.clone())?;
    let style = |color| font.color(color).pos(text_anchor::Pos::default());
    let mut mesh = context.configure_mesh();
    if chart.grid != Grid::Vertical {
        mesh.disable_x_mesh();
    }
    if chart.grid != Grid::Horizontal {
        mesh.disable_y_mesh();
    }
    mesh.bold_line_style(svg::GRID)
        .axis_style(svg::AXIS)
        .label_style(style(&svg::LABEL))
        .axis_desc_style(style(&svg::TITLE))
        .set_all_tick_mark_size(size(3.0));
    if !chart.x.title.is_empty() {
        mesh.x_desc(chart.x.title.as_str());
    }
    if !chart.y.title.is_empty() {
        mesh.y_desc(chart.y.title.as_str());
    }
    mesh.draw()?;
    context.draw_series::<BackendCoordOnly, Mark, _, _>(&chart.marks)?;
    Ok(())
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
        let color = self.color.map_or("muted".to_owned(), |c| format!("s{c}"));
        svg.open(&format!("mark {color}"), &self.arm, &self.trial, &self.title);
        match &self.kind {
            Kind::Dot => svg.circle(first, 3.0, "dot"),
            Kind::Symbol => symbol(svg, first, self.color),
            Kind::Bar => bar(svg, first, *at.last().unwrap_or(&first)),
            Kind::Line => svg.path(at, false, "line"),
            Kind::Dashed => svg.path(at, false, "line dashed"),
            Kind::Guide => svg.path(at, false, "guide"),
            Kind::Front => svg.path(at, false, "guide front"),
            Kind::Block => {
                let to = *at.last().unwrap_or(&first);
                svg.path([first, (to.0, first.1), to, (first.0, to.1)], true, "block");
            }
            Kind::Band => svg.path(at, true, "band"),
            Kind::Cell(level, text) => {
                let to = *at.last().unwrap_or(&first);
                svg.cell(first, to, *level);
                svg.text(text, ((first.0 + to.0) / 2, (first.1 + to.1) / 2), "middle", "label");
            }
            Kind::Text(text) => svg.text(text, first, "start", "label"),
            Kind::Label(text) => svg.text(text, first, "middle", "label"),
        }
        svg.close();
        Ok(())
    }
}

/// Draws a circle, square, triangle or diamond about nine units wide; the color selects the shape.
fn symbol(svg: &mut Svg, (x, y): BackendCoord, color: Option<usize>) {
    let r = 43;
    let corners: &[BackendCoord] = match color.unwrap_or(0) % 4 {
        0 => return svg.circle((x, y), 4.6, "symbol"),
        1 => &[(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)],
        2 => &[(x, y - 55), (x + 52, y + 38), (x - 52, y + 38)],
        _ => &[(x, y - 58), (x + 58, y), (x, y + 58), (x - 58, y)],
    };
    svg.path(corners.iter().copied(), true, "symbol");
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
