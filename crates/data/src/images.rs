//! Decoded images in memory.

use crate::DataError;
use crate::kept::Bytes;
use std::path::Path;

/// A split of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Training images.
    Train,
    /// Test images.
    Test,
}

/// Images of one size with their labels. `pixels` is N x C x H x W, one byte each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub pixels: Bytes,
    pub labels: Vec<u32>,
}

impl Images {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Refuses labels beyond the classes; `path` is for the message.
    pub fn check_labels(&self, classes: usize, path: &Path) -> Result<(), DataError> {
        match self.labels.iter().position(|&label| label as usize >= classes) {
            Some(i) => Err(DataError::file(
                path,
                format!("label {} of image {i} is beyond the {classes} classes", self.labels[i]),
            )),
            None => Ok(()),
        }
    }

    /// With black borders up to `side` pixels a side; the left and upper ones are the smaller where
    /// they differ.
    pub fn padded_to(self, side: usize) -> Result<Images, DataError> {
        if (self.height, self.width) == (side, side) {
            return Ok(self);
        }
        if self.height > side || self.width > side {
            return Err(DataError::new(
                format!(
                    "data.pad_to {side} is smaller than the images ({}x{})",
                    self.height, self.width
                ),
                "give at least their size",
            ));
        }
        let top = (side - self.height) / 2;
        let left = (side - self.width) / 2;
        let mut pixels = vec![0; self.len() * self.channels * side * side];
        for (i, row) in self.pixels.chunks_exact(self.width).enumerate() {
            let plane = i / self.height;
            let y = i % self.height;
            let start = (plane * side + top + y) * side + left;
            pixels[start..start + self.width].copy_from_slice(row);
        }
        Ok(Images { height: side, width: side, pixels: pixels.into(), ..self })
    }

    /// Mean and standard deviation of each channel, in units of a byte, from exact counts of byte
    /// values.
    pub fn statistics(&self) -> Vec<(f64, f64)> {
        let plane = self.height * self.width;
        let mut counts = vec![[0_u64; 256]; self.channels];
        for (i, values) in self.pixels.chunks_exact(plane).enumerate() {
            let counts = &mut counts[i % self.channels];
            values.iter().for_each(|&v| counts[usize::from(v)] += 1);
        }
        let moments = |counts: &[u64; 256]| {
            let n = counts.iter().sum::<u64>().max(1) as f64;
            let sum = |power: i32| {
                counts
                    .iter()
                    .enumerate()
                    .map(|(v, &c)| (v as f64).powi(power) * c as f64)
                    .sum::<f64>()
                    / n
            };
            let mean = sum(1);
            // A constant channel keeps its values instead of dividing by zero.
            let deviation = (sum(2) - mean * mean).max(0.0).sqrt();
            (mean, if deviation > 0.0 { deviation } else { 1.0 })
        };
        counts.iter().map(moments).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> Images {
        Images {
            channels: 1,
            height: 1,
            width: 2,
            pixels: vec![1, 2, 3, 4].into(),
            labels: vec![0, 9],
        }
    }

    #[test]
    fn padding_centers_each_image() {
        let padded = tiny().padded_to(4).unwrap();
        assert_eq!(padded.pixels[..16], [0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(padded.pixels[16 + 5], 3);
        assert!(tiny().padded_to(1).unwrap_err().cause.contains("pad_to 1"));
    }

    #[test]
    fn statistics_are_those_of_all_pixels() {
        let [(mean, deviation)] = tiny().statistics()[..] else { panic!("one channel") };
        assert_eq!(mean, 2.5);
        assert!((deviation - 1.25_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn labels_beyond_the_classes_are_named() {
        let e = tiny().check_labels(9, Path::new("x")).unwrap_err();
        assert!(e.cause.contains("label 9 of image 1"), "{e}");
    }
}
