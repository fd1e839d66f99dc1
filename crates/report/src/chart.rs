//! A chart as plain data (two axis mappings and marks), and its drawing by plotters at a width that
//! is known only then: text has the same size at every width.

use crate::forest::Forest;
use crate::svg::{self, Svg, UNIT, text_width};
use plotters::element::BackendCoordOnly;
use plotters::prelude::{ChartBuilder, DrawingArea, DrawingAreaErrorKind};
use plotters::style::{IntoFont, text_anchor};
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

pub use crate::key::Key;
pub use crate::marks::{Kind, Mark};
pub use crate::scale::Scale;

/// The content of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Accessible name of the SVG.
    pub label: String,
    /// Height in SVG units.
    pub height: i32,
    /// Horizontal axis, left to right.
    pub x: Scale,
    /// Vertical axis, bottom to top.
    pub y: Scale,
    pub grid: Grid,
    /// Drawn in this order.
    pub marks: Vec<Mark>,
}

/// Width of figures on pages in SVG units, which are CSS pixels there: the width of a phone's page
/// and of a column of a paper.
pub const WIDTH: i32 = 350;

/// Width of the figures that need two columns of the page.
pub const WIDE: i32 = 720;

/// Grid lines at the ticks of one chart axis, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    Horizontal,
    Vertical,
    None,
}

/// The picture of a figure, before it is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Drawing {
    Chart(Chart),
    /// A chart that needs twice the width on pages.
    Wide(Chart),
    Panels(Panels),
    Forest(Forest),
    /// A picture of fixed size.
    Svg(String),
}

/// Charts of equal size in rows, each under its title.
#[derive(Clone, Debug, PartialEq)]
pub struct Panels {
    /// Accessible name of the SVG.
    pub label: String,
    pub columns: usize,
    pub charts: Vec<(String, Chart)>,
    /// What the fill of cells stands for.
    pub key: Option<Key>,
}

/// Height of a panel's title in SVG units.
const PANEL_TITLE: i32 = 18;

impl Drawing {
    /// The picture as SVG, as wide as figures on pages.
    pub fn svg(&self) -> String {
        self.svg_of(if matches!(self, Drawing::Wide(_)) { WIDE } else { WIDTH })
    }

    /// The picture as SVG of a width; pictures of fixed size keep theirs. If plotters fails, the
    /// result is a message in place of the figure.
    pub fn svg_of(&self, width: i32) -> String {
        let drawn = match self {
            Drawing::Svg(svg) => return svg.clone(),
            Drawing::Chart(chart) | Drawing::Wide(chart) => draw(chart, width),
            Drawing::Panels(panels) => panels.draw(width),
            Drawing::Forest(forest) => forest.draw(width),
        };
        drawn.unwrap_or_else(|e| {
            format!("<p>This figure could not be drawn: {}</p>", svg::escape(&e.to_string()))
        })
    }
}

impl Drawing {
    /// Writes a word over the picture.
    pub fn stamp(&mut self, word: &str) {
        let stamp = |chart: &mut Chart| {
            let middle = |scale: &Scale| (scale.low + scale.high) / 2.0;
            let points = vec![(middle(&chart.x), middle(&chart.y))];
            let kind = Kind::Stamp(word.to_owned());
            chart.marks.push(Mark { points, kind, ..Mark::default() });
        };
        match self {
            Drawing::Chart(chart) | Drawing::Wide(chart) => stamp(chart),
            Drawing::Forest(forest) => forest.stamp = word.to_owned(),
            Drawing::Panels(panels) => panels.charts.iter_mut().for_each(|(_, chart)| stamp(chart)),
            Drawing::Svg(svg) => {
                let text = "<text class=\"smoke\" x=\"50%\" y=\"50%\" text-anchor=\"middle\">";
                *svg = svg.replace("</svg>", &format!("{text}{}</text></svg>", svg::escape(word)));
            }
        }
    }
}

impl Drawing {
    /// Whether colors or shapes tell arms apart, so that the picture needs a legend. Forest plots
    /// name each row.
    pub fn needs_legend(&self) -> bool {
        let of_chart = |chart: &Chart| {
            chart.marks.iter().any(|mark| !mark.arm.is_empty() && mark.color.is_some())
        };
        match self {
            Drawing::Chart(chart) | Drawing::Wide(chart) => of_chart(chart),
            Drawing::Panels(panels) => panels.charts.iter().any(|(_, chart)| of_chart(chart)),
            Drawing::Forest(_) | Drawing::Svg(_) => false,
        }
    }
}

impl From<Chart> for Drawing {
    fn from(chart: Chart) -> Drawing {
        Drawing::Chart(chart)
    }
}

pub(crate) type Failed = DrawingAreaErrorKind<Infallible>;
pub(crate) type Shared = Rc<RefCell<Svg>>;
pub(crate) type Area = DrawingArea<Svg, plotters::coord::Shift>;

fn draw(chart: &Chart, width: i32) -> Result<String, Failed> {
    let backend = Rc::new(RefCell::new(Svg::new(width, chart.height)));
    draw_on(&backend, &DrawingArea::from(&backend), chart, width)?;
    let drawn = backend.borrow().finish(&chart.label);
    Ok(drawn)
}

impl Panels {
    fn draw(&self, width: i32) -> Result<String, Failed> {
        let rows = self.charts.len().div_ceil(self.columns) as i32;
        let height = self.charts.iter().map(|(_, chart)| chart.height).max().unwrap_or(0);
        let has_titles = self.charts.iter().any(|(title, _)| !title.is_empty());
        let title_height = if has_titles { PANEL_TITLE } else { 0 };
        let height = height + title_height;
        let each = width / self.columns as i32;
        let below = if self.key.is_some() { Key::HEIGHT } else { 0 };
        let backend = Rc::new(RefCell::new(Svg::new(width, height * rows + below)));
        self.key.iter().for_each(|key| key.draw(&mut backend.borrow_mut(), height * rows));
        let whole: Area = DrawingArea::from(&backend);
        for (i, (title, chart)) in self.charts.iter().enumerate() {
            let left = (i % self.columns) as i32 * each;
            let top = (i / self.columns) as i32 * height;
            let middle = ((left + each / 2) * UNIT, (top + PANEL_TITLE / 2) * UNIT);
            if has_titles {
                backend.borrow_mut().text(title, middle, "middle", "title");
            }
            let area = whole.clone().shrink(
                (left * UNIT, (top + title_height) * UNIT),
                (each * UNIT, chart.height * UNIT),
            );
            draw_on(&backend, &area, chart, each)?;
        }
        let drawn = backend.borrow().finish(&self.label);
        Ok(drawn)
    }
}

/// Space above every plot in SVG units.
pub(crate) const TOP: f64 = 10.0;

/// The margins of a chart in SVG units.
pub(crate) struct Margins {
    right: f64,
    pub bottom: f64,
    left: f64,
}

impl Margins {
    /// The width that is left for the plot of a chart this wide.
    pub(crate) fn plot_width(&self, width: i32) -> f64 {
        f64::from(width) - self.left - self.right
    }

    pub(crate) fn of(chart: &Chart) -> Margins {
        let widest = chart.y.ticks.iter().map(|(_, text)| text_width(text)).fold(0.0, f64::max);
        let title = |scale: &Scale| if scale.title.is_empty() { 0.0 } else { 1.3 * svg::FONT };
        // The last tick's text is centered on the right end of the plot.
        let last = chart.x.ticks.last().map_or(0.0, |(_, text)| text_width(text) / 2.0);
        // So may be the first one's.
        let first = chart.x.ticks.first().filter(|(at, _)| chart.x.is_near_low(*at));
        let first = first.map_or(0.0, |(_, text)| text_width(text) / 2.0);
        Margins {
            right: last.clamp(8.0, 30.0),
            bottom: 12.0 + 1.2 * svg::FONT + title(&chart.x),
            left: (8.0 + widest + title(&chart.y)).max(first),
        }
    }
}

pub(crate) fn draw_on(
    backend: &Shared,
    area: &Area,
    chart: &Chart,
    width: i32,
) -> Result<(), Failed> {
    let font = ("sans-serif", svg::FONT * f64::from(UNIT)).into_font();
    let size = |units: f64| (units * f64::from(UNIT)).ceil() as i32;
    let margins = Margins::of(chart);
    let mut x = chart.x.clone();
    x.fit(f64::from(width) - margins.left - margins.right);
    let mut context = ChartBuilder::on(area)
        .margin_top(size(TOP))
        .margin_right(size(margins.right))
        .x_label_area_size(size(margins.bottom))
        .y_label_area_size(size(margins.left))
        .build_cartesian_2d(x, chart.y.clone())?;
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
    let kinds = [("x", chart.x.kind()), ("y", chart.y.kind())];
    backend.borrow_mut().open_with("panel", &kinds, "");
    mesh.draw()?;
    context.draw_series::<BackendCoordOnly, Mark, _, _>(&chart.marks)?;
    backend.borrow_mut().close();
    Ok(())
}
