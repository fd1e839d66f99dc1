//! The rule of `golden.md` for an entry of the state.

use crate::filled::fill;
use res2lab_arch::{Role, StateEntry};

/// An entry of the state, of a size at which activations keep theirs.
pub(crate) fn weight(entry: &StateEntry) -> Vec<f64> {
    let fan_in: usize = entry.shape[1..].iter().product();
    let change = |v: f64| match entry.role {
        Role::ConvWeight | Role::LinearWeight => v * 2.0 * (3.0 / fan_in as f64).sqrt(),
        Role::NormWeight | Role::RunningVar => v + 1.0,
        Role::NormBias | Role::RunningMean | Role::ConvBias | Role::LinearBias => v * 0.2,
    };
    fill(&entry.name, entry.elements()).into_iter().map(change).collect()
}
