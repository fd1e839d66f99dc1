//! Which images, and how they are changed on the way in.

use crate::SpecError;
use crate::train::range;
use serde::{Deserialize, Serialize};

/// Which images, and how they are changed on the way in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// `mnist5k`, `mnist`, `fashion_mnist`, `cifar10`, `cifar100`, `imagenet`, `images` (a folder
    /// given by `path`), `generated`, `shapes` (generated, with objects of known sizes), or a
    /// folder itself if it has a slash in it.
    pub name: String,
    /// Folder of its files; None is `data/<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Random changes of training images.
    pub augment: Augment,
    /// Images are padded with black to this many pixels a side; None keeps their size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_to: Option<usize>,
    /// Side in pixels of what the network sees, for pictures of many sizes (default 224) and
    /// generated ones (32).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Short side in pixels before the center crop of evaluation; None is size / 0.875.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// Mean and deviation that pixels are normalized by.
    pub normalize: Normalize,
    /// Pictures are decoded once and kept on the disk with this short side; None decodes them every
    /// time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_px: Option<usize>,
    /// So many pictures of a split may be unreadable; each is named, and one more is an error.
    pub max_corrupt: usize,
    /// Number of generated training images; half as many are made to test on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Classes of generated images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Labels change places among the images of a split: a sweep that then finds differences finds
    /// too many.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shuffle_labels: bool,
}

/// Mean and deviation that pixels are normalized by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// The training images' own where all are in memory, ImageNet's for pictures that are decoded
    /// as they come.
    #[default]
    Auto,
    /// ImageNet's, as most published weights expect.
    Imagenet,
}

/// Random changes of training images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Pad by this many black pixels on each side, then crop the original size at a random place.
    pub crop_pad: usize,
    /// Mirror left to right with probability 1/2.
    pub flip: bool,
    /// Crop a random part, resized to `size` (torchvision's RandomResizedCrop). Pictures of many
    /// sizes always are.
    pub random_resized_crop: bool,
    /// The part's smallest and largest share of the area.
    pub crop_scale: [f64; 2],
    /// Smallest and largest ratio of width to height.
    pub crop_ratio: [f64; 2],
    /// Brightness, contrast and saturation change by factors from 1 - j to 1 + j.
    pub color_jitter: f64,
}

impl Default for DataSpec {
    fn default() -> DataSpec {
        DataSpec {
            name: "mnist5k".into(),
            path: None,
            augment: Augment::default(),
            pad_to: None,
            size: None,
            resize: None,
            normalize: Normalize::Auto,
            cache_px: None,
            max_corrupt: 10,
            images: None,
            classes: None,
            shuffle_labels: false,
        }
    }
}

impl Default for Augment {
    fn default() -> Augment {
        Augment {
            crop_pad: 0,
            flip: false,
            random_resized_crop: false,
            crop_scale: [0.08, 1.0],
            crop_ratio: [3.0 / 4.0, 4.0 / 3.0],
            color_jitter: 0.0,
        }
    }
}

impl DataSpec {
    /// The same treatment of another data set: where the old one lies, and how much of it is
    /// generated, is its own.
    pub fn renamed(self, name: impl Into<String>) -> DataSpec {
        let name = name.into();
        if name == self.name {
            return self;
        }
        DataSpec { name, path: None, images: None, classes: None, ..self }
    }

    /// Refuses what no pipeline can do, naming the field and its value.
    pub fn check(&self) -> Result<(), SpecError> {
        let counts = [
            ("size", self.size),
            ("resize", self.resize),
            ("cache_px", self.cache_px),
            ("pad_to", self.pad_to),
        ];
        let more = [("images", self.images), ("classes", self.classes)];
        for (field, value) in counts.into_iter().chain(more) {
            let limit = if field == "images" { 10_000_000 } else { 100_000 };
            if value.is_some_and(|n| n == 0 || n > limit) {
                let cause = format!("data.{field} {} is impossible", value.unwrap_or(0));
                return Err(SpecError::new(
                    cause,
                    format!("give a whole number from 1 to {limit}"),
                ));
            }
        }
        let size = self.size.unwrap_or(1);
        for (field, value) in [("resize", self.resize), ("cache_px", self.cache_px)] {
            if let Some(n) = value.filter(|&n| n < size) {
                let cause = format!("data.{field} {n} is smaller than data.size {size}");
                return Err(SpecError::new(cause, format!("give at least {size}")));
            }
        }
        self.augment.check()
    }
}

impl Augment {
    fn check(&self) -> Result<(), SpecError> {
        let [smallest, largest] = self.crop_scale;
        let [narrow, wide] = self.crop_ratio;
        let is_share = smallest > 0.0 && smallest <= largest && largest <= 1.0;
        range(
            "data.augment.crop_scale",
            smallest,
            is_share,
            "two rising numbers from above 0 to 1, e.g. [0.08, 1]",
        )?;
        range(
            "data.augment.crop_ratio",
            narrow,
            narrow > 0.0 && narrow <= wide && wide < 100.0,
            "two rising numbers, e.g. [0.75, 1.33]",
        )?;
        let jitter = self.color_jitter;
        range(
            "data.augment.color_jitter",
            jitter,
            (0.0..1.0).contains(&jitter),
            "a number from 0 to below 1, e.g. 0.4",
        )
    }

    /// What is switched on, in words, for logs.
    pub fn features(&self) -> Vec<String> {
        let mut on = Vec::new();
        let mut say = |is_on: bool, text: String| is_on.then(|| on.push(text));
        say(self.crop_pad > 0, format!("crop from padding {}", self.crop_pad));
        say(self.random_resized_crop, "random resized crop".into());
        say(self.flip, "flip".into());
        say(self.color_jitter > 0.0, format!("color jitter {}", self.color_jitter));
        on
    }
}
