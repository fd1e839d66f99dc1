//! The mean of squared gradients, for optimizers that keep one.

use crate::Params;
use tch::Tensor;

/// A flat buffer of the same layout as the trained values, with its views.
pub(crate) struct Second {
    pub flat: Tensor,
    views: Vec<Tensor>,
}

impl Params {
    /// Starts a mean of squared gradients with this value everywhere.
    pub fn start_second(&mut self, value: f64) {
        let flat = self.values.full_like(value);
        let views = self.views_of(&flat, &self.running);
        self.second = Some(Second { flat, views });
    }

    /// The mean of squared gradients of entry `index`; None for running statistics, and if none was
    /// started.
    pub fn second(&self, index: usize) -> Option<&Tensor> {
        self.momentum(index)?;
        self.second.as_ref().map(|second| &second.views[index])
    }

    /// Overwrites the mean of squared gradients of entry `index`.
    pub fn set_second(&mut self, index: usize, source: &Tensor) {
        if let Some(second) = self.second(index) {
            second.shallow_clone().copy_(source);
        }
    }

    /// The flat buffer.
    pub(crate) fn second_flat(&self) -> Option<&Tensor> {
        self.second.as_ref().map(|second| &second.flat)
    }
}
