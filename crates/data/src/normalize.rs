//! Normalization: converts bytes to numbers with mean zero and standard deviation one.

use tch::{Device, Kind, Tensor};

/// ImageNet's mean and deviation of each channel, in units of a byte.
pub const IMAGENET: [(f64, f64); 3] = [
    (0.485 * 255.0, 0.229 * 255.0),
    (0.456 * 255.0, 0.224 * 255.0),
    (0.406 * 255.0, 0.225 * 255.0),
];

/// A factor and a summand per channel.
pub struct Normalize {
    scale: Tensor,
    shift: Tensor,
}

impl Normalize {
    /// From mean and deviation of each channel, in units of a byte.
    pub fn new(statistics: &[(f64, f64)], device: Device, kind: Kind) -> Normalize {
        let per_channel = |f: &dyn Fn(f64, f64) -> f64| {
            let values: Vec<f64> =
                statistics.iter().map(|&(mean, deviation)| f(mean, deviation)).collect();
            Tensor::from_slice(&values).view([1, -1, 1, 1]).to_kind(kind).to_device(device)
        };
        Normalize {
            scale: per_channel(&|_, deviation| 1.0 / deviation),
            shift: per_channel(&|mean, deviation| -mean / deviation),
        }
    }

    /// `bytes` (N x C x H x W) in the kind of the statistics, in the same order in memory.
    pub fn apply(&self, bytes: &Tensor) -> Tensor {
        let mut images = bytes * &self.scale;
        let _ = images.g_add_(&self.shift);
        images
    }
}
