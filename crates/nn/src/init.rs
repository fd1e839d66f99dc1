//! Initial weights as published: convolutions are Kaiming-normal with fan-out, batch norms are 1
//! and 0, other layers have PyTorch's defaults. Each tensor is a function of the seed and its name,
//! so networks with one seed share the tensors that they have in common, and the order of
//! initialization does not matter. The heads that make maps are drawn as those of
//! segmentation_models_pytorch.

use crate::Params;
use res2lab_arch::{Role, StateEntry};
use res2lab_random::Key;
use tch::Tensor;

/// Initializes all state.
pub fn init(params: &mut Params, seed: u64) {
    let key = Key::new(seed).named("weights");
    for index in 0..params.entries().len() {
        let entry = params.entries()[index].clone();
        let fan_in = fan_in(params.entries(), &entry);
        let values = draw(&entry, fan_in, key.named(&entry.name));
        let shape: Vec<i64> = entry.shape.iter().map(|&n| n as i64).collect();
        params.set(index, &Tensor::from_slice(&values).view(shape.as_slice()));
    }
}

fn draw(entry: &StateEntry, fan_in: usize, key: Key) -> Vec<f64> {
    let n = entry.elements() as u64;
    // PyTorch's default for linear layers and for biases: uniform within 1 / sqrt(fan_in).
    let uniform = || {
        let bound = 1.0 / (fan_in as f64).sqrt();
        (0..n).map(|i| (2.0 * key.uniform(i) - 1.0) * bound).collect()
    };
    // Kaiming-uniform with fan-in, and Xavier-uniform for the last convolution; biases are 0.
    let fans = match entry.name.split('.').next() {
        Some("decoder") => fan_in as f64,
        Some("segmentation_head") => (fan_in + fan_out(entry)) as f64,
        _ => 0.0,
    };
    match entry.role {
        Role::ConvWeight if fans > 0.0 => {
            let bound = (6.0 / fans).sqrt();
            (0..n).map(|i| (2.0 * key.uniform(i) - 1.0) * bound).collect()
        }
        Role::ConvBias if fans > 0.0 => vec![0.0; n as usize],
        Role::ConvWeight => {
            let std = (2.0 / fan_out(entry) as f64).sqrt();
            (0..n).map(|i| key.normal(i) * std).collect()
        }
        Role::LinearWeight | Role::LinearBias | Role::ConvBias => uniform(),
        Role::NormWeight | Role::RunningVar => vec![1.0; n as usize],
        Role::NormBias | Role::RunningMean => vec![0.0; n as usize],
    }
}

/// The number of outputs that one input value of a convolution reaches.
fn fan_out(entry: &StateEntry) -> usize {
    entry.shape[0] * entry.shape.iter().skip(2).product::<usize>()
}

/// The number of inputs of one output value. The fan-in of a bias is that of its layer's weight.
fn fan_in(entries: &[StateEntry], entry: &StateEntry) -> usize {
    let weight = entries.iter().find(|e| e.node == entry.node);
    weight.map_or(1, |w| w.shape[1..].iter().product::<usize>().max(1))
}
