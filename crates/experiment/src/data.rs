//! The configuration of a trial's images: data set, preprocessing and augmentation.
use crate::Auto;
use crate::train::range;
use res2lab_error::Error;
use serde::{Deserialize, Serialize};

/// The data set of a trial, with preprocessing and augmentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// `mnist5k`, `mnist`, `fashion_mnist`, `cifar10`, `cifar100`, `imagenet`, `images` (a folder
    /// given by `path`), `generated`, `shapes` (generated, with objects of known sizes), or a
    /// folder if the name has a slash.
    pub name: String,
    /// Folder of the files; `None` is `data/<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Augmentation of training images.
    pub augment: Augment,
    /// Images are padded with black to this many pixels per side; `None` keeps their size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_to: Option<usize>,
    /// Side of the network's input in pixels, for pictures of varying size (default 224) and
    /// generated images (default 32).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Short side in pixels before the center crop of the evaluation; `None` is size / 0.875.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// Mean and standard deviation for normalization.
    pub normalize: Normalize,
    /// Pictures are decoded once and cached on disk with this short side in pixels; `None` decodes
    /// them each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_px: Option<usize>,
    /// Maximum number of unreadable pictures in a split. Each is reported; more are an error.
    pub max_corrupt: usize,
    /// Number of generated training images; half as many test images are generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Number of classes of generated images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Whether labels are permuted among the images of a split. A sweep on permuted labels shows
    /// the rate of false claims.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shuffle_labels: bool,
}

/// The source of mean and standard deviation for normalization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// The training images' own if all are in memory; ImageNet's for pictures that are decoded on
    /// demand.
    #[default]
    Auto,
    /// ImageNet's, as most published weights expect.
    Imagenet,
}

/// Augmentation of training images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Pad by this many black pixels on each side, then crop the original size at a random
    /// position.
    pub crop_pad: usize,
    /// Flip horizontally with probability 1/2.
    pub flip: bool,
    /// Crop a random part and resize it to `size` (torchvision's RandomResizedCrop). Always on for
    /// pictures of varying size.
    pub random_resized_crop: bool,
    /// Smallest and largest share of the crop in the picture's area.
    pub crop_scale: [f64; 2],
    /// Smallest and largest ratio of width to height.
    pub crop_ratio: [f64; 2],
    /// Brightness, contrast and saturation are each multiplied by a random factor from 1 - j to 1 +
    /// j.
    pub color_jitter: f64,
    /// Operations on pictures by RandAugment, a policy of AutoAugment or TrivialAugment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto: Option<Auto>,
    /// Probability that an image becomes gray.
    pub grayscale: f64,
    /// How pixels are interpolated where a part is resized, and by geometric operations of `auto`.
    pub interpolation: Interpolation,
    /// Number of times that an image comes in an epoch, each time with draws of its own; an epoch
    /// then has that much fewer images (repeated augmentation).
    pub repeats: usize,
    /// Probability that a box of an image is erased after mixing. 0 is off.
    pub erase: f64,
    /// What is in an erased box.
    pub erase_mode: EraseMode,
    /// Largest number of boxes, which share the area of one.
    pub erase_count: usize,
}

/// How pixels between pixels are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    #[default]
    Bilinear,
    Bicubic,
    /// One of the two, by a draw for each image and operation.
    Random,
}

/// What is in an erased box, in the units of normalized images, as timm's random erasing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EraseMode {
    /// 0.
    Const,
    /// A normal draw for each channel.
    Rand,
    /// A normal draw for each channel of each pixel.
    #[default]
    Pixel,
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
            auto: None,
            grayscale: 0.0,
            interpolation: Interpolation::Bilinear,
            repeats: 1,
            erase: 0.0,
            erase_mode: EraseMode::Pixel,
            erase_count: 1,
        }
    }
}

impl DataSpec {
    /// The same preprocessing for another data set. The folder and the amount of generated data,
    /// which belong to the old data set, are reset.
    pub fn renamed(self, name: impl Into<String>) -> DataSpec {
        let name = name.into();
        if name == self.name {
            return self;
        }
        DataSpec { name, path: None, images: None, classes: None, ..self }
    }

    /// Checks the configuration; an error names the field and its value.
    pub fn check(&self) -> Result<(), Error> {
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
                return Err(Error::input(cause, format!("give a whole number from 1 to {limit}")));
            }
        }
        let size = self.size.unwrap_or(1);
        for (field, value) in [("resize", self.resize), ("cache_px", self.cache_px)] {
            if let Some(n) = value.filter(|&n| n < size) {
                let cause = format!("data.{field} {n} is smaller than data.size {size}");
                return Err(Error::input(cause, format!("give at least {size}")));
            }
        }
        self.augment.check()
    }
}

/// The most copies of an image in an epoch, and the most erased boxes.
const MOST_REPEATS: usize = 16;

impl Augment {
    fn check(&self) -> Result<(), Error> {
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
        )?;
        let gray = self.grayscale;
        let is_share = (0.0..=1.0).contains(&gray);
        range("data.augment.grayscale", gray, is_share, "a number from 0 to 1, e.g. 0.1")?;
        let erase = self.erase;
        let is_share = (0.0..=1.0).contains(&erase);
        range("data.augment.erase", erase, is_share, "a number from 0 to 1, e.g. 0.25")?;
        for (field, value) in [("repeats", self.repeats), ("erase_count", self.erase_count)] {
            if !(1..=MOST_REPEATS).contains(&value) {
                let cause = format!("data.augment.{field} {value} is impossible");
                let help = format!("give a whole number from 1 to {MOST_REPEATS}");
                return Err(Error::input(cause, help));
            }
        }
        Ok(())
    }

    /// Whether images are decoded and changed one by one, even if all are in memory.
    pub fn is_one_by_one(&self) -> bool {
        self.random_resized_crop
            || self.color_jitter > 0.0
            || self.grayscale > 0.0
            || self.auto.is_some()
    }

    /// The enabled options in words, for logs.
    pub fn features(&self) -> Vec<String> {
        let mut on = Vec::new();
        let mut say = |is_on: bool, text: String| is_on.then(|| on.push(text));
        say(self.crop_pad > 0, format!("crop from padding {}", self.crop_pad));
        say(self.random_resized_crop, "random resized crop".into());
        say(self.flip, "flip".into());
        say(self.color_jitter > 0.0, format!("color jitter {}", self.color_jitter));
        if let Some(auto) = &self.auto {
            say(true, format!("auto augmentation {auto}"));
        }
        say(self.grayscale > 0.0, format!("grayscale {}", self.grayscale));
        say(self.interpolation == Interpolation::Bicubic, "bicubic interpolation".into());
        say(self.interpolation == Interpolation::Random, "random interpolation".into());
        say(self.repeats > 1, format!("each image {} times", self.repeats));
        say(self.erase > 0.0, format!("random erasing {}", self.erase));
        on
    }
}
