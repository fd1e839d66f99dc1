//! Heads that make a map of logits, one file each. A head adds its nodes to those of the features,
//! and returns the map before the last convolution.
//!
//! Layers, names of tensors and defaults are those of segmentation_models_pytorch 0.6 with an
//! encoder of timm. To add a head, write such a function, add a variant to [`HeadKind`], and follow
//! the compiler: [`fill`] has the defaults, [`mod@check`] what is refused, [`build`] calls the function.

mod aspp;
mod check;
mod deeplabv3;
mod deeplabv3plus;
mod fpn;
mod unet;

use crate::Input;
use crate::builder::Builder;
use crate::graph::{Conv, Graph, Interpolation, NodeId, Per, Shape};
use crate::resnet;
use crate::spec::{HeadKind, MergePolicy, ModelSpec};
pub(crate) use check::check;
use res2lab_error::Error;

/// The features of a network.
pub(crate) struct Features {
    pub image: NodeId,
    /// The stem's map before its pool.
    pub first: NodeId,
    /// The end of each stage.
    pub stages: Vec<NodeId>,
}

impl Features {
    /// The end of the last stage.
    pub(crate) fn last(&self) -> NodeId {
        self.stages.last().copied().unwrap_or(self.first)
    }
}

/// What a head gives to the last layer.
pub(crate) struct Decoded {
    pub map: NodeId,
    /// The kernel of the last convolution.
    pub kernel: usize,
    /// How many times the logits are enlarged.
    pub enlarge: usize,
    /// The random factors of the map.
    pub dropout: Option<Per>,
}

/// Builds the features of `spec`, the head, and the last convolution.
pub(crate) fn build(spec: &ModelSpec, head: HeadKind, input: Input) -> Result<Graph, Error> {
    let (mut g, image) = Builder::new(input);
    g.within("encoder.model.");
    let features = resnet::features(&mut g, image, spec);
    g.within("");
    let decoded = match head {
        HeadKind::Fpn => fpn::add(&mut g, &features, spec),
        HeadKind::DeepLabV3 => deeplabv3::add(&mut g, &features, spec),
        HeadKind::DeepLabV3Plus => deeplabv3plus::add(&mut g, &features, spec),
        HeadKind::Unet => unet::add(&mut g, &features, spec),
    };
    g.module("decoder", decoded.map);
    let last = Conv::new(decoded.kernel, input.classes).biased();
    let logits = g.conv("segmentation_head.0", decoded.map, last);
    if let Some(per) = decoded.dropout {
        g.dropout(logits, spec.head_dropout.unwrap_or(0.0), per);
    }
    let size = enlarged(&g, logits, decoded.enlarge);
    g.resize("segmentation_head.1", logits, size, ALIGNED);
    g.finish()
}

/// Bilinear interpolation with aligned corners.
const ALIGNED: Interpolation = Interpolation::Bilinear { aligned: true };

/// The rows and columns of a map that is `times` as large.
fn enlarged(g: &Builder, x: NodeId, times: usize) -> (usize, usize) {
    let Shape { height, width, .. } = g.shape(x);
    (height * times, width * times)
}

/// The rows and columns of a map.
fn size(g: &Builder, x: NodeId) -> (usize, usize) {
    enlarged(g, x, 1)
}

/// Sets the fields that a head has and the user has not given.
pub(crate) fn fill(spec: &mut ModelSpec) {
    let Some(head) = spec.head else { return };
    match head {
        HeadKind::Fpn => {
            spec.pyramid_channels.get_or_insert(256);
            spec.segmentation_channels.get_or_insert(128);
            spec.merge_policy.get_or_insert(MergePolicy::Add);
            spec.head_dropout.get_or_insert(0.2);
        }
        HeadKind::DeepLabV3 | HeadKind::DeepLabV3Plus => {
            let is_plus = head == HeadKind::DeepLabV3Plus;
            spec.output_stride.get_or_insert(if is_plus { 16 } else { 8 });
            spec.decoder_channels.get_or_insert_with(|| vec![256]);
            spec.atrous_rates.get_or_insert_with(|| vec![12, 24, 36]);
            spec.aspp_separable.get_or_insert(is_plus);
            spec.head_dropout.get_or_insert(0.5);
        }
        HeadKind::Unet => {
            spec.decoder_channels.get_or_insert_with(|| vec![256, 128, 64, 32, 16]);
        }
    }
}
