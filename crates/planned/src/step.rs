//! The execution plan of a step: memory for one batch size, and both passes over it.

use crate::instructions::{ConvId, Instr, PoolOf};
use crate::interpreter::{Arena, Interpreter, Shared};
use crate::memory::place_buffers;
use crate::norms::Constants;
use crate::program::Program;
use crate::segments::{self, Segment};
use crate::threads::{self, Barrier};
use res2lab_arch::{Graph, Op};
use res2lab_kernels::memory::zeros;
use res2lab_kernels::pool::{AveragePool, MaxPool, PoolShape};
use res2lab_kernels::{ConvKernel, ConvShape, Real, Share};
use std::ops::Range;

/// The network's state in three flat buffers.
pub struct State<'a, T> {
    /// The trained values.
    pub values: &'a mut [T],
    /// The gradients of the trained values.
    pub grads: &'a mut [T],
    /// The running means and variances.
    pub running: &'a mut [T],
}

/// A program with the memory to run it, for one batch size and number of threads.
pub struct ExecutionPlan<T> {
    pub(crate) program: Program,
    pub(crate) segments: Vec<Segment>,
    /// For each buffer that holds one micro-batch only, the images of that micro-batch.
    pub(crate) local: Vec<Option<usize>>,
    pub(crate) convs: Vec<ConvKernel>,
    pub(crate) pools: Vec<Pooling<T>>,
    pub(crate) batch: usize,
    /// The images of a pass: a batch, or fewer in an inference.
    images: usize,
    pub(crate) threads: usize,
    /// Whether all threads work on the same images, in the arena of the first thread.
    pub(crate) shares_images: bool,
    /// The offset of each entry of the graph's state in its flat buffer.
    pub(crate) entries: Vec<usize>,
    /// The elements of each entry.
    pub(crate) lengths: Vec<usize>,
    /// The offset of each buffer in the arena.
    pub(crate) offsets: Vec<usize>,
    logits: Vec<T>,
    /// Two sums for each channel of each norm, one thread after the other.
    sums: Vec<f64>,
    pub(crate) channels: usize,
    pub(crate) own: Vec<Own<T>>,
    /// Partial gradients of one layer's weights: one for each thread but the first.
    /// Double-buffered, so that one buffer can be read while the other is written.
    partial_gradients: [Vec<T>; 2],
    /// The packed weights of one convolution; double-buffered with several threads.
    packed: Vec<Vec<T>>,
    /// The convolutions whose weights are packed in the forward pass and in the backward pass, in
    /// order.
    pub(crate) packs: [Vec<ConvId>; 2],
    pub(crate) partial_length: usize,
    pub(crate) barrier: Barrier,
}

/// The kernel of a pool.
pub(crate) enum Pooling<T> {
    Average(AveragePool<T>),
    Max(MaxPool),
}

/// The memory of one thread.
pub struct Own<T> {
    /// The images of the batch that this thread works on.
    pub images: Range<usize>,
    /// All buffers for these images.
    pub arena: Vec<T>,
    /// The positions of the maxima of each max pool; empty for other pools.
    pub indices: Vec<Vec<u32>>,
    pub scratch: Vec<T>,
    pub constants: Constants<T>,
}

impl<T: Real> ExecutionPlan<T> {
    /// Plans the training step of `graph` for `batch` images. `entries` gives the offset of each
    /// entry of the graph's state in its flat buffer.
    pub fn new(
        graph: &Graph,
        entries: Vec<usize>,
        batch: usize,
        threads: usize,
    ) -> ExecutionPlan<T> {
        ExecutionPlan::of(
            Program::new(graph),
            graph,
            entries,
            batch,
            threads,
            segments::whole_batch,
        )
    }

    /// Plans the execution of `program` for this batch. `cut` divides the program into segments,
    /// given the most images that a thread has.
    pub(crate) fn of(
        program: Program,
        graph: &Graph,
        entries: Vec<usize>,
        batch: usize,
        threads: usize,
        cut: impl Fn(&Program, usize) -> Vec<Segment>,
    ) -> ExecutionPlan<T> {
        // With more threads than images, all threads of an inference work on the same images.
        let shares_images = program.is_inference() && batch < threads;
        let threads = if shares_images { threads } else { threads.clamp(1, batch.max(1)) };
        // Each arena has room for the most images of a thread, so that offsets are the same for
        // all.
        let most = if shares_images { batch } else { batch.div_ceil(threads) };
        let segments = cut(&program, most);
        let local = segments::local(&program, &segments);
        let (starts, length) =
            place_buffers(&crate::liveness::needs(&program, &segments, &local, most));
        let offsets = program.alias_of.iter().map(|memory| starts[*memory]).collect();
        let convs: Vec<ConvKernel> =
            program.convs.iter().map(|conv| conv_kernel(graph, conv.node)).collect();
        let channels = program.norms.iter().map(|norm| norm.x.shape.channels).sum();
        let lengths: Vec<usize> = graph.state.iter().map(|entry| entry.elements()).collect();
        let partial_length = lengths.iter().copied().max().unwrap_or(0);
        let pools: Vec<Pooling<T>> = program.pools.iter().map(pooling).collect();
        let of_pools = pools.iter().map(|pool| match pool {
            Pooling::Average(pool) => pool.scratch_len(),
            Pooling::Max(pool) => pool.scratch_len(),
        });
        let trains = !program.is_inference();
        let of_conv =
            |c: &ConvKernel| c.scratch_len().max(if trains { c.backward_scratch_len() } else { 0 });
        let scratch = convs.iter().map(of_conv).chain(of_pools).max().unwrap_or(0);
        // An inference keeps its packed weights in the state.
        let packed = convs
            .iter()
            .map(|c| c.packed_len().max(c.packed_backward_len()))
            .max()
            .filter(|_| trains);
        let packs = [&program.forward, &program.backward]
            .map(|instrs| instrs.iter().filter_map(packed_by).collect());
        let own = |thread| Own {
            images: images_of(batch, thread, threads, shares_images),
            arena: zeros(if shares_images && thread > 0 { 0 } else { length }),
            indices: program
                .pools
                .iter()
                .map(|pool| vec![0; if trains { indices(pool) * most } else { 0 }])
                .collect(),
            scratch: zeros(scratch),
            constants: Constants::new(channels),
        };
        let partial = || zeros(if trains { partial_length * (threads - 1) } else { 0 });
        ExecutionPlan {
            own: (0..threads).map(own).collect(),
            partial_gradients: [partial(), partial()],
            packed: (0..threads.min(2)).map(|_| zeros(packed.unwrap_or(0))).collect(),
            packs,
            logits: zeros(batch * program.logits.shape.channels),
            sums: vec![0.0; 2 * channels * threads],
            barrier: Barrier::new(threads),
            program,
            segments,
            local,
            convs,
            pools,
            batch,
            images: batch,
            threads,
            shares_images,
            entries,
            lengths,
            offsets,
            channels,
            partial_length,
        }
    }

    /// The images of a batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The bytes of memory that this plan has allocated.
    pub fn bytes(&self) -> usize {
        let of = |own: &Own<T>| {
            let indices: usize = own.indices.iter().map(Vec::len).sum();
            (own.arena.len() + own.scratch.len()) * size_of::<T>() + indices * size_of::<u32>()
        };
        let partials: usize = self.partial_gradients.iter().chain(&self.packed).map(Vec::len).sum();
        self.own.iter().map(of).sum::<usize>() + partials * size_of::<T>()
    }

    /// Runs the forward pass: the logits (batch x classes) of `images` (batch x channels x height x
    /// width). In training, batch norms use the statistics of the batch and update the running
    /// statistics.
    pub fn forward(&mut self, images: &[T], state: &mut State<T>) -> &[T] {
        self.pass(images, state, false, |interpreter| interpreter.forward());
        let start = self.offsets[self.program.logits.buffer];
        let classes = self.program.logits.shape.channels;
        let arenas = if self.shares_images { 1 } else { self.threads };
        for own in &self.own[..arenas] {
            let part = own.images.start * classes..own.images.end * classes;
            let length = part.len();
            self.logits[part].copy_from_slice(&own.arena[start..start + length]);
        }
        &self.logits[..self.images * classes]
    }

    /// Sets the number of images of the following passes, at most a batch.
    pub(crate) fn set_images(&mut self, images: usize) {
        assert!(images <= self.batch, "the plan is for {} images, not {images}", self.batch);
        self.images = images;
        for (thread, own) in self.own.iter_mut().enumerate() {
            own.images = images_of(images, thread, self.threads, self.shares_images);
        }
    }

    /// Runs the backward pass: computes the gradients of all trained values from that of the
    /// logits, and writes them to `state.grads`, or accumulates. The last forward pass must have
    /// been that of the same images.
    pub fn backward(
        &mut self,
        images: &[T],
        logits_gradient: &[T],
        state: &mut State<T>,
        adds: bool,
    ) {
        let start = self.offsets[self.program.logits_gradient.buffer];
        let classes = self.program.logits.shape.channels;
        for own in &mut self.own {
            let part = &logits_gradient[own.images.start * classes..own.images.end * classes];
            own.arena[start..start + part.len()].copy_from_slice(part);
        }
        self.pass(images, state, adds, |interpreter| interpreter.backward());
    }

    fn pass(
        &mut self,
        images: &[T],
        state: &mut State<T>,
        adds: bool,
        work: impl Fn(&mut Interpreter<T>) + Sync,
    ) {
        let image = self.program.buffers[crate::allocation::IMAGES].elements();
        assert_eq!(images.len(), image * self.images, "the step was planned for another batch");
        let mut own = std::mem::take(&mut self.own);
        let shared = Shared {
            images: images.as_ptr(),
            values: state.values.as_ptr(),
            grads: state.grads.as_mut_ptr(),
            adds,
            running: state.running.as_mut_ptr(),
            sums: self.sums.as_mut_ptr(),
            partial_gradients: [0, 1].map(|i: usize| self.partial_gradients[i].as_mut_ptr()),
            packed: self.packed.iter_mut().map(Vec::as_mut_ptr).collect(),
        };
        let first = own[0].arena.as_mut_ptr();
        let arenas = own
            .iter_mut()
            .map(|own| Arena(if self.shares_images { first } else { own.arena.as_mut_ptr() }));
        let arenas: Vec<Arena<T>> = arenas.collect();
        let members: Vec<_> = own.iter_mut().zip(arenas).enumerate().collect();
        let plan = &*self;
        threads::run(&self.barrier, members, |(thread, (own, arena))| {
            let shared = &shared;
            let indices = own.indices.iter_mut().map(Vec::as_mut_ptr).collect();
            let images = 0..own.images.len();
            let share = if plan.shares_images {
                Share { index: thread, of: plan.threads }
            } else {
                Share::WHOLE
            };
            let Arena(arena) = arena;
            work(&mut Interpreter {
                plan,
                shared,
                thread,
                own,
                arena,
                indices,
                images,
                share,
                is_split: false,
                partials_used: 0,
                pending: None,
                direction: 0,
                convs_packed: 0,
                convs_run: 0,
            });
        });
        self.own = own;
    }
}

/// The convolution whose packed weights an instruction needs.
fn packed_by(instr: &Instr) -> Option<ConvId> {
    match instr {
        Instr::Conv { conv, epilogue: None, .. } => Some(*conv),
        Instr::ConvBack { conv, into, .. } => Some(*conv).filter(|_| !into.is_empty()),
        _ => None,
    }
}

/// The images of a thread: its share, or all images if threads work on the same ones.
fn images_of(images: usize, thread: usize, threads: usize, shares_images: bool) -> Range<usize> {
    if shares_images { 0..images } else { Share { index: thread, of: threads }.within(0..images) }
}

fn pooling<T: Real>(of: &PoolOf) -> Pooling<T> {
    let res2lab_arch::Pool { kernel, stride, padding, ceil_mode, count_include_pad } = of.pool;
    let res2lab_arch::Shape { height, width, .. } = of.input;
    let shape = PoolShape { height, width, kernel, stride, padding, ceil_mode };
    match of.is_max {
        true => Pooling::Max(MaxPool::new(shape)),
        false => Pooling::Average(AveragePool::new(shape, count_include_pad)),
    }
}

/// The positions that a pool stores for one image.
fn indices(of: &PoolOf) -> usize {
    if of.is_max { of.output.shape.elements() } else { 0 }
}

fn conv_kernel(graph: &Graph, node: res2lab_arch::NodeId) -> ConvKernel {
    let (Op::Conv(conv), input) =
        (graph.node(node).op, graph.node(graph.node(node).inputs[0]).shape)
    else {
        unreachable!("the program lists only convolutions");
    };
    ConvKernel::new(ConvShape {
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
