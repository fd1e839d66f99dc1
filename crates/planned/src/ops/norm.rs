//! Batch norms, forward: sums, statistics from all threads' sums, and the normalized result with
//! the sum and the ReLU that are fused with it.

use crate::access::{Access, Memory};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::norms::moments;
use crate::planning::Nodes;
use crate::tables::{ConvId, NormId, NormOf, Tables};
use res2lab_arch::{NodeId, Op};
use res2lab_kernels::Stored;
use res2lab_kernels::element::Element;
use res2lab_kernels::norm::{Affine, Residual};

/// Takes the sums of a norm's input, where no convolution takes them in its epilogue.
#[derive(Clone, Debug, PartialEq)]
pub struct NormSums {
    pub norm: NormId,
}

/// Computes the statistics of norms from the sums of all threads. Each thread computes all of them
/// redundantly, which is cheaper than computing them once and broadcasting.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    pub norms: Vec<NormId>,
}

/// Computes `out = relu(norm + added)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalize {
    pub norm: NormId,
    pub added: Option<Added>,
    pub relu: bool,
    pub out: BufferSlice,
}

/// The term that is added to a norm's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Added {
    /// A value in memory.
    Value(BufferSlice),
    /// The result of another norm, which is computed as it is added.
    Norm(NormId),
}

impl Added {
    /// The other norm.
    pub(crate) fn norm(self) -> Option<NormId> {
        if let Added::Norm(norm) = self { Some(norm) } else { None }
    }

    /// The value in memory.
    pub(crate) fn value(self) -> Option<BufferSlice> {
        if let Added::Value(slice) = self { Some(slice) } else { None }
    }
}

/// Registers the norm of a node. `conv` is the convolution that computes its input for it alone.
pub(crate) fn register(
    tables: &mut Tables,
    nodes: &Nodes,
    node: NodeId,
    conv: Option<ConvId>,
) -> NormId {
    let Op::BatchNorm { eps, momentum } = nodes.op(node) else {
        unreachable!("the caller passes a batch norm");
    };
    let x = nodes.input(node, 0);
    let state = nodes.state(node);
    tables.add_norm(NormOf { state, eps, momentum, x, conv, first_channel: 0 })
}

impl Instruction for NormSums {
    const NAME: &'static str = "norm sums";

    fn accesses(&self, tables: &Tables) -> Vec<Access> {
        let x = tables.norms[self.norm].x;
        vec![Access::read(x), Access::write(Memory::Sums(self.norm))]
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        let sums = thread.sums(self.norm);
        sums.fill(0.0);
        thread.add_sums(thread.tables.norms[self.norm].x, sums);
    }
}

impl Instruction for Statistics {
    const NAME: &'static str = "statistics";

    fn accesses(&self, tables: &Tables) -> Vec<Access> {
        let of = |norm: &NormId| {
            let state = tables.norms[*norm].state;
            [
                Access::read_all(Memory::Sums(*norm)),
                Access::read_all(Memory::Values(state)),
                Access::read_all(Memory::Values(state + 1)),
                Access::write(Memory::Statistics(*norm)),
                Access::update_first(Memory::Running(state + 2)),
                Access::update_first(Memory::Running(state + 3)),
            ]
        };
        self.norms.iter().flat_map(of).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        for &norm in &self.norms {
            let of = &thread.tables.norms[norm];
            let n = thread.count(norm);
            for channel in 0..of.x.shape.channels {
                let (mean, var) = moments(thread.all_sums(norm, channel), n);
                let affine = thread.affine(norm, channel);
                let at = of.first_channel + channel;
                thread.constants.set_statistics(at, mean, var, of.eps, affine);
                if thread.is_first() {
                    let unbiased = var * n / (n - 1.0).max(1.0);
                    for (entry, towards) in [(of.state + 2, mean), (of.state + 3, unbiased)] {
                        let running = &mut thread.running(entry)[channel];
                        let kept = (1.0 - of.momentum) * running.to_f64();
                        *running = T::Real::from_f64(kept + of.momentum * towards);
                    }
                }
            }
        }
    }
}

impl Instruction for Normalize {
    const NAME: &'static str = "normalize";

    fn accesses(&self, tables: &Tables) -> Vec<Access> {
        let of = |norm: NormId| {
            [Access::read(tables.norms[norm].x), Access::read(Memory::Statistics(norm))]
        };
        let mut accesses = of(self.norm).to_vec();
        accesses.extend(self.added.and_then(Added::norm).map(of).into_iter().flatten());
        accesses.extend(self.added.and_then(Added::value).map(Access::read));
        accesses.push(Access::write(self.out));
        accesses
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        let constants = &thread.constants;
        let affine = |norm: NormId| {
            let channels = thread.tables.norms[norm].channels();
            let scale = &constants.scale[channels.clone()];
            Affine { scale, shift: &constants.shift[channels] }
        };
        let residual = self.added.map(|added| match added {
            Added::Value(slice) => Residual { view: thread.view(slice), affine: None },
            Added::Norm(other) => {
                let view = thread.view(thread.tables.norms[other].x);
                Residual { view, affine: Some(affine(other)) }
            }
        });
        let x = thread.tables.norms[self.norm].x;
        thread.normalize(x, affine(self.norm), residual, self.relu, self.out);
    }
}
