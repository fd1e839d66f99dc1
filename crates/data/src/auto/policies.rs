//! The policies of AutoAugment: each line is operations with probability and magnitude.

use super::Policy;
use super::levels::Name::{
    self, AutoContrast, BlurRandom, Color, Contrast, Desaturate, Equalize, Invert, Posterize,
    PosterizeIncreasing, PosterizeOriginal, Rotate, Sharpness, ShearX, ShearY, Solarize,
    SolarizeAdd, TranslateY,
};

/// An operation with its probability and magnitude.
pub(super) type Step = (Name, f64, f64);

/// The lines of a policy.
pub(super) fn lines(policy: Policy) -> Vec<Vec<Step>> {
    let (lines, posterize): (&[&[Step]], Name) = match policy {
        Policy::Original => (&ORIGINAL, PosterizeOriginal),
        Policy::OriginalIncreasing => (&ORIGINAL, PosterizeIncreasing),
        Policy::V0 => (&V0, Posterize),
        Policy::V0Increasing => (&V0, PosterizeIncreasing),
        Policy::Three => (&THREE, Posterize),
    };
    let one = |&(name, prob, magnitude): &Step| {
        let name = if name == Posterize { posterize } else { name };
        (name, prob, magnitude)
    };
    lines.iter().map(|line| line.iter().map(one).collect()).collect()
}

/// 3-Augment (Touvron et al. 2022).
const THREE: [&[Step]; 3] =
    [&[(Solarize, 1.0, 5.0)], &[(Desaturate, 1.0, 10.0)], &[(BlurRandom, 1.0, 10.0)]];

/// The paper's for ImageNet.
const ORIGINAL: [&[Step]; 25] = [
    &[(Posterize, 0.4, 8.0), (Rotate, 0.6, 9.0)],
    &[(Solarize, 0.6, 5.0), (AutoContrast, 0.6, 5.0)],
    &[(Equalize, 0.8, 8.0), (Equalize, 0.6, 3.0)],
    &[(Posterize, 0.6, 7.0), (Posterize, 0.6, 6.0)],
    &[(Equalize, 0.4, 7.0), (Solarize, 0.2, 4.0)],
    &[(Equalize, 0.4, 4.0), (Rotate, 0.8, 8.0)],
    &[(Solarize, 0.6, 3.0), (Equalize, 0.6, 7.0)],
    &[(Posterize, 0.8, 5.0), (Equalize, 1.0, 2.0)],
    &[(Rotate, 0.2, 3.0), (Solarize, 0.6, 8.0)],
    &[(Equalize, 0.6, 8.0), (Posterize, 0.4, 6.0)],
    &[(Rotate, 0.8, 8.0), (Color, 0.4, 0.0)],
    &[(Rotate, 0.4, 9.0), (Equalize, 0.6, 2.0)],
    &[(Equalize, 0.0, 7.0), (Equalize, 0.8, 8.0)],
    &[(Invert, 0.6, 4.0), (Equalize, 1.0, 8.0)],
    &[(Color, 0.6, 4.0), (Contrast, 1.0, 8.0)],
    &[(Rotate, 0.8, 8.0), (Color, 1.0, 2.0)],
    &[(Color, 0.8, 8.0), (Solarize, 0.8, 7.0)],
    &[(Sharpness, 0.4, 7.0), (Invert, 0.6, 8.0)],
    &[(ShearX, 0.6, 5.0), (Equalize, 1.0, 9.0)],
    &[(Color, 0.4, 0.0), (Equalize, 0.6, 3.0)],
    &[(Equalize, 0.4, 7.0), (Solarize, 0.2, 4.0)],
    &[(Solarize, 0.6, 5.0), (AutoContrast, 0.6, 5.0)],
    &[(Invert, 0.6, 4.0), (Equalize, 1.0, 8.0)],
    &[(Color, 0.6, 4.0), (Contrast, 1.0, 8.0)],
    &[(Equalize, 0.8, 8.0), (Equalize, 0.6, 3.0)],
];

/// That of EfficientNet's code.
const V0: [&[Step]; 25] = [
    &[(Equalize, 0.8, 1.0), (ShearY, 0.8, 4.0)],
    &[(Color, 0.4, 9.0), (Equalize, 0.6, 3.0)],
    &[(Color, 0.4, 1.0), (Rotate, 0.6, 8.0)],
    &[(Solarize, 0.8, 3.0), (Equalize, 0.4, 7.0)],
    &[(Solarize, 0.4, 2.0), (Solarize, 0.6, 2.0)],
    &[(Color, 0.2, 0.0), (Equalize, 0.8, 8.0)],
    &[(Equalize, 0.4, 8.0), (SolarizeAdd, 0.8, 3.0)],
    &[(ShearX, 0.2, 9.0), (Rotate, 0.6, 8.0)],
    &[(Color, 0.6, 1.0), (Equalize, 1.0, 2.0)],
    &[(Invert, 0.4, 9.0), (Rotate, 0.6, 0.0)],
    &[(Equalize, 1.0, 9.0), (ShearY, 0.6, 3.0)],
    &[(Color, 0.4, 7.0), (Equalize, 0.6, 0.0)],
    &[(Posterize, 0.4, 6.0), (AutoContrast, 0.4, 7.0)],
    &[(Solarize, 0.6, 8.0), (Color, 0.6, 9.0)],
    &[(Solarize, 0.2, 4.0), (Rotate, 0.8, 9.0)],
    &[(Rotate, 1.0, 7.0), (TranslateY, 0.8, 9.0)],
    &[(ShearX, 0.0, 0.0), (Solarize, 0.8, 4.0)],
    &[(ShearY, 0.8, 0.0), (Color, 0.6, 4.0)],
    &[(Color, 1.0, 0.0), (Rotate, 0.6, 2.0)],
    &[(Equalize, 0.8, 4.0), (Equalize, 0.0, 8.0)],
    &[(Equalize, 1.0, 4.0), (AutoContrast, 0.6, 2.0)],
    &[(ShearY, 0.4, 7.0), (SolarizeAdd, 0.6, 7.0)],
    &[(Posterize, 0.8, 2.0), (Solarize, 0.6, 10.0)],
    &[(Solarize, 0.6, 8.0), (Equalize, 0.6, 1.0)],
    &[(Color, 0.8, 6.0), (Rotate, 0.4, 5.0)],
];
