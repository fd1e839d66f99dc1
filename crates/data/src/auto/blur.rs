//! Gaussian blur by three box blurs in each direction (Gwosdek et al. 2011), as Pillow's.

use super::Canvas;

const PASSES: f32 = 3.0;
/// The weights of a box are integers with this sum.
const ONE: f32 = (1 << 24) as f32;

/// Blurs with a standard deviation of `radius` pixels.
pub(super) fn gaussian(canvas: &mut Canvas, radius: f64) {
    let radius = box_radius(radius as f32);
    if radius <= 0.0 {
        return;
    }
    let [width, height] = [canvas.width, canvas.height()];
    for channel in 0..3 {
        for y in 0..height {
            let at = |x: usize| 3 * (y * width + x) + channel;
            line(canvas.pixels, width, at, radius);
        }
    }
    for channel in 0..3 {
        for x in 0..width {
            let at = |y: usize| 3 * (y * width + x) + channel;
            line(canvas.pixels, height, at, radius);
        }
    }
}

/// The radius of the boxes, whose fraction is the weight of the pixels at their ends.
fn box_radius(radius: f32) -> f32 {
    let variance = radius * radius / PASSES;
    let length = (12.0 * variance + 1.0).sqrt();
    let whole = ((length - 1.0) / 2.0).floor();
    let fraction = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance)
        / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)));
    whole + fraction
}

/// Blurs one line three times; beyond its ends it goes on with its last values.
fn line(pixels: &mut [u8], length: usize, at: impl Fn(usize) -> usize, radius: f32) {
    let whole = radius as i64;
    let weight = (ONE / (radius * 2.0 + 1.0)) as u64;
    let end_weight = ((1_u64 << 24) - (2 * whole as u64 + 1) * weight) / 2;
    let mut values: Vec<u64> = (0..length).map(|i| u64::from(pixels[at(i)])).collect();
    for _ in 0..PASSES as usize {
        let value = |i: i64| values[i.clamp(0, length as i64 - 1) as usize];
        let blurred = |i: usize| {
            let i = i as i64;
            let inner: u64 = (i - whole..=i + whole).map(value).sum();
            let ends = value(i - whole - 1) + value(i + whole + 1);
            (inner * weight + ends * end_weight + (1 << 23)) >> 24
        };
        values = (0..length).map(blurred).collect();
    }
    for (i, value) in values.into_iter().enumerate() {
        pixels[at(i)] = value as u8;
    }
}
