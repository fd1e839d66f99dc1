//! What libtorch has and tch does not bind, through a small C++ shim.
//!
//! This crate must never know: networks, data sets, files, recipes. It takes and returns tensors.
//!
//! One module so far; the C++ stands in `shim.cpp`. This is the only crate (beside data's memory maps) with `unsafe`.

#![allow(unsafe_code, reason = "each block calls the shim with pointers that live for the call, as said there")]

use std::ffi::{CStr, c_char};
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn res2lab_set_grad(leaf: *mut C_tensor, grad: *const C_tensor) -> *mut c_char;
    fn res2lab_fused_sgd(
        values: *mut C_tensor,
        grads: *mut C_tensor,
        momentum_buffer: *mut C_tensor,
        lr: f64,
        momentum: f64,
        weight_decay: f64,
        nesterov: bool,
        first: bool,
        found_inf: *const C_tensor,
    ) -> *mut c_char;
    fn res2lab_unscale(grads: *mut C_tensor, found_inf: *mut C_tensor, inverse_scale: *const C_tensor) -> *mut c_char;
    fn res2lab_update_scale(scale: *mut C_tensor, growth: *mut C_tensor, found_inf: *const C_tensor) -> *mut c_char;
    fn res2lab_autocast_enter(cuda: bool, bfloat16: bool);
    fn res2lab_autocast_leave(cuda: bool);
    fn res2lab_show_config() -> *mut c_char;
    fn res2lab_version() -> *const c_char;
    fn res2lab_free(text: *mut c_char);
}

/// A message of libtorch.
#[derive(Debug, thiserror::Error)]
#[error("libtorch: {0}")]
pub struct LibtorchError(String);

/// Makes `grad` the gradient of the leaf tensor `leaf`: a backward pass then adds into that memory.
pub fn set_grad(leaf: &mut Tensor, grad: &Tensor) -> Result<(), LibtorchError> {
    // SAFETY: both pointers belong to tensors borrowed for the whole call, and the shim keeps neither.
    check(unsafe { res2lab_set_grad(leaf.as_mut_ptr(), grad.as_ptr()) })
}

/// Hyper-parameters of one SGD step, as torch.optim.SGD names them (dampening 0).
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct SgdStep {
    pub lr: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
}

/// One SGD step on flat buffers of equal length, in place. On the `first` step the momentum buffer is overwritten by
/// the gradient, as PyTorch does. Where `found_inf` (a float32 scalar on the buffers' device) is 1 nothing happens; the
/// device decides that, so nobody waits for it.
pub fn fused_sgd(
    values: &mut Tensor,
    grads: &mut Tensor,
    momentum_buffer: &mut Tensor,
    step: SgdStep,
    first: bool,
    found_inf: Option<&Tensor>,
) -> Result<(), LibtorchError> {
    // SAFETY: the pointers belong to tensors borrowed exclusively for the whole call, and the shim keeps none.
    check(unsafe {
        res2lab_fused_sgd(
            values.as_mut_ptr(),
            grads.as_mut_ptr(),
            momentum_buffer.as_mut_ptr(),
            step.lr,
            step.momentum,
            step.weight_decay,
            step.nesterov,
            first,
            found_inf.map_or(std::ptr::null(), Tensor::as_ptr),
        )
    })
}

/// Multiplies `grads` by `inverse_scale` in place, and sets `found_inf` to 1 if a gradient is not finite. Both are float32
/// scalars on the gradients' device.
pub fn unscale(grads: &mut Tensor, found_inf: &mut Tensor, inverse_scale: &Tensor) -> Result<(), LibtorchError> {
    // SAFETY: the pointers belong to tensors borrowed for the whole call, and the shim keeps none.
    check(unsafe { res2lab_unscale(grads.as_mut_ptr(), found_inf.as_mut_ptr(), inverse_scale.as_ptr()) })
}

/// torch.amp.GradScaler's rule with its defaults: half the scale after a step with `found_inf` 1, twice the scale after 2000
/// steps without. `growth` (int32) counts them.
pub fn update_scale(scale: &mut Tensor, growth: &mut Tensor, found_inf: &Tensor) -> Result<(), LibtorchError> {
    // SAFETY: the pointers belong to tensors borrowed for the whole call, and the shim keeps none.
    check(unsafe { res2lab_update_scale(scale.as_mut_ptr(), growth.as_mut_ptr(), found_inf.as_ptr()) })
}

/// While it lives, libtorch computes this thread's convolutions and products in half precision and the rest in float32.
pub struct Autocast {
    cuda: bool,
    /// The switch belongs to the thread that turned it.
    not_send: std::marker::PhantomData<*const ()>,
}

impl Autocast {
    /// `kind` is `Kind::BFloat16` or `Kind::Half`.
    pub fn new(device: Device, kind: Kind) -> Autocast {
        let cuda = device.is_cuda();
        // SAFETY: it sets switches of the calling thread; no memory passes.
        unsafe { res2lab_autocast_enter(cuda, kind == Kind::BFloat16) };
        Autocast { cuda, not_send: std::marker::PhantomData }
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: as in `new`, on the same thread, since the guard cannot leave it.
        unsafe { res2lab_autocast_leave(self.cuda) };
    }
}

/// How libtorch was built and which vector instructions it uses here, one fact a line.
pub fn show_config() -> String {
    // SAFETY: the shim returns a fresh string, which `take` frees.
    unsafe { take(res2lab_show_config()) }.unwrap_or_default()
}

/// libtorch's version, e.g. `2.13.0`.
pub fn version() -> String {
    // SAFETY: the shim returns a constant string of the program.
    unsafe { CStr::from_ptr(res2lab_version()) }.to_string_lossy().into_owned()
}

fn check(message: *mut c_char) -> Result<(), LibtorchError> {
    // SAFETY: the shim returns null or a fresh string, which `take` frees.
    match unsafe { take(message) } {
        None => Ok(()),
        // libtorch appends its C++ call stack, which tells a user nothing.
        Some(text) => Err(LibtorchError(text.lines().next().unwrap_or_default().to_owned())),
    }
}

/// Copies and frees a string of the shim.
///
/// # Safety
/// `text` must be null or come from the shim, and must not be used afterwards.
unsafe fn take(text: *mut c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller promises a string of the shim, which ends in a zero byte.
    unsafe {
        let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
        res2lab_free(text);
        Some(copy)
    }
}
