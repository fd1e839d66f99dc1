//! Processes that train one network together, over libtorch's c10d: Gloo for tensors in main
//! memory, NCCL for those of a GPU.

use crate::check;
use res2lab_error::Error;
use std::ffi::{CString, c_char};
use std::rc::Rc;
use std::time::Duration;
use tch::Tensor;
use torch_sys::C_tensor;

/// The shim's objects.
#[repr(C)]
struct RawGroup([u8; 0]);
#[repr(C)]
struct RawReducer([u8; 0]);

unsafe extern "C" {
    fn res2lab_group_new(
        host: *const c_char,
        port: u16,
        rank: i32,
        size: i32,
        timeout_s: i64,
        cuda: bool,
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
    fn res2lab_reducer_new(
        group: *mut RawGroup,
        leaves: *const *const C_tensor,
        bucket_of: *const i64,
        n_leaves: i64,
        buckets: *const *const C_tensor,
        n_buckets: i64,
        out: *mut *mut RawReducer,
    ) -> *mut c_char;
    fn res2lab_reducer_free(reducer: *mut RawReducer);
    fn res2lab_reducer_arm(reducer: *mut RawReducer);
    fn res2lab_reducer_finish(reducer: *mut RawReducer) -> *mut c_char;
    fn res2lab_reducer_times(reducer: *const RawReducer, out: *mut f64);
}

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
    raw: *mut RawGroup,
}

impl Group {
    /// Joins the group, and returns once all its processes have joined. An operation of the group
    /// fails if it waits for another process longer than `patience`, or if another process ends.
    /// With `cuda`, tensors of GPU 0 can be summed too.
    pub fn join(member: &Member, cuda: bool, patience: Duration) -> Result<Rc<Group>, Error> {
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
                cuda,
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

/// A range of the gradient buffer, and the leaf tensors whose gradients it contains.
pub struct Bucket<'a> {
    pub gradients: Tensor,
    pub leaves: Vec<&'a Tensor>,
}

/// Sums gradients over processes while the backward pass still runs.
pub struct Reducer {
    raw: *mut RawReducer,
    buckets: usize,
    /// The reducer's group, which must outlive the reducer.
    group: Rc<Group>,
}

/// The times of the buckets of a step, in milliseconds from the start of the backward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The end of the backward pass.
    pub backward_ms: f64,
    /// The start and the end of the transfer of each bucket.
    pub buckets_ms: Vec<(f64, f64)>,
}

impl Reducer {
    /// A reducer for these buckets. They are sent in order, each as soon as all its gradients are
    /// complete.
    pub fn new(group: &Rc<Group>, buckets: &[Bucket]) -> Result<Reducer, Error> {
        let leaves = buckets
            .iter()
            .enumerate()
            .flat_map(|(i, b)| b.leaves.iter().map(move |leaf| (leaf, i as i64)));
        let (leaves, bucket_of): (Vec<*const C_tensor>, Vec<i64>) =
            leaves.map(|(leaf, bucket)| (leaf.as_ptr(), bucket)).unzip();
        let ranges: Vec<*const C_tensor> = buckets.iter().map(|b| b.gradients.as_ptr()).collect();
        let mut raw = std::ptr::null_mut();
        // SAFETY: the lists live for the call and have the lengths given; the shim takes references
        // of its own.
        check(unsafe {
            res2lab_reducer_new(
                group.raw,
                leaves.as_ptr(),
                bucket_of.as_ptr(),
                leaves.len() as i64,
                ranges.as_ptr(),
                ranges.len() as i64,
                &mut raw,
            )
        })?;
        Ok(Reducer { raw, buckets: buckets.len(), group: Rc::clone(group) })
    }

    /// The group over which the reducer sums.
    pub fn group(&self) -> &Rc<Group> {
        &self.group
    }

    /// Makes the next backward pass send the buckets. To be called before the pass that completes
    /// the gradients.
    pub fn arm(&mut self) {
        // SAFETY: the object lives as long as self.
        unsafe { res2lab_reducer_arm(self.raw) };
    }

    /// Waits until all buckets are summed. To be called after the backward pass.
    pub fn finish(&mut self) -> Result<(), Error> {
        // SAFETY: the object lives as long as self.
        check(unsafe { res2lab_reducer_finish(self.raw) })
    }

    /// The times of the last step.
    pub fn trace(&self) -> Trace {
        let mut times = vec![0.0; 2 * self.buckets + 1];
        // SAFETY: the shim writes two numbers per bucket and one more, which is the length of
        // `times`.
        unsafe { res2lab_reducer_times(self.raw, times.as_mut_ptr()) };
        Trace {
            backward_ms: times[0],
            buckets_ms: times[1..].chunks_exact(2).map(|b| (b[0], b[1])).collect(),
        }
    }
}

impl Drop for Reducer {
    fn drop(&mut self) {
        // SAFETY: we own the object, which removes its autograd hooks first.
        unsafe { res2lab_reducer_free(self.raw) };
    }
}
