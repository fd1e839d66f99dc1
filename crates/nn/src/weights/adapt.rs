//! Adapts weights to images with another number of channels, as timm does: the first convolution is
//! summed over its channels for gray images, and repeated and scaled for more channels.

use super::file::WeightsFile;
use super::load::same_shape;
use res2lab_arch::{Role, StateEntry};
use tch::Tensor;

/// Whether a tensor of this shape can be adapted to this entry. Only the first convolution reads an
/// image.
pub(crate) fn can(shape: &[usize], entry: &StateEntry) -> bool {
    let own = &entry.shape;
    let is_first = entry.role == Role::ConvWeight && is_first_name(&entry.name);
    is_first
        && shape.len() == 4
        && own.len() == 4
        && shape[0] == own[0]
        && shape[2..] == own[2..]
        && shape[1] > 0
}

fn is_first_name(name: &str) -> bool {
    ["conv1.weight", "conv1.0.weight", "base_layer.0.weight"].contains(&name)
}

/// Adapts the tensor to the entry's shape.
pub(crate) fn fitted(tensor: &Tensor, entry: &StateEntry) -> Tensor {
    let own: Vec<i64> = entry.shape.iter().map(|&n| n as i64).collect();
    let theirs: Vec<usize> = tensor.size().iter().map(|&n| n as usize).collect();
    if same_shape(&theirs, &entry.shape) {
        return tensor.view(own.as_slice());
    }
    let has = theirs[1] as i64;
    let wants = own[1];
    if wants == 1 {
        return tensor.sum_dim_intlist([1_i64].as_slice(), true, None);
    }
    let times = (wants + has - 1) / has;
    tensor.repeat([1, times, 1, 1]).narrow(1, 0, wants) * (has as f64 / wants as f64)
}

/// A description of what was adapted.
pub(crate) fn told(
    entries: &[StateEntry],
    file: &WeightsFile,
    places: &[Option<usize>],
) -> Option<String> {
    let entry = entries.first()?;
    let place = (*places.first()?)?;
    let shape = &file.tensors[place].shape;
    if same_shape(shape, &entry.shape) || !can(shape, entry) {
        return None;
    }
    let has = shape[1];
    let wants = entry.shape[1];
    let how =
        if wants == 1 { "summed over its channels" } else { "its channels repeated and scaled" };
    let name = &entry.name;
    Some(format!(
        "images have {wants} channels, those of the weights {has}: {name} {how}, as timm does"
    ))
}
