//! Operations on colors, with Pillow's arithmetic.

use super::Canvas;

/// Replaces each value.
pub(super) fn each(pixels: &mut [u8], f: impl Fn(u8) -> u8) {
    pixels.iter_mut().for_each(|v| *v = f(*v));
}

/// Replaces each value of a channel by that of its table.
fn look_up(pixels: &mut [u8], tables: &[[u8; 256]; 3]) {
    for pixel in pixels.chunks_exact_mut(3) {
        for (v, table) in pixel.iter_mut().zip(tables) {
            *v = table[usize::from(*v)];
        }
    }
}

/// What a value becomes, for all values.
fn table(f: impl Fn(u8) -> u8) -> [u8; 256] {
    std::array::from_fn(|v| f(v as u8))
}

/// The value at `factor` on the way from `a` to `b`, or beyond; fractions are cut off.
fn blend(a: u8, b: u8, factor: f64) -> u8 {
    let factor = factor as f32;
    let value = f32::from(a) + factor * (f32::from(b) - f32::from(a));
    value.clamp(0.0, 255.0) as u8
}

/// The lightness of a pixel (ITU-R 601) in units of 2^-16, rounded.
pub(crate) fn gray(pixel: &[u8]) -> u8 {
    let weighed = 19595 * u32::from(pixel[0]) + 38470 * u32::from(pixel[1]);
    ((weighed + 7471 * u32::from(pixel[2]) + 0x8000) >> 16) as u8
}

/// Moves each pixel towards its lightness, or away from it.
pub(crate) fn color(pixels: &mut [u8], factor: f64) {
    for pixel in pixels.chunks_exact_mut(3) {
        let gray = gray(pixel);
        each(pixel, |v| blend(gray, v, factor));
    }
}

/// Moves each value towards black, or away from it.
pub(super) fn brightness(pixels: &mut [u8], factor: f64) {
    look_up(pixels, &[table(|v| blend(0, v, factor)); 3]);
}

/// Moves each value towards the mean lightness, or away from it.
pub(super) fn contrast(pixels: &mut [u8], factor: f64) {
    let sum: u64 = pixels.chunks_exact(3).map(|pixel| u64::from(gray(pixel))).sum();
    let mean = sum as f64 / (pixels.len() / 3).max(1) as f64;
    let mean = (mean + 0.5) as u8;
    look_up(pixels, &[table(|v| blend(mean, v, factor)); 3]);
}

/// Moves each value towards a weighted mean with its neighbors, or away from it. The edge has no
/// such mean.
pub(super) fn sharpness(canvas: &mut Canvas, factor: f64) {
    let row = 3 * canvas.width;
    if canvas.width < 3 {
        return;
    }
    let inner = row - 6;
    let from = canvas.pixels.to_vec();
    let mut sums = vec![0_u16; inner];
    for y in 1..canvas.height().saturating_sub(1) {
        let line = |above: usize, left: usize| &from[(y - 1 + above) * row + 3 * left..][..inner];
        let center = line(1, 1);
        sums.iter_mut().zip(center).for_each(|(sum, v)| *sum = 4 * u16::from(*v));
        for i in 0..9 {
            sums.iter_mut().zip(line(i / 3, i % 3)).for_each(|(sum, v)| *sum += u16::from(*v));
        }
        let out = &mut canvas.pixels[y * row + 3..][..inner];
        for ((out, sum), v) in out.iter_mut().zip(&sums).zip(center) {
            let smooth = f32::from(*sum) / 13.0;
            *out = blend((smooth + 0.5) as u8, *v, factor);
        }
    }
}

/// Stretches each channel to the whole range.
pub(super) fn auto_contrast(pixels: &mut [u8]) {
    let mut low = [255; 3];
    let mut high = [0; 3];
    for pixel in pixels.chunks_exact(3) {
        for channel in 0..3 {
            low[channel] = pixel[channel].min(low[channel]);
            high[channel] = pixel[channel].max(high[channel]);
        }
    }
    let tables = [0, 1, 2].map(|channel| {
        if high[channel] <= low[channel] {
            return table(|v| v);
        }
        let scale = 255.0 / f64::from(high[channel] - low[channel]);
        let offset = -f64::from(low[channel]) * scale;
        table(|v| (f64::from(v) * scale + offset).clamp(0.0, 255.0) as u8)
    });
    look_up(pixels, &tables);
}

/// Spreads the values of each channel so that all become about equally frequent.
pub(super) fn equalize(pixels: &mut [u8]) {
    for channel in 0..3 {
        let mut counts = [0_usize; 256];
        pixels.iter().skip(channel).step_by(3).for_each(|&v| counts[usize::from(v)] += 1);
        let last = counts.iter().rfind(|&&count| count > 0).copied().unwrap_or(0);
        let step = (counts.iter().sum::<usize>() - last) / 255;
        if step == 0 {
            continue;
        }
        let mut below = step / 2;
        let map = counts.map(|count| {
            let value = (below / step).min(255) as u8;
            below += count;
            value
        });
        pixels.iter_mut().skip(channel).step_by(3).for_each(|v| *v = map[usize::from(*v)]);
    }
}
