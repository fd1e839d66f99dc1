//! A picture as commands of PGF, the graphics of LaTeX: text is set by LaTeX in the fonts of the
//! document that includes the file.

use crate::text_table::latex_text;
use resvg::tiny_skia::PathSegment;
use resvg::usvg::{
    Color, Fill, Group, Node, Paint, Path, Stroke, Text, TextAnchor, Transform, Tree,
};
use std::fmt::Write;

/// Big points per CSS pixel.
const POINTS: f32 = 0.75;

/// The commands under construction.
struct Picture {
    height: f32,
    body: String,
}

/// The picture as PGF; `None` if it holds images.
pub(super) fn of(tree: &Tree, title: &str) -> Option<String> {
    let size = tree.size();
    let mut picture = Picture { height: size.height(), body: String::new() };
    picture.group(tree.root())?;
    let width = size.width() * POINTS;
    let height = size.height() * POINTS;
    let title = title.replace(['\n', '\r'], " ");
    Some(format!(
        "% {title}. Include with \\input; the document needs \\usepackage{{pgf}}.\n\
         \\begingroup%\n\\begin{{pgfpicture}}%\n\
         \\pgfpathrectangle{{\\pgfpointorigin}}{{\\pgfqpoint{{{width:.2}bp}}{{{height:.2}bp}}}}%\n\
         \\pgfusepath{{use as bounding box}}%\n{}\\end{{pgfpicture}}%\n\\endgroup%\n",
        picture.body
    ))
}

impl Picture {
    fn group(&mut self, group: &Group) -> Option<()> {
        let is_faded = group.opacity().get() < 1.0;
        if is_faded {
            let opacity = group.opacity().get();
            self.line(&format!(
                "\\begin{{pgfscope}}\\pgfsetfillopacity{{{opacity:.2}}}\\pgfsetstrokeopacity{{{opacity:.2}}}"
            ));
        }
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(group)?,
                Node::Path(path) if path.is_visible() => self.path(path),
                Node::Path(_) => {}
                Node::Text(text) => self.text(text),
                Node::Image(_) => return None,
            }
        }
        if is_faded {
            self.line("\\end{pgfscope}");
        }
        Some(())
    }

    fn line(&mut self, text: &str) {
        // Writing to a String cannot fail. The comment sign keeps spaces out of the document.
        let _ = writeln!(self.body, "{text}%");
    }

    fn point(&self, transform: Transform, x: f32, y: f32) -> String {
        let mut point = resvg::tiny_skia::Point::from_xy(x, y);
        transform.map_point(&mut point);
        let x = point.x * POINTS;
        let y = (self.height - point.y) * POINTS;
        format!("\\pgfqpoint{{{x:.3}bp}}{{{y:.3}bp}}")
    }

    fn path(&mut self, path: &Path) {
        let transform = path.abs_transform();
        self.line("\\begin{pgfscope}");
        for segment in path.data().segments() {
            let at = |p: resvg::tiny_skia::Point| self.point(transform, p.x, p.y);
            let command = match segment {
                PathSegment::MoveTo(p) => format!("\\pgfpathmoveto{{{}}}", at(p)),
                PathSegment::LineTo(p) => format!("\\pgfpathlineto{{{}}}", at(p)),
                PathSegment::QuadTo(a, p) => {
                    format!("\\pgfpathquadraticcurveto{{{}}}{{{}}}", at(a), at(p))
                }
                PathSegment::CubicTo(a, b, p) => {
                    format!("\\pgfpathcurveto{{{}}}{{{}}}{{{}}}", at(a), at(b), at(p))
                }
                PathSegment::Close => "\\pgfpathclose".to_owned(),
            };
            self.line(&command);
        }
        let fill = path.fill().map(|fill| self.fill(fill)).is_some();
        let stroke = path.stroke().map(|stroke| self.stroke(stroke)).is_some();
        let uses = match (fill, stroke) {
            (true, true) => "fill,stroke",
            (true, false) => "fill",
            (false, true) => "stroke",
            (false, false) => "discard",
        };
        self.line(&format!("\\pgfusepath{{{uses}}}"));
        self.line("\\end{pgfscope}");
    }

    fn fill(&mut self, fill: &Fill) {
        self.color("fill", fill.paint());
        if fill.opacity().get() < 1.0 {
            self.line(&format!("\\pgfsetfillopacity{{{:.2}}}", fill.opacity().get()));
        }
    }

    fn stroke(&mut self, stroke: &Stroke) {
        self.color("stroke", stroke.paint());
        self.line(&format!("\\pgfsetlinewidth{{{:.2}bp}}", stroke.width().get() * POINTS));
        if stroke.opacity().get() < 1.0 {
            self.line(&format!("\\pgfsetstrokeopacity{{{:.2}}}", stroke.opacity().get()));
        }
        if let Some(dashes) = stroke.dasharray() {
            let lengths: String =
                dashes.iter().map(|d| format!("{{{:.2}bp}}", d * POINTS)).collect();
            self.line(&format!("\\pgfsetdash{{{lengths}}}{{0bp}}"));
        }
    }

    fn color(&mut self, of: &str, paint: &Paint) {
        let color = match paint {
            Paint::Color(color) => *color,
            // The figures have no gradients or patterns.
            _ => Color::black(),
        };
        self.line(&rgb(color));
        self.line(&format!("\\pgfset{of}color{{res2lab}}"));
    }

    fn text(&mut self, text: &Text) {
        for chunk in text.chunks() {
            let transform = text.abs_transform();
            let mut at = resvg::tiny_skia::Point::from_xy(
                chunk.x().unwrap_or_default(),
                chunk.y().unwrap_or_default(),
            );
            transform.map_point(&mut at);
            let side = match chunk.anchor() {
                TextAnchor::Start => "left,",
                TextAnchor::Middle => "",
                TextAnchor::End => "right,",
            };
            // SVG turns clockwise, PGF the other way round.
            let turn = -transform.ky.atan2(transform.sx).to_degrees();
            let turn = if turn.abs() < 0.01 { String::new() } else { format!("rotate={turn:.1},") };
            let Some(span) = chunk.spans().first() else { continue };
            let size = span.font_size().get() * POINTS;
            let color = match span.fill().map(Fill::paint) {
                Some(Paint::Color(color)) => *color,
                _ => Color::black(),
            };
            let x = at.x * POINTS;
            let y = (self.height - at.y) * POINTS;
            let words = latex_text(chunk.text());
            let opacity = span.fill().map_or(1.0, |fill| fill.opacity().get());
            if opacity < 1.0 {
                self.line(&format!("\\begin{{pgfscope}}\\pgfsetfillopacity{{{opacity:.2}}}"));
            }
            self.line(&rgb(color));
            self.line(&format!(
                "\\pgftext[x={x:.2}bp,y={y:.2}bp,{side}{turn}base]{{\\color{{res2lab}}\\fontsize{{{size:.1}bp}}{{{:.1}bp}}\\selectfont {words}}}",
                1.2 * size
            ));
            if opacity < 1.0 {
                self.line("\\end{pgfscope}");
            }
        }
    }
}

fn rgb(color: Color) -> String {
    let part = |of: u8| f32::from(of) / 255.0;
    let red = part(color.red);
    let green = part(color.green);
    let blue = part(color.blue);
    format!("\\definecolor{{res2lab}}{{rgb}}{{{red:.3},{green:.3},{blue:.3}}}")
}
