//! DeepLabV3+: atrous spatial pyramid pooling of the last stage, enlarged and joined with the
//! features of the first stage.

use super::aspp::{self, channels, norm_relu, separable, unit};
use super::{ALIGNED, Decoded, Features, enlarged};
use crate::builder::Builder;
use crate::graph::Conv;
use crate::spec::ModelSpec;

/// Channels of the first stage's features, as in the paper.
const FINE: usize = 48;
/// Pixels between neighboring features of the first stage.
const FIRST_STRIDE: usize = 4;

pub(super) fn add(g: &mut Builder, features: &Features, spec: &ModelSpec) -> Decoded {
    let conv = Conv::new(3, channels(spec));
    let pooled = aspp::add(g, "decoder.aspp.0", features.last(), spec);
    let y = separable(g, "decoder.aspp.1", pooled, conv);
    if let Some(first) = g.reader(pooled) {
        g.dropout(first, spec.head_dropout.unwrap_or_default(), aspp::DROPOUT);
    }
    let y = norm_relu(g, "decoder.aspp", 2, y);
    let size = enlarged(g, y, spec.output_stride.unwrap_or(32) / FIRST_STRIDE);
    let coarse = g.resize("decoder.up", y, size, ALIGNED);
    let fine = unit(g, "decoder.block1", features.stages[0], Conv::new(1, FINE));
    let joined = g.concat("decoder.concat", &[coarse, fine]);
    let y = separable(g, "decoder.block2.0", joined, conv);
    let map = norm_relu(g, "decoder.block2", 1, y);
    Decoded { map, kernel: 1, enlarge: FIRST_STRIDE, dropout: None }
}
