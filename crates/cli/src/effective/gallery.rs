//! What each split of a trained network sees in single test images.

use super::nodes::{nodes, thumbnail};
use res2lab_arch::NodeId;
use res2lab_data::Batch;
use res2lab_explain::{ExplainError, Map, Method, cam};
use res2lab_nn::Net;
use res2lab_store::effective::{CamMap, Picture};
use tch::{Device, Kind, Tensor};

/// Test images of a gallery.
const PICTURES: usize = 4;

/// The first test images with the maps of the last block's splits; empty where there are no splits.
pub(super) fn gallery(
    net: &Net,
    images: &Tensor,
    batch: &Batch,
) -> Result<Vec<Picture>, ExplainError> {
    let splits: Vec<(String, NodeId)> =
        nodes(net).into_iter().filter(|(name, _)| name.contains('.')).collect();
    if splits.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<NodeId> = splits.iter().map(|(_, id)| *id).collect();
    let guesses = tch::no_grad(|| net.logits(images, res2lab_nn::Mode::Eval).argmax(1, false));
    let picture = |i: usize| {
        let image = images.narrow(0, i as i64, 1);
        let maps = cam(net, &image, None, &ids, Method::GradCam)?;
        let splits = splits.iter().zip(&maps).map(|((node, _), found)| CamMap {
            node: node.clone(),
            max: found.max,
            map: thumbnail(&found.shown),
        });
        Ok(Picture {
            index: batch.indices[i],
            label: batch.labels.int64_value(&[i as i64]),
            guess: guesses.int64_value(&[i as i64]),
            image: thumbnail(&gray(&image)),
            splits: splits.collect(),
        })
    };
    (0..PICTURES.min(batch.indices.len())).map(picture).collect()
}

/// An image's mean over colors, from its least value on.
fn gray(image: &Tensor) -> Map {
    let mean = image.to_device(Device::Cpu).to_kind(Kind::Double).mean_dim(
        [0_i64, 1].as_slice(),
        false,
        None,
    );
    let above = &mean - mean.min();
    let width = above.size()[1] as usize;
    Map { width, values: Vec::try_from(above.contiguous().flatten(0, -1)).unwrap_or_default() }
}
