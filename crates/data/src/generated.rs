//! Generated images for smoke tests. Each class has its own pattern under noise, so that any
//! network separates the classes after a few steps.

use crate::{Images, Split};
use res2lab_random::Key;

/// Generates `count` RGB images of `size` x `size` pixels; the classes alternate.
pub fn generate(split: Split, count: usize, classes: usize, size: usize) -> Images {
    let key = Key::new(7).named("generated").with(u64::from(split == Split::Test));
    let mut pixels = Vec::with_capacity(count * 3 * size * size);
    for index in 0..count {
        let class = (index % classes) as u64;
        let noise = key.with(index as u64);
        let pattern = Key::new(7).named("pattern").with(class);
        for channel in 0..3_u64 {
            // A wave with one to three periods, so that the class can be recognized in crops.
            let [fx, fy] = [0, 1].map(|axis| 1.0 + 2.0 * pattern.uniform(4 * channel + axis));
            let phase = pattern.uniform(4 * channel + 2);
            let level = 60.0 + 130.0 * pattern.uniform(4 * channel + 3);
            for i in 0..size * size {
                let x = (i % size) as f64 / size as f64;
                let y = (i / size) as f64 / size as f64;
                let wave = (std::f64::consts::TAU * (fx * x + fy * y + phase)).sin();
                let grain = noise.uniform(channel * (size * size) as u64 + i as u64) - 0.5;
                pixels.push((level + 40.0 * wave + 50.0 * grain).clamp(0.0, 255.0) as u8);
            }
        }
    }
    let labels = (0..count).map(|i| (i % classes) as u32).collect();
    Images { channels: 3, height: size, width: size, pixels: pixels.into(), labels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_differ_more_than_images_of_one() {
        let images = generate(Split::Train, 8, 4, 16);
        let image = |i: usize| &images.pixels[i * 768..(i + 1) * 768];
        let distance = |a: usize, b: usize| {
            image(a).iter().zip(image(b)).map(|(&x, &y)| f64::from(x.abs_diff(y))).sum::<f64>()
        };
        assert!(distance(0, 1) > 1.5 * distance(0, 4));
        assert_ne!(*generate(Split::Test, 1, 4, 16).pixels, *image(0));
    }
}
