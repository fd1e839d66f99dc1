//! Automatic augmentation of one picture as timm's and torchvision's: RandAugment, AutoAugment's
//! policies, 3-Augment and TrivialAugment. All draws are functions of the picture's key.

mod affine;
mod blur;
mod color;
mod levels;
mod policies;

#[cfg(test)]
mod tests;

use crate::auto::affine::Affine;
use crate::auto::levels::{Level, Name};
use res2lab_random::Key;

/// A way to choose operations and their magnitudes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Auto {
    /// RandAugment (Cubuk et al. 2020) with timm's options.
    Rand {
        /// Magnitude, of 10.
        magnitude: f64,
        /// Standard deviation of magnitudes; infinite for uniform ones from 0 to `magnitude`.
        deviation: f64,
        /// Largest magnitude.
        most: f64,
        /// Operations of a picture.
        layers: usize,
        /// Probability of each.
        prob: f64,
        set: Set,
    },
    /// A random line of a policy of AutoAugment (Cubuk et al. 2019).
    Policy { policy: Policy, deviation: f64 },
    /// TrivialAugment (Müller and Hutter 2021) as torchvision's `TrivialAugmentWide`.
    Trivial,
}

/// The operations among which RandAugment chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// All, some of which weaken as the magnitude rises.
    Plain,
    /// All, in versions that strengthen with the magnitude.
    Increasing,
    /// Solarization, less color, or blur: 3-Augment (Touvron et al. 2022).
    Three,
    /// As `Three`, and rarely the others.
    ThreeWeighted,
    /// All, the geometric ones more often.
    Weighted,
}

/// A policy of AutoAugment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The paper's for ImageNet.
    Original,
    /// The same with a posterization that strengthens with the magnitude.
    OriginalIncreasing,
    /// That of EfficientNet's code.
    V0,
    /// The same with a posterization that strengthens with the magnitude.
    V0Increasing,
    /// Solarization, gray, or blur: 3-Augment (Touvron et al. 2022).
    Three,
}

/// How pixels between pixels are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    #[default]
    Bilinear,
    Bicubic,
    /// One of the two, by a draw for each use.
    Random,
}

impl Interpolation {
    /// What is used where this draw decides.
    pub(crate) fn choose(self, bits: u64) -> Interpolation {
        match self {
            Interpolation::Random if bits >> 63 == 0 => Interpolation::Bilinear,
            Interpolation::Random => Interpolation::Bicubic,
            chosen => chosen,
        }
    }
}

/// Makes a picture of three channels gray.
pub(crate) fn to_gray(pixels: &mut [u8]) {
    color::color(pixels, 0.0);
}

/// An operation with its arguments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Operation {
    Identity,
    AutoContrast,
    Equalize,
    Invert,
    /// Bits that are kept.
    Posterize(u32),
    /// Threshold from which values are inverted.
    Solarize(i32),
    /// What is added to values below 128.
    SolarizeAdd(i32),
    /// Factors: 0 is gray, black, all of one gray, or smooth; 1 changes nothing.
    Color(f64),
    Contrast(f64),
    Brightness(f64),
    Sharpness(f64),
    /// Radius in pixels.
    Blur(f64),
    /// Columns per row.
    ShearX(f64),
    ShearY(f64),
    /// Pixels.
    TranslateX(f64),
    TranslateY(f64),
    /// Degrees.
    Rotate(f64),
}

/// A picture of `width` columns and three interleaved channels.
pub(crate) struct Canvas<'a> {
    pub pixels: &'a mut [u8],
    pub width: usize,
}

impl Canvas<'_> {
    pub(crate) fn height(&self) -> usize {
        self.pixels.len() / (3 * self.width.max(1))
    }
}

impl Auto {
    /// Changes a picture of three channels in place. `fill` is the color beyond its edges;
    /// `interpolation` that of geometric operations.
    pub fn apply(
        self,
        pixels: &mut [u8],
        width: usize,
        fill: [u8; 3],
        interpolation: Interpolation,
        key: Key,
    ) {
        let mut canvas = Canvas { pixels, width };
        let size = [width, canvas.height()];
        for (i, operation) in self.draw(size, key).into_iter().enumerate() {
            let draw = key.named("interpolation").bits(i as u64);
            operation.apply(&mut canvas, fill, interpolation.choose(draw));
        }
    }

    /// The operations of a picture.
    pub(crate) fn draw(self, size: [usize; 2], key: Key) -> Vec<Operation> {
        match self {
            Auto::Rand { magnitude, deviation, most, layers, prob, set } => {
                let level = Level { magnitude, deviation, most };
                let one = |(i, name): (usize, Name)| {
                    let key = key.named("layer").with(i as u64);
                    (key.uniform(0) < prob).then(|| level.of(name, size, key))
                };
                let names = set.choose(layers, key.named("names"));
                names.into_iter().enumerate().filter_map(one).collect()
            }
            Auto::Policy { policy, deviation } => {
                let lines = policies::lines(policy);
                let line = &lines[key.below(0, lines.len() as u64) as usize];
                let one = |(i, &(name, prob, magnitude)): (usize, &policies::Step)| {
                    let key = key.named("layer").with(i as u64);
                    let level = Level { magnitude, deviation, most: levels::DENOMINATOR };
                    (key.uniform(0) < prob).then(|| level.of(name, size, key))
                };
                line.iter().enumerate().filter_map(one).collect()
            }
            Auto::Trivial => vec![levels::trivial(key)],
        }
    }
}

impl Operation {
    pub(crate) fn apply(self, canvas: &mut Canvas, fill: [u8; 3], interpolation: Interpolation) {
        let [width, height] = [canvas.width, canvas.height()].map(|n| n as f64);
        let mut affine = |affine: Affine| affine.apply(canvas, fill, interpolation);
        match self {
            Operation::Identity => {}
            Operation::AutoContrast => color::auto_contrast(canvas.pixels),
            Operation::Equalize => color::equalize(canvas.pixels),
            Operation::Invert => color::each(canvas.pixels, |v| 255 - v),
            Operation::Posterize(bits) => {
                let mask = if bits >= 8 { 255 } else { !(255_u8.checked_shr(bits).unwrap_or(0)) };
                color::each(canvas.pixels, |v| v & mask);
            }
            Operation::Solarize(from) => {
                color::each(canvas.pixels, |v| if i32::from(v) < from { v } else { 255 - v });
            }
            Operation::SolarizeAdd(add) => color::each(canvas.pixels, |v| {
                if v < 128 { (i32::from(v) + add).clamp(0, 255) as u8 } else { v }
            }),
            Operation::Color(factor) => color::color(canvas.pixels, factor),
            Operation::Contrast(factor) => color::contrast(canvas.pixels, factor),
            Operation::Brightness(factor) => color::brightness(canvas.pixels, factor),
            Operation::Sharpness(factor) => color::sharpness(canvas, factor),
            Operation::Blur(radius) => blur::gaussian(canvas, radius),
            Operation::ShearX(factor) => affine(Affine([1.0, factor, 0.0, 0.0, 1.0, 0.0])),
            Operation::ShearY(factor) => affine(Affine([1.0, 0.0, 0.0, factor, 1.0, 0.0])),
            Operation::TranslateX(pixels) => affine(Affine([1.0, 0.0, pixels, 0.0, 1.0, 0.0])),
            Operation::TranslateY(pixels) => affine(Affine([1.0, 0.0, 0.0, 0.0, 1.0, pixels])),
            Operation::Rotate(degrees) => affine(Affine::rotation(degrees, width, height)),
        }
    }
}
