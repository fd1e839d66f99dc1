//! Batch-norm statistics for an initialized network. Without them, evaluation would normalize by
//! the initial running statistics, which fit no data.

use res2lab_nn::{Mode, Net};
use tch::Tensor;

/// Runs forward passes in training mode over `images` until the running statistics are those of the
/// images. With PyTorch's momentum of 0.1, fifty passes leave half a percent of the initial values.
pub fn calibrate(net: &Net, images: &Tensor) {
    const PASSES: usize = 50;
    let _guard = tch::no_grad_guard();
    for _ in 0..PASSES {
        let _ = net.logits(images, Mode::Train);
    }
}
