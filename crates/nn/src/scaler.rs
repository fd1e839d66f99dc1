//! Loss scaling for float16, as in torch.amp.GradScaler: the loss is multiplied by a scale, so that
//! small gradients do not underflow. All state stays on the device, so no step waits for it.

use crate::Params;
use res2lab_error::Error;
use tch::{Device, Kind, Tensor};

/// The loss scale, which grows and shrinks during training.
pub struct LossScaler {
    scale: Tensor,
    growth: Tensor,
    found_inf: Tensor,
}

impl LossScaler {
    /// A scaler with PyTorch's initial scale, 65536.
    pub fn new(device: Device) -> LossScaler {
        LossScaler::restored(device, 65536.0, 0)
    }

    /// A scaler with the state of a checkpoint.
    pub fn restored(device: Device, scale: f64, growth: i64) -> LossScaler {
        LossScaler {
            scale: Tensor::from(scale as f32).to_device(device),
            growth: Tensor::from(growth as i32).to_device(device),
            found_inf: Tensor::from(0.0_f32).to_device(device),
        }
    }

    /// The factor of the loss.
    pub fn scale(&self) -> &Tensor {
        &self.scale
    }

    /// A scalar that is 1 if a gradient of this step was not finite.
    pub fn found_inf(&self) -> &Tensor {
        &self.found_inf
    }

    /// The scale and the steps since it last changed, for a checkpoint. Waits for the device.
    pub fn state(&self) -> (f64, i64) {
        (self.scale.double_value(&[]), self.growth.int64_value(&[]))
    }

    /// Divides the gradients by the scale, and sets `found_inf`.
    pub fn unscale(&mut self, params: &mut Params) -> Result<(), Error> {
        let _ = self.found_inf.zero_();
        let inverse = self.scale.to_kind(Kind::Double).reciprocal().to_kind(Kind::Float);
        res2lab_libtorch::unscale(&mut params.grads, &mut self.found_inf, &inverse)
    }

    /// Updates the scale. To be called after each step of the optimizer.
    pub fn update(&mut self) -> Result<(), Error> {
        res2lab_libtorch::update_scale(&mut self.scale, &mut self.growth, &self.found_inf)
    }
}
