//! Sums over the processes of one trial. With one process there is nothing to add.
use res2lab_error::Error;
use res2lab_libtorch::{Group, Reducer, Trace};
use res2lab_nn::Params;
use std::rc::Rc;
use tch::{Kind, Tensor};

/// How a process learns what the others computed. All processes call the same functions in the same
/// order.
pub(crate) trait Reduce {
    /// Says that the backward pass that comes next completes the gradients of a step.
    fn begin(&mut self);

    /// After that pass: the gradient buffer becomes its sum over processes.
    fn gradients(&mut self) -> Result<(), Error>;

    /// Replaces each value by its sum over processes.
    fn sums(&mut self, values: &mut [f64]) -> Result<(), Error>;

    /// Replaces running statistics by those of the first process, so that all evaluate one network.
    fn share_running(&mut self, params: &mut Params) -> Result<(), Error>;

    /// When the last step's gradients were summed; None with one process.
    fn trace(&self) -> Option<Trace>;
}

/// One process.
pub(crate) struct Local;

impl Reduce for Local {
    fn begin(&mut self) {}

    fn gradients(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn sums(&mut self, _: &mut [f64]) -> Result<(), Error> {
        Ok(())
    }

    fn share_running(&mut self, _: &mut Params) -> Result<(), Error> {
        Ok(())
    }

    fn trace(&self) -> Option<Trace> {
        None
    }
}

/// Several processes.
pub(crate) struct Distributed {
    reducer: Reducer,
}

impl Distributed {
    /// For the gradients of `params`.
    pub(crate) fn new(group: &Rc<Group>, params: &Params) -> Result<Distributed, Error> {
        Ok(Distributed { reducer: params.reducer(group)? })
    }
}

impl Reduce for Distributed {
    fn begin(&mut self) {
        self.reducer.arm();
    }

    fn gradients(&mut self) -> Result<(), Error> {
        self.reducer.finish().map_err(lost)
    }

    fn sums(&mut self, values: &mut [f64]) -> Result<(), Error> {
        let mut tensor = Tensor::from_slice(values);
        self.reducer.group().sum(&mut tensor).map_err(lost)?;
        tensor.to_kind(Kind::Double).copy_data(values, values.len());
        Ok(())
    }

    fn share_running(&mut self, params: &mut Params) -> Result<(), Error> {
        let group = self.reducer.group();
        params.running().into_iter().try_for_each(|tensor| group.copy_first(tensor)).map_err(lost)
    }

    fn trace(&self) -> Option<Trace> {
        Some(self.reducer.trace())
    }
}

/// An operation over several processes fails when another one ended, or when NCCL cannot join them.
pub(crate) fn lost(e: Error) -> Error {
    if e.to_string().to_ascii_lowercase().contains("nccl") {
        return Error::machine(
            format!("the processes of this trial cannot exchange gradients on their GPUs ({e})"),
            "give each process a GPU of its own (CUDA_VISIBLE_DEVICES) and libtorch's CUDA build (RES2LAB_CUDA=1 just setup)",
        );
    }
    Error::machine(
        format!("another process of this trial ended or cannot be reached ({e})"),
        "see in console.txt which process failed first",
    )
}
