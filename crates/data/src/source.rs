//! The interface through which the training loop gets its images.

use crate::{Augment, Split};
use res2lab_error::Error;
use res2lab_random::Key;
use tch::Tensor;

/// A batch of images ready for the network.
pub struct Batch {
    /// N x C x H x W, normalized, in the source's kind and on its device.
    pub images: Tensor,
    /// N, int64.
    pub labels: Tensor,
    /// Indices of the images, as in the plan.
    pub indices: Vec<u32>,
}

/// The batches of one pass over a split. A source receives the whole plan in advance, so that it
/// can decode ahead.
pub struct EpochPlan {
    pub split: Split,
    /// The images of each batch, in order. Indices beyond the last image are further copies of the
    /// images (see [`crate::order::repeated_batches`]).
    pub batches: Vec<Vec<u32>>,
    /// Augmentation and its random stream; `None` for evaluation.
    pub augment: Option<(Augment, Key)>,
}

/// A source of batches: a data set that is resident on the device, or streamed.
pub trait Source {
    /// Starts a pass. The rest of the previous pass is dropped.
    fn begin(&mut self, pass: EpochPlan) -> Result<(), Error>;

    /// The next batch; `None` at the end of the pass.
    fn next_batch(&mut self) -> Result<Option<Batch>, Error>;

    /// Warnings since the last call, e.g. on pictures that could not be read.
    fn warnings(&mut self) -> Vec<String> {
        vec![]
    }

    /// The number of images since the last call that replaced unreadable pictures in training
    /// batches.
    fn replaced(&mut self) -> usize {
        0
    }

    /// The number of images in a split.
    fn len(&self, split: Split) -> usize;
}
