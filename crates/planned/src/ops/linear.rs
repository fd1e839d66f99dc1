//! The fully connected layer. Its weights are never rounded: they are few, and read once a step.

use crate::access::{Access, GradientTarget, Memory, Partials};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::planning::{Gradients, Nodes};
use crate::tables::{EntryId, Tables};
use res2lab_arch::NodeId;
use res2lab_kernels::element::Element;
use res2lab_kernels::matrix::product;
use res2lab_kernels::pointwise::dot;
use res2lab_kernels::{Real, Stored};
use std::ops::Range;

/// Computes `to = weights * from + bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// The first of two entries of the state: weights, bias.
    pub state: EntryId,
    pub from: BufferSlice,
    pub to: BufferSlice,
}

/// The gradients of a fully connected layer's weights, bias and input.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearBack {
    /// The first of two entries of the state: weights, bias.
    pub state: EntryId,
    pub from: BufferSlice,
    pub input: BufferSlice,
    pub into: GradientTarget,
    pub partials: Partials,
}

impl Linear {
    pub(crate) fn plan(nodes: &Nodes, id: NodeId) -> Linear {
        Linear { state: nodes.state(id), from: nodes.input(id, 0), to: nodes.at(id) }
    }
}

impl LinearBack {
    pub(crate) fn plan(nodes: &Nodes, gradients: &mut Gradients, id: NodeId) -> LinearBack {
        let Linear { state, from: input, to } = Linear::plan(nodes, id);
        let from = gradients.complete(to);
        let into = gradients.contribute(input);
        LinearBack { state, from, input, into, partials: Partials::of(state..state + 2) }
    }
}

impl Instruction for Linear {
    const NAME: &'static str = "linear";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        let state = [self.state, self.state + 1].map(|at| Access::read_all(Memory::Values(at)));
        [Access::read(self.from), Access::write(self.to)].into_iter().chain(state).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        let outputs = thread.share.within(0..self.to.shape.channels);
        let weights = thread.values(self.state);
        let bias = thread.values(self.state + 1);
        let x = T::reals(thread.rows(self.from), thread.scratch());
        forward(x, weights, bias, thread.rows(self.to), outputs);
    }
}

impl Instruction for LinearBack {
    const NAME: &'static str = "linear back";

    fn accesses(&self, _: &Tables) -> Vec<Access> {
        let slices = [
            Access::read(self.from),
            Access::read(self.input),
            Access::target(self.into),
            Access::read_all(Memory::Values(self.state)),
        ];
        slices.into_iter().chain(self.partials.written()).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        let outputs = self.from.shape.channels;
        let [x, dy] = [thread.rows(self.input), thread.rows(self.from)];
        let (scratch, rest) = thread.scratch().split_at_mut(x.len() * T::IS_ROUNDED as usize);
        let x = T::reals(x, scratch);
        let (scratch, rest) = rest.split_at_mut(dy.len() * T::IS_ROUNDED as usize);
        let dy = T::reals(dy, scratch);
        input_gradient(dy, thread.values(self.state), outputs, thread.target_rows(self.into), rest);
        weight_gradient(x, dy, outputs, thread.partial(&self.partials, self.state));
        bias_gradient(dy, thread.partial(&self.partials, self.state + 1));
    }

    fn partials(&mut self) -> Option<&mut Partials> {
        Some(&mut self.partials)
    }
}

/// y[n][k] = bias[k] + sum over c of x[n][c] * w[k][c], for k in `outputs`.
fn forward<T: Stored>(
    x: &[T::Real],
    weight: &[T::Real],
    bias: &[T::Real],
    y: &mut [T],
    outputs: Range<usize>,
) {
    let inputs = weight.len() / bias.len();
    // The outer loop is over rows of weights, because the weights are larger than the images'
    // values.
    for k in outputs {
        let w = &weight[k * inputs..(k + 1) * inputs];
        for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(bias.len())) {
            y[k] = T::stored(T::Real::from_f64(bias[k].to_f64() + dot(x, w)));
        }
    }
}

/// dx[n][c] = (or +=) sum over k of dy[n][k] * w[k][c]. `scratch` is as long as dx if dx is rounded.
fn input_gradient<T: Stored>(
    dy: &[T::Real],
    weight: &[T::Real],
    outputs: usize,
    (dx, add): (&mut [T], bool),
    scratch: &mut [T::Real],
) {
    let columns = weight.len() / outputs;
    let of = |k: usize, n: usize| dy[n * outputs + k];
    if let Some(dx) = T::as_reals(dx) {
        return product(of, outputs, weight, columns, (dx, add));
    }
    let sums = &mut scratch[..dx.len()];
    product(of, outputs, weight, columns, (sums, false));
    for (dx, sum) in dx.iter_mut().zip(sums) {
        *dx = T::stored(if add { dx.real() + *sum } else { *sum });
    }
}

/// dw[k][c] = (or +=) sum over n of dy[n][k] * x[n][c].
fn weight_gradient<R: Real>(x: &[R], dy: &[R], outputs: usize, (dw, add): (&mut [R], bool)) {
    product(|n, k| dy[n * outputs + k], dy.len() / outputs, x, dw.len() / outputs, (dw, add));
}

/// db[k] = (or +=) sum over n of dy[n][k].
fn bias_gradient<R: Real>(dy: &[R], (db, add): (&mut [R], bool)) {
    if !add {
        db.fill(R::ZERO);
    }
    for dy in dy.chunks_exact(db.len()) {
        db.iter_mut().zip(dy).for_each(|(db, dy)| *db += *dy);
    }
}
