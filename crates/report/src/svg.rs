//! The drawing backend under plotters. It writes SVG that a page can style and link: classes
//! instead of colors, marks in groups with `data-arm`, `data-trial` and a title, text as text.

use plotters::style::RGBColor;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontTransform,
};
use std::convert::Infallible;
use std::fmt::Write;

/// Backend pixels per SVG unit. plotters counts in whole pixels; a tenth of a unit is fine enough
/// for curves.
pub const UNIT: i32 = 10;
/// Font size of all text in SVG units; the style sheet has the same value.
pub const FONT: f64 = 12.0;

/// Number of category colors, and of steps of the ramp for ordered values. Color numbers from
/// `RAMP` on are steps of the ramp.
pub const RAMP: usize = 8;

/// CSS class of a color: `s3` for a category, `r3` for a step of the ramp.
pub fn color_class(color: Option<usize>) -> String {
    match color {
        None => "muted".to_owned(),
        Some(c) if c < RAMP => format!("s{c}"),
        Some(c) => format!("r{}", c - RAMP),
    }
}

/// Marker colors. plotters styles carry a color but no name, so the backend recognizes what is
/// drawn by these colors; they never appear in the output.
pub const GRID: RGBColor = RGBColor(0, 0, 1);
pub const AXIS: RGBColor = RGBColor(0, 0, 2);
pub const LABEL: RGBColor = RGBColor(0, 0, 3);
pub const TITLE: RGBColor = RGBColor(0, 0, 4);

fn class(color: BackendColor) -> &'static str {
    match color.rgb {
        (0, 0, 1) => "grid",
        (0, 0, 2) => "axis",
        (0, 0, 3) => "label",
        (0, 0, 4) => "title",
        _ => "other",
    }
}

/// An SVG document under construction.
pub struct Svg {
    width: i32,
    height: i32,
    body: String,
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl Svg {
    /// Creates an empty picture; width and height in SVG units.
    pub fn new(width: i32, height: i32) -> Svg {
        Svg { width, height, body: String::new() }
    }

    /// Returns the document with the accessible name `label`.
    pub fn finish(&self, label: &str) -> String {
        let w = self.width;
        let h = self.height;
        format!(
            "<svg width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{}\">\n{}</svg>",
            escape(label),
            self.body
        )
    }

    /// What was drawn, for use within another picture.
    pub fn into_body(self) -> String {
        self.body
    }

    /// The width in SVG units.
    pub fn width(&self) -> i32 {
        self.width
    }

    /// Opens a group; all elements until [`Svg::close`] belong to one mark.
    pub fn open(&mut self, classes: &str, arm: &str, trial: &str, title: &str) {
        self.open_with(classes, &[("arm", arm), ("trial", trial)], title);
    }

    /// Opens a group with `data-` attributes; empty values are left out.
    pub fn open_with(&mut self, classes: &str, data: &[(&str, &str)], title: &str) {
        self.body += &format!("<g class=\"{classes}\"");
        for (name, value) in data.iter().filter(|(_, value)| !value.is_empty()) {
            self.body += &format!(" data-{name}=\"{}\"", escape(value));
        }
        self.body += ">";
        if !title.is_empty() {
            self.body += &format!("<title>{}</title>", escape(title));
        }
    }

    /// Closes the group opened last.
    pub fn close(&mut self) {
        self.body += "</g>\n";
    }

    /// Adds a circle with its radius in SVG units.
    pub fn circle(&mut self, (x, y): BackendCoord, radius: f64, class: &str) {
        let x = units(x);
        let y = units(y);
        self.body += &format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>");
    }

    /// Adds a path through points.
    pub fn path(
        &mut self,
        points: impl IntoIterator<Item = BackendCoord>,
        is_closed: bool,
        class: &str,
    ) {
        let mut d = String::new();
        for (i, (x, y)) in points.into_iter().enumerate() {
            d += &format!("{}{} {}", if i == 0 { "M" } else { "L" }, units(x), units(y));
        }
        if is_closed {
            d.push('Z');
        }
        self.body += &format!("<path class=\"{class}\" d=\"{d}\"/>");
    }

    /// Adds a rectangle with a fill level from 0 to 1 and an outline.
    pub fn cell(&mut self, from: BackendCoord, to: BackendCoord, level: f64) {
        self.filled("cell", from, to, level);
    }

    /// Adds a rectangle with a fill level from 0 to 1.
    pub fn shade(&mut self, from: BackendCoord, to: BackendCoord, level: f64) {
        self.filled("shade", from, to, level);
    }

    fn filled(&mut self, class: &str, (x0, y0): BackendCoord, (x1, y1): BackendCoord, level: f64) {
        let x = units(x0.min(x1));
        let y = units(y0.min(y1));
        let w = units((x1 - x0).abs());
        let h = units((y1 - y0).abs());
        self.body += &format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill-opacity=\"{:.2}\"/>",
            level.clamp(0.0, 1.0)
        );
    }

    /// Adds a rectangle with `data-` attributes; empty values are left out.
    pub fn rect(&mut self, class: &str, place: [(&str, f64); 4], data: &[(&str, &str)]) {
        self.body += &format!("<rect class=\"{class}\"");
        for (name, value) in place {
            self.body += &format!(" {name}=\"{value:.1}\"");
        }
        for (name, value) in data.iter().filter(|(_, value)| !value.is_empty()) {
            self.body += &format!(" data-{name}=\"{}\"", escape(value));
        }
        self.body += "/>";
    }

    /// Adds a square image, PNG as base64; place and side in SVG units.
    pub fn image(&mut self, png: &str, (x, y): (i32, i32), side: i32) {
        self.body += &format!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" preserveAspectRatio=\"none\" class=\"map\" \
             href=\"data:image/png;base64,{png}\"/>"
        );
    }

    /// Adds text vertically centered on the point; `anchor` is start, middle or end.
    pub fn text(&mut self, text: &str, (x, y): BackendCoord, anchor: &str, class: &str) {
        let y = f64::from(y) / f64::from(UNIT) + 0.35 * FONT;
        let x = units(x);
        self.body += &format!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escape(text)
        );
    }
}

impl DrawingBackend for Svg {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        ((self.width * UNIT).unsigned_abs(), (self.height * UNIT).unsigned_abs())
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        self.path([(x, y), (x + 1, y)], false, class(color));
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        a: BackendCoord,
        b: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let corners = [a, (b.0, a.1), b, (a.0, b.1)];
        if fill {
            return self.fill_polygon(corners, style);
        }
        self.path(corners, true, class(style.color()));
        self.body.push('\n');
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.path(path, false, class(style.color()));
        self.body.push('\n');
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let class = if fill {
            format!("{} filled", class(style.color()))
        } else {
            class(style.color()).to_owned()
        };
        self.circle(center, f64::from(radius) / f64::from(UNIT), &class);
        self.body.push('\n');
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        self.path(corners, true, &format!("{} filled", class(style.color())));
        self.body.push('\n');
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &T,
        (x, y): BackendCoord,
    ) -> Drawn {
        let anchor = match style.anchor().h_pos {
            HPos::Left => "start",
            HPos::Right => "end",
            HPos::Center => "middle",
        };
        let size = style.size() / f64::from(UNIT);
        // Offset from the anchor to the baseline, in em: common fonts rise to 0.95 for letters,
        // 0.72 for capitals.
        let down = match style.anchor().v_pos {
            VPos::Top => 0.95,
            VPos::Center => 0.35,
            VPos::Bottom => -0.32,
        };
        let x = f64::from(x) / f64::from(UNIT);
        let y = f64::from(y) / f64::from(UNIT);
        let turn = match style.transform() {
            FontTransform::None => String::new(),
            FontTransform::Rotate90 => format!(" transform=\"rotate(90 {x:.1} {y:.1})\""),
            FontTransform::Rotate180 => format!(" transform=\"rotate(180 {x:.1} {y:.1})\""),
            FontTransform::Rotate270 => format!(" transform=\"rotate(-90 {x:.1} {y:.1})\""),
        };
        let class = class(style.color());
        let baseline = y + down * size;
        let text = escape(text);
        // Writing to a String cannot fail.
        let _ = writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{baseline:.1}\" text-anchor=\"{anchor}\"{turn}>{text}</text>"
        );
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok(((text_width(text) / FONT * style.size()).ceil() as u32, style.size().ceil() as u32))
    }
}

/// A pixel coordinate as SVG units, with a decimal only if it is not whole.
fn units(pixels: i32) -> String {
    let whole = pixels.div_euclid(UNIT);
    let tenth = pixels.rem_euclid(UNIT);
    if tenth == 0 { whole.to_string() } else { format!("{}", f64::from(pixels) / f64::from(UNIT)) }
}

/// Upper bound on the width of text at the figures' font size, SVG units. The browser's font is
/// unknown.
pub fn text_width(text: &str) -> f64 {
    // Beyond the Latin, Greek and Cyrillic blocks, letters may be as wide as they are high.
    text.chars().map(|c| if (c as u32) < 0x1100 { 0.6 } else { 1.1 }).sum::<f64>() * FONT
}

/// Shortens `text` to at most `width` SVG units; an ellipsis replaces the removed part.
pub fn shorten(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if text_width(&kept) + 0.6 * FONT > width {
            kept.pop();
            break;
        }
    }
    kept.trim_end().to_owned() + "…"
}

/// Escapes text for use as XML content or as an attribute's value.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // XML does not allow control characters.
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
