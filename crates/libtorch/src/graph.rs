//! CUDA graphs: work that is recorded once and launched as a whole from then on. No GPU has run
//! this yet.

use crate::check;
use res2lab_error::Error;
use std::ffi::c_char;

#[repr(C)]
struct Handle {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn res2lab_graph_new(out: *mut *mut Handle) -> *mut c_char;
    fn res2lab_graph_free(graph: *mut Handle);
    fn res2lab_graph_enter(graph: *mut Handle, record: bool) -> *mut c_char;
    fn res2lab_graph_leave(graph: *mut Handle, record: bool) -> *mut c_char;
    fn res2lab_graph_replay(graph: *mut Handle) -> *mut c_char;
}

/// A graph on the current GPU.
pub struct CudaGraph {
    handle: *mut Handle,
}

impl CudaGraph {
    /// An empty one. Fails in builds without CUDA.
    pub fn new() -> Result<CudaGraph, Error> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the shim writes a fresh handle for us to own, or says why not.
        check(unsafe { res2lab_graph_new(&mut handle) })?;
        Ok(CudaGraph { handle })
    }

    /// Runs `work` on the graph's own stream, where libraries prepare what must not be recorded.
    pub fn warm_up(&mut self, work: &mut dyn FnMut()) -> Result<(), Error> {
        self.aside(work, false)
    }

    /// Records what `work` asks of the GPU, and does none of it. Tensors that it makes stay where
    /// they are.
    pub fn record(&mut self, work: &mut dyn FnMut()) -> Result<(), Error> {
        self.aside(work, true)
    }

    fn aside(&mut self, work: &mut dyn FnMut(), record: bool) -> Result<(), Error> {
        // SAFETY: the handle is ours until it is dropped.
        check(unsafe { res2lab_graph_enter(self.handle, record) })?;
        work();
        // SAFETY: as above.
        check(unsafe { res2lab_graph_leave(self.handle, record) })
    }

    /// Does what was recorded.
    pub fn replay(&mut self) -> Result<(), Error> {
        // SAFETY: as above.
        check(unsafe { res2lab_graph_replay(self.handle) })
    }
}

impl Drop for CudaGraph {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and nobody uses it afterwards.
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
