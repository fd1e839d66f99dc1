//! Mixup and CutMix as timm's: pairs of images of a batch are mixed, and so are their labels. All
//! draws are functions of the seed, the step and the batch within the step, so a resumed run mixes
//! as an uninterrupted one.

use res2lab_data::Batch;
use res2lab_experiment::{MixMode, TrainSpec};
use res2lab_nn::{Share, Targets};
use res2lab_random::Key;
use tch::Tensor;

/// What happens to an image and the one that it is paired with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Nothing,
    /// x * l + x' * (1 - l), where l has the distribution Beta(alpha, alpha) (Zhang et al. 2018).
    Blend(f64),
    /// A box is replaced by that of the other image (Yun et al. 2019).
    Cut(Region),
}

/// A box of an image: its first row and column, and its height and width.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Region {
    top: i64,
    left: i64,
    height: i64,
    width: i64,
}

/// Mixes a batch by the recipe, and returns its images and targets. Image i is paired with the i-th
/// image from the end.
pub(crate) fn mix(train: &TrainSpec, batch: Batch, key: Key) -> (Tensor, Targets) {
    let Batch { images, labels, .. } = batch;
    if train.mixup == 0.0 && train.cutmix == 0.0 {
        return (images, Targets::plain(labels));
    }
    let size = [images.size()[2], images.size()[3]];
    if train.mix_mode == MixMode::Batch {
        return mix_all(images, labels, change(train, size, key));
    }
    let n = images.size()[0];
    let of_image = |i: i64| {
        // Both images of a pair have one change; the middle one of an odd batch has no other.
        let unit = if train.mix_mode == MixMode::Pair { i.min(n - 1 - i) } else { i };
        if 2 * i + 1 == n {
            return Change::Nothing;
        }
        change(train, size, key.named("image").with(unit as u64))
    };
    mix_each(images, labels, &(0..n).map(of_image).collect::<Vec<_>>())
}

/// Draws what happens to a batch, a pair or an image.
fn change(train: &TrainSpec, size: [i64; 2], key: Key) -> Change {
    if key.named("prob").uniform(0) >= train.mix_prob {
        return Change::Nothing;
    }
    let switches = key.with(0).uniform(0) >= 1.0 - train.mix_switch_prob;
    let use_cutmix = train.cutmix > 0.0 && (train.mixup == 0.0 || switches);
    let key = key.with(1);
    if !use_cutmix {
        return Change::Blend(key.beta(train.mixup));
    }
    let side = (1.0 - key.beta(train.cutmix)).sqrt();
    let range = |counter: u64, length: i64| {
        let cut = (length as f64 * side) as i64;
        let center = key.named("center").below(counter, length as u64) as i64;
        let first = (center - cut / 2).clamp(0, length);
        (first, (center + (cut + 1) / 2).clamp(0, length) - first)
    };
    let (top, height) = range(0, size[0]);
    let (left, width) = range(1, size[1]);
    Change::Cut(Region { top, left, height, width })
}

impl Change {
    /// The share of the original label, for images of this size.
    fn share(self, [height, width]: [i64; 2]) -> f64 {
        match self {
            Change::Nothing => 1.0,
            Change::Blend(share) => share,
            Change::Cut(region) => {
                1.0 - (region.height * region.width) as f64 / (height * width) as f64
            }
        }
    }
}

impl Region {
    fn of(self, images: &Tensor) -> Tensor {
        images.narrow(-2, self.top, self.height).narrow(-1, self.left, self.width)
    }
}

fn mix_all(images: Tensor, labels: Tensor, change: Change) -> (Tensor, Targets) {
    let share = change.share([images.size()[2], images.size()[3]]);
    let mixed = match change {
        Change::Nothing => return (images, Targets::plain(labels)),
        Change::Blend(share) => &images * share + images.flip([0]) * (1.0 - share),
        Change::Cut(region) => {
            region.of(&images).copy_(&region.of(&images.flip([0])));
            images
        }
    };
    let other = labels.flip([0]);
    (mixed, Targets { labels, mixed: Some((other, Share::All(share))) })
}

fn mix_each(images: Tensor, labels: Tensor, changes: &[Change]) -> (Tensor, Targets) {
    let size = [images.size()[2], images.size()[3]];
    let of_kind = (images.kind(), images.device());
    let factor = |change: &Change| if let Change::Blend(share) = *change { share } else { 1.0 };
    let shares = |of: &dyn Fn(&Change) -> f64| {
        let values = Tensor::from_slice(&changes.iter().map(of).collect::<Vec<f64>>());
        values.to_kind(of_kind.0).to_device(of_kind.1)
    };
    let factors = shares(&factor).view([-1, 1, 1, 1]);
    let flipped = images.flip([0]);
    let mixed = &images * &factors + &flipped * (factors.neg() + 1.0);
    for (i, change) in changes.iter().enumerate() {
        if let Change::Cut(region) = change {
            let i = i as i64;
            region.of(&mixed.get(i)).copy_(&region.of(&flipped.get(i)));
        }
    }
    let other = labels.flip([0]);
    let shares = shares(&|change| change.share(size));
    (mixed, Targets { labels, mixed: Some((other, Share::Each(shares))) })
}

#[cfg(test)]
#[path = "../../nn/tests/filled/mod.rs"]
mod filled;

#[cfg(test)]
mod tests {
    use super::filled::fill;
    use super::*;
    use tch::{Device, Kind};

    fn batch() -> Batch {
        let images = Tensor::arange(4, (Kind::Float, Device::Cpu))
            .view([4, 1, 1, 1])
            .expand([4, 1, 8, 8], false);
        Batch {
            images: images.contiguous(),
            labels: Tensor::from_slice(&[0_i64, 1, 2, 3]),
            indices: vec![0, 1, 2, 3],
        }
    }

    /// The share of the original label of each image.
    fn shares(targets: &Targets) -> [f64; 4] {
        match &targets.mixed {
            None => [1.0; 4],
            Some((_, Share::All(share))) => [*share; 4],
            Some((_, Share::Each(shares))) => [0, 1, 2, 3].map(|i| shares.double_value(&[i])),
        }
    }

    #[test]
    fn labels_keep_the_share_that_their_pixels_keep() {
        for mix_mode in [MixMode::Batch, MixMode::Pair, MixMode::Elem] {
            for (mixup, cutmix) in [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)] {
                let recipe = TrainSpec { mixup, cutmix, mix_mode, ..TrainSpec::default() };
                let mut alike = [true; 2];
                for step in 0..50 {
                    let (images, targets) = mix(&recipe, batch(), Key::new(1).with(step));
                    let (other, _) = targets.mixed.as_ref().expect("it mixes");
                    assert_eq!(*other, Tensor::from_slice(&[3_i64, 2, 1, 0]));
                    let shares = shares(&targets);
                    for (i, share) in shares.into_iter().enumerate() {
                        // Image i has value i everywhere, so its mean tells how much is left of it.
                        let mean = images.get(i as i64).mean(Kind::Double).double_value(&[]);
                        let i = i as f64;
                        let expected = i * share + (3.0 - i) * (1.0 - share);
                        assert!((mean - expected).abs() < 1e-6, "step {step}: {mean}");
                    }
                    alike[0] &= shares[0] == shares[3];
                    alike[1] &= shares[0] == shares[1];
                }
                assert_eq!(alike, [mix_mode != MixMode::Elem, mix_mode == MixMode::Batch]);
            }
        }
    }

    /// Images and targets are those of timm's Mixup with the same draws.
    #[test]
    fn batches_are_mixed_as_by_timm() {
        let fixture: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../tests/mixing.json")).unwrap();
        let number = |value: &serde_json::Value| value.as_f64().unwrap();
        for case in fixture {
            let recipe = &case["recipe"];
            let train = TrainSpec {
                mix_mode: serde_json::from_value(case["mode"].clone()).unwrap(),
                mix_prob: number(&recipe[0]),
                mix_switch_prob: number(&recipe[1]),
                mixup: number(&recipe[2]),
                cutmix: number(&recipe[3]),
                ..TrainSpec::default()
            };
            let values = |name: &str, shape: &[i64]| {
                let values = fill(name, shape.iter().product::<i64>() as usize);
                Tensor::from_slice(&values).view(shape)
            };
            let batch = Batch {
                images: values("mixing", &[6, 2, 9, 7]),
                labels: Tensor::from_slice(&[0_i64, 1, 2, 3, 4, 0]),
                indices: (0..6).collect(),
            };
            let step = case["step"].as_u64().unwrap();
            let (images, targets) = mix(&train, batch, Key::new(4).with(step));
            let found = (images * values("weights", &[2, 9, 7])).sum_dim_intlist(
                [1_i64, 2, 3].as_slice(),
                false,
                Kind::Double,
            );
            let shares: Vec<f64> = match &targets.mixed {
                None => vec![1.0; 6],
                Some((_, Share::All(share))) => vec![*share; 6],
                Some((_, Share::Each(shares))) => Vec::try_from(shares).unwrap(),
            };
            for (i, share) in shares.iter().enumerate() {
                let theirs = number(&case["images"][i]);
                assert!((found.double_value(&[i as i64]) - theirs).abs() < 1e-12, "{case}");
                let labels = [0, 1, 2, 3, 4, 0];
                for class in 0..5 {
                    let one = |label: usize| if label == class { 0.92 } else { 0.02 };
                    let target = one(labels[i]) * share + one(labels[5 - i]) * (1.0 - share);
                    // timm's one-hot targets are of float32.
                    let theirs = number(&case["target"][i][class]);
                    assert!((target - theirs).abs() < 1e-6, "{target} {case}");
                }
            }
        }
    }

    #[test]
    fn with_both_on_a_batch_gets_either_and_without_none() {
        let both = TrainSpec { mixup: 0.4, cutmix: 1.0, ..TrainSpec::default() };
        let is_cut = |recipe: &TrainSpec, step| {
            let (images, _) = mix(recipe, batch(), Key::new(2).with(step));
            images.get(0).frac().abs().max().double_value(&[]) == 0.0
        };
        let cuts = |recipe: &TrainSpec| (0..200).filter(|&step| is_cut(recipe, step)).count();
        assert!((70..130).contains(&cuts(&both)), "{}", cuts(&both));
        let rarely = cuts(&TrainSpec { mix_switch_prob: 0.1, ..both.clone() });
        assert!((5..40).contains(&rarely), "{rarely}");
        assert!(mix(&TrainSpec::default(), batch(), Key::new(2)).1.mixed.is_none());
        let half = TrainSpec { mix_prob: 0.5, ..both };
        let is_mixed = |step| mix(&half, batch(), Key::new(2).with(step)).1.mixed.is_some();
        let mixed = (0..200).filter(|&step| is_mixed(step)).count();
        assert!((70..130).contains(&mixed), "{mixed}");
    }
}
