//! The rule of `golden.md` for an entry of the state, and a net that is filled by it.

use crate::filled::fill;
use res2lab_arch::{Role, StateEntry};
use res2lab_nn::Net;
use tch::Tensor;

/// Fills all entries of a net's state.
pub(crate) fn fill_net(net: &mut Net) {
    for index in 0..net.params().entries().len() {
        let entry = net.params().entries()[index].clone();
        let shape: Vec<i64> = entry.shape.iter().map(|&n| n as i64).collect();
        net.params_mut().set(index, &Tensor::from_slice(&weight(&entry)).view(shape.as_slice()));
    }
}

/// An entry of the state, of a size at which activations keep theirs.
fn weight(entry: &StateEntry) -> Vec<f64> {
    let fan_in: usize = entry.shape[1..].iter().product();
    let change = |v: f64| match entry.role {
        Role::ConvWeight | Role::LinearWeight => v * 2.0 * (3.0 / fan_in as f64).sqrt(),
        Role::NormWeight | Role::RunningVar => v + 1.0,
        Role::NormBias | Role::RunningMean | Role::ConvBias | Role::LinearBias => v * 0.2,
    };
    fill(&entry.name, entry.elements()).into_iter().map(change).collect()
}
