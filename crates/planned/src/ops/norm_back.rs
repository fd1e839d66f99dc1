//! Batch norms, backward: coefficients from all threads' sums, and the gradient of the input. Where
//! the input is a convolution's result, that convolution's backward pass computes the gradient as
//! it reads it.

use crate::access::{Access, GradientTarget, Memory};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::tables::{NormId, Tables};
use res2lab_kernels::element::Element;
use res2lab_kernels::{Gradient, NormBackward, Stored};

/// Zeroes this thread's sums of all norms, to which the backward pass adds.
#[derive(Clone, Debug, PartialEq)]
pub struct ZeroSums {
    pub norms: Vec<NormId>,
}

/// Computes the gradients of norms' weights and biases, and the coefficients of their inputs'
/// gradients, from the sums of all threads.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficients {
    pub norms: Vec<NormId>,
}

/// The gradient of a norm's input, where the input is not the result of a convolution that the norm
/// alone reads.
#[derive(Clone, Debug, PartialEq)]
pub struct NormBack {
    pub from: GradientSource,
    pub into: GradientTarget,
}

/// The source of a gradient: the gradient of a fusion's result, masked by its ReLU, and the norm
/// through which it passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientSource {
    /// The gradient of the result.
    pub of: BufferSlice,
    pub norm: Option<NormId>,
}

impl GradientSource {
    pub(crate) fn accesses(&self, tables: &Tables) -> impl Iterator<Item = Access> {
        let norm = self.norm.map(|norm| {
            [Access::read(tables.norms[norm].x), Access::read(Memory::Coefficients(norm))]
        });
        std::iter::once(Access::read(self.of)).chain(norm.into_iter().flatten())
    }

    /// The kernel's argument.
    pub(crate) fn gradient<'t, T: Stored>(&self, thread: &'t Thread<T>) -> Gradient<'t, T> {
        let constants = &thread.constants;
        let norm = self.norm.map(|norm| {
            let of = &thread.tables.norms[norm];
            NormBackward {
                x: thread.view(of.x),
                dy_coefficient: &constants.dy_coefficient[of.channels()],
                x_coefficient: &constants.x_coefficient[of.channels()],
                constant: &constants.constant[of.channels()],
            }
        });
        Gradient { of: thread.view(self.of), norm }
    }
}

impl Instruction for ZeroSums {
    const NAME: &'static str = "zero sums";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        self.norms.iter().map(|norm| Access::write(Memory::Sums(*norm))).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        self.norms.iter().for_each(|norm| thread.sums(*norm).fill(0.0));
    }
}

impl Instruction for Coefficients {
    const NAME: &'static str = "coefficients";

    fn accesses(&self, tables: &Tables) -> Vec<Access> {
        let of = |norm: &NormId| {
            let state = tables.norms[*norm].state;
            [
                Access::read_all(Memory::Sums(*norm)),
                Access::read_all(Memory::Values(state)),
                Access::read_all(Memory::Values(state + 1)),
                Access::read(Memory::Statistics(*norm)),
                Access::write(Memory::Coefficients(*norm)),
                Access::update_first(Memory::Gradient(state)),
                Access::update_first(Memory::Gradient(state + 1)),
            ]
        };
        self.norms.iter().flat_map(of).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        for &norm in &self.norms {
            let of = &thread.tables.norms[norm];
            let n = thread.count(norm);
            for channel in 0..of.x.shape.channels {
                let sums = thread.all_sums(norm, channel);
                let affine = thread.affine(norm, channel);
                let at = of.first_channel + channel;
                let gradient = thread.constants.set_backward_coefficients(at, sums, n, affine);
                if thread.is_first() {
                    for (entry, gradient) in
                        [(of.state, gradient.weight), (of.state + 1, gradient.bias)]
                    {
                        let kept = &mut thread.gradient(entry)[channel];
                        let before = if thread.shared.accumulates { kept.to_f64() } else { 0.0 };
                        *kept = T::Real::from_f64(before + gradient);
                    }
                }
            }
        }
    }
}

impl Instruction for NormBack {
    const NAME: &'static str = "norm back";

    fn accesses(&self, tables: &Tables) -> Vec<Access> {
        self.from.accesses(tables).chain([Access::target(self.into)]).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        thread.norm_back(&self.from.gradient(thread), self.into);
    }
}
