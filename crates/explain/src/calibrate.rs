//! Running statistics for a network as it was initialized: in evaluation mode it would divide by
//! what it never saw.

use res2lab_nn::{Mode, Net};
use tch::Tensor;

/// Forward passes in training mode over `images` until the running statistics are those of the
/// images: with PyTorch's momentum of 0.1, fifty passes leave half a percent of where they started.
pub fn calibrate(net: &Net, images: &Tensor) {
    const PASSES: usize = 50;
    let _guard = tch::no_grad_guard();
    for _ in 0..PASSES {
        let _ = net.logits(images, Mode::Train);
    }
}
