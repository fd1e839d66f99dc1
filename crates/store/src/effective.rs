//! effective.json: effective receptive fields of a sweep's trained networks.

use crate::{SweepDir, atomic};
use res2lab_error::Error;
use serde::{Deserialize, Serialize};

/// Shares of the total weight for which areas are given, as in Ding et al. 2022.
pub const AREAS: [f64; 4] = [0.2, 0.3, 0.5, 0.99];

/// One measurement of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effective {
    /// Unix time in seconds.
    pub at_s: f64,
    /// Number of test images over which gradients were averaged.
    pub images: usize,
    /// Treatment of the gradients' signs: `absolute`, `positive` or `signed`.
    pub sign: String,
    /// Whether images of normal noise replaced the test images.
    #[serde(default)]
    pub noise: bool,
    /// Whether networks computed in double precision.
    #[serde(default)]
    pub float64: bool,
    /// Whether a ReLU was applied to the unit's channels before they were summed.
    #[serde(default)]
    pub relu: bool,
    /// One trial per arm.
    pub arms: Vec<EffectiveArm>,
    /// Every measured trial, including those of `arms`.
    #[serde(default)]
    pub trials: Vec<EffectiveTrial>,
}

/// The ERF width of one trial at its last stage, as trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveTrial {
    pub trial: String,
    pub arm: String,
    pub seed: u64,
    pub sigma_px: f64,
    /// Area of the smallest square with half of the total weight, divided by the image's area.
    pub ratio_50: f64,
}

/// The ERF width at the last stage after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveEpoch {
    pub epoch: f64,
    pub sigma_px: f64,
}

/// The measurement of one arm, on one of its trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveArm {
    pub arm: String,
    pub label: String,
    pub trial: String,
    pub seed: u64,
    pub image_px: usize,
    /// The states `init` (with batch-norm statistics of the images) and `trained`.
    pub states: Vec<EffectiveState>,
    /// ERF widths from the initial weights (epoch 0) over the weights kept during training to the
    /// best weights; empty if no weights were kept.
    #[serde(default)]
    pub growth: Vec<EffectiveEpoch>,
    /// Trained network: share of the gradient through each split.
    pub shares: Vec<SplitShare>,
    /// Trained network: class activation maps of the splits.
    #[serde(default)]
    pub gallery: Vec<Picture>,
}

/// The measurement of the network in one state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveState {
    pub state: String,
    /// The end of each stage, and each split of the last block that has splits.
    pub nodes: Vec<EffectiveNode>,
}

/// The ERF of the middle unit of one node. Lengths are in pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveNode {
    pub node: String,
    /// Size of the exact receptive field, which contains the ERF.
    pub rf_max_px: i64,
    /// Center of the exact receptive field: column, row.
    // Files from older versions have the British spelling.
    #[serde(alias = "centre_px")]
    pub center_px: [f64; 2],
    pub sigma_x_px: f64,
    pub sigma_y_px: f64,
    /// Center of mass, relative to the center of the exact receptive field.
    pub com_dx_px: f64,
    pub com_dy_px: f64,
    /// Square root of the number of pixels above 4.55 % of the maximum (Luo et al. 2016).
    pub size_px: f64,
    /// For each share of [`AREAS`]: area of the smallest square with this share of the total
    /// weight, divided by the image's area.
    pub area_ratios: [f64; 4],
    /// The same ratios for log10(gradient + 1), as in RepLKNet (Ding et al. 2022); they depend on
    /// the gradients' scale.
    pub area_ratios_log: [f64; 4],
    /// Mean weight at each integer distance from the center, relative to the maximum.
    pub profile: Vec<f64>,
    /// Sum of the gradients.
    pub scale: f64,
    /// Standard error of `scale` over images, relative to `scale`, assuming independent pixels.
    pub relative_error: f64,
    /// Whether the exact receptive field exceeds the image, so that the ERF is cut off.
    pub is_saturated: bool,
    pub images: usize,
    /// Images left out because of a gradient that is not finite.
    pub skipped: usize,
    pub map: Thumbnail,
}

impl EffectiveNode {
    /// Standard deviation along one axis, pixels: the root mean square of both axes.
    pub fn sigma_px(&self) -> f64 {
        ((self.sigma_x_px.powi(2) + self.sigma_y_px.powi(2)) / 2.0).sqrt()
    }
}

/// One test image with a class activation map (Grad-CAM) for each split of the last block that has
/// splits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// Index among the test images.
    pub index: u32,
    pub label: i64,
    /// Predicted class, which the maps explain.
    pub guess: i64,
    /// Mean over color channels, from black (0) to white.
    pub image: Thumbnail,
    /// One map per split, each scaled to its own maximum.
    pub splits: Vec<CamMap>,
}

/// The class activation map of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CamMap {
    pub node: String,
    /// Maximum of the map before scaling; zero if the whole map is negative.
    pub max: f64,
    pub map: Thumbnail,
}

/// A downsampled map: square cells, values from 0 to 65535 (the maximum).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thumbnail {
    pub width: usize,
    /// Side of a cell in pixels.
    pub cell_px: usize,
    pub values: Vec<u16>,
}

/// A split's share of its block's gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitShare {
    pub block: String,
    pub split: usize,
    pub share: f64,
}

/// Writes effective.json.
pub fn write(dir: &SweepDir, effective: &Effective) -> Result<(), Error> {
    atomic::write_json(&dir.effective(), effective)
}

/// Reads effective.json; `None` if nothing was measured.
pub fn read(dir: &SweepDir) -> Result<Option<Effective>, Error> {
    atomic::read_json(&dir.effective())
}
