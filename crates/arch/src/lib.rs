//! Architectures as data: a [`ModelSpec`] becomes a [`Graph`] of named nodes, and everything else
//! in res2lab (training, cost, receptive fields, taps, diagrams) reads that graph.
//!
//! This crate must never know: files, tensors, devices, data sets, how a network is trained.
//!
//! Reading order:
//! - [`spec`]: what a user may ask for, with defaults and checks
//! - [`zoo`]: the published networks, as words of the same language
//! - [`graph`]: nodes, shapes, and the ordered state (parameters and running statistics)
//! - [`builder`]: how blocks add nodes
//! - [`blocks`]: one function per block; [`resnet`] and [`dla`] stack them
//! - [`cost`]: parameters, multiply-adds, activations

pub mod blocks;
pub mod builder;
pub mod cost;
pub mod dla;
pub mod error;
pub mod graph;
pub mod resnet;
pub mod spec;
pub mod zoo;

pub use cost::{Cost, cost};
pub use error::Invalid;
pub use graph::{Conv, Graph, Node, NodeId, Op, Pool, Role, Shape, StateEntry};
pub use spec::{BlockKind, Downsample, Family, FirstBlock, ModelOverrides, ModelSpec, Stem};

/// What a data set prescribes to a network: the image's shape and the number of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Image channels (1 gray, 3 color).
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Length of the logits.
    pub classes: usize,
}

impl Input {
    /// Color images of `size` x `size` pixels, as ImageNet and CIFAR have them.
    pub fn square(size: usize, classes: usize) -> Input {
        Input { channels: 3, height: size, width: size, classes }
    }
}

/// Builds the graph of `spec` for images and classes of `input`.
pub fn build(spec: &ModelSpec, input: Input) -> Result<Graph, Invalid> {
    spec.check()?;
    let multiple = spec.input_multiple();
    for (field, size) in [("height", input.height), ("width", input.width)] {
        if size == 0 || size % multiple != 0 {
            return Err(Invalid::new(
                format!("an image {field} of {size} px does not fit this network"),
                format!("give images whose sides are multiples of {multiple} px"),
            ));
        }
    }
    match spec.family {
        Family::Resnet => resnet::build(spec, input),
        Family::Dla => dla::build(spec, input),
    }
}
