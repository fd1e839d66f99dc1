//! Operations on colors, with Pillow's arithmetic.

use super::Canvas;

/// Replaces each value.
pub(super) fn each(pixels: &mut [u8], f: impl Fn(u8) -> u8) {
    pixels.iter_mut().for_each(|v| *v = f(*v));
}

/// The value at `factor` on the way from `a` to `b`, or beyond; fractions are cut off.
pub(super) fn blend(a: u8, b: u8, factor: f64) -> u8 {
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

/// Moves each value towards the mean lightness, or away from it.
pub(super) fn contrast(pixels: &mut [u8], factor: f64) {
    let sum: u64 = pixels.chunks_exact(3).map(|pixel| u64::from(gray(pixel))).sum();
    let mean = sum as f64 / (pixels.len() / 3).max(1) as f64;
    let mean = (mean + 0.5) as u8;
    each(pixels, |v| blend(mean, v, factor));
}

/// Moves each value towards a weighted mean with its neighbors, or away from it. The edge has no
/// such mean.
pub(super) fn sharpness(canvas: &mut Canvas, factor: f64) {
    let row = 3 * canvas.width;
    let from = canvas.pixels.to_vec();
    for y in 1..canvas.height().saturating_sub(1) {
        for i in y * row + 3..(y + 1) * row - 3 {
            let around = [
                i - row - 3,
                i - row,
                i - row + 3,
                i - 3,
                i + 3,
                i + row - 3,
                i + row,
                i + row + 3,
            ];
            let sum: u32 = around.iter().map(|&at| u32::from(from[at])).sum();
            let smooth = (sum + 5 * u32::from(from[i])) as f32 / 13.0;
            canvas.pixels[i] = blend((smooth + 0.5) as u8, from[i], factor);
        }
    }
}

/// Stretches each channel to the whole range.
pub(super) fn auto_contrast(pixels: &mut [u8]) {
    for channel in 0..3 {
        let values = || pixels.iter().skip(channel).step_by(3).copied();
        let (Some(low), Some(high)) = (values().min(), values().max()) else { continue };
        if high <= low {
            continue;
        }
        let scale = 255.0 / f64::from(high - low);
        let offset = -f64::from(low) * scale;
        let map = |v: u8| (f64::from(v) * scale + offset).clamp(0.0, 255.0) as u8;
        pixels.iter_mut().skip(channel).step_by(3).for_each(|v| *v = map(*v));
    }
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
