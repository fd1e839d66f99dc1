//! Crop geometry as in torchvision: RandomResizedCrop for training, Resize and CenterCrop for
//! evaluation. Coordinates are pixels of the picture before resizing.

use res2lab_random::Key;

/// A rectangle in pixel coordinates of the picture; edges may lie between pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

/// Ranges of a random crop, lower and upper bound: share of the picture's area, and ratio of width
/// to height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CropRange {
    pub scale: [f64; 2],
    pub ratio: [f64; 2],
}

impl Crop {
    /// The crop that covers the whole picture.
    pub fn whole(width: usize, height: usize) -> Crop {
        Crop { left: 0.0, top: 0.0, width: width as f64, height: height as f64 }
    }

    /// The same crop in a picture of size `own` that was decoded at size `decoded`.
    pub fn reduced(self, own: (usize, usize), decoded: (usize, usize)) -> Crop {
        let x = decoded.0 as f64 / own.0 as f64;
        let y = decoded.1 as f64 / own.1 as f64;
        Crop {
            left: self.left * x,
            top: self.top * y,
            width: self.width * x,
            height: self.height * y,
        }
    }

    /// The largest power of two, up to 8, by which the picture can be reduced while the crop keeps
    /// at least `size` pixels per side.
    pub fn reduction(self, size: usize) -> usize {
        let room = self.width.min(self.height) / size as f64;
        [8, 4, 2].into_iter().find(|&factor| room >= factor as f64).unwrap_or(1)
    }
}

/// Draws a random crop: up to ten attempts with random area and ratio, then the largest central
/// crop with an allowed ratio (torchvision's RandomResizedCrop).
pub fn random(width: usize, height: usize, range: CropRange, key: Key) -> Crop {
    let w = width as f64;
    let h = height as f64;
    let between = |counter: u64, [low, high]: [f64; 2]| low + (high - low) * key.uniform(counter);
    for attempt in 0..10 {
        let area = w * h * between(4 * attempt, range.scale);
        let ratio = between(4 * attempt + 1, range.ratio.map(f64::ln)).exp();
        let cw = (area * ratio).sqrt().round_ties_even();
        let ch = (area / ratio).sqrt().round_ties_even();
        if cw >= 1.0 && ch >= 1.0 && cw <= w && ch <= h {
            let top = key.below(4 * attempt + 2, (h - ch) as u64 + 1) as f64;
            let left = key.below(4 * attempt + 3, (w - cw) as u64 + 1) as f64;
            return Crop { left, top, width: cw, height: ch };
        }
    }
    let ratio = w / h;
    let (cw, ch) = if ratio < range.ratio[0] {
        (w, (w / range.ratio[0]).round_ties_even())
    } else if ratio > range.ratio[1] {
        ((h * range.ratio[1]).round_ties_even(), h)
    } else {
        (w, h)
    };
    Crop { left: ((w - cw) / 2.0).floor(), top: ((h - ch) / 2.0).floor(), width: cw, height: ch }
}

/// The central `size` x `size` crop of the picture after its short side was resized to `resize`
/// (torchvision's Resize and CenterCrop).
pub fn central(width: usize, height: usize, resize: usize, size: usize) -> Crop {
    let short = width.min(height);
    let long_to = (resize as f64 * width.max(height) as f64 / short as f64) as usize;
    let (to_w, to_h) = if width <= height { (resize, long_to) } else { (long_to, resize) };
    // The resized picture is not computed; its pixels map to the original at this pitch.
    let pitch_x = width as f64 / to_w as f64;
    let pitch_y = height as f64 / to_h as f64;
    let margin = |to: usize| ((to as f64 - size as f64) / 2.0).round_ties_even();
    Crop {
        left: margin(to_w) * pitch_x,
        top: margin(to_h) * pitch_y,
        width: size as f64 * pitch_x,
        height: size as f64 * pitch_y,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: CropRange = CropRange { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] };

    #[test]
    fn random_parts_have_torchvisions_distribution() {
        // Reference: 100,000 crops of 500 x 375 by torchvision 0.28 (RandomResizedCrop.get_params).
        // Means of area / whole, width / height, left and top; and the deciles of the area.
        let theirs = REFERENCE;
        let n = 10_000;
        let crops: Vec<Crop> =
            (0..n).map(|i| random(500, 375, RANGE, Key::new(1).with(i))).collect();
        let mean = |f: &dyn Fn(&Crop) -> f64| crops.iter().map(f).sum::<f64>() / n as f64;
        let area = |c: &Crop| c.width * c.height / (500.0 * 375.0);
        let ours =
            [mean(&area), mean(&|c| c.width / c.height), mean(&|c| c.left), mean(&|c| c.top)];
        for (ours, (theirs, deviation)) in ours.into_iter().zip(theirs.means) {
            assert!(
                (ours - theirs).abs() < 4.0 * deviation / (n as f64).sqrt(),
                "{ours} against {theirs}"
            );
        }
        let mut areas: Vec<f64> = crops.iter().map(area).collect();
        areas.sort_by(f64::total_cmp);
        for (i, decile) in theirs.area_deciles.into_iter().enumerate() {
            let ours = areas[(i + 1) * areas.len() / 10];
            assert!((ours - decile).abs() < 0.02, "decile {}: {ours} against {decile}", i + 1);
        }
        assert!(crops.iter().all(|c| c.left + c.width <= 500.0 && c.top + c.height <= 375.0));
    }

    struct Reference {
        /// Mean and standard deviation.
        means: [(f64, f64); 4],
        area_deciles: [f64; 9],
    }

    const REFERENCE: Reference = Reference {
        means: [
            (0.43381, 0.21711),
            (1.04518, 0.16775),
            (108.66848, 80.29497),
            (52.30657, 50.76927),
        ],
        area_deciles: [0.1477, 0.2164, 0.2858, 0.3542, 0.4223, 0.4908, 0.5583, 0.6343, 0.7379],
    };

    #[test]
    fn a_picture_too_long_for_any_draw_gives_its_center() {
        let crop = random(1000, 10, CropRange { scale: [0.9, 1.0], ..RANGE }, Key::new(0));
        assert_eq!(crop, Crop { left: 493.0, top: 0.0, width: 13.0, height: 10.0 });
    }

    #[test]
    fn the_center_is_that_of_the_resized_picture() {
        // 500 x 375 becomes 341 x 256; torchvision's margins are round(58.5) = 58 and 16.
        let crop = central(500, 375, 256, 224);
        assert!(
            (crop.left - 58.0 * 500.0 / 341.0).abs() < 1e-9
                && (crop.top - 16.0 * 375.0 / 256.0).abs() < 1e-9
        );
        assert_eq!(
            central(256, 256, 256, 224),
            Crop { left: 16.0, top: 16.0, width: 224.0, height: 224.0 }
        );
    }
}
