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
        let source = Source::new(canvas);
        match interpolation {
            Interpolation::Bicubic => self.map(canvas, fill, |x, y| source.bicubic(x, y)),
            _ => self.map(canvas, fill, |x, y| source.bilinear(x, y)),
        }
    }

    /// Overwrites each pixel by what `read` gives for the place that it comes from.
    fn map(&self, canvas: &mut Canvas, fill: [u8; 3], read: impl Fn(f64, f64) -> [u8; 3]) {
        let [a, b, c, d, e, f] = self.0;
        let [width, height] = [canvas.width as f64, canvas.height() as f64];
        for (row, line) in canvas.pixels.chunks_exact_mut(3 * canvas.width).enumerate() {
            let y = row as f64 + 0.5;
            for (column, pixel) in line.chunks_exact_mut(3).enumerate() {
                let x = column as f64 + 0.5;
                let from_x = a * x + b * y + c;
                let from_y = d * x + e * y + f;
                let is_inside = from_x >= 0.0 && from_y >= 0.0 && from_x < width && from_y < height;
                let value = if is_inside { read(from_x - 0.5, from_y - 0.5) } else { fill };
                pixel.copy_from_slice(&value);
            }
        }
    }
}

/// The picture before.
struct Source {
    /// With one byte more, so that four bytes can be read at each pixel.
    pixels: Vec<u8>,
    width: usize,
    height: usize,
}

/// The channels of a pixel, and a fourth value that nobody uses: four are computed as fast as three.
type Values = [f64; 4];

/// The whole number below a place from -0.5 on, and the distance from there.
fn split(place: f64) -> (i32, f64) {
    // Rounding to zero is faster than `floor` where the processor has no instruction for it.
    let whole = place as i32 - i32::from(place < 0.0);
    (whole, place - f64::from(whole))
}

// With calls, bicubic maps take twice as long.
#[inline(always)]
fn each(f: impl Fn(usize) -> f64) -> Values {
    [f(0), f(1), f(2), f(3)]
}

fn to_bytes(values: Values) -> [u8; 3] {
    [0, 1, 2].map(|channel| values[channel] as i32 as u8)
}

impl Source {
    fn new(canvas: &Canvas) -> Source {
        let mut pixels = Vec::with_capacity(canvas.pixels.len() + 1);
        pixels.extend_from_slice(canvas.pixels);
        pixels.push(0);
        Source { pixels, width: canvas.width, height: canvas.height() }
    }

    /// The first byte of a row; of the nearest one beyond the edge.
    fn row(&self, y: i32) -> usize {
        3 * self.width * y.clamp(0, self.height as i32 - 1) as usize
    }

    /// The first byte of a column within a row; of the nearest one beyond the edge.
    fn column(&self, x: i32) -> usize {
        3 * x.clamp(0, self.width as i32 - 1) as usize
    }

    fn at(&self, byte: usize) -> Values {
        let four = &self.pixels[byte..byte + 4];
        [four[0], four[1], four[2], four[3]].map(f64::from)
    }

    fn bilinear(&self, x: f64, y: f64) -> [u8; 3] {
        let (left, dx) = split(x);
        let (top, dy) = split(y);
        let columns = [left, left + 1].map(|x| self.column(x));
        let line = |y: i32| {
            let row = self.row(y);
            if dx == 0.0 {
                return self.at(row + columns[0]);
            }
            let [a, b] = columns.map(|column| self.at(row + column));
            each(|i| a[i] + (b[i] - a[i]) * dx)
        };
        let upper = line(top);
        // As in each row of a horizontal shear, whose lower pixels have no weight.
        if dy == 0.0 {
            return to_bytes(upper);
        }
        let lower = line(top + 1);
        to_bytes(each(|i| upper[i] + (lower[i] - upper[i]) * dy))
    }

    fn bicubic(&self, x: f64, y: f64) -> [u8; 3] {
        let (left, dx) = split(x);
        let (top, dy) = split(y);
        let columns = [-1, 0, 1, 2].map(|i| self.column(left + i));
        let line = |y: i32| {
            let row = self.row(y);
            if dx == 0.0 {
                return self.at(row + columns[1]);
            }
            let near = columns.map(|column| self.at(row + column));
            each(|i| cubic([near[0][i], near[1][i], near[2][i], near[3][i]], dx))
        };
        let values = if dy == 0.0 {
            line(top)
        } else {
            let near = [-1, 0, 1, 2].map(|i| line(top + i));
            each(|i| cubic([near[0][i], near[1][i], near[2][i], near[3][i]], dy))
        };
        to_bytes(values.map(|value| value.clamp(0.0, 255.0)))
    }
}

/// The cubic convolution of four neighbors with a = -1, at `d` after the second.
#[inline(always)]
fn cubic([v1, v2, v3, v4]: [f64; 4], d: f64) -> f64 {
    let linear = v3 - v1;
    let square = 2.0 * (v1 - v2) + v3 - v4;
    let cube = -v1 + v2 - v3 + v4;
    v2 + d * (linear + d * (square + d * cube))
}
