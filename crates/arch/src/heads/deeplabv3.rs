//! DeepLabV3: atrous spatial pyramid pooling of the last stage, and one convolution.

use super::aspp::{self, channels};
use super::{Decoded, Features};
use crate::builder::Builder;
use crate::graph::Conv;
use crate::spec::ModelSpec;

pub(super) fn add(g: &mut Builder, features: &Features, spec: &ModelSpec) -> Decoded {
    let pooled = aspp::add(g, "decoder.aspp", features.last(), spec);
    let y = g.conv("decoder.conv", pooled, Conv::new(3, channels(spec)));
    g.dropout(y, spec.head_dropout.unwrap_or_default(), aspp::DROPOUT);
    let y = g.batch_norm("decoder.bn", y);
    let map = g.relu("decoder.relu", y);
    Decoded { map, kernel: 1, enlarge: spec.output_stride.unwrap_or(32), dropout: None }
}
