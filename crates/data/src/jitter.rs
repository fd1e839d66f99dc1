//! Color jitter of one picture, on bytes: brightness, contrast and saturation in this order. Each
//! is changed by a random factor between 1 - strength and 1 + strength, as in torchvision's
//! ColorJitter.

use res2lab_random::Key;

/// Luma weights of red, green and blue (ITU-R 601).
const LIGHTNESS: [f32; 3] = [0.299, 0.587, 0.114];

/// Applies color jitter to `pixels` (RGB) in place.
pub fn jitter(pixels: &mut [u8], strength: f64, key: Key) {
    let factor = |counter: u64| (1.0 + strength * (2.0 * key.uniform(counter) - 1.0)) as f32;
    let brightness = factor(0);
    let contrast = factor(1);
    let saturation = factor(2);
    each(pixels, |v| v * brightness);
    let lightness = |p: &[u8]| (0..3).map(|c| LIGHTNESS[c] * f32::from(p[c])).sum::<f32>();
    // Sums of bytes are exact in 64 bits, so the mean does not depend on the order.
    let sums =
        pixels.chunks_exact(3).fold([0_u64; 3], |s, p| [0, 1, 2].map(|c| s[c] + u64::from(p[c])));
    let n = (pixels.len() / 3).max(1) as f32;
    let mean: f32 = (0..3).map(|c| LIGHTNESS[c] * (sums[c] as f32 / n)).sum();
    each(pixels, |v| mean + contrast * (v - mean));
    for pixel in pixels.chunks_exact_mut(3) {
        let gray = lightness(pixel);
        each(pixel, |v| gray + saturation * (v - gray));
    }
}

fn each(pixels: &mut [u8], f: impl Fn(f32) -> f32) {
    pixels.iter_mut().for_each(|v| *v = f(f32::from(*v)).round().clamp(0.0, 255.0) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_strength_changes_nothing_and_gray_stays_gray() {
        let picture: Vec<u8> = (0..300).map(|i| (i * 7 % 256) as u8).collect();
        let mut same = picture.clone();
        jitter(&mut same, 0.0, Key::new(1));
        assert_eq!(same, picture);
        let mut gray: Vec<u8> = (0..100_u8).flat_map(|v| [v, v, v]).collect();
        jitter(&mut gray, 0.4, Key::new(2));
        assert!(gray.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]));
        assert_ne!(gray[297], 99);
    }
}
