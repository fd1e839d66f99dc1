//! Affine maps of a picture, with Pillow's rules: a pixel of the result is read where its center
//! comes from, and is filled if that lies outside.

use super::{Canvas, Interpolation};

/// The map from places of the result to places of the source: x' = a x + b y + c, y' = d x + e y +
/// f.
pub(super) struct Affine(pub [f64; 6]);

impl Affine {
    /// A rotation about the center of a picture.
    pub(super) fn rotation(degrees: f64, width: f64, height: f64) -> Affine {
        let angle = -degrees.to_radians();
        let (sin, cos) = angle.sin_cos();
        let [x, y] = [width / 2.0, height / 2.0];
        Affine([cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y])
    }

    /// Maps a picture in place.
    pub(super) fn apply(&self, canvas: &mut Canvas, fill: [u8; 3], interpolation: Interpolation) {
        let source =
            Source { pixels: canvas.pixels.to_vec(), width: canvas.width, height: canvas.height() };
        let [a, b, c, d, e, f] = self.0;
        for (i, pixel) in canvas.pixels.chunks_exact_mut(3).enumerate() {
            let x = (i % source.width) as f64 + 0.5;
            let y = (i / source.width) as f64 + 0.5;
            let [x, y] = [a * x + b * y + c, d * x + e * y + f];
            let is_inside =
                x >= 0.0 && y >= 0.0 && x < source.width as f64 && y < source.height as f64;
            let value = match interpolation {
                _ if !is_inside => fill,
                Interpolation::Bicubic => source.bicubic(x - 0.5, y - 0.5),
                _ => source.bilinear(x - 0.5, y - 0.5),
            };
            pixel.copy_from_slice(&value);
        }
    }
}

/// The picture before.
struct Source {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
}

impl Source {
    /// A value; the nearest one beyond the edge.
    fn at(&self, x: i64, y: i64, channel: usize) -> f64 {
        let x = x.clamp(0, self.width as i64 - 1) as usize;
        let y = y.clamp(0, self.height as i64 - 1) as usize;
        f64::from(self.pixels[3 * (y * self.width + x) + channel])
    }

    fn bilinear(&self, x: f64, y: f64) -> [u8; 3] {
        let [left, top] = [x.floor(), y.floor()];
        let [dx, dy] = [x - left, y - top];
        let [left, top] = [left as i64, top as i64];
        [0, 1, 2].map(|channel| {
            let row = |y: i64| {
                let [a, b] = [0, 1].map(|i| self.at(left + i, y, channel));
                a + (b - a) * dx
            };
            let [upper, lower] = [row(top), row(top + 1)];
            (upper + (lower - upper) * dy) as u8
        })
    }

    fn bicubic(&self, x: f64, y: f64) -> [u8; 3] {
        let [left, top] = [x.floor(), y.floor()];
        let [dx, dy] = [x - left, y - top];
        let [left, top] = [left as i64, top as i64];
        [0, 1, 2].map(|channel| {
            let row = |y: i64| cubic([-1, 0, 1, 2].map(|i| self.at(left + i, y, channel)), dx);
            cubic([-1, 0, 1, 2].map(|i| row(top + i)), dy).clamp(0.0, 255.0) as u8
        })
    }
}

/// The cubic convolution of four neighbors with a = -1, at `d` after the second.
fn cubic([v1, v2, v3, v4]: [f64; 4], d: f64) -> f64 {
    let linear = v3 - v1;
    let square = 2.0 * (v1 - v2) + v3 - v4;
    let cube = -v1 + v2 - v3 + v4;
    v2 + d * (linear + d * (square + d * cube))
}
