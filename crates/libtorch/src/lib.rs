//! Functions of libtorch that tch does not bind, through a small C++ shim.
//!
//! This crate must never know: networks, data sets, files, recipes. It takes and returns tensors.
//!
//! Reading order: this file, whose C++ is `shim.cpp`; [`device`], whose C++ is `device.cpp`;
//! [`group`], whose C++ is `group.cpp` and `sync_batch_norm.cpp`; [`reducer`], whose C++ is
//! `reducer.cpp`; [`graph`], whose C++ is `graph.cpp`. `../pretend` holds a library for tests, with
//! which all of this runs without a GPU.

#![allow(
    unsafe_code,
    reason = "each block calls the shim with pointers that live for the call, as said there"
)]

pub mod device;
pub mod graph;
pub mod group;
pub mod reducer;

pub use graph::CudaGraph;
pub use group::{Group, Member};
pub use reducer::{Bucket, Reducer, Trace};

use res2lab_error::Error;
use std::ffi::{CStr, c_char, c_void};
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn res2lab_collect_gradients(
        leaves: *const *const C_tensor,
        views: *const *const C_tensor,
        n: i64,
        adds: bool,
    ) -> *mut c_char;
    fn res2lab_discard_gradients(leaves: *const *const C_tensor, n: i64);
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

/// Whether a message of libtorch says that memory did not suffice, on a CPU or a GPU. The libraries
/// under it have words of their own, and so do graphs, whose recording an allocation ends.
pub fn says_out_of_memory(text: &str) -> bool {
    const SIGNS: [&str; 7] = [
        "out of memory",
        "can't allocate memory",
        "CUDNN_STATUS_ALLOC_FAILED",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "cudaErrorMemoryAllocation",
        "unable to find an engine to execute this computation",
    ];
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// Whether tch panicked because memory did not suffice.
pub fn is_out_of_memory(panic: &(dyn std::any::Any + Send)) -> bool {
    panic_message(panic).is_some_and(says_out_of_memory)
}

/// The message of a panic, if it has one.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> Option<&str> {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied())
}

/// What libtorch said, without its stack trace. tch panics by `unwrap`, whose message contains the
/// error as a literal.
pub fn without_trace(message: &str) -> &str {
    message
        .split("\\n")
        .next()
        .unwrap_or(message)
        .trim_start_matches("called `Result::unwrap()` on an `Err` value: ")
        .trim_start_matches("Torch(\"")
}

/// Moves the gradients that a backward pass left at `leaves` to `views`, or adds them there if
/// `adds` is true. The leaves have no gradient afterwards. Leaves without a gradient are skipped.
pub fn collect_gradients(leaves: &[&Tensor], views: &[&Tensor], adds: bool) -> Result<(), Error> {
    assert_eq!(leaves.len(), views.len(), "each leaf has a view");
    let leaves: Vec<*const C_tensor> = leaves.iter().map(|t| t.as_ptr()).collect();
    let views: Vec<*const C_tensor> = views.iter().map(|t| t.as_ptr()).collect();
    // SAFETY: both lists have the length given, and their tensors are borrowed for the call.
    check(unsafe {
        res2lab_collect_gradients(leaves.as_ptr(), views.as_ptr(), leaves.len() as i64, adds)
    })
}

/// Drops the gradients that a backward pass left at `leaves`, perhaps without coming to its end.
pub fn discard_gradients(leaves: &[&Tensor]) {
    let leaves: Vec<*const C_tensor> = leaves.iter().map(|t| t.as_ptr()).collect();
    // SAFETY: the list has the length given, and its tensors are borrowed for the call.
    unsafe { res2lab_discard_gradients(leaves.as_ptr(), leaves.len() as i64) };
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
    ) -> Result<(), Error> {
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
) -> Result<(), Error> {
    // SAFETY: the pointers belong to tensors borrowed for the whole call, and the shim keeps none.
    check(unsafe {
        res2lab_unscale(grads.as_mut_ptr(), found_inf.as_mut_ptr(), inverse_scale.as_ptr())
    })
}

/// Updates a loss scale by the rule of torch.amp.GradScaler with its defaults. The scale is halved
/// after a step with `found_inf` 1, and doubled after 2000 steps without. `growth` (int32) counts
/// these steps.
pub fn update_scale(
    scale: &mut Tensor,
    growth: &mut Tensor,
    found_inf: &Tensor,
) -> Result<(), Error> {
    // SAFETY: the pointers belong to tensors borrowed for the whole call, and the shim keeps none.
    check(unsafe {
        res2lab_update_scale(scale.as_mut_ptr(), growth.as_mut_ptr(), found_inf.as_ptr())
    })
}

/// A vector whose memory a tensor uses, and the function that receives it afterwards.
type Lent = (Vec<f32>, Box<dyn FnOnce(Vec<f32>) + Send>);

/// Makes a tensor over the memory of `values`, without a copy. When the last view of the tensor is
/// dropped, `give_back` receives the vector with its present contents, on the thread that drops the
/// view.
pub fn tensor_over(
    values: Vec<f32>,
    give_back: impl FnOnce(Vec<f32>) + Send + 'static,
) -> Result<Tensor, Error> {
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
        // SAFETY: no tensor was made, so nothing else frees the box.
        drop(unsafe { Box::from_raw(context.cast::<Lent>()) });
        return Err(e);
    }
    // SAFETY: the shim made a tensor on the heap for us to own.
    Ok(unsafe { Tensor::from_ptr(tensor) })
}

/// Makes a tensor (uint8) over bytes, without a copy. The bytes are dropped with the last view of
/// the tensor. The tensor must not be written, because the bytes may be a mapped file.
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

/// Makes the allocator keep freed memory for reuse. For programs that train or evaluate, where each
/// step needs as much memory as the last one.
pub fn keep_memory() {
    // SAFETY: the call sets parameters of the allocator and takes no pointers.
    unsafe { res2lab_keep_memory() };
}

/// Returns free memory to the system, once.
pub fn return_memory() {
    // SAFETY: the call affects only free memory of the allocator, and takes no pointers.
    unsafe { res2lab_return_memory() };
}

/// A guard for mixed precision. While it exists, libtorch computes convolutions and matrix products
/// of this thread in half precision, and other operations in float32.
pub struct Autocast {
    cuda: bool,
    /// The setting belongs to the thread that made the guard.
    not_send: std::marker::PhantomData<*const ()>,
}

impl Autocast {
    /// Starts mixed precision in `kind`, `Kind::BFloat16` or `Kind::Half`.
    pub fn new(device: Device, kind: Kind) -> Autocast {
        let cuda = device.is_cuda();
        // SAFETY: the call sets flags of the calling thread and takes no pointers.
        unsafe { res2lab_autocast_enter(cuda, kind == Kind::BFloat16) };
        Autocast { cuda, not_send: std::marker::PhantomData }
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: as in `new`, and on the same thread, since the guard is not Send.
        unsafe { res2lab_autocast_leave(self.cuda) };
    }
}

/// The elements of a dense tensor on the CPU, in memory order.
///
/// # Panics
/// If the tensor has another kind or device, or is not dense. This is a bug of the caller, never a
/// mistake of a user.
pub fn values<T: tch::kind::Element>(tensor: &Tensor) -> &[T] {
    check_dense::<T>(tensor);
    // SAFETY: a dense tensor of this kind on the CPU has this many elements at this address, for as
    // long as it is borrowed.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<T>(), tensor.numel()) }
}

/// The elements of a dense tensor on the CPU, mutable. Changes are visible through all views of the
/// tensor.
///
/// # Panics
/// As [`values`].
pub fn values_mut<T: tch::kind::Element>(tensor: &mut Tensor) -> &mut [T] {
    check_dense::<T>(tensor);
    // SAFETY: as for `values`. Other views of the memory are accessed only by libtorch, which does
    // not run meanwhile.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<T>(), tensor.numel()) }
}

fn check_dense<T: tch::kind::Element>(tensor: &Tensor) {
    let is_dense =
        tensor.is_contiguous() && tensor.device() == Device::Cpu && tensor.kind() == T::KIND;
    assert!(is_dense, "a dense tensor of another kind or place was expected");
}

/// The build configuration of libtorch and the vector instructions that it uses, one fact per line.
pub fn show_config() -> String {
    // SAFETY: the shim returns a fresh string, which `take` frees.
    unsafe { take(res2lab_show_config()) }.unwrap_or_default()
}

/// The version of libtorch, e.g. `2.13.0`.
pub fn version() -> String {
    // SAFETY: the shim returns a constant string of the program.
    unsafe { CStr::from_ptr(res2lab_version()) }.to_string_lossy().into_owned()
}

/// A message of libtorch as an error.
fn failed(message: impl std::fmt::Display) -> Error {
    let text = format!("libtorch: {message}");
    if says_out_of_memory(&text) {
        return Error::new(
            res2lab_error::Kind::OutOfMemory,
            text,
            "give --on-oom halve or a smaller batch",
        );
    }
    Error::machine(text, "report this with the log of the attempt")
}

fn check(message: *mut c_char) -> Result<(), Error> {
    // SAFETY: the shim returns null or a fresh string, which `take` frees.
    match unsafe { take(message) } {
        None => Ok(()),
        // libtorch appends its C++ call stack, which is of no use to a user.
        Some(text) => Err(failed(text.lines().next().unwrap_or_default())),
    }
}

/// Copies a string of the shim and frees it.
///
/// # Safety
/// `text` must be null or come from the shim, and must not be used afterwards.
unsafe fn take(text: *mut c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller guarantees a string of the shim, which is null-terminated.
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
