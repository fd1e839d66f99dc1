//! The plan of a step or an inference: a scheduled program with the layout of its memory, for one
//! batch size and number of threads. A plan is immutable and may be shared; its memory is a
//! [`Workspace`](crate::workspace::Workspace).

use crate::instructions::Forward;
use crate::layout::{Layout, Lengths, Pooling};
use crate::memory::place_buffers;
use crate::program::Program;
use crate::schedule::packed_buffers;
use crate::segments::{self, Segment};
use crate::tables::ResizeOf;
use res2lab_arch::{self as arch, Graph};
use res2lab_kernels::resize::{Interpolation, Resize};
use res2lab_kernels::{ConvKernel, Real, Stored};

/// A program that is ready to run in a workspace, with activations and their gradients that are
/// stored as `T`.
pub struct Plan<T: Stored> {
    pub(crate) program: Program,
    pub(crate) segments: Vec<Segment>,
    pub(crate) layout: Layout<T::Real>,
}

impl<T: Stored> Plan<T> {
    /// Plans the training step of `graph` for `batch` images. `entries` gives the offset of each
    /// entry of the graph's state in its flat buffer.
    pub fn new(graph: &Graph, entries: Vec<usize>, batch: usize, threads: usize) -> Plan<T> {
        let program = Program::new(graph);
        Plan::of(program, entries, batch, threads, segments::whole_batch)
    }

    /// Plans the execution of `program` for this batch. `cut` divides the program into segments,
    /// given the most images that a thread has.
    pub(crate) fn of(
        mut program: Program,
        entries: Vec<usize>,
        batch: usize,
        threads: usize,
        cut: impl Fn(&Program, usize) -> Vec<Segment>,
    ) -> Plan<T> {
        let trains = !program.is_inference();
        // With more threads than images, all threads of an inference work on the same images.
        let shares_images = !trains && batch < threads;
        let threads = if shares_images { threads } else { threads.clamp(1, batch.max(1)) };
        match (trains, shares_images) {
            (true, _) => program.schedule(threads),
            (false, true) => program.schedule_together(),
            // Threads of an inference with images of their own have nothing to do together.
            (false, false) => {}
        }
        // Each arena has room for the most images of a thread, so that offsets are the same for
        // all.
        let most = if shares_images { batch } else { batch.div_ceil(threads) };
        let segments = cut(&program, most);
        let local = segments::local(&program, &segments);
        let needs = crate::liveness::needs(&program, &segments, &local, most);
        let (starts, arena) = place_buffers(&needs);
        let tables = &program.tables;
        let convs: Vec<ConvKernel> =
            tables.convs.iter().map(|conv| ConvKernel::new(conv.shape)).collect();
        let pools: Vec<Pooling<T::Real>> = tables.pools.iter().map(Pooling::new).collect();
        let resizes: Vec<Resize<T::Real>> = tables.resizes.iter().map(resize).collect();
        let lengths = Lengths {
            arena,
            scratch: scratch(&convs, &pools, &resizes, trains)
                .max(linear_scratch::<T>(&program, most)),
            channels: tables.channels(),
            positions: positions(&program, most),
            packed: if trains { packed(&convs) } else { 0 },
            packed_buffers: packed_buffers(threads),
            partials: partials(&program),
        };
        let offsets = tables.alias_of.iter().map(|memory| starts[*memory]).collect();
        let layout = Layout {
            convs,
            pools,
            resizes,
            batch,
            threads,
            shares_images,
            local,
            offsets,
            entries,
            lengths,
        };
        Plan { program, segments, layout }
    }

    /// The images of a batch.
    pub fn batch(&self) -> usize {
        self.layout.batch
    }

    /// The number of random factors of drop path and dropout.
    pub fn noise(&self) -> usize {
        let of_image = self.program.forward.iter().map(|instr| match instr {
            Forward::Noise(noise) => noise.factors(),
            _ => 0,
        });
        of_image.sum::<usize>() * self.layout.batch
    }

    /// The program, as it is scheduled for the plan's threads.
    pub fn program(&self) -> &Program {
        &self.program
    }
}

/// The kernel of a change of size.
fn resize<R: Real>(of: &ResizeOf) -> Resize<R> {
    let how = match of.how {
        arch::Interpolation::Nearest => Interpolation::Nearest,
        arch::Interpolation::Bilinear { aligned } => Interpolation::Bilinear { aligned },
    };
    let size = |shape: arch::Shape| (shape.height, shape.width);
    Resize::new(size(of.input), size(of.output.shape), how)
}

/// The most scratch memory that a kernel needs.
fn scratch<R: Real>(
    convs: &[ConvKernel],
    pools: &[Pooling<R>],
    resizes: &[Resize<R>],
    trains: bool,
) -> usize {
    let of_conv = |conv: &ConvKernel| match trains {
        true => conv.scratch_len().max(conv.backward_scratch_len()),
        false => conv.scratch_len(),
    };
    let of_pools = pools.iter().map(Pooling::scratch_len);
    let of_resizes = resizes.iter().map(Resize::scratch_len);
    convs.iter().map(of_conv).chain(of_pools).chain(of_resizes).max().unwrap_or(0)
}

/// The scratch memory in which fully connected layers convert values that are stored rounded: of
/// the input, the gradient of the output, and the gradient of the input, for a thread's images.
fn linear_scratch<T: Stored>(program: &Program, images: usize) -> usize {
    let of = |instr: &Forward| match instr {
        Forward::Linear(linear) if T::IS_ROUNDED => {
            images * (2 * linear.from.shape.channels + linear.to.shape.channels)
        }
        _ => 0,
    };
    program.forward.iter().map(of).max().unwrap_or(0)
}

/// The longest packed weights of a convolution.
fn packed(convs: &[ConvKernel]) -> usize {
    let of_conv = |conv: &ConvKernel| conv.packed_len().max(conv.packed_backward_len());
    convs.iter().map(of_conv).max().unwrap_or(0)
}

/// The positions of maxima that each pool stores for a thread's images.
fn positions(program: &Program, images: usize) -> Vec<usize> {
    let stores = !program.is_inference();
    let of_pool = |pool: &crate::tables::PoolOf| match stores && pool.is_max {
        true => pool.output.shape.elements() * images,
        false => 0,
    };
    program.tables.pools.iter().map(of_pool).collect()
}

/// The most partial gradients that threads add.
fn partials(program: &Program) -> usize {
    let added = program.backward.iter().filter_map(|instr| {
        let crate::instructions::Backward::AddPartials(add) = instr else { return None };
        Some(program.tables.elements(add.partials.entries.clone()))
    });
    added.max().unwrap_or(0)
}
