//! Forward and backward pass of one batch. The training loop uses only the trait [`Step`], which
//! autograd, the planned step and CUDA graphs implement.
use crate::net::{Mode, Net};
use crate::{Engine, Objective};
use res2lab_error::Error;
use res2lab_libtorch::Reducer;
use std::cell::RefCell;
use std::rc::Rc;
use tch::{Kind, Tensor};

/// The loss and the logits of one batch. All stay on the device, because reading them would make
/// the loop wait, and are overwritten by the next step.
pub struct Loss {
    /// Mean loss over the batch, a scalar.
    pub loss: Tensor,
    /// N x classes, or N x classes x H x W of maps.
    pub logits: Tensor,
    /// The number of images, or of pixels, whose label has the greatest logit, int64, a scalar.
    pub hits: Tensor,
}

impl Loss {
    pub(crate) fn new(loss: Tensor, logits: &Tensor, labels: &Tensor) -> Loss {
        let logits = logits.detach();
        let hits = logits.argmax(1, false).eq_tensor(labels).sum(Kind::Int64);
        Loss { loss, logits, hits }
    }
}

/// The targets of a batch of images.
pub struct Targets {
    /// N, int64; N x H x W for maps.
    pub labels: Tensor,
    /// The labels of the images that were mixed in, and the share of the original labels.
    pub mixed: Option<(Tensor, Share)>,
}

/// The share of the original labels in mixed ones.
#[derive(Debug)]
pub enum Share {
    /// The same for all images.
    All(f64),
    /// One for each image, N, of the kind and on the device of the logits.
    Each(Tensor),
}

impl Targets {
    /// Targets of images that are not mixed.
    pub fn plain(labels: Tensor) -> Targets {
        Targets { labels, mixed: None }
    }
}

/// The factors of the loss's gradient, and whether it accumulates into the gradient buffer.
#[derive(Clone, Copy)]
pub struct GradScale<'a> {
    /// The share of this batch in the step's mean: 1 / the number of batches of an optimizer step.
    pub batch_share: f64,
    /// The loss scale, on the device; only with float16.
    pub loss_scale: Option<&'a Tensor>,
    /// Whether the gradient accumulates. The first batch of an optimizer step overwrites.
    pub accumulates: bool,
}

impl GradScale<'_> {
    /// The scale of a step of one batch, without a loss scale.
    pub const ONE: GradScale<'static> =
        GradScale { batch_share: 1.0, loss_scale: None, accumulates: false };
}

/// A way to compute gradients.
pub trait Step {
    /// The reducer that `make` makes, and whether the step sums its gradients over processes by it.
    /// If not, the caller has to do that.
    fn reducer(
        &mut self,
        make: &mut dyn FnMut() -> Result<Reducer, Error>,
    ) -> Result<(Rc<RefCell<Reducer>>, bool), Error> {
        Ok((Rc::new(RefCell::new(make()?)), false))
    }

    /// Computes the loss of `images` (normalized, N x C x H x W) against `targets`. Writes the
    /// gradient of the loss, scaled by `scale`, to the gradient buffer, or accumulates it.
    fn forward_backward(
        &mut self,
        net: &mut Net,
        images: &Tensor,
        targets: &Targets,
        scale: GradScale,
    ) -> Loss;

    /// The reason, once, if the step could not go on as its engine does and is autograd's from then
    /// on.
    fn gave_up(&mut self) -> Option<String> {
        None
    }
}

/// The step of the net's engine.
///
/// # Errors
/// A CUDA graph cannot be recorded.
pub fn of_engine(net: &Net, objective: Objective) -> Result<Box<dyn Step>, Error> {
    Ok(match net.placement().engine {
        Engine::Planned => Box::new(crate::PlannedStep::new(objective)),
        Engine::CudaGraph => Box::new(crate::GraphedStep::new(objective)?),
        Engine::Autograd => Box::new(AutogradStep::new(objective)),
    })
}

/// The reference implementation: libtorch's autograd over [`Net::forward`].
#[derive(Clone, Debug)]
pub struct AutogradStep {
    objective: Objective,
}

impl Step for AutogradStep {
    fn forward_backward(
        &mut self,
        net: &mut Net,
        images: &Tensor,
        targets: &Targets,
        scale: GradScale,
    ) -> Loss {
        let logits = net.logits(images, Mode::Train);
        let loss = self.loss_and_backward(&logits, targets, scale);
        // As all operations of tch, this panics if libtorch fails.
        net.params_mut().collect_grads(scale.accumulates).unwrap_or_else(|e| panic!("{e}"));
        Loss::new(loss, &logits, &targets.labels)
    }
}

impl AutogradStep {
    /// A step that minimizes `objective`.
    pub fn new(objective: Objective) -> AutogradStep {
        AutogradStep { objective }
    }

    /// Computes the loss of these logits, and runs the backward pass of the scaled loss.
    pub(crate) fn loss_and_backward(
        &self,
        logits: &Tensor,
        targets: &Targets,
        scale: GradScale,
    ) -> Tensor {
        let loss = self.objective.loss(logits, targets);
        // Not in place: with a share of 1 the scaled loss is the tensor that is returned.
        let shared =
            if scale.batch_share == 1.0 { loss.shallow_clone() } else { &loss * scale.batch_share };
        let scaled = scale
            .loss_scale
            .map_or_else(|| shared.shallow_clone(), |loss_scale| &shared * loss_scale);
        scaled.backward();
        loss.detach()
    }
}
