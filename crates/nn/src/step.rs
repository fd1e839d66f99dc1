//! Forward and backward of one batch. The training loop knows only the trait, so that a planned step with fused
//! kernels can stand in for autograd.

use crate::net::{Mode, Net};
use tch::{Reduction, Tensor};

/// What one batch gave. Both stay on the device: reading them would make the loop wait.
pub struct Loss {
    /// Mean loss over the batch, a scalar.
    pub loss: Tensor,
    /// N x classes.
    pub logits: Tensor,
}

/// One way to compute gradients.
pub trait Step {
    /// Loss of `images` (normalised, N x C x H x W) against `labels` (int64, N); *adds* the gradient of `weight` times
    /// the loss to the gradient buffer. `weight` is 1 / the number of batches that one optimizer step averages.
    fn forward_backward(&mut self, net: &mut Net, images: &Tensor, labels: &Tensor, weight: f64) -> Loss;
}

/// The reference: libtorch's autograd over [`Net::forward`].
pub struct AutogradStep {
    /// Weight of the uniform distribution in the targets.
    pub label_smoothing: f64,
}

impl Step for AutogradStep {
    fn forward_backward(&mut self, net: &mut Net, images: &Tensor, labels: &Tensor, weight: f64) -> Loss {
        let logits = net.logits(images, Mode::Train);
        let loss = cross_entropy(&logits, labels, self.label_smoothing);
        let scaled = if weight == 1.0 { loss.shallow_clone() } else { &loss * weight };
        scaled.backward();
        Loss { loss: loss.detach(), logits: logits.detach() }
    }
}

/// Mean cross-entropy against (1 - e) * onehot + e / classes.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, label_smoothing: f64) -> Tensor {
    const IGNORE_INDEX: i64 = -100;
    logits.cross_entropy_loss(labels, None::<&Tensor>, Reduction::Mean, IGNORE_INDEX, label_smoothing)
}
