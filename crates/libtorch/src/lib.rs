//! What libtorch has and tch does not bind, through a small C++ shim.
//!
//! This crate must never know: networks, data sets, files, recipes. It takes and returns tensors.
//!
//! Reading order: this file, whose C++ is `shim.cpp`; [`group`], whose C++ is `group.cpp`;
//! [`graph`], whose C++ is `graph.cpp`.

#![allow(
    unsafe_code,
    reason = "each block calls the shim with pointers that live for the call, as said there"
)]

pub mod graph;
pub mod group;

pub use graph::CudaGraph;
pub use group::{Bucket, Group, Member, Reducer, Trace};

use std::ffi::{CStr, c_char, c_void};
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
    fn res2lab_unscale(
        grads: *mut C_tensor,
        found_inf: *mut C_tensor,
        inverse_scale: *const C_tensor,
    ) -> *mut c_char;
    fn res2lab_update_scale(
        scale: *mut C_tensor,
        growth: *mut C_tensor,
        found_inf: *const C_tensor,
    ) -> *mut c_char;
    fn res2lab_tensor_over(
        data: *mut f32,
        n: i64,
        context: *mut c_void,
        give_back: extern "C" fn(*mut c_void),
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn res2lab_tensor_of_bytes(
        data: *const u8,
        n: i64,
        context: *mut c_void,
        give_back: extern "C" fn(*mut c_void),
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn res2lab_keep_memory();
    fn res2lab_return_memory();
    fn res2lab_autocast_enter(cuda: bool, bfloat16: bool);
    fn res2lab_autocast_leave(cuda: bool);
    fn res2lab_show_config() -> *mut c_char;
    fn res2lab_version() -> *const c_char;
    fn res2lab_free(text: *mut c_char);
}

/// Whether a panic is tch's answer to memory that did not suffice, on a CPU or a GPU.
pub fn is_out_of_memory(panic: &(dyn std::any::Any + Send)) -> bool {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.is_some_and(|text| {
        text.contains("out of memory") || text.contains("can't allocate memory")
    })
}

/// A message of libtorch.
#[derive(Debug, thiserror::Error)]
#[error("libtorch: {0}")]
pub struct LibtorchError(String);

/// Makes `grad` the gradient of the leaf tensor `leaf`: a backward pass then adds into that memory.
pub fn set_grad(leaf: &mut Tensor, grad: &Tensor) -> Result<(), LibtorchError> {
    // SAFETY: both pointers belong to tensors borrowed for the whole call, and the shim keeps
    // neither.
    check(unsafe { res2lab_set_grad(leaf.as_mut_ptr(), grad.as_ptr()) })
}

/// One step of libtorch's fused SGD, with the constants of torch.optim.SGD (dampening 0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FusedSgd {
    pub lr: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    /// Whether this is the first step, which overwrites the momentum buffer with the gradient.
    pub first: bool,
}

impl FusedSgd {
    /// Runs the step on flat buffers of equal length, in place. If `found_inf` (a float32 scalar on
    /// the buffers' device) is 1, the step does nothing. The device decides this, so the call does
    /// not wait for it.
    pub fn step(
        self,
        values: &mut Tensor,
        grads: &mut Tensor,
        momentum_buffer: &mut Tensor,
        found_inf: Option<&Tensor>,
    ) -> Result<(), LibtorchError> {
        // SAFETY: the pointers belong to tensors borrowed exclusively for the whole call, and the
        // shim keeps none.
        check(unsafe {
            res2lab_fused_sgd(
                values.as_mut_ptr(),
                grads.as_mut_ptr(),
                momentum_buffer.as_mut_ptr(),
                self.lr,
                self.momentum,
                self.weight_decay,
                self.nesterov,
                self.first,
                found_inf.map_or(std::ptr::null(), Tensor::as_ptr),
            )
        })
    }
}

/// Multiplies `grads` by `inverse_scale` in place, and sets `found_inf` to 1 if a gradient is not
/// finite. Both are float32 scalars on the gradients' device.
pub fn unscale(
    grads: &mut Tensor,
    found_inf: &mut Tensor,
    inverse_scale: &Tensor,
) -> Result<(), LibtorchError> {
    // SAFETY: the pointers belong to tensors borrowed for the whole call, and the shim keeps none.
    check(unsafe {
        res2lab_unscale(grads.as_mut_ptr(), found_inf.as_mut_ptr(), inverse_scale.as_ptr())
    })
}

/// torch.amp.GradScaler's rule with its defaults: half the scale after a step with `found_inf` 1,
/// twice the scale after 2000 steps without. `growth` (int32) counts them.
pub fn update_scale(
    scale: &mut Tensor,
    growth: &mut Tensor,
    found_inf: &Tensor,
) -> Result<(), LibtorchError> {
    // SAFETY: the pointers belong to tensors borrowed for the whole call, and the shim keeps none.
    check(unsafe {
        res2lab_update_scale(scale.as_mut_ptr(), growth.as_mut_ptr(), found_inf.as_ptr())
    })
}

/// A vector that a tensor lies over, and who gets it afterwards.
type Lent = (Vec<f32>, Box<dyn FnOnce(Vec<f32>) + Send>);

/// A tensor over the memory of `values`, without a copy. `give_back` gets the vector, whatever was
/// written to it, when the last view of the tensor is gone, on the thread that drops it.
pub fn tensor_over(
    values: Vec<f32>,
    give_back: impl FnOnce(Vec<f32>) + Send + 'static,
) -> Result<Tensor, LibtorchError> {
    extern "C" fn take_back(context: *mut c_void) {
        // SAFETY: the context is the box that was leaked below, and libtorch calls this once.
        let (values, give_back) = *unsafe { Box::from_raw(context.cast::<Lent>()) };
        give_back(values);
    }
    let mut lent: Box<Lent> = Box::new((values, Box::new(give_back)));
    let data = lent.0.as_mut_ptr();
    let n = lent.0.len() as i64;
    let context = Box::into_raw(lent).cast::<c_void>();
    let mut tensor = std::ptr::null_mut();
    // SAFETY: `data` holds `n` values and lives in the leaked box until libtorch calls `take_back`.
    if let Err(e) = check(unsafe { res2lab_tensor_over(data, n, context, take_back, &mut tensor) })
    {
        // SAFETY: without a tensor nobody else will free the box.
        drop(unsafe { Box::from_raw(context.cast::<Lent>()) });
        return Err(e);
    }
    // SAFETY: the shim made a tensor on the heap for us to own.
    Ok(unsafe { Tensor::from_ptr(tensor) })
}

/// A tensor (uint8) over bytes, without a copy. They are dropped with its last view, and must only
/// be read through it: they may lie in a file.
pub fn tensor_of_bytes<B: std::ops::Deref<Target = [u8]> + Send + 'static>(bytes: B) -> Tensor {
    extern "C" fn drop_bytes<B>(context: *mut c_void) {
        // SAFETY: the context is the box that was leaked below, and libtorch calls this once.
        drop(unsafe { Box::from_raw(context.cast::<B>()) });
    }
    let bytes = Box::new(bytes);
    let data = bytes.as_ptr();
    let n = bytes.len() as i64;
    let context = Box::into_raw(bytes).cast::<c_void>();
    let mut tensor = std::ptr::null_mut();
    // SAFETY: `data` holds `n` bytes and lives in the leaked box until libtorch calls `drop_bytes`.
    let made =
        check(unsafe { res2lab_tensor_of_bytes(data, n, context, drop_bytes::<B>, &mut tensor) });
    made.unwrap_or_else(|e| panic!("{e}"));
    // SAFETY: the shim made a tensor on the heap for us to own.
    unsafe { Tensor::from_ptr(tensor) }
}

/// From now on the process keeps memory that it frees, for its next use. For programs that train or
/// evaluate: each step needs the memory of the last.
pub fn keep_memory() {
    // SAFETY: it sets parameters of the allocator; no memory passes.
    unsafe { res2lab_keep_memory() };
}

/// Hands memory that is free back to the system, once.
pub fn return_memory() {
    // SAFETY: it asks the allocator; no memory in use passes.
    unsafe { res2lab_return_memory() };
}

/// While it lives, libtorch computes this thread's convolutions and products in half precision and
/// the rest in float32.
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

/// The elements of a dense tensor on the CPU, in the order in which they lie in memory.
///
/// # Panics
/// If it is of another kind, elsewhere, or not dense: a mistake of the caller, never of a user.
pub fn values<T: tch::kind::Element>(tensor: &Tensor) -> &[T] {
    check_dense::<T>(tensor);
    // SAFETY: a dense tensor of this kind on the CPU holds so many elements from there on, as long
    // as it lives.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<T>(), tensor.numel()) }
}

/// The same, to be changed; views of the tensor see the change.
///
/// # Panics
/// As [`values`].
pub fn values_mut<T: tch::kind::Element>(tensor: &mut Tensor) -> &mut [T] {
    check_dense::<T>(tensor);
    // SAFETY: as for `values`; others that view the same memory are libtorch's, which does not run
    // meanwhile.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<T>(), tensor.numel()) }
}

fn check_dense<T: tch::kind::Element>(tensor: &Tensor) {
    let is_dense =
        tensor.is_contiguous() && tensor.device() == Device::Cpu && tensor.kind() == T::KIND;
    assert!(is_dense, "a dense tensor of another kind or place was expected");
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_lent_vector_comes_back_when_the_last_view_is_gone() {
        let (sender, receiver) = channel();
        let bytes = tensor_of_bytes(vec![3_u8, 4, 5]);
        assert_eq!(Vec::<u8>::try_from(bytes.narrow(0, 1, 2)).unwrap(), [4, 5]);
        let tensor =
            tensor_over(vec![1.0, 2.0, 3.0, 4.0], move |values| drop(sender.send(values))).unwrap();
        let view = tensor.view([2, 2]).get(1);
        drop(tensor);
        assert!(receiver.try_recv().is_err());
        assert_eq!(view.sum(Kind::Double).double_value(&[]), 7.0);
        let _ = view.shallow_clone().fill_(9.0);
        drop(view);
        assert_eq!(receiver.try_recv().unwrap(), [1.0, 2.0, 9.0, 9.0]);
    }
}
