//! The step: memory for one batch size, and both passes over it.

use crate::memory::pack;
use crate::norms::Constants;
use crate::program::{PoolOf, Program};
use crate::team::{self, Barrier};
use crate::worker::{Shared, Worker};
use arch::{Graph, Op};
use kernels::pool::{AveragePool, MaxPool, PoolShape};
use kernels::{ConvPlan, ConvShape, Real};
use std::ops::Range;

/// The network's state in three flat buffers.
pub struct State<'a, T> {
    /// Trained values.
    pub values: &'a mut [T],
    /// Their gradients, which a backward pass adds to.
    pub grads: &'a mut [T],
    /// Running means and variances.
    pub running: &'a mut [T],
}

/// A planned step of one batch size and number of threads.
pub struct Planned<T> {
    pub(crate) program: Program,
    pub(crate) convs: Vec<ConvPlan>,
    pub(crate) pools: Vec<Pooling<T>>,
    pub(crate) batch: usize,
    pub(crate) threads: usize,
    /// Where each entry of the graph's state starts in its flat buffer.
    pub(crate) entries: Vec<usize>,
    /// Elements of each entry.
    pub(crate) lengths: Vec<usize>,
    /// Where each buffer starts in the arena.
    pub(crate) offsets: Vec<usize>,
    logits: Vec<T>,
    /// Two sums for each channel of each norm, thread by thread.
    sums: Vec<f64>,
    pub(crate) channels: usize,
    own: Vec<Own<T>>,
    /// Weight gradients of the threads after the first, one convolution's at a time; two, so that one can be read while the
    /// other is written.
    partials: [Vec<T>; 2],
    pub(crate) partial_length: usize,
    pub(crate) barrier: Barrier,
}

/// A pool, ready to run.
pub(crate) enum Pooling<T> {
    Average(AveragePool<T>),
    Max(MaxPool),
}

/// What a thread keeps for itself.
#[allow(missing_docs)]
pub struct Own<T> {
    /// Its part of the batch.
    pub images: Range<usize>,
    /// All buffers for these images.
    pub arena: Vec<T>,
    /// Where each max pool found its maxima; empty for the others.
    pub indices: Vec<Vec<u32>>,
    pub scratch: Vec<T>,
    pub packed: Vec<T>,
    pub constants: Constants<T>,
}

impl<T: Real> Planned<T> {
    /// Plans the step of `graph` for `batch` images. `entries` says where each entry of its state starts in the flat buffer
    /// it belongs to.
    pub fn new(graph: &Graph, entries: Vec<usize>, batch: usize, threads: usize) -> Planned<T> {
        let program = Program::new(graph);
        let threads = threads.clamp(1, batch.max(1));
        let part = |thread: usize| batch * thread / threads..batch * (thread + 1) / threads;
        // Each thread packs for the largest part, so that offsets are the same for all.
        let most = batch.div_ceil(threads);
        let (offsets, length) = pack(&crate::lives::needs(&program, most));
        let convs: Vec<ConvPlan> = program.convs.iter().map(|conv| plan(graph, conv.node)).collect();
        let channels = program.norms.iter().map(|norm| norm.x.shape.channels).sum();
        let lengths: Vec<usize> = graph.state.iter().map(|entry| entry.elements()).collect();
        let partial_length = lengths.iter().copied().max().unwrap_or(0);
        let pools: Vec<Pooling<T>> = program.pools.iter().map(pooling).collect();
        let of_pools = pools.iter().map(|pool| if let Pooling::Average(pool) = pool { pool.scratch_len() } else { 0 });
        let of_convs = convs.iter().map(|conv| conv.scratch_len().max(conv.backward_scratch_len()));
        let scratch = of_convs.chain(of_pools).max().unwrap_or(0);
        let packed = convs.iter().map(|c| c.packed_len().max(c.packed_backward_len())).max().unwrap_or(0);
        let own = |thread| Own {
            images: part(thread),
            arena: zeros(length),
            indices: program.pools.iter().map(|pool| vec![0; indices(pool) * most]).collect(),
            scratch: zeros(scratch),
            packed: zeros(packed),
            constants: Constants::new(channels),
        };
        let partial = || zeros(partial_length * (threads - 1));
        Planned {
            own: (0..threads).map(own).collect(),
            partials: [partial(), partial()],
            logits: zeros(batch * program.logits.shape.channels),
            sums: vec![0.0; 2 * channels * threads],
            barrier: Barrier::new(threads),
            program,
            convs,
            pools,
            batch,
            threads,
            entries,
            lengths,
            offsets,
            channels,
            partial_length,
        }
    }

    /// Images of a batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Bytes that this step keeps for itself.
    pub fn bytes(&self) -> usize {
        let of = |own: &Own<T>| {
            let indices: usize = own.indices.iter().map(Vec::len).sum();
            (own.arena.len() + own.scratch.len() + own.packed.len()) * size_of::<T>() + indices * size_of::<u32>()
        };
        let partials: usize = self.partials.iter().map(Vec::len).sum();
        self.own.iter().map(of).sum::<usize>() + partials * size_of::<T>()
    }

    /// Logits (batch x classes) of `images` (batch x channels x height x width), with the batch's own statistics, which
    /// also move the running ones.
    pub fn forward(&mut self, images: &[T], state: &mut State<T>) -> &[T] {
        self.pass(images, state, |worker| worker.forward());
        let (start, classes) = (self.offsets[self.program.logits.buffer], self.program.logits.shape.channels);
        for own in &self.own {
            let part = own.images.start * classes..own.images.end * classes;
            let length = part.len();
            self.logits[part].copy_from_slice(&own.arena[start..start + length]);
        }
        &self.logits
    }

    /// Adds the gradients of all trained values, given that of the logits, to `state.grads`. The same images must have gone
    /// forward just before.
    pub fn backward(&mut self, images: &[T], logits_gradient: &[T], state: &mut State<T>) {
        let (start, classes) = (self.offsets[self.program.logits_gradient.buffer], self.program.logits.shape.channels);
        for own in &mut self.own {
            let part = &logits_gradient[own.images.start * classes..own.images.end * classes];
            own.arena[start..start + part.len()].copy_from_slice(part);
        }
        self.pass(images, state, |worker| worker.backward());
    }

    fn pass(&mut self, images: &[T], state: &mut State<T>, work: impl Fn(&mut Worker<T>) + Sync) {
        let image = self.program.buffers[crate::places::IMAGES].elements();
        assert_eq!(images.len(), image * self.batch, "the step was planned for another batch");
        let mut own = std::mem::take(&mut self.own);
        let shared = Shared {
            images: images.as_ptr(),
            values: state.values.as_ptr(),
            grads: state.grads.as_mut_ptr(),
            running: state.running.as_mut_ptr(),
            sums: self.sums.as_mut_ptr(),
            partials: [0, 1].map(|i: usize| self.partials[i].as_mut_ptr()),
        };
        let members: Vec<(usize, &mut Own<T>)> = own.iter_mut().enumerate().collect();
        let plan = &*self;
        team::run(&self.barrier, members, |(thread, own)| {
            let shared = &shared;
            let (arena, indices) = (own.arena.as_mut_ptr(), own.indices.iter_mut().map(Vec::as_mut_ptr).collect());
            work(&mut Worker { plan, shared, thread, own, arena, indices, turn: 0 });
        });
        self.own = own;
    }
}

/// Zeros. The allocator's own failure would end the process without a word.
fn zeros<T: Real>(length: usize) -> Vec<T> {
    let mut zeros = Vec::new();
    if zeros.try_reserve_exact(length).is_err() {
        panic!("out of memory: {} bytes for the planned step", length * size_of::<T>());
    }
    zeros.resize(length, T::ZERO);
    zeros
}

fn pooling<T: Real>(of: &PoolOf) -> Pooling<T> {
    let arch::Pool { kernel, stride, padding, ceil_mode, count_include_pad } = of.pool;
    let arch::Shape { channels, height, width } = of.input;
    let shape = PoolShape { channels, height, width, kernel, stride, padding, ceil_mode };
    match of.is_max {
        true => Pooling::Max(MaxPool::new(shape)),
        false => Pooling::Average(AveragePool::new(shape, count_include_pad)),
    }
}

/// Places that a pool remembers for one image.
fn indices(of: &PoolOf) -> usize {
    if of.is_max { of.output.shape.elements() } else { 0 }
}

fn plan(graph: &Graph, node: arch::NodeId) -> ConvPlan {
    let (Op::Conv(conv), input) = (graph.node(node).op, graph.node(graph.node(node).inputs[0]).shape) else {
        unreachable!("the program names convolutions only");
    };
    ConvPlan::new(ConvShape {
        channels: input.channels,
        height: input.height,
        width: input.width,
        out: conv.out,
        kernel: conv.kernel,
        stride: conv.stride,
        padding: conv.padding,
        groups: conv.groups,
    })
}
