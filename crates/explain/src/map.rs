//! A map of weights over the pixels of an image, and its statistics. Free of tensors.

/// A map of weights; rows from the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Pixels per row.
    pub width: usize,
    /// Row by row.
    pub values: Vec<f64>,
}

/// A square around a center that holds a given share of a map's weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Side in pixels, odd.
    pub side: usize,
    /// The square's area divided by the image's area.
    pub ratio: f64,
}

/// Pixels above this share of the maximum count as part of the field (Luo et al. 2016).
const SEEN: f64 = 1.0 - 0.9545;

impl Map {
    /// Number of rows.
    pub fn height(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// The total weight.
    pub fn sum(&self) -> f64 {
        self.values.iter().sum()
    }

    /// The largest value.
    pub fn max(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    fn at(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        self.values
            .iter()
            .enumerate()
            .map(|(i, v)| ((i % self.width) as f64, (i / self.width) as f64, *v))
    }

    /// The center of mass as column and row; `None` for a map of zeros.
    pub fn center_of_mass(&self) -> Option<(f64, f64)> {
        let sum = self.sum();
        let mean = |of: fn((f64, f64, f64)) -> f64| self.at().map(of).sum::<f64>() / sum;
        (sum > 0.0).then(|| (mean(|(x, _, v)| x * v), mean(|(_, y, v)| y * v)))
    }

    /// Standard deviations around the center of mass, along rows and along columns, pixels. `None`
    /// for a map of zeros.
    pub fn sigma(&self) -> Option<(f64, f64)> {
        let (cx, cy) = self.center_of_mass()?;
        let sum = self.sum();
        let mut x2 = 0.0;
        let mut y2 = 0.0;
        for (x, y, v) in self.at() {
            x2 += (x - cx).powi(2) * v / sum;
            y2 += (y - cy).powi(2) * v / sum;
        }
        Some((x2.sqrt(), y2.sqrt()))
    }

    /// The share of the weight within each radius of `center` (column, row), in pixels.
    pub fn radial_mass(&self, center: (f64, f64), radii: &[f64]) -> Vec<f64> {
        let sum = self.sum();
        let within = |radius: &f64| {
            let inside =
                self.at().filter(|(x, y, _)| (x - center.0).hypot(y - center.1) <= *radius);
            inside.map(|(.., v)| v).sum::<f64>() / sum
        };
        radii.iter().map(within).collect()
    }

    /// The mean value at each integer distance from `center`, starting at 0; NaN at distances
    /// without pixels.
    pub fn radial_profile(&self, center: (f64, f64)) -> Vec<f64> {
        let mut rings: Vec<(f64, usize)> = Vec::new();
        for (x, y, v) in self.at() {
            let ring = (x - center.0).hypot(y - center.1).round() as usize;
            if rings.len() <= ring {
                rings.resize(ring + 1, (0.0, 0));
            }
            rings[ring].0 += v;
            rings[ring].1 += 1;
        }
        rings.into_iter().map(|(sum, n)| sum / n as f64).collect()
    }

    /// The size after Luo et al. 2016, pixels: the square root of the number of pixels above 4.55 %
    /// of the maximum. For a Gaussian, 4.41 sigma.
    pub fn seen_size_px(&self) -> f64 {
        let least = SEEN * self.max();
        (self.values.iter().filter(|v| **v > least).count() as f64).sqrt()
    }

    /// The map of log10(v + 1), on which RepLKNet computes area ratios. The result depends on the
    /// scale of the gradients, so it should only be shown beside the ratio of the raw map.
    pub fn log(&self) -> Map {
        Map { width: self.width, values: self.values.iter().map(|v| (v + 1.0).log10()).collect() }
    }

    /// The smallest square around `center` that holds more than `share` of the weight. The sum is
    /// clipped at the image's edges, so such a square always exists; it may be a single pixel.
    pub fn area(&self, center: (usize, usize), share: f64) -> Area {
        let w = self.width;
        let h = self.height();
        let sums = self.summed();
        let total = self.sum();
        let reach =
            [center.0, w - 1 - center.0, center.1, h - 1 - center.1].into_iter().max().unwrap_or(0);
        let holds = |r: &usize| {
            let x0 = center.0.saturating_sub(*r);
            let x1 = (center.0 + r).min(w - 1) + 1;
            let y0 = center.1.saturating_sub(*r);
            let y1 = (center.1 + r).min(h - 1) + 1;
            let at = |x: usize, y: usize| sums[y * (w + 1) + x];
            at(x1, y1) - at(x0, y1) - at(x1, y0) + at(x0, y0) > share * total
        };
        let r = (0..=reach).find(holds).unwrap_or(reach);
        let side = 2 * r + 1;
        Area { side, ratio: (side * side) as f64 / (w * h) as f64 }
    }

    /// The summed-area table, with a leading row and column of zeros.
    fn summed(&self) -> Vec<f64> {
        let w = self.width;
        let h = self.height();
        let mut sums = vec![0.0; (w + 1) * (h + 1)];
        for y in 0..h {
            let mut row = 0.0;
            for x in 0..w {
                row += self.values[y * w + x];
                sums[(y + 1) * (w + 1) + x + 1] = sums[y * (w + 1) + x + 1] + row;
            }
        }
        sums
    }

    /// The bounding box of nonzero pixels: first and last column, first and last row. `None` for a
    /// map of zeros.
    pub fn support(&self) -> Option<(usize, usize, usize, usize)> {
        let mut found: Option<(usize, usize, usize, usize)> = None;
        for (i, _) in self.values.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            let x = i % self.width;
            let y = i / self.width;
            let (x0, x1, y0, y1) = found.unwrap_or((x, x, y, y));
            found = Some((x0.min(x), x1.max(x), y0.min(y), y1.max(y)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(side: usize, sigma: f64, peak: f64) -> Map {
        let center = (side / 2) as f64;
        let value = |i: usize| {
            let x = (i % side) as f64 - center;
            let y = (i / side) as f64 - center;
            peak * (-(x * x + y * y) / (2.0 * sigma * sigma)).exp()
        };
        Map { width: side, values: (0..side * side).map(value).collect() }
    }

    /// Sides for an ideal Gaussian, computed by another program.
    #[test]
    fn area_ratios_of_gaussians_are_as_tabulated() {
        for (sigma, sides) in [(50.0, [61, 77, 107, 281]), (100.0, [119, 151, 211, 563])] {
            let map = gaussian(1024, sigma, 1.0);
            let found = [0.2, 0.3, 0.5, 0.99].map(|share| map.area((512, 512), share).side);
            assert_eq!(found, sides, "sigma {sigma}");
        }
        let ratios = [0.2, 0.3, 0.5, 0.99]
            .map(|share| gaussian(1024, 50.0, 1.0).area((512, 512), share).ratio);
        for (found, expected) in ratios.into_iter().zip([0.00355, 0.00565, 0.01092, 0.07530]) {
            assert!((found - expected).abs() < 1e-5, "{found}");
        }
    }

    #[test]
    fn the_ratio_of_logarithms_depends_on_the_scale_and_the_raw_one_does_not() {
        let ratio = |peak: f64| gaussian(256, 25.0, peak).log().area((128, 128), 0.5).ratio;
        for (peak, expected) in
            [(1e-3, 0.043), (1.0, 0.050), (1e2, 0.100), (1e4, 0.175), (1e6, 0.254)]
        {
            assert!((ratio(peak) - expected).abs() < 6e-4, "{peak}: {}", ratio(peak));
        }
        let raw = |peak: f64| gaussian(256, 25.0, peak).area((128, 128), 0.5).side;
        assert_eq!(raw(1e-3), raw(1e6));
    }

    #[test]
    fn the_numbers_of_a_gaussian_are_its_own() {
        let map = gaussian(257, 20.0, 3.0);
        let (sx, sy) = map.sigma().unwrap();
        assert!((sx - 20.0).abs() < 1e-3 && (sy - 20.0).abs() < 1e-3);
        assert_eq!(map.center_of_mass().map(|(x, y)| (x.round(), y.round())), Some((128.0, 128.0)));
        assert!((map.seen_size_px() / 20.0 - 4.41).abs() < 0.02, "{}", map.seen_size_px());
        let mass = map.radial_mass((128.0, 128.0), &[20.0, 40.0]);
        assert!((mass[0] - 0.3935).abs() < 0.01 && (mass[1] - 0.8647).abs() < 0.01, "{mass:?}");
        let profile = map.radial_profile((128.0, 128.0));
        assert!((profile[20] / profile[0] - 0.6065).abs() < 0.01);
    }

    #[test]
    fn flat_and_empty_maps_have_answers() {
        let flat = Map { width: 32, values: vec![1.0; 32 * 32] };
        // An even side has no middle pixel; the square still covers the last row and column.
        assert_eq!(flat.area((16, 16), 0.99).side, 33);
        assert_eq!(flat.area((16, 16), 0.0).side, 1);
        let empty = Map { width: 4, values: vec![0.0; 16] };
        assert_eq!((empty.sigma(), empty.support()), (None, None));
        let dot = Map { width: 4, values: (0..16).map(|i| f64::from(u8::from(i == 6))).collect() };
        assert_eq!(dot.support(), Some((2, 2, 1, 1)));
    }
}
