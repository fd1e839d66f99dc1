//! U-Net: in each step, the map is enlarged, joined with the features of that size, and convolved
//! twice. The last step reaches the size of the image and joins nothing.

use super::aspp::unit;
use super::{Decoded, Features, size};
use crate::builder::Builder;
use crate::graph::{Conv, Interpolation, NodeId};
use crate::spec::ModelSpec;

pub(super) fn add(g: &mut Builder, features: &Features, spec: &ModelSpec) -> Decoded {
    let earlier = features.stages.iter().rev().skip(1).copied().chain([features.first]);
    let joined: Vec<Option<NodeId>> = earlier.map(Some).chain([None]).collect();
    let mut x = features.last();
    for (step, (with, &channels)) in
        joined.iter().zip(spec.decoder_channels.iter().flatten()).enumerate()
    {
        let at = format!("decoder.blocks.{step}");
        let size = size(g, with.unwrap_or(features.image));
        x = g.resize(&format!("{at}.resize"), x, size, Interpolation::Nearest);
        if let Some(with) = with {
            x = g.concat(&format!("{at}.concat"), &[x, *with]);
        }
        x = unit(g, &format!("{at}.conv1"), x, Conv::new(3, channels));
        x = unit(g, &format!("{at}.conv2"), x, Conv::new(3, channels));
        g.module(&at, x);
    }
    Decoded { map: x, kernel: 3, enlarge: 1, dropout: None }
}
