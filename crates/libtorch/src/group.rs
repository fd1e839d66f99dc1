//! Processes that train one network together, over libtorch's c10d: Gloo for tensors in main
//! memory, NCCL for those of a GPU.

use crate::check;
use res2lab_error::Error;
use std::ffi::{CString, c_char};
use std::rc::Rc;
use std::time::Duration;
use tch::{Device, Tensor};
use torch_sys::C_tensor;

/// The shim's objects.
#[repr(C)]
pub(crate) struct RawGroup([u8; 0]);

unsafe extern "C" {
    fn res2lab_group_new(
        host: *const c_char,
        port: u16,
        rank: i32,
        size: i32,
        timeout_s: i64,
        device: i32,
        out: *mut *mut RawGroup,
    ) -> *mut c_char;
    fn res2lab_group_free(group: *mut RawGroup);
    fn res2lab_group_sum(group: *mut RawGroup, tensor: *const C_tensor) -> *mut c_char;
    fn res2lab_group_copy_first(group: *mut RawGroup, tensor: *const C_tensor) -> *mut c_char;
    fn res2lab_sync_batch_norm(
        group: *mut RawGroup,
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        running_mean: *const C_tensor,
        running_var: *const C_tensor,
        momentum: f64,
        eps: f64,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
}

/// The environment variable with the file descriptor of the port that rank 0 of a trial serves, if
/// whoever started it has opened that port.
pub const OPEN_PORT: &str = "RES2LAB_OPEN_PORT";

/// The rank of this process among those of a trial, and the address of their rendezvous, as in
/// torchrun's RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub rank: usize,
    pub world: usize,
    pub host: String,
    pub port: u16,
}

/// The process group of a trial.
pub struct Group {
    pub(crate) raw: *mut RawGroup,
}

impl Group {
    /// Joins the group, and returns once all its processes have joined. An operation of the group
    /// fails if it waits for another process longer than `patience`, or if another process ends.
    /// If `device` is a GPU, its tensors can be summed too; the processes have met there when this
    /// returns.
    pub fn join(member: &Member, device: Device, patience: Duration) -> Result<Rc<Group>, Error> {
        let host = CString::new(member.host.as_str()).map_err(crate::failed)?;
        let rank = member.rank as i32;
        let world = member.world as i32;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the host's name outlives the call, and the shim writes an object that we own to
        // `raw`.
        check(unsafe {
            res2lab_group_new(
                host.as_ptr(),
                member.port,
                rank,
                world,
                patience.as_secs() as i64,
                match device {
                    Device::Cuda(index) => index as i32,
                    _ => -1,
                },
                &mut raw,
            )
        })?;
        Ok(Rc::new(Group { raw }))
    }

    /// Replaces `tensor` by its sum over all processes.
    pub fn sum(&self, tensor: &mut Tensor) -> Result<(), Error> {
        // SAFETY: both live for the call, and the shim waits until the tensor is written.
        check(unsafe { res2lab_group_sum(self.raw, tensor.as_ptr()) })
    }

    /// Replaces `tensor` by the tensor of rank 0.
    pub fn copy_first(&self, tensor: &mut Tensor) -> Result<(), Error> {
        // SAFETY: both live for the call, and the shim waits until the tensor is written.
        check(unsafe { res2lab_group_copy_first(self.raw, tensor.as_ptr()) })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: we own the object, and no reducer uses it, since each holds an Rc.
        unsafe { res2lab_group_free(self.raw) };
    }
}

/// The tensors and constants of a batch norm.
pub struct BatchNorm<'a> {
    pub weight: &'a Tensor,
    pub bias: &'a Tensor,
    pub running_mean: &'a Tensor,
    pub running_var: &'a Tensor,
    pub momentum: f64,
    pub eps: f64,
}

/// Batch norm in training, with statistics over the images of all processes of `group`. The group
/// must outlive the backward pass.
pub fn sync_batch_norm(group: &Rc<Group>, x: &Tensor, of: BatchNorm) -> Result<Tensor, Error> {
    let mut out = std::ptr::null_mut();
    // SAFETY: all tensors live for the call; autograd keeps the ones it needs by their own
    // reference counts.
    check(unsafe {
        res2lab_sync_batch_norm(
            group.raw,
            x.as_ptr(),
            of.weight.as_ptr(),
            of.bias.as_ptr(),
            of.running_mean.as_ptr(),
            of.running_var.as_ptr(),
            of.momentum,
            of.eps,
            &mut out,
        )
    })?;
    // SAFETY: the shim made a tensor on the heap for us to own.
    Ok(unsafe { Tensor::from_ptr(out) })
}
