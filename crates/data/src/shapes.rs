//! Generated images with known object scale: one textured shape per image, of random size and
//! position, among clutter. The class depends on fine detail (the texture) and on extent (the
//! outline).

use crate::{Images, Split};
use res2lab_random::Key;

/// The number of outlines times the number of textures.
pub const CLASSES: usize = 8;
/// Names of the classes, outline first.
pub const NAMES: [&str; CLASSES] = [
    "disc, stripes",
    "disc, checks",
    "square, stripes",
    "square, checks",
    "triangle, stripes",
    "triangle, checks",
    "cross, stripes",
    "cross, checks",
];
/// Bounds of the object-size groups, percent of the image's side. Sizes are uniform between the
/// first and the last bound.
pub const SIZES: [u32; 5] = [20, 35, 50, 70, 90];
/// Width of a stripe and side of a check, pixels.
const TEXEL: i64 = 2;
const MOST_CLUTTER: u64 = 6;

/// The generative factors of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Side of the object's bounding square.
    pub object_px: f64,
    /// Center of the object.
    pub x_px: f64,
    pub y_px: f64,
    /// Number of bars in the background.
    pub clutter: u64,
}

/// The factors of an image, which depend on its split and index only.
pub fn factors(split: Split, index: usize, side: usize) -> Factors {
    let key = key(split, index);
    let least = f64::from(SIZES[0]) / 100.0;
    let most = f64::from(SIZES[4]) / 100.0;
    let object_px = side as f64 * (least + (most - least) * key.uniform(0));
    let place = |counter: u64| object_px / 2.0 + (side as f64 - object_px) * key.uniform(counter);
    Factors { object_px, x_px: place(1), y_px: place(2), clutter: key.below(3, MOST_CLUTTER + 1) }
}

/// The group of [`SIZES`] to which an object belongs.
pub fn size_group(object_px: f64, side: usize) -> usize {
    let percent = 100.0 * object_px / side as f64;
    SIZES[1..4].iter().filter(|edge| percent >= f64::from(**edge)).count()
}

fn key(split: Split, index: usize) -> Key {
    Key::new(11).named("shapes").with(u64::from(split == Split::Test)).with(index as u64)
}

/// Generates `count` gray images of `side` x `side` pixels; the classes alternate.
pub fn generate(split: Split, count: usize, side: usize) -> Images {
    let mut pixels = Vec::with_capacity(count * side * side);
    (0..count).for_each(|index| pixels.extend(draw(split, index, side)));
    let labels = (0..count).map(|i| (i % CLASSES) as u32).collect();
    Images { channels: 1, height: side, width: side, pixels: pixels.into(), labels }
}

fn draw(split: Split, index: usize, side: usize) -> Vec<u8> {
    let key = key(split, index);
    let found = factors(split, index, side);
    let class = index % CLASSES;
    // A random phase, so that the texture is not aligned with the object's edge.
    let [dx, dy] = [4, 5].map(|counter| key.below(counter, 2 * TEXEL as u64) as i64);
    let half = found.object_px / 2.0;
    let mut image: Vec<f64> =
        (0..side * side).map(|i| 80.0 + 130.0 * (key.uniform(1000 + i as u64) - 0.5)).collect();
    (0..found.clutter).for_each(|bar| lay_bar(&mut image, side, key.named("bar").with(bar)));
    for (i, pixel) in image.iter_mut().enumerate() {
        let x = i % side;
        let y = i / side;
        let u = (x as f64 + 0.5 - found.x_px) / half;
        let v = (y as f64 + 0.5 - found.y_px) / half;
        if is_inside(class / 2, u, v) {
            let column = (x as i64 + dx) / TEXEL;
            let row = (y as i64 + dy) / TEXEL;
            let is_light = (column + if class.is_multiple_of(2) { 0 } else { row }) % 2 == 0;
            *pixel += if is_light { 90.0 } else { 20.0 };
        }
    }
    image.into_iter().map(|v| v.clamp(0.0, 255.0) as u8).collect()
}

/// Whether a point is inside an outline in the square from -1 to 1; u points right, v down.
fn is_inside(outline: usize, u: f64, v: f64) -> bool {
    match outline {
        0 => u * u + v * v <= 1.0,
        1 => u.abs().max(v.abs()) <= 0.9,
        2 => v <= 1.0 && u.abs() <= (v + 1.0) / 2.0,
        _ => u.abs().min(v.abs()) <= 0.33 && u.abs().max(v.abs()) <= 1.0,
    }
}

/// Draws a short bar at a random position, as bright as the shapes.
fn lay_bar(image: &mut [f64], side: usize, key: Key) {
    let at = |counter: u64| side as f64 * key.uniform(counter);
    let x = at(0);
    let y = at(1);
    let turn = std::f64::consts::TAU * key.uniform(2);
    let length = side as f64 * (0.1 + 0.15 * key.uniform(3));
    for step in 0..(2.0 * length) as usize {
        let d = step as f64 / 2.0;
        let column = (x + d * turn.cos()) as usize;
        let row = (y + d * turn.sin()) as usize;
        if column < side && row < side {
            image[row * side + column] = 170.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_follow_from_their_place_alone_and_splits_differ() {
        let few = generate(Split::Train, 4, 32);
        let more = generate(Split::Train, 16, 32);
        assert_eq!(*few.pixels, more.pixels[..few.pixels.len()]);
        assert_ne!(few.pixels, generate(Split::Test, 4, 32).pixels);
        assert_eq!(more.labels[8..16], more.labels[..8]);
    }

    #[test]
    fn objects_lie_within_the_image_and_every_size_occurs_in_every_class() {
        let mut seen = [[0; CLASSES]; 4];
        for i in 0..4000 {
            let f = factors(Split::Test, i, 48);
            let half = f.object_px / 2.0;
            assert!([f.x_px, f.y_px].iter().all(|c| c - half >= -1e-9 && c + half <= 48.0 + 1e-9));
            assert!(f.clutter <= MOST_CLUTTER);
            seen[size_group(f.object_px, 48)][i % CLASSES] += 1;
        }
        assert!(seen.iter().flatten().all(|&n| n > 50), "{seen:?}");
        assert_eq!([19.0, 34.9, 35.0, 69.0, 71.0].map(|px| size_group(px, 100)), [0, 0, 1, 2, 3]);
    }

    #[test]
    fn a_large_object_is_drawn_where_its_factors_say() {
        let i = (0..)
            .find(|&i| i % CLASSES == 3 && factors(Split::Train, i, 32).object_px > 24.0)
            .unwrap();
        let image = draw(Split::Train, i, 32);
        let f = factors(Split::Train, i, 32);
        let inside = |x: usize, y: usize| {
            let within = |c: f64, at: usize| (at as f64 + 0.5 - c).abs() < f.object_px / 2.0 - 2.0;
            within(f.x_px, x) && within(f.y_px, y)
        };
        let mean = |wanted: bool| {
            let values = (0..32 * 32)
                .filter(|i| inside(i % 32, i / 32) == wanted)
                .map(|i| f64::from(image[i]));
            let (sum, n) = values.fold((0.0, 0), |(sum, n), v| (sum + v, n + 1));
            sum / f64::from(n)
        };
        assert!(mean(true) > mean(false) + 20.0, "{} {}", mean(true), mean(false));
    }
}
