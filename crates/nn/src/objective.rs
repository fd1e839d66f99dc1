//! The loss of a batch: cross-entropy, binary cross-entropy of each class, or focal loss.

use crate::step::{Share, Targets};
use tch::{Device, Kind, Reduction, Tensor};

/// What a training step minimizes.
#[derive(Debug)]
pub struct Objective {
    kind: LossKind,
    /// Weight e of the uniform distribution in the targets, (1 - e) * onehot + e / classes.
    label_smoothing: f64,
    /// A weight for each class, on the device; None if all are 1.
    class_weights: Option<Tensor>,
}

/// The kind of a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossKind {
    /// Cross-entropy of the softmax.
    CrossEntropy,
    /// Binary cross-entropy of each class by itself, as timm's `BinaryCrossEntropy`.
    BinaryCrossEntropy {
        /// Targets above this are 1, the others 0.
        threshold: Option<f64>,
        /// The sum over the classes in place of their mean.
        sum_classes: bool,
    },
    /// -(1 - p)^gamma log p of the class (Lin et al. 2017, equation 4).
    Focal { gamma: f64 },
}

/// The label of pixels that have no class.
pub const IGNORED: i64 = 255;

impl Objective {
    /// Cross-entropy with this label smoothing.
    pub fn cross_entropy(label_smoothing: f64) -> Objective {
        Objective { kind: LossKind::CrossEntropy, label_smoothing, class_weights: None }
    }

    /// A loss with a weight for each class, or none, for a network of this kind on this device.
    pub fn new(
        loss: LossKind,
        label_smoothing: f64,
        class_weights: &[f64],
        (kind, device): (Kind, Device),
    ) -> Objective {
        let on_device = || Tensor::from_slice(class_weights).to_kind(kind).to_device(device);
        let class_weights = (!class_weights.is_empty()).then(on_device);
        Objective { kind: loss, label_smoothing, class_weights }
    }

    /// The mean loss of a batch with logits N x classes, or the mean cross-entropy of the pixels of
    /// maps, N x classes x H x W. Pixels with the label [`IGNORED`] count nothing; of
    /// them alone there is no mean, and the loss is NaN.
    pub fn loss(&self, logits: &Tensor, targets: &Targets) -> Tensor {
        match self.kind {
            LossKind::CrossEntropy => self.cross_entropies(logits, targets),
            LossKind::BinaryCrossEntropy { threshold, sum_classes } => {
                let mut wanted = self.shares(logits, targets);
                if let Some(threshold) = threshold {
                    wanted = wanted.gt(threshold).to_kind(logits.kind());
                }
                let weights = self.class_weights.as_ref();
                let mean = logits.binary_cross_entropy_with_logits(
                    &wanted,
                    weights,
                    None::<&Tensor>,
                    Reduction::Mean,
                );
                // The mean over all elements times the classes is the mean of the sums.
                if sum_classes { mean * logits.size()[1] as f64 } else { mean }
            }
            LossKind::Focal { gamma } => {
                let logs = logits.log_softmax(1, logits.kind());
                let weights = logs.exp().neg().g_add_scalar(1.0).pow_tensor_scalar(gamma);
                let mut terms = self.shares(logits, targets) * weights * logs;
                if let Some(class_weights) = &self.class_weights {
                    terms *= class_weights;
                }
                -terms.sum_dim_intlist(1, false, None::<Kind>).mean(None::<Kind>)
            }
        }
    }

    /// Cross-entropy is linear in its targets, so the loss of mixed targets is the mean of two.
    fn cross_entropies(&self, logits: &Tensor, targets: &Targets) -> Tensor {
        let one = |labels: &Tensor, reduction| {
            // No class of a whole image has a negative label.
            let ignored = if labels.dim() > 1 { IGNORED } else { -100 };
            let weights = self.class_weights.as_ref();
            logits.cross_entropy_loss(labels, weights, reduction, ignored, self.label_smoothing)
        };
        // The mean over images is weighted by the weights of their classes, as PyTorch's.
        let weighed = |labels: &Tensor, shares: &Tensor| {
            let sum = (one(labels, Reduction::None) * shares).sum(None::<Kind>);
            match &self.class_weights {
                None => sum / labels.numel() as f64,
                Some(weights) => sum / weights.index_select(0, labels).sum(None::<Kind>),
            }
        };
        let labels = &targets.labels;
        match &targets.mixed {
            None => one(labels, Reduction::Mean),
            Some((other, Share::All(share))) => {
                one(labels, Reduction::Mean) * *share + one(other, Reduction::Mean) * (1.0 - share)
            }
            Some((other, Share::Each(shares))) => {
                weighed(labels, shares) + weighed(other, &(shares.neg() + 1.0))
            }
        }
    }

    /// The target of each class, N x classes.
    fn shares(&self, logits: &Tensor, targets: &Targets) -> Tensor {
        let off = self.label_smoothing / logits.size()[1] as f64;
        let on = 1.0 - self.label_smoothing + off;
        let one = |labels: &Tensor| {
            let uniform = logits.detach().full_like(off);
            uniform.scatter_value(1, &labels.unsqueeze(1), on)
        };
        let first = one(&targets.labels);
        match &targets.mixed {
            None => first,
            Some((labels, Share::All(share))) => first * *share + one(labels) * (1.0 - share),
            Some((labels, Share::Each(shares))) => {
                let shares = shares.unsqueeze(1);
                first * &shares + one(labels) * (shares.neg() + 1.0)
            }
        }
    }
}

impl Clone for Objective {
    fn clone(&self) -> Objective {
        let class_weights = self.class_weights.as_ref().map(Tensor::shallow_clone);
        Objective { class_weights, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f64; 12] = [-1.0, 0.6, -0.3, 1.3, 0.0, -0.9, 0.7, -0.2, 1.0, 0.1, -0.8, 0.8];
    const WEIGHTS: [f64; 4] = [1.0, 2.0, 0.5, 3.0];

    /// Labels 2, 0 and 3, mixed with the reverse if the share of the originals is below 1.
    fn targets(share: f64) -> Targets {
        let labels = Tensor::from_slice(&[2_i64, 0, 3]);
        let other = labels.flip([0]);
        Targets { labels, mixed: (share < 1.0).then_some((other, Share::All(share))) }
    }

    /// Compares the loss and its first four derivatives.
    fn check(kind: LossKind, smoothing: f64, weights: &[f64], share: f64, expected: [f64; 5]) {
        let logits = Tensor::from_slice(&LOGITS).view([3, 4]).set_requires_grad(true);
        let objective =
            Objective::new(kind, smoothing, weights, (Kind::Double, Device::Cpu)).clone();
        let loss = objective.loss(&logits, &targets(share));
        loss.backward();
        let gradient = Vec::<f64>::try_from(logits.grad().flatten(0, -1)).unwrap();
        let found = [&[loss.double_value(&[])], &gradient[..4]].concat();
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{kind:?}: {found} and {expected}");
        }
    }

    #[test]
    fn binary_cross_entropy_is_timms() {
        let bce = |threshold, sum_classes| LossKind::BinaryCrossEntropy { threshold, sum_classes };
        // timm 1.0.31's BinaryCrossEntropy, its targets for mixed labels from timm's mixup_target.
        check(
            bce(None, false),
            0.1,
            &[],
            1.0,
            [
                0.7749249157793384,
                0.020328451780832927,
                0.05172135885214962,
                -0.04162020973430492,
                0.06340291525354655,
            ],
        );
        check(
            bce(Some(0.2), true),
            0.1,
            &[],
            1.0,
            [
                3.0938663297840203,
                0.08964714045666503,
                0.2152187687419318,
                -0.19148083893721962,
                0.2619449943475195,
            ],
        );
        check(
            bce(None, false),
            0.1,
            &[],
            0.7,
            [
                0.7749249157793384,
                0.020328451780832927,
                0.05172135885214962,
                -0.019120209734304908,
                0.04090291525354654,
            ],
        );
        check(
            bce(Some(0.2), false),
            0.1,
            &[],
            0.85,
            [
                0.7734665824460051,
                0.02241178511416626,
                0.05380469218548295,
                -0.04787020973430491,
                0.06548624858687989,
            ],
        );
        check(
            bce(None, false),
            0.1,
            &WEIGHTS,
            1.0,
            [
                1.279859372776454,
                0.020328451780832927,
                0.10344271770429923,
                -0.02081010486715246,
                0.19020874576063965,
            ],
        );
    }

    #[test]
    fn cross_entropy_is_that_of_timm_and_pytorch() {
        // timm's SoftTargetCrossEntropy, and PyTorch's cross_entropy with weights.
        check(
            LossKind::CrossEntropy,
            0.1,
            &[],
            0.7,
            [
                1.5734902671582105,
                0.010246117954500542,
                0.08369129132277744,
                -0.18091891299914198,
                0.08698150372186407,
            ],
        );
        check(
            LossKind::CrossEntropy,
            0.1,
            &WEIGHTS,
            1.0,
            [
                1.3100548399374459,
                0.0020310537203099446,
                0.02646561062346746,
                -0.087500222807983,
                0.05900355846420563,
            ],
        );
    }

    /// Equal shares of all images are one share; different ones mix each image by its own.
    #[test]
    fn shares_of_each_image_weigh_its_own_labels() {
        let logits = Tensor::from_slice(&LOGITS).view([3, 4]);
        let with = |shares: [f64; 3]| {
            let Targets { labels, mixed } = targets(0.5);
            let shares = Share::Each(Tensor::from_slice(&shares));
            Targets { labels, mixed: mixed.map(|(other, _)| (other, shares)) }
        };
        for kind in [
            LossKind::CrossEntropy,
            LossKind::BinaryCrossEntropy { threshold: None, sum_classes: false },
            LossKind::Focal { gamma: 2.0 },
        ] {
            for weights in [&[] as &[f64], &WEIGHTS] {
                let objective = Objective::new(kind, 0.1, weights, (Kind::Double, Device::Cpu));
                let of = |targets: &Targets| objective.loss(&logits, targets).double_value(&[]);
                assert!((of(&with([0.7; 3])) - of(&targets(0.7))).abs() < 1e-12, "{kind:?}");
                assert!((of(&with([1.0; 3])) - of(&targets(1.0))).abs() < 1e-12, "{kind:?}");
            }
        }
        // timm 1.0.31's SoftTargetCrossEntropy of mixup_target with a share for each image; its
        // targets are of float32.
        let plain = Objective::cross_entropy(0.1);
        let found = plain.loss(&logits, &with([0.2, 1.0, 0.6])).double_value(&[]);
        assert!((found - 1.381490285221395).abs() < 1e-7, "{found}");
    }

    #[test]
    fn focal_loss_is_that_of_its_definition() {
        // (1 - p)^gamma times PyTorch's cross-entropy of each image, times the weight of its class.
        check(
            LossKind::Focal { gamma: 2.0 },
            0.0,
            &[],
            1.0,
            [
                1.0100687003676028,
                0.022740789304394594,
                0.11263586678100407,
                -0.36219743777392943,
                0.22682078168853084,
            ],
        );
        check(
            LossKind::Focal { gamma: 0.5 },
            0.0,
            &WEIGHTS,
            1.0,
            [
                1.6331841082074554,
                0.009963044081436037,
                0.04934728038103055,
                -0.15868354393607154,
                0.09937321947360499,
            ],
        );
    }
}
