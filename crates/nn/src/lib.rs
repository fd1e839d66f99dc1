//! Runs an [`res2lab_arch::Graph`] with libtorch: parameters in flat buffers, forward passes with
//! taps, the training step, initial weights, weights in and out.
//!
//! This crate must never know: data sets, experiment files, sweep folders, how long training lasts.
//!
//! Reading order:
//! - [`params`]: the ordered list of parameters over flat buffers
//! - [`net`]: forward passes, in training and in evaluation, and taps by node
//! - `noise`: the random factors of drop path and dropout
//! - [`inference`]: evaluation by our own kernels, with batch norms folded
//! - `buckets`: gradients that are all-reduced in buckets
//! - [`step`]: forward and backward pass of one batch; `planned`: without autograd; [`graphed`]: as
//!   a CUDA graph
//! - [`optimizer`]: optimizers and gradient clipping; `second`: means of squared gradients;
//!   [`scaler`]: loss scaling for float16
//! - [`init`]: initial weights from a seed
//! - [`weights`]: state in and out of our files, safetensors and PyTorch's .pth
//!
//! A failure inside libtorch (mostly out of memory) panics, as in tch. A caller that must survive
//! such failures runs this crate in a separate process, as trials do.

mod buckets;
pub mod engine;
mod fused;
pub mod graphed;
mod half;
pub mod inference;
pub mod init;
pub mod net;
mod noise;
pub mod objective;
pub mod optimizer;
pub mod params;
mod planned;
pub mod scaler;
mod second;
pub mod step;
pub mod weights;

pub use engine::{Conditions, Engine};
pub use fused::FusedInference;
pub use graphed::GraphedStep;
pub use inference::Inference;
pub use net::{Mode, Net, Output};
pub use noise::Noise;
pub use objective::{LossKind, Objective};
pub use optimizer::sgd::{Rates, Sgd};
pub use optimizer::{Lamb, Method, Optimizer};
pub use params::{Layout, Params, Placement};
pub use planned::PlannedStep;
pub use res2lab_planned::profile::Row as ProfileRow;
pub use scaler::LossScaler;
pub use step::{AutogradStep, GradScale, Loss, Share, Step, Targets};
