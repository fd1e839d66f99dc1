//! Sums of gradients over the processes of a trial, while the backward pass still runs.

use crate::check;
use crate::group::{Group, RawGroup};
use res2lab_error::Error;
use std::ffi::c_char;
use std::rc::Rc;
use tch::Tensor;
use torch_sys::C_tensor;

/// The shim's object.
#[repr(C)]
struct RawReducer([u8; 0]);

unsafe extern "C" {
    fn res2lab_reducer_new(
        group: *mut RawGroup,
        leaves: *const *const C_tensor,
        views: *const *const C_tensor,
        bucket_of: *const i64,
        n_leaves: i64,
        buckets: *const *const C_tensor,
        n_buckets: i64,
        out: *mut *mut RawReducer,
    ) -> *mut c_char;
    fn res2lab_reducer_free(reducer: *mut RawReducer);
    fn res2lab_reducer_arm(reducer: *mut RawReducer, adds: bool, is_timed: bool) -> *mut c_char;
    fn res2lab_reducer_finish(reducer: *mut RawReducer) -> *mut c_char;
    fn res2lab_reducer_times(reducer: *const RawReducer, out: *mut f64) -> *mut c_char;
}

/// A range of the gradient buffer, and the leaf tensors whose gradients it contains.
pub struct Bucket<'a> {
    pub gradients: Tensor,
    /// Each leaf with its part of the range.
    pub leaves: Vec<(&'a Tensor, &'a Tensor)>,
}

/// Sums gradients over processes while the backward pass still runs.
pub struct Reducer {
    raw: *mut RawReducer,
    buckets: usize,
    /// Whether the moments of the last step were noted.
    is_timed: bool,
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
        let mut leaves: Vec<*const C_tensor> = Vec::new();
        let mut views: Vec<*const C_tensor> = Vec::new();
        let mut bucket_of: Vec<i64> = Vec::new();
        for (i, bucket) in buckets.iter().enumerate() {
            for (leaf, view) in &bucket.leaves {
                leaves.push(leaf.as_ptr());
                views.push(view.as_ptr());
                bucket_of.push(i as i64);
            }
        }
        let ranges: Vec<*const C_tensor> = buckets.iter().map(|b| b.gradients.as_ptr()).collect();
        let mut raw = std::ptr::null_mut();
        // SAFETY: the lists live for the call and have the lengths given; the shim takes references
        // of its own.
        check(unsafe {
            res2lab_reducer_new(
                group.raw,
                leaves.as_ptr(),
                views.as_ptr(),
                bucket_of.as_ptr(),
                leaves.len() as i64,
                ranges.as_ptr(),
                ranges.len() as i64,
                &mut raw,
            )
        })?;
        Ok(Reducer { raw, buckets: buckets.len(), is_timed: false, group: Rc::clone(group) })
    }

    /// The group over which the reducer sums.
    pub fn group(&self) -> &Rc<Group> {
        &self.group
    }

    /// Makes the next backward pass move its gradients to the buckets, or add them there if `adds`
    /// is true, and send the buckets. To be called before the pass that completes the gradients.
    /// `is_timed` says whether [`Reducer::trace`] is wanted of this step; a step that is recorded as
    /// a CUDA graph has none.
    pub fn arm(&mut self, adds: bool, is_timed: bool) -> Result<(), Error> {
        self.is_timed = is_timed;
        // SAFETY: the object lives as long as self.
        check(unsafe { res2lab_reducer_arm(self.raw, adds, is_timed) })
    }

    /// Waits until all buckets are summed; on a GPU only its later work waits. To be called after
    /// the backward pass.
    pub fn finish(&mut self) -> Result<(), Error> {
        // SAFETY: the object lives as long as self.
        check(unsafe { res2lab_reducer_finish(self.raw) })
    }

    /// The times of the last step; None if they were not noted. Waits for the device.
    pub fn trace(&self) -> Result<Option<Trace>, Error> {
        if !self.is_timed {
            return Ok(None);
        }
        let mut times = vec![0.0; 2 * self.buckets + 1];
        // SAFETY: the shim writes two numbers per bucket and one more, which is the length of
        // `times`.
        check(unsafe { res2lab_reducer_times(self.raw, times.as_mut_ptr()) })?;
        Ok(Some(Trace {
            backward_ms: times[0],
            buckets_ms: times[1..].chunks_exact(2).map(|b| (b[0], b[1])).collect(),
        }))
    }
}

impl Drop for Reducer {
    fn drop(&mut self) {
        // SAFETY: we own the object, which removes its autograd hooks first.
        unsafe { res2lab_reducer_free(self.raw) };
    }
}
