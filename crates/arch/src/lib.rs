//! Architectures as data: a [`ModelSpec`] becomes a [`Graph`] of named nodes. All other parts of
//! res2lab (training, cost, receptive fields, taps, diagrams) are derived from the graph.
//!
//! This crate must never know: files, tensors, devices, data sets, how a network is trained.
//!
//! Reading order:
//! - [`spec`]: the configuration of a network, with defaults and checks
//! - [`zoo`]: the published networks, as model overrides
//! - [`graph`]: nodes, shapes, and the ordered state (parameters and running statistics)
//! - [`builder`]: how blocks add nodes
//! - [`blocks`]: one function per block; [`resnet`] and [`dla`] stack them
//! - `heads`: what makes a map of the features of a [`resnet`]
//! - [`mod@cost`]: parameters, multiply-adds, activations

use res2lab_error::Error;

pub mod blocks;
pub mod builder;
pub mod cost;
pub mod dla;
pub mod graph;
mod heads;
pub mod noise;
pub mod overrides;
pub mod resnet;
pub mod spec;
pub mod zoo;

pub use cost::{Cost, cost};

pub use graph::{Conv, Graph, Interpolation, Node, NodeId, Op, Per, Pool, Role, Shape, StateEntry};
pub use noise::{NoiseRates, with_noise};
pub use overrides::ModelOverrides;
pub use spec::{BlockKind, Downsample, Family, FirstBlock, HeadKind, MergePolicy, ModelSpec, Stem};

/// The input and output sizes that a data set prescribes: image shape and number of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Image channels (1 gray, 3 color).
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Number of logits, or of logits of each pixel.
    pub classes: usize,
}

impl Input {
    /// Color images of `size` x `size` pixels, as in ImageNet and CIFAR.
    pub fn square(size: usize, classes: usize) -> Input {
        Input { channels: 3, height: size, width: size, classes }
    }
}

/// Builds the graph of `spec` for images and classes of `input`. Fails if the spec is invalid or
/// does not fit the image size.
pub fn build(spec: &ModelSpec, input: Input) -> Result<Graph, Error> {
    spec.check()?;
    let multiple = spec.input_multiple();
    for (field, size) in [("height", input.height), ("width", input.width)] {
        if size == 0 || size % multiple != 0 {
            return Err(Error::input(
                format!("an image {field} of {size} px does not fit this network"),
                format!("give images whose sides are multiples of {multiple} px"),
            ));
        }
    }
    match spec.family {
        Family::Resnet => match spec.head {
            None => resnet::build(spec, input),
            Some(head) => heads::build(spec, head, input),
        },
        Family::Dla => dla::build(spec, input),
    }
}
