//! effective.json: what trained networks of a sweep look at, measured once they are trained.

use crate::{StoreError, SweepDir, atomic};
use serde::{Deserialize, Serialize};

/// Shares of the weight that areas are told for, as Ding et al. 2022 have them.
pub const AREAS: [f64; 4] = [0.2, 0.3, 0.5, 0.99];

/// One measurement of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effective {
    /// When, seconds since 1970.
    pub at_s: f64,
    /// Test images that gradients were averaged over.
    pub images: usize,
    /// What became of the gradients' signs: `absolute`, `positive` or `signed`.
    pub sign: String,
    /// Whether images of normal noise took the place of test images.
    #[serde(default)]
    pub noise: bool,
    /// Whether networks computed in double precision.
    #[serde(default)]
    pub float64: bool,
    /// Whether the unit's channels went through a ReLU before they were summed.
    #[serde(default)]
    pub relu: bool,
    /// One trial of each arm.
    pub arms: Vec<EffectiveArm>,
    /// Every trial that was measured, those of `arms` among them.
    #[serde(default)]
    pub trials: Vec<EffectiveTrial>,
}

/// The width of one trial's field: its last stage as trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveTrial {
    pub trial: String,
    pub arm: String,
    pub seed: u64,
    pub sigma_px: f64,
    /// Area of the smallest square with half of the weight over the image's.
    pub ratio_50: f64,
}

/// The width of the last stage's field after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveEpoch {
    pub epoch: f64,
    pub sigma_px: f64,
}

/// One arm, by one of its trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveArm {
    pub arm: String,
    pub label: String,
    pub trial: String,
    pub seed: u64,
    pub image_px: usize,
    /// `init` (with statistics of the images) and `trained`, side by side.
    pub states: Vec<EffectiveState>,
    /// From the initial weights (epoch 0) over those kept on the way to the best, which count as
    /// trained; empty where none were kept.
    #[serde(default)]
    pub growth: Vec<EffectiveEpoch>,
    /// Of the trained network: share of the gradient that flows through each split.
    pub shares: Vec<SplitShare>,
    /// Of the trained network: which places of which split speak for what it takes an image for.
    #[serde(default)]
    pub gallery: Vec<Picture>,
}

/// The network in one state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveState {
    pub state: String,
    /// The end of each stage, and each split of the last block that has splits.
    pub nodes: Vec<EffectiveNode>,
}

/// What the middle unit of one node looks at. Lengths are pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveNode {
    pub node: String,
    /// The exact field, which the measured one cannot leave.
    pub rf_max_px: i64,
    /// Where its middle lies, column and row.
    // Files of before have the British spelling.
    #[serde(alias = "centre_px")]
    pub center_px: [f64; 2],
    pub sigma_x_px: f64,
    pub sigma_y_px: f64,
    /// Center of mass, from the middle of the exact field.
    pub com_dx_px: f64,
    pub com_dy_px: f64,
    /// Luo et al.: root of the number of pixels above 4.55 % of the greatest.
    pub size_px: f64,
    /// Area of the smallest square with each share of [`AREAS`] over the image's.
    pub area_ratios: [f64; 4],
    /// The same of log10(gradient + 1), as RepLKNet has it; it depends on the gradients' scale.
    pub area_ratios_log: [f64; 4],
    /// Mean weight at each whole distance from the middle, the greatest being 1.
    pub profile: Vec<f64>,
    /// Sum of the gradients.
    pub scale: f64,
    /// Standard error of that sum over images, relative to it, if pixels were independent.
    pub relative_error: f64,
    /// Whether the exact field is larger than the image, so that the measured one is cut off.
    pub is_saturated: bool,
    pub images: usize,
    /// Images left out because some gradient was not finite.
    pub skipped: usize,
    pub map: Thumbnail,
}

impl EffectiveNode {
    /// Standard deviation along one axis, both taken together.
    pub fn sigma_px(&self) -> f64 {
        ((self.sigma_x_px.powi(2) + self.sigma_y_px.powi(2)) / 2.0).sqrt()
    }
}

/// One test image, and what each split of the last block that has splits sees in it (Grad-CAM).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// Its number among the test images.
    pub index: u32,
    pub label: i64,
    /// What the network takes it for, which is what the maps speak for.
    pub guess: i64,
    /// Mean over colors, from black (0) to white.
    pub image: Thumbnail,
    /// A map for each split, each up to its own greatest value.
    pub splits: Vec<CamMap>,
}

/// The evidence of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CamMap {
    pub node: String,
    /// The greatest evidence; zero where all of it speaks against the guess.
    pub max: f64,
    pub map: Thumbnail,
}

/// A map made small: cells of equal size, values from 0 to 65535, the greatest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thumbnail {
    pub width: usize,
    /// Pixels of a cell's side.
    pub cell_px: usize,
    pub values: Vec<u16>,
}

/// A split's part of its block's gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitShare {
    pub block: String,
    pub split: usize,
    pub share: f64,
}

/// Writes effective.json.
pub fn write(dir: &SweepDir, effective: &Effective) -> Result<(), StoreError> {
    atomic::write_json(&dir.effective(), effective)
}

/// Reads it; None where nothing was measured.
pub fn read(dir: &SweepDir) -> Result<Option<Effective>, StoreError> {
    atomic::read_json(&dir.effective())
}
