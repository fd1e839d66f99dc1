//! Reductions over the processes of one trial.
use res2lab_error::{Error, Kind};
use res2lab_libtorch::{Group, Reducer, Trace};
use res2lab_nn::{Params, Step};
use std::cell::RefCell;
use std::rc::Rc;
use tch::Tensor;

/// Reductions over processes. All processes must call the same functions in the same order.
pub(crate) trait Reduce {
    /// Prepares the reduction of gradients. To be called before the backward pass that completes
    /// the gradients of a step. `adds` says whether that pass accumulates. Without a batch there is
    /// no such pass, and the process takes part in the reduction all the same.
    fn begin(&mut self, adds: bool, has_batch: bool) -> Result<(), Error>;

    /// Replaces the gradients by their sums over processes. To be called after that backward pass.
    fn gradients(&mut self) -> Result<(), Error>;

    /// Replaces each value by its sum over processes.
    fn sums(&mut self, values: &mut [f64]) -> Result<(), Error>;

    /// Replaces running statistics by those of the first process, so that all processes evaluate
    /// the same network.
    fn share_running(&mut self, params: &mut Params) -> Result<(), Error>;

    /// The times at which the gradients of the last step were summed; None with one process. Waits
    /// for the device.
    fn trace(&self) -> Result<Option<Trace>, Error>;
}

/// The reductions of a trial with one process, which do nothing.
pub(crate) struct Local;

impl Reduce for Local {
    fn begin(&mut self, _: bool, _: bool) -> Result<(), Error> {
        Ok(())
    }

    fn gradients(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn sums(&mut self, _: &mut [f64]) -> Result<(), Error> {
        Ok(())
    }

    fn share_running(&mut self, _: &mut Params) -> Result<(), Error> {
        Ok(())
    }

    fn trace(&self) -> Result<Option<Trace>, Error> {
        Ok(None)
    }
}

/// The reductions of a trial with several processes.
pub(crate) struct Distributed {
    reducer: Rc<RefCell<Reducer>>,
    group: Rc<Group>,
    /// Whether the step reduces its gradients itself.
    is_by_step: bool,
    is_armed: bool,
}

impl Distributed {
    /// Reductions for the gradients of `params`, which `step` computes.
    pub(crate) fn new(
        group: &Rc<Group>,
        params: &Params,
        step: &mut dyn Step,
    ) -> Result<Distributed, Error> {
        let (reducer, is_by_step) = step.reducer(&mut || params.reducer(group))?;
        Ok(Distributed { reducer, group: Rc::clone(group), is_by_step, is_armed: false })
    }
}

impl Reduce for Distributed {
    fn begin(&mut self, adds: bool, has_batch: bool) -> Result<(), Error> {
        self.is_armed = !(self.is_by_step && has_batch);
        if self.is_armed {
            self.reducer.borrow_mut().arm(adds, true).map_err(lost)?;
        }
        Ok(())
    }

    fn gradients(&mut self) -> Result<(), Error> {
        if self.is_armed { self.reducer.borrow_mut().finish().map_err(lost) } else { Ok(()) }
    }

    fn sums(&mut self, values: &mut [f64]) -> Result<(), Error> {
        let mut tensor = Tensor::from_slice(values);
        self.group.sum(&mut tensor).map_err(lost)?;
        tensor.to_kind(tch::Kind::Double).copy_data(values, values.len());
        Ok(())
    }

    fn share_running(&mut self, params: &mut Params) -> Result<(), Error> {
        let group = &self.group;
        params.running().into_iter().try_for_each(|tensor| group.copy_first(tensor)).map_err(lost)
    }

    fn trace(&self) -> Result<Option<Trace>, Error> {
        self.reducer.borrow().trace()
    }
}

/// The error of a step in a user's words. On a GPU a reduction that fails shows in whatever operator
/// needs its result.
pub(crate) fn explained(e: Error) -> Error {
    const SIGNS: [&str; 4] = ["gloo", "NCCL", "nccl", "Connection closed by peer"];
    let text = e.to_string();
    let is_new = text.starts_with("libtorch") && SIGNS.iter().any(|sign| text.contains(sign));
    if is_new { lost(e) } else { e }
}

/// The error of a failed reduction in a user's words: another process ended, or the processes cannot
/// be connected.
pub(crate) fn lost(e: Error) -> Error {
    if e.kind == Kind::OutOfMemory {
        return e;
    }
    let text = e.to_string();
    let (cause, help) = if text.contains("Duplicate GPU") {
        (
            "two processes of this trial were given the same GPU",
            "give each process a GPU of its own (CUDA_VISIBLE_DEVICES, LOCAL_RANK)",
        )
    } else if text.to_ascii_lowercase().contains("nccl") {
        (
            "the processes of this trial cannot exchange gradients on their GPUs",
            "see the lines of NCCL in console.txt; in a container /dev/shm must be large; a build \
             for GPUs is made after RES2LAB_CUDA=1 just setup",
        )
    } else if text.contains("EADDRINUSE") {
        (
            "another program has the port at which this trial's processes meet",
            "start it again, or set another MASTER_PORT",
        )
    } else {
        (
            "another process of this trial ended or cannot be reached",
            "see in console.txt which process failed first",
        )
    };
    Error::machine(format!("{cause} ({text})"), help)
}
