//! Mixup and CutMix: pairs of images of a batch are mixed, and so are their labels. All draws are
//! functions of the seed, the step and the batch within the step, so a resumed run mixes as an
//! uninterrupted one.

use res2lab_data::Batch;
use res2lab_experiment::TrainSpec;
use res2lab_nn::Targets;
use res2lab_random::Key;
use tch::Tensor;

/// Mixes a batch by the recipe, and returns its images and targets. Image i is paired with the i-th
/// image from the end.
pub(crate) fn mix(train: &TrainSpec, batch: Batch, key: Key) -> (Tensor, Targets) {
    let Batch { images, labels, .. } = batch;
    // With both, a coin decides for each batch, as in the recipes of torchvision and timm.
    let use_cutmix = train.cutmix > 0.0 && (train.mixup == 0.0 || key.with(0).bits(0) >> 63 == 1);
    if use_cutmix {
        return cutmix(images, labels, key.with(1), train.cutmix);
    }
    if train.mixup > 0.0 {
        return mixup(images, labels, key.with(1), train.mixup);
    }
    (images, Targets::plain(labels))
}

/// Mixup: x * l + x' * (1 - l), where l has the distribution Beta(alpha, alpha) (Zhang et al.
/// 2018).
fn mixup(images: Tensor, labels: Tensor, key: Key, alpha: f64) -> (Tensor, Targets) {
    let share = key.beta(alpha);
    let mixed = &images * share + images.flip([0]) * (1.0 - share);
    let other = labels.flip([0]);
    (mixed, Targets { labels, mixed: Some((other, share)) })
}

/// CutMix: replaces a box by that of the other image. The box has the share 1 - l of the area,
/// before it is clipped at the edges (Yun et al. 2019).
fn cutmix(images: Tensor, labels: Tensor, key: Key, alpha: f64) -> (Tensor, Targets) {
    let size = images.size();
    let height = size[2];
    let width = size[3];
    let side = (1.0 - key.beta(alpha)).sqrt();
    let range = |counter: u64, length: i64| {
        let half = (side * length as f64 / 2.0).round() as i64;
        let center = key.named("center").below(counter, length as u64) as i64;
        ((center - half).max(0), (center + half).min(length))
    };
    let (top, bottom) = range(0, height);
    let (left, right) = range(1, width);
    let part = |t: &Tensor| t.narrow(2, top, bottom - top).narrow(3, left, right - left);
    part(&images).copy_(&part(&images.flip([0])));
    let share = 1.0 - ((bottom - top) * (right - left)) as f64 / (height * width) as f64;
    let other = labels.flip([0]);
    (images, Targets { labels, mixed: Some((other, share)) })
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn labels_keep_the_share_that_their_pixels_keep() {
        for recipe in [
            TrainSpec { mixup: 0.4, ..TrainSpec::default() },
            TrainSpec { cutmix: 1.0, ..TrainSpec::default() },
        ] {
            for step in 0..50 {
                let (images, targets) = mix(&recipe, batch(), Key::new(1).with(step));
                let Some((other, share)) = targets.mixed else { panic!("it mixes") };
                assert_eq!(other, Tensor::from_slice(&[3_i64, 2, 1, 0]));
                // Image i has value i everywhere, so its mean tells how much of it is left.
                let mean = images.get(0).mean(Kind::Double).double_value(&[]);
                assert!(
                    (mean - 3.0 * (1.0 - share)).abs() < 1e-6,
                    "step {step}: {mean} at share {share}"
                );
            }
        }
    }

    #[test]
    fn with_both_on_a_batch_gets_either_and_without_none() {
        let both = TrainSpec { mixup: 0.4, cutmix: 1.0, ..TrainSpec::default() };
        let is_cut = |step| {
            let (images, _) = mix(&both, batch(), Key::new(2).with(step));
            images.get(0).frac().abs().max().double_value(&[]) == 0.0
        };
        let cut = (0..200).filter(|&step| is_cut(step)).count();
        assert!((70..130).contains(&cut), "{cut}");
        assert!(mix(&TrainSpec::default(), batch(), Key::new(2)).1.mixed.is_none());
    }
}
