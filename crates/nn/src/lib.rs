//! Runs an [`res2lab_arch::Graph`] with libtorch: parameters in flat buffers, forward passes with
//! taps, the training step, initial weights, weights in and out.
//!
//! This crate must never know: data sets, experiment files, sweep folders, how long training lasts.
//!
//! Reading order:
//! - [`params`]: the ordered list of parameters over flat buffers
//! - [`net`]: forward passes, in training and in evaluation, and taps by node
//! - [`inference`]: the same in evaluation, batch norms folded away
//! - `buckets`: gradients summed over processes, piece by piece
//! - [`step`]: forward and backward of one batch; `planned`: the same without autograd;
//!   [`graphed`]: the same as one launch
//! - [`sgd`]: the optimizer; [`scaler`]: loss scaling for float16
//! - [`init`]: initial weights from a seed
//! - [`weights`]: state in and out of our files, safetensors and PyTorch's .pth
//!
//! A failure inside libtorch (out of memory, above all) panics, as tch does; callers that must
//! survive it run in a process of their own, as trials do.

mod buckets;
pub mod graphed;
pub mod inference;
pub mod init;
pub mod net;
pub mod params;
mod planned;
pub mod scaler;
pub mod sgd;
pub mod step;
pub mod weights;

pub use graphed::GraphedStep;
pub use inference::Inference;
pub use net::{Mode, Net, Output};
pub use params::{Layout, Params, Placement};
pub use planned::PlannedStep;
pub use scaler::LossScaler;
pub use sgd::{Rates, Sgd};
pub use step::{AutogradStep, GradScale, Loss, Step, Targets};
