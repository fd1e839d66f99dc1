//! The trait of sources of batches, which training and evaluation read.

use crate::{Augment, DataError, Split};
use res2lab_random::Key;
use tch::Tensor;

/// A batch of images, ready for the network.
pub struct Batch {
    /// N x C x H x W, normalized, of the source's kind, on its device.
    pub images: Tensor,
    /// N, int64.
    pub labels: Tensor,
    /// The indices of the images in the split.
    pub indices: Vec<u32>,
}

/// The plan of one pass over a split. It is given as a whole, so that a source that decodes can
/// prefetch.
pub struct EpochPlan {
    pub split: Split,
    /// The images of each batch, in order.
    pub batches: Vec<Vec<u32>>,
    /// The augmentation and the key of its draws; None for evaluation.
    pub augment: Option<(Augment, Key)>,
}

/// A source of batches: a data set that is resident on the device, or streamed.
pub trait Source {
    /// Starts a pass. The remaining batches of the previous pass are dropped.
    fn begin(&mut self, pass: EpochPlan) -> Result<(), DataError>;

    /// The next batch; None at the end of the pass.
    fn next_batch(&mut self) -> Result<Option<Batch>, DataError>;

    /// Warnings since the last call, about pictures that could not be read.
    fn warnings(&mut self) -> Vec<String> {
        vec![]
    }

    /// The number of images since the last call that replace unreadable pictures in training
    /// batches.
    fn replaced(&mut self) -> usize {
        0
    }

    /// The number of images of a split.
    fn len(&self, split: Split) -> usize;
}
