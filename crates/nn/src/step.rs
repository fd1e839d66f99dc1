//! Forward and backward of one batch. The training loop knows only the trait, so that a planned
//! step with fused kernels can stand in for autograd.
use crate::net::{Mode, Net};
use res2lab_error::Error;
use tch::{Reduction, Tensor};

/// What one batch gave. Both stay on the device: reading them would make the loop wait.
pub struct Loss {
    /// Mean loss over the batch, a scalar.
    pub loss: Tensor,
    /// N x classes.
    pub logits: Tensor,
}

/// What the images show.
pub struct Targets {
    /// N, int64.
    pub labels: Tensor,
    /// Labels of what was mixed into the images, and the share that the first labels keep.
    pub mixed: Option<(Tensor, f64)>,
}

impl Targets {
    /// Nothing mixed.
    pub fn plain(labels: Tensor) -> Targets {
        Targets { labels, mixed: None }
    }
}

/// What the gradient of the loss is multiplied with on its way into the gradient buffer.
#[derive(Clone, Copy)]
pub struct GradScale<'a> {
    /// 1 / the number of batches that one optimizer step averages.
    pub share: f64,
    /// A loss scale on the device.
    pub scale: Option<&'a Tensor>,
    /// Whether the gradient is added to the batches' before; the first batch of an optimizer step
    /// overwrites.
    pub adds: bool,
}

impl GradScale<'_> {
    /// One batch a step, no scale.
    pub const ONE: GradScale<'static> = GradScale { share: 1.0, scale: None, adds: false };
}

/// One way to compute gradients.
pub trait Step {
    /// Loss of `images` (normalized, N x C x H x W) against `targets`; writes the gradient of
    /// `weight` times the loss to the gradient buffer, or adds it there.
    fn forward_backward(
        &mut self,
        net: &mut Net,
        images: &Tensor,
        targets: &Targets,
        weight: GradScale,
    ) -> Loss;
}

/// The faster step for this net, as its layout was chosen for it; see
/// [`Layout::choose`](crate::Layout::choose). On a GPU it is recorded as a CUDA graph if
/// `cuda_graph` says so.
pub fn choose(net: &Net, label_smoothing: f64, cuda_graph: bool) -> Result<Box<dyn Step>, Error> {
    Ok(match crate::PlannedStep::fits(net) {
        true => Box::new(crate::PlannedStep::new(label_smoothing)),
        false if cuda_graph && crate::graphed::fits(net) => {
            Box::new(crate::GraphedStep::new(label_smoothing)?)
        }
        false => Box::new(AutogradStep { label_smoothing }),
    })
}

/// The reference: libtorch's autograd over [`Net::forward`].
#[derive(Clone, Copy, Debug)]
pub struct AutogradStep {
    /// Weight of the uniform distribution in the targets.
    pub label_smoothing: f64,
}

impl Step for AutogradStep {
    fn forward_backward(
        &mut self,
        net: &mut Net,
        images: &Tensor,
        targets: &Targets,
        weight: GradScale,
    ) -> Loss {
        if !weight.adds {
            net.params_mut().zero_grads();
        }
        let logits = net.logits(images, Mode::Train);
        let loss = self.loss_and_backward(&logits, targets, weight);
        Loss { loss, logits: logits.detach() }
    }
}

impl AutogradStep {
    /// The loss of these logits, with the gradient of `weight` times it added to whatever they were
    /// computed from.
    pub(crate) fn loss_and_backward(
        &self,
        logits: &Tensor,
        targets: &Targets,
        weight: GradScale,
    ) -> Tensor {
        let loss = self.loss(logits, targets);
        // Not in place: without a share the scaled loss would be the very tensor that is returned.
        let shared = if weight.share == 1.0 { loss.shallow_clone() } else { &loss * weight.share };
        let scaled = weight.scale.map_or_else(|| shared.shallow_clone(), |scale| &shared * scale);
        scaled.backward();
        loss.detach()
    }

    /// Cross-entropy is linear in its targets, so mixed targets are mixed losses.
    fn loss(&self, logits: &Tensor, targets: &Targets) -> Tensor {
        let first = cross_entropy(logits, &targets.labels, self.label_smoothing);
        match &targets.mixed {
            None => first,
            Some((labels, share)) => {
                first * *share + cross_entropy(logits, labels, self.label_smoothing) * (1.0 - share)
            }
        }
    }
}

/// Mean cross-entropy against (1 - e) * onehot + e / classes.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, label_smoothing: f64) -> Tensor {
    const IGNORE_INDEX: i64 = -100;
    logits.cross_entropy_loss(
        labels,
        None::<&Tensor>,
        Reduction::Mean,
        IGNORE_INDEX,
        label_smoothing,
    )
}
