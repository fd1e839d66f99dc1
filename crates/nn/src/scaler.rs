//! Loss scaling for float16: gradients too small for it are kept by multiplying the loss, as
//! torch.amp.GradScaler does. Scale, count and verdict stay on the device, so no step waits for
//! them.

use crate::Params;
use res2lab_error::Error;
use tch::{Device, Kind, Tensor};

/// The scale and its rule.
pub struct LossScaler {
    scale: Tensor,
    growth: Tensor,
    found_inf: Tensor,
}

impl LossScaler {
    /// PyTorch's initial scale, 65536.
    pub fn new(device: Device) -> LossScaler {
        LossScaler::restored(device, 65536.0, 0)
    }

    /// As a checkpoint has it.
    pub fn restored(device: Device, scale: f64, growth: i64) -> LossScaler {
        LossScaler {
            scale: Tensor::from(scale as f32).to_device(device),
            growth: Tensor::from(growth as i32).to_device(device),
            found_inf: Tensor::from(0.0_f32).to_device(device),
        }
    }

    /// What the loss is multiplied with.
    pub fn scale(&self) -> &Tensor {
        &self.scale
    }

    /// 1 if a gradient of this step was not finite.
    pub fn found_inf(&self) -> &Tensor {
        &self.found_inf
    }

    /// Scale and count, for a checkpoint. Waits for the device.
    pub fn state(&self) -> (f64, i64) {
        (self.scale.double_value(&[]), self.growth.int64_value(&[]))
    }

    /// Gradients back to their own size, and the verdict on them.
    pub fn unscale(&mut self, params: &mut Params) -> Result<(), Error> {
        let _ = self.found_inf.zero_();
        let inverse = self.scale.to_kind(Kind::Double).reciprocal().to_kind(Kind::Float);
        res2lab_libtorch::unscale(&mut params.grads, &mut self.found_inf, &inverse)
    }

    /// After the step.
    pub fn update(&mut self) -> Result<(), Error> {
        res2lab_libtorch::update_scale(&mut self.scale, &mut self.growth, &self.found_inf)
    }
}
