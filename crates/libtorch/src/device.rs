//! The GPU of this process.

use crate::check;
use res2lab_error::Error;
use std::ffi::c_char;
use tch::{Device, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn res2lab_set_device(index: i32) -> *mut c_char;
    fn res2lab_peak_memory(index: i32, tensors: *mut i64, held: *mut i64) -> *mut c_char;
    fn res2lab_device_name(index: i32) -> *mut c_char;
    fn res2lab_synchronize(index: i32) -> *mut c_char;
    fn res2lab_allow_tf32(allow: bool);
    fn res2lab_expand_segments() -> *mut c_char;
    fn res2lab_pinned(n: i64, out: *mut *mut C_tensor) -> *mut c_char;
    fn res2lab_upload(host: *const C_tensor, index: i32, out: *mut *mut C_tensor) -> *mut c_char;
}

fn index(device: Device) -> Option<i32> {
    match device {
        Device::Cuda(index) => Some(index as i32),
        _ => None,
    }
}

/// Makes `device` the GPU of work that names none, such as graphs and collectives. Does nothing for
/// the CPU.
pub fn set_current(device: Device) -> Result<(), Error> {
    // SAFETY: the call takes no pointers.
    index(device).map_or(Ok(()), |index| check(unsafe { res2lab_set_device(index) }))
}

/// The name of the card, e.g. `NVIDIA H100 80GB HBM3`; None for the CPU, and if it is not known.
pub fn name(device: Device) -> Option<String> {
    let index = index(device)?;
    // SAFETY: the shim returns a fresh string, which `take` frees.
    unsafe { crate::take(res2lab_device_name(index)) }.filter(|name| !name.is_empty())
}

/// Waits until `device` has done all of its work. Does nothing for the CPU.
pub fn synchronize(device: Device) -> Result<(), Error> {
    // SAFETY: the call takes no pointers.
    index(device).map_or(Ok(()), |index| check(unsafe { res2lab_synchronize(index) }))
}

/// The peak memory of a GPU in this process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeakMemory {
    /// Memory of tensors.
    pub tensors: u64,
    /// Memory that libtorch's allocator held, for tensors and for reuse. The context of the process
    /// on the GPU is not part of it.
    pub held: u64,
}

/// The peak memory on `device` since this process began; None for the CPU, and where libtorch
/// cannot tell.
pub fn peak_memory(device: Device) -> Option<PeakMemory> {
    let index = index(device)?;
    let mut tensors = 0;
    let mut held = 0;
    // SAFETY: the shim writes two numbers.
    check(unsafe { res2lab_peak_memory(index, &mut tensors, &mut held) }).ok()?;
    Some(PeakMemory { tensors: tensors.max(0) as u64, held: held.max(0) as u64 })
}

/// Allows or forbids TF32 in float32 convolutions and matrix products, for the whole process.
/// libtorch allows it in convolutions unless it is told otherwise.
pub fn allow_tf32(allow: bool) {
    // SAFETY: the call sets flags of the process and takes no pointers.
    unsafe { res2lab_allow_tf32(allow) };
}

/// Lets libtorch's allocator of GPU memory grow its segments, so that batches of two sizes do not
/// need separate ones. Does nothing for the CPU, and where the user has decided that.
pub fn expand_segments(device: Device) -> Result<(), Error> {
    let decided = ["PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"].iter().any(|name| {
        std::env::var(name).is_ok_and(|settings| settings.contains("expandable_segments"))
    });
    if decided || !device.is_cuda() {
        return Ok(());
    }
    // SAFETY: the call takes no pointers.
    check(unsafe { res2lab_expand_segments() })
}

/// A tensor of `n` bytes (uint8) in page-locked memory, for [`upload`]. Its contents are arbitrary.
pub fn pinned(n: usize) -> Result<Tensor, Error> {
    let mut tensor = std::ptr::null_mut();
    // SAFETY: the shim makes a tensor on the heap for us to own.
    check(unsafe { res2lab_pinned(n as i64, &mut tensor) })?;
    // SAFETY: as above.
    Ok(unsafe { Tensor::from_ptr(tensor) })
}

/// Copies `host`, a tensor in page-locked memory, to `device`, a GPU. Neither the host nor earlier
/// work of the GPU waits for the copy; later work does. `host` must not be written afterwards.
///
/// # Errors
/// `host` is not in page-locked memory, `device` is no GPU, or its memory does not suffice.
pub fn upload(host: &Tensor, device: Device) -> Result<Tensor, Error> {
    let index = index(device).ok_or_else(|| crate::failed("the CPU needs no copy"))?;
    let mut tensor = std::ptr::null_mut();
    // SAFETY: the tensor is borrowed for the call; the shim keeps its memory alive until the copy
    // is done, and makes a tensor on the heap for us to own.
    check(unsafe { res2lab_upload(host.as_ptr(), index, &mut tensor) })?;
    // SAFETY: as above.
    Ok(unsafe { Tensor::from_ptr(tensor) })
}
