//! Draws a block diagram as SVG, with the CSS classes of the page's figures.

use super::layout::{Arrow, Block, Column, Kind, Shape};
use crate::chart::WIDTH;
use crate::svg::{FONT, Svg, UNIT, text_width};
use plotters_backend::BackendCoord;

const GAP: f64 = 14.0;
const MARGIN: f64 = 6.0;
const LINE: f64 = 1.15 * FONT;
const RADIUS: f64 = 8.0;
/// Width of the lane at the right edge, for a shortcut without layers.
const LANE: f64 = 14.0;

/// Draws a block; `label` is the accessible name.
pub fn svg(block: &Block, label: &str) -> String {
    let place = Geometry::of(block);
    let mut svg = Svg::new(place.width.ceil() as i32, place.height.ceil() as i32);
    for arrow in &block.arrows {
        let points = place.way(block, arrow);
        svg.path(points.iter().map(|p| pixels(*p)), false, "guide");
        head(&mut svg, &points);
    }
    for shape in &block.shapes {
        svg.open("mark muted", "", "", &shape.node);
        draw(&mut svg, &place, shape);
        svg.close();
    }
    svg.finish(label)
}

type Point = (f64, f64);

/// Positions of rows and columns in SVG units.
struct Geometry {
    width: f64,
    height: f64,
    /// Middle and height of each row.
    rows: Vec<(f64, f64)>,
    split_width: f64,
    splits: usize,
    /// Width of a column beside the splits.
    side_width: f64,
    /// Left end of the splits, which may be narrower than the shapes centered over them.
    left: f64,
    splits_width: f64,
}

impl Geometry {
    fn of(block: &Block) -> Geometry {
        let widest = |wanted: fn(&Column) -> bool, least: f64| {
            let of = block.shapes.iter().filter(|s| wanted(&s.column) && s.kind != Kind::Circle);
            of.map(text_of).fold(least, f64::max)
        };
        let split_width = widest(|c| matches!(c, Column::Split(_)), 24.0) + 16.0;
        let side_width = if block.side_columns == 0 {
            0.0
        } else {
            widest(|c| matches!(c, Column::Side(_)), 40.0) + 26.0
        };
        let middle = widest(|c| *c == Column::Middle, 60.0) + 20.0;
        let splits_width = (split_width * block.splits as f64).max(middle);
        let mut rows = Vec::new();
        let mut y = MARGIN;
        for row in 0..block.rows() {
            let height =
                block.shapes.iter().filter(|s| s.row == row).map(height_of).fold(0.0, f64::max);
            rows.push((y + height / 2.0, height));
            y += height + GAP;
        }
        let needed = 2.0 * MARGIN + splits_width + side_width * block.side_columns as f64 + LANE;
        // Narrow blocks are centered in a picture of the common width, so that all text has the
        // same size.
        let width = needed.max(f64::from(WIDTH));
        let left = MARGIN + (width - needed) / 2.0;
        let split_width = splits_width / block.splits as f64;
        let height = y - GAP + MARGIN;
        Geometry {
            width,
            height,
            rows,
            split_width,
            splits: block.splits,
            side_width,
            left,
            splits_width,
        }
    }

    fn x(&self, column: Column) -> f64 {
        match column {
            Column::Middle => self.left + self.splits_width / 2.0,
            Column::Split(i) => self.left + (i as f64 + 0.5) * self.split_width,
            Column::Side(i) => self.left + self.splits_width + (i as f64 + 0.5) * self.side_width,
        }
    }

    /// Half the width and half the height of a shape.
    fn half(&self, shape: &Shape) -> Point {
        let width = match (shape.kind, shape.column) {
            (Kind::Bar, _) => self.splits_width,
            (Kind::Circle, _) => 2.0 * RADIUS,
            (Kind::Input | Kind::Box, Column::Split(_)) => self.split_width - 8.0,
            _ => text_of(shape) + 14.0,
        };
        (width / 2.0, height_of(shape) / 2.0)
    }

    fn center(&self, shape: &Shape) -> Point {
        (self.x(shape.column), self.rows[shape.row].0)
    }

    /// The corners of an arrow: a straight line if nothing is in the way, otherwise along the right
    /// edge.
    fn way(&self, block: &Block, arrow: &Arrow) -> Vec<Point> {
        let from = &block.shapes[arrow.from];
        let to = &block.shapes[arrow.to];
        let (mut x0, y0) = self.center(from);
        let (mut x1, y1) = self.center(to);
        let (half_from, down) = self.half(from);
        let (half_to, up) = self.half(to);
        if let (Kind::Circle, Column::Side(_)) = (to.kind, from.column) {
            return vec![(x0, y0 + down), (x0, y1), (x1 + half_to, y1)];
        }
        let is_between = |s: &&Shape| {
            s.row > from.row
                && s.row < to.row
                && matches!((s.column, s.kind), (Column::Middle, _) | (_, Kind::Bar))
        };
        if (from.column, to.column) == (Column::Middle, Column::Middle)
            && block.shapes.iter().any(|s| is_between(&s))
        {
            let lane = self.x(Column::Side(block.side_columns)) + (LANE - self.side_width) / 2.0;
            return vec![(x0 + half_from, y0), (lane, y0), (lane, y1), (x1 + half_to, y1)];
        }
        // An arrow that carries a split leaves and enters bars below that split.
        if let Some(split) = arrow.split {
            x0 = self.x(Column::Split(split));
        }
        if to.kind == Kind::Bar
            && (self.splits > 1)
            && (arrow.split.is_some() || from.column != Column::Middle)
        {
            x1 = x0;
        }
        vec![(x0, y0 + down), (x1, y1 - up)]
    }
}

fn text_of(shape: &Shape) -> f64 {
    shape.lines.iter().map(|line| text_width(line)).fold(0.0, f64::max)
}

fn height_of(shape: &Shape) -> f64 {
    match shape.kind {
        Kind::Circle => 2.0 * RADIUS,
        _ => LINE * shape.lines.len() as f64 + 6.0,
    }
}

fn draw(svg: &mut Svg, place: &Geometry, shape: &Shape) {
    let (x, y) = place.center(shape);
    let (w, h) = place.half(shape);
    let corners = [(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)].map(pixels);
    match shape.kind {
        Kind::Circle => svg.circle(pixels((x, y)), RADIUS, "shape"),
        Kind::Input => {}
        Kind::Box => svg.path(corners, true, "shape"),
        Kind::Bar => svg.path(corners, true, "shape bar-shape"),
    }
    let first = y - LINE * (shape.lines.len() as f64 - 1.0) / 2.0;
    for (i, line) in shape.lines.iter().enumerate() {
        svg.text(line, pixels((x, first + LINE * i as f64)), "middle", "label");
    }
}

/// Draws the head at the end of an arrow.
fn head(svg: &mut Svg, way: &[Point]) {
    let [.., before, (x, y)] = way else { return };
    let dx = x - before.0;
    let dy = y - before.1;
    let length = dx.hypot(dy).max(1e-9);
    let dx = 5.0 * dx / length;
    let dy = 5.0 * dy / length;
    let corners =
        [(*x, *y), (x - dx + 0.5 * dy, y - dy - 0.5 * dx), (x - dx - 0.5 * dy, y - dy + 0.5 * dx)];
    svg.path(corners.map(pixels), true, "head");
}

fn pixels((x, y): Point) -> BackendCoord {
    ((x * f64::from(UNIT)).round() as i32, (y * f64::from(UNIT)).round() as i32)
}
