//! What the training loop asks for images.

use crate::{Augment, Split};
use res2lab_error::Error;
use res2lab_random::Key;
use tch::Tensor;

/// Images ready for the network.
pub struct Batch {
    /// N x C x H x W, normalized, of the source's kind, on its device.
    pub images: Tensor,
    /// N, int64.
    pub labels: Tensor,
    /// Which images of the split these are.
    pub indices: Vec<u32>,
}

/// What one pass over a split consists of. It is announced as a whole, so that a source that
/// decodes can work ahead.
pub struct EpochPlan {
    /// Which part.
    pub split: Split,
    /// The images of each batch, in order.
    pub batches: Vec<Vec<u32>>,
    /// Random changes and the stream they are drawn from; None for evaluation.
    pub augment: Option<(Augment, Key)>,
}

/// A data set in use: resident on the device, or streamed.
pub trait Source {
    /// Starts a pass; what was left of the pass before is dropped.
    fn begin(&mut self, pass: EpochPlan) -> Result<(), Error>;

    /// The next batch; None at the end of the pass.
    fn next_batch(&mut self) -> Result<Option<Batch>, Error>;

    /// What the user should know since this was last asked: pictures that could not be read.
    fn warnings(&mut self) -> Vec<String> {
        vec![]
    }

    /// Images since this was last asked that stand in training batches for pictures that could not
    /// be read.
    fn replaced(&mut self) -> usize {
        0
    }

    /// Images of a split.
    fn len(&self, split: Split) -> usize;
}
