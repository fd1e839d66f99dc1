//! What a magnitude means for each operation, as in timm.

use super::{Operation, Set};
use res2lab_random::Key;

/// Magnitudes are shares of this.
pub(super) const DENOMINATOR: f64 = 10.0;

/// An operation whose arguments are not drawn yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    Posterize,
    PosterizeIncreasing,
    PosterizeOriginal,
    Solarize,
    SolarizeIncreasing,
    SolarizeAdd,
    Color,
    ColorIncreasing,
    Contrast,
    ContrastIncreasing,
    Brightness,
    BrightnessIncreasing,
    Sharpness,
    SharpnessIncreasing,
    ShearX,
    ShearY,
    /// By a share of the picture.
    TranslateX,
    TranslateY,
    Desaturate,
    Blur,
    BlurRandom,
}

use Name::{
    AutoContrast, Blur, BlurRandom, Brightness, BrightnessIncreasing, Color, ColorIncreasing,
    Contrast, ContrastIncreasing, Desaturate, Equalize, Invert, Posterize, PosterizeIncreasing,
    PosterizeOriginal, Rotate, Sharpness, SharpnessIncreasing, ShearX, ShearY, Solarize,
    SolarizeAdd, SolarizeIncreasing, TranslateX, TranslateY,
};

/// How magnitudes are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub magnitude: f64,
    pub deviation: f64,
    pub most: f64,
}

impl Level {
    /// The operation with arguments drawn from `key`, for a picture of this width and height.
    pub(super) fn of(self, name: Name, [width, height]: [usize; 2], key: Key) -> Operation {
        let drawn = match self.deviation {
            0.0 => self.magnitude,
            f64::INFINITY => self.magnitude * key.uniform(1),
            deviation => self.magnitude + deviation * key.named("magnitude").normal(0),
        };
        let level = drawn.clamp(0.0, self.most) / DENOMINATOR;
        let sign = if key.bits(2) >> 63 == 1 { -1.0 } else { 1.0 };
        let factor = level * 1.8 + 0.1;
        let increasing = (1.0 + sign * level * 0.9).max(0.1);
        let between = |low: f64, high: f64| (low + (high - low) * level).clamp(low, high);
        match name {
            AutoContrast => Operation::AutoContrast,
            Equalize => Operation::Equalize,
            Invert => Operation::Invert,
            Rotate => Operation::Rotate(sign * level * 30.0),
            Posterize => Operation::Posterize((level * 4.0) as u32),
            PosterizeIncreasing => Operation::Posterize(4_u32.saturating_sub((level * 4.0) as u32)),
            PosterizeOriginal => Operation::Posterize((level * 4.0) as u32 + 4),
            Solarize => Operation::Solarize(((level * 256.0) as i32).min(256)),
            SolarizeIncreasing => Operation::Solarize(256 - ((level * 256.0) as i32).min(256)),
            SolarizeAdd => Operation::SolarizeAdd(((level * 110.0) as i32).min(128)),
            Color => Operation::Color(factor),
            Contrast => Operation::Contrast(factor),
            Brightness => Operation::Brightness(factor),
            Sharpness => Operation::Sharpness(factor),
            ColorIncreasing => Operation::Color(increasing),
            ContrastIncreasing => Operation::Contrast(increasing),
            BrightnessIncreasing => Operation::Brightness(increasing),
            SharpnessIncreasing => Operation::Sharpness(increasing),
            ShearX => Operation::ShearX(sign * level * 0.3),
            ShearY => Operation::ShearY(sign * level * 0.3),
            TranslateX => Operation::TranslateX(sign * level * 0.45 * width as f64),
            TranslateY => Operation::TranslateY(sign * level * 0.45 * height as f64),
            Desaturate => Operation::Color((1.0 - between(0.5, 1.0)).clamp(0.0, 1.0)),
            Blur => Operation::Blur(between(0.1, 2.0)),
            BlurRandom => {
                let most = 2.0 * between(0.0, 1.0);
                Operation::Blur(0.1 + (most - 0.1) * key.uniform(3))
            }
        }
    }
}

const PLAIN: [Name; 15] = [
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    Posterize,
    Solarize,
    SolarizeAdd,
    Color,
    Contrast,
    Brightness,
    Sharpness,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
];

const INCREASING: [Name; 15] = [
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    PosterizeIncreasing,
    SolarizeIncreasing,
    SolarizeAdd,
    ColorIncreasing,
    ContrastIncreasing,
    BrightnessIncreasing,
    SharpnessIncreasing,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
];

const THREE: [Name; 3] = [SolarizeIncreasing, Desaturate, Blur];

const THREE_WEIGHTED: [(Name, f64); 14] = [
    (SolarizeIncreasing, 6.0),
    (Desaturate, 6.0),
    (Blur, 6.0),
    (Rotate, 3.0),
    (ShearX, 2.0),
    (ShearY, 2.0),
    (PosterizeIncreasing, 1.0),
    (AutoContrast, 1.0),
    (ColorIncreasing, 1.0),
    (SharpnessIncreasing, 1.0),
    (ContrastIncreasing, 1.0),
    (BrightnessIncreasing, 1.0),
    (Equalize, 1.0),
    (Invert, 1.0),
];

const WEIGHTED: [(Name, f64); 15] = [
    (Rotate, 3.0),
    (ShearX, 2.0),
    (ShearY, 2.0),
    (TranslateX, 1.0),
    (TranslateY, 1.0),
    (ColorIncreasing, 0.25),
    (SharpnessIncreasing, 0.25),
    (AutoContrast, 0.25),
    (SolarizeIncreasing, 0.05),
    (SolarizeAdd, 0.05),
    (ContrastIncreasing, 0.05),
    (BrightnessIncreasing, 0.05),
    (Equalize, 0.05),
    (PosterizeIncreasing, 0.05),
    (Invert, 0.05),
];

impl Set {
    /// Chooses operations: with replacement, but for weighted sets without.
    pub(super) fn choose(self, count: usize, key: Key) -> Vec<Name> {
        let equal = |names: &[Name]| {
            let one = |i: u64| names[key.below(i, names.len() as u64) as usize];
            (0..count as u64).map(one).collect()
        };
        match self {
            Set::Plain => equal(&PLAIN),
            Set::Increasing => equal(&INCREASING),
            Set::Three => equal(&THREE),
            Set::ThreeWeighted => weighted(THREE_WEIGHTED.to_vec(), count, key),
            Set::Weighted => weighted(WEIGHTED.to_vec(), count, key),
        }
    }
}

/// Chooses one after the other among those that are left, by their weights.
fn weighted(mut left: Vec<(Name, f64)>, count: usize, key: Key) -> Vec<Name> {
    let mut chosen = Vec::new();
    for i in 0..count.min(left.len()) as u64 {
        let total: f64 = left.iter().map(|(_, weight)| weight).sum();
        let mut rest = key.uniform(i) * total;
        let at = left.iter().position(|(_, weight)| {
            rest -= weight;
            rest < 0.0
        });
        chosen.push(left.remove(at.unwrap_or(left.len() - 1)).0);
    }
    chosen
}

/// The one operation of TrivialAugment: each of 31 magnitudes is equally probable.
pub(super) fn trivial(key: Key) -> Operation {
    const BINS: u64 = 31;
    let share = key.below(1, BINS) as f64 / (BINS - 1) as f64;
    let sign = if key.bits(2) >> 63 == 1 { -1.0 } else { 1.0 };
    let slope = sign * share * 0.99;
    match key.below(0, 14) {
        0 => Operation::Identity,
        1 => Operation::ShearX(slope),
        2 => Operation::ShearY(slope),
        3 => Operation::TranslateX((sign * share * 32.0).trunc()),
        4 => Operation::TranslateY((sign * share * 32.0).trunc()),
        5 => Operation::Rotate(sign * share * 135.0),
        6 => Operation::Brightness(1.0 + slope),
        7 => Operation::Color(1.0 + slope),
        8 => Operation::Contrast(1.0 + slope),
        9 => Operation::Sharpness(1.0 + slope),
        10 => Operation::Posterize(8 - (share * 6.0).round_ties_even() as u32),
        11 => Operation::Solarize((255.0 - 255.0 * share).ceil() as i32),
        12 => Operation::AutoContrast,
        _ => Operation::Equalize,
    }
}
