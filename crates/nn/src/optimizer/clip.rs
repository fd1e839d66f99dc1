//! Gradient clipping.

use crate::Params;
use res2lab_planned::moments;
use tch::{Kind, Tensor};

impl Params {
    /// Scales the whole gradient down to norm `largest` if its norm is larger. Returns the norm
    /// before scaling, a scalar on the device.
    pub fn clip_grads(&mut self, largest: f64) -> Tensor {
        let norm = self.grads.norm();
        // torch.nn.utils.clip_grad_norm_'s rule.
        let factor = (largest / (&norm + 1e-6)).clamp_max(1.0);
        let _ = self.grads.g_mul_(&factor);
        norm
    }

    /// Moves each element of the gradient into -largest to largest.
    pub fn clip_grad_values(&mut self, largest: f64) {
        let _ = self.grads.clamp_(-largest, largest);
    }

    /// Adaptive gradient clipping (Brock et al. 2021) as in timm: the gradient of each output
    /// channel is scaled down to `factor` times the norm of its weights, and that of each vector to
    /// that of its values. The head is left out.
    pub fn clip_grad_units(&mut self, factor: f64) {
        let _guard = tch::no_grad_guard();
        let entries = self.entries().iter().enumerate();
        let trained: Vec<usize> =
            entries.filter(|(_, entry)| entry.role.is_trained()).map(|(i, _)| i).collect();
        // As in timm's training script, the head is the last two parameters.
        for &entry in &trained[..trained.len().saturating_sub(2)] {
            let shape = &self.entries()[entry].shape;
            let units = if shape.len() > 1 { shape[0] } else { 1 };
            let Some(grad) = self.grad(entry) else { continue };
            let values = self.tensor(entry);
            match (self.is_for_kernels(), values.kind()) {
                (true, Kind::Float) => clip::<f32>(values, grad, units, factor),
                (true, _) => clip::<f64>(values, grad, units, factor),
                (false, _) => clip_by_libtorch(values, grad, units as i64, factor),
            }
        }
    }
}

fn clip<T: res2lab_planned::Real + tch::kind::Element>(
    values: &Tensor,
    grads: &Tensor,
    units: usize,
    factor: f64,
) {
    let mut grads = grads.shallow_clone();
    let values = res2lab_libtorch::values::<T>(values);
    moments::clip_units(values, res2lab_libtorch::values_mut(&mut grads), units, factor);
}

fn clip_by_libtorch(values: &Tensor, grads: &Tensor, units: i64, factor: f64) {
    let norms =
        |t: &Tensor| t.reshape([units, -1]).norm_scalaropt_dim(2.0, [1_i64].as_slice(), true);
    let most = norms(values).clamp_min(1e-3) * factor;
    let found = norms(grads);
    let scale = &most / found.clamp_min(1e-6);
    let scale = scale.where_self(&found.ge_tensor(&most), &found.ones_like());
    let mut shape = vec![1; grads.dim()];
    shape[0] = units;
    let _ = grads.shallow_clone().g_mul_(&scale.view(shape.as_slice()));
}
