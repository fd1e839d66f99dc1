//! CUDA graphs: work that is recorded once and then launched as a whole. This has not run on a GPU
//! yet.

use crate::check;
use res2lab_error::Error;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

#[repr(C)]
struct Handle {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn res2lab_graph_new(out: *mut *mut Handle) -> *mut c_char;
    fn res2lab_graph_free(graph: *mut Handle);
    fn res2lab_graph_enter(graph: *mut Handle, record: bool) -> *mut c_char;
    fn res2lab_graph_leave(graph: *mut Handle, record: bool) -> *mut c_char;
    fn res2lab_graph_abandon(graph: *mut Handle, record: bool);
    fn res2lab_graph_replay(graph: *mut Handle) -> *mut c_char;
}

/// A CUDA graph on the current GPU.
pub struct CudaGraph {
    handle: *mut Handle,
}

impl CudaGraph {
    /// An empty graph. Fails in builds without CUDA.
    pub fn new() -> Result<CudaGraph, Error> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the shim writes a new handle that we own, or returns an error.
        check(unsafe { res2lab_graph_new(&mut handle) })?;
        Ok(CudaGraph { handle })
    }

    /// Runs `work` on the graph's own stream, so that libraries make the preparations that must not
    /// be recorded.
    pub fn warm_up(&mut self, work: &mut dyn FnMut()) -> Result<(), Error> {
        self.on_graph_stream(work, false)
    }

    /// Records the GPU operations of `work` without running them. Tensors that `work` makes keep
    /// their addresses.
    pub fn record(&mut self, work: &mut dyn FnMut()) -> Result<(), Error> {
        self.on_graph_stream(work, true)
    }

    /// Runs `work` on the graph's stream, and records it if `record` is true. If `work` panics, the
    /// recording and the stream are left before the panic goes on.
    fn on_graph_stream(&mut self, work: &mut dyn FnMut(), record: bool) -> Result<(), Error> {
        // SAFETY: we own the handle until it is dropped.
        check(unsafe { res2lab_graph_enter(self.handle, record) })?;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            // SAFETY: we own the handle until it is dropped.
            unsafe { res2lab_graph_abandon(self.handle, record) };
            resume_unwind(panic);
        }
        // SAFETY: we own the handle until it is dropped.
        check(unsafe { res2lab_graph_leave(self.handle, record) })
    }

    /// Runs the recorded work.
    pub fn replay(&mut self) -> Result<(), Error> {
        // SAFETY: we own the handle until it is dropped.
        check(unsafe { res2lab_graph_replay(self.handle) })
    }
}

impl Drop for CudaGraph {
    fn drop(&mut self) {
        // SAFETY: we own the handle, which is not used afterwards.
        unsafe { res2lab_graph_free(self.handle) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_gpu_there_is_a_reason_and_no_graph() {
        if tch::Cuda::is_available() {
            return;
        }
        assert!(CudaGraph::new().err().is_some_and(|e| !e.to_string().is_empty()));
    }
}
