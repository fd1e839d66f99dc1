//! Converts pictures of any size to the image shape that a trained network expects, and checks
//! whether pictures can be read.

use crate::crop::Crop;
use crate::decode::IN_FULL;
use crate::pictures::Scratch;
use crate::{Images, Pictures};
use fast_image_resize::Resizer;
use rayon::prelude::*;

/// Pictures converted to one shape, and the pictures that could not be read.
#[derive(Debug, Default)]
pub struct Shaped {
    /// In the order of `places`.
    pub images: Images,
    /// Indices of the pictures in `images`.
    pub places: Vec<usize>,
    /// Name and reason of each unreadable picture.
    pub unreadable: Vec<String>,
}

/// Converts the central crop of each picture to the given size, in gray if `channels` is one.
pub fn shaped(pictures: &Pictures, channels: usize, height: usize, width: usize) -> Shaped {
    let mut shaped = Shaped {
        images: Images { channels, height, width, ..Images::default() },
        ..Shaped::default()
    };
    let one = |index: usize| of_one(pictures, index, channels, (width, height));
    let all: Vec<Result<Vec<u8>, String>> = (0..pictures.len()).into_par_iter().map(one).collect();
    let mut pixels = Vec::new();
    for (index, planes) in all.into_iter().enumerate() {
        match planes {
            Ok(planes) => {
                pixels.extend(planes);
                shaped.images.labels.push(pictures.label(index));
                shaped.places.push(index);
            }
            Err(why) => shaped.unreadable.push(format!("{}: {why}", pictures.name(index))),
        }
    }
    shaped.images.pixels = pixels.into();
    shaped
}

fn of_one(
    pictures: &Pictures,
    index: usize,
    channels: usize,
    (width, height): (usize, usize),
) -> Result<Vec<u8>, String> {
    let mut scratch = Scratch::default();
    let source = pictures.pixels(index, &mut scratch, IN_FULL).map_err(|e| e.to_string())?;
    let w = source.width as f64;
    let h = source.height as f64;
    // The largest crop with the aspect ratio of the images.
    let pitch = (w / width as f64).min(h / height as f64);
    let cw = pitch * width as f64;
    let ch = pitch * height as f64;
    let crop = Crop { left: (w - cw) / 2.0, top: (h - ch) / 2.0, width: cw, height: ch };
    let own = source.channels;
    let mut out = vec![0; width * height * own];
    crate::decode::resize(&mut Resizer::new(), source, crop, (width, height), &mut out)?;
    let plane = |c: usize| out.iter().skip(c).step_by(own).copied();
    Ok(match (own, channels) {
        (3, 1) => out.chunks_exact(3).map(|p| gray([p[0], p[1], p[2]])).collect(),
        (1, 3) => [plane(0), plane(0), plane(0)].into_iter().flatten().collect(),
        _ => (0..own).flat_map(plane).collect(),
    })
}

/// Luma after ITU-R 601-2, with the rounding of Pillow's convert("L").
fn gray([r, g, b]: [u8; 3]) -> u8 {
    ((19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 0x8000) >> 16) as u8
}

/// Decodes every picture, and returns the names of unreadable pictures with the reasons.
pub fn unreadable(pictures: &Pictures) -> Vec<String> {
    let one = |scratch: &mut Scratch, index: usize| {
        let failed = pictures.pixels(index, scratch, IN_FULL).err()?;
        Some(format!("{}: {failed}", pictures.name(index)))
    };
    let all = (0..pictures.len()).into_par_iter().map_init(Scratch::default, one);
    all.collect::<Vec<_>>().into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Sample;

    #[test]
    fn a_picture_in_color_becomes_a_gray_image_of_the_wanted_size() {
        let dir = tempfile::tempdir().unwrap();
        let good = dir.path().join("a.png");
        let bad = dir.path().join("b.png");
        let pixels: Vec<u8> = (0..40 * 20).flat_map(|_| [200, 100, 50]).collect();
        std::fs::write(&good, crate::decode::tests_support::png(&pixels, 40, 20)).unwrap();
        std::fs::write(&bad, "").unwrap();
        let samples = [bad, good].map(|file| Sample { file, label: 7 });
        let pictures = Pictures::Files(samples.to_vec());
        let shaped = shaped(&pictures, 1, 8, 8);
        // Pillow: Image.new("RGB", (1, 1), (200, 100, 50)).convert("L") is 124.
        assert_eq!(shaped.images.pixels.to_vec(), [124; 64]);
        assert_eq!((shaped.images.labels, shaped.places), (vec![7], vec![1]));
        assert!(shaped.unreadable[0].ends_with("b.png: is empty"));
        assert_eq!(unreadable(&pictures), shaped.unreadable);
    }
}
