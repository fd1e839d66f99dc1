//! Convolutions with bias, sum and ReLU fused in, on the CPU in float32 (oneDNN).

use crate::{LibtorchError, check};
use std::ffi::c_char;
use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn res2lab_prepack(
        weight: *const C_tensor,
        padding: i64,
        stride: i64,
        groups: i64,
        input: *const i64,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn res2lab_conv_fused(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        other: *const C_tensor,
        padding: i64,
        stride: i64,
        groups: i64,
        relu: bool,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
}

/// A convolution's attributes; windows and strides are square.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Window {
    pub padding: i64,
    pub stride: i64,
    pub groups: i64,
}

/// A weight in the order in memory that [`Prepacked::conv`] is fastest with.
pub struct Prepacked {
    weight: Tensor,
    bias: Tensor,
    window: Window,
}

impl Prepacked {
    /// For inputs of this size (N, C, H, W); others are right too, and may be slower.
    pub fn new(weight: &Tensor, bias: Tensor, window: Window, input: [i64; 4]) -> Result<Prepacked, LibtorchError> {
        let mut out = std::ptr::null_mut();
        let Window { padding, stride, groups } = window;
        // SAFETY: the pointers live for the call; on success the shim gives a fresh tensor, which we own.
        let weight = unsafe {
            check(res2lab_prepack(weight.as_ptr(), padding, stride, groups, input.as_ptr(), &mut out))?;
            Tensor::from_ptr(out)
        };
        Ok(Prepacked { weight, bias, window })
    }

    /// relu(conv(x) + bias + other), N x C x H x W, channels last.
    pub fn conv(&self, x: &Tensor, other: Option<&Tensor>, relu: bool) -> Result<Tensor, LibtorchError> {
        let mut out = std::ptr::null_mut();
        let Window { padding, stride, groups } = self.window;
        let other = other.map_or(std::ptr::null(), Tensor::as_ptr);
        // SAFETY: as in `new`.
        unsafe {
            let (weight, bias) = (self.weight.as_ptr(), self.bias.as_ptr());
            check(res2lab_conv_fused(x.as_ptr(), weight, bias, other, padding, stride, groups, relu, &mut out))?;
            Ok(Tensor::from_ptr(out))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn a_fused_convolution_is_the_three_operators() {
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        for groups in [1, 2] {
            let (x, weight, bias) = (random(&[2, 6, 9, 9]), random(&[8, 6 / groups, 3, 3]), random(&[8]));
            let plain = x.conv2d(&weight, Some(&bias), [2, 2], [1, 1], [1, 1], groups);
            let other = random(&plain.size());
            let window = Window { padding: 1, stride: 2, groups };
            let packed = Prepacked::new(&weight, bias, window, [2, 6, 9, 9]).unwrap();
            let close = |a: Tensor, b: Tensor| assert!((a - b).abs().max().double_value(&[]) < 1e-5);
            close(packed.conv(&x, Some(&other), true).unwrap(), (&plain + &other).relu());
            close(packed.conv(&x, None, true).unwrap(), plain.relu());
            close(packed.conv(&x, None, false).unwrap(), plain);
        }
    }
}
