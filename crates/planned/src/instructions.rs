//! Instructions, and the constants that they refer to by index.

use crate::allocation::BufferSlice;
use res2lab_arch::{NodeId, Pool};

/// The index of a convolution in [`Program::convs`](crate::program::Program::convs).
pub type ConvId = usize;
/// The index of a batch norm in [`Program::norms`](crate::program::Program::norms).
pub type NormId = usize;
/// The index of a pool in [`Program::pools`](crate::program::Program::pools).
pub type PoolId = usize;

/// The constants of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolOf {
    pub pool: Pool,
    pub input: res2lab_arch::Shape,
    pub output: BufferSlice,
    /// Whether it is a max pool, which stores the positions of its maxima.
    pub is_max: bool,
}

/// The constants of a convolution.
#[derive(Clone, Debug)]
pub struct ConvOf {
    pub node: NodeId,
    /// The entry of the state that holds its weights.
    pub weight: usize,
    /// The entry of the state that holds its bias.
    pub bias: Option<usize>,
}

/// The constants of a batch norm.
#[derive(Clone, Debug)]
pub struct NormOf {
    /// The first of four entries of the state: weight, bias, running mean, running variance.
    pub state: usize,
    pub eps: f64,
    /// The weight of the new value in the running statistics, as in PyTorch.
    pub momentum: f64,
    /// The input.
    pub x: BufferSlice,
    /// The convolution that computes the input, if the norm is its only reader.
    pub conv: Option<ConvId>,
    /// The index of its first channel among the channels of all norms.
    pub first_channel: usize,
}

/// The source of a gradient: the gradient of a fusion's result, masked by its ReLU, and the norm
/// through which it passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientSource {
    /// The gradient of the result.
    pub of: BufferSlice,
    pub norm: Option<NormId>,
}

/// The target of a gradient, and whether to accumulate into it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientTarget {
    pub to: BufferSlice,
    pub add: bool,
}

/// Channels of a norm's result whose gradient is complete. The gradient is masked by the ReLU, and
/// the sums for the norm's backward pass are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormSums {
    pub norm: NormId,
    /// The first of these channels, among the norm's channels.
    pub first: usize,
    /// The gradient of these channels.
    pub of: BufferSlice,
    /// The output of the ReLU, if there is one.
    pub relu: Option<BufferSlice>,
}

/// The term that is added to a norm's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Added {
    /// A value in memory.
    Value(BufferSlice),
    /// The result of another norm, which is computed as it is added.
    Norm(NormId),
}

/// The epilogue of a convolution with a batch norm folded into it: `relu(convolution + bias +
/// residual)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpilogueOf {
    pub residual: Option<BufferSlice>,
    pub relu: bool,
}

/// An instruction, which every thread runs for its own images.
#[derive(Clone, Debug, PartialEq)]
pub enum Instr {
    Conv {
        conv: ConvId,
        inputs: Vec<BufferSlice>,
        out: BufferSlice,
        /// The norm whose sums are taken in the epilogue.
        sums: Option<NormId>,
        /// The epilogue in an inference.
        epilogue: Option<EpilogueOf>,
    },
    /// Takes the sums of a norm's input, where no convolution takes them in its epilogue.
    Sums {
        norm: NormId,
    },
    /// Waits for the sums of all threads, and computes the statistics of these norms.
    Statistics {
        norms: Vec<NormId>,
    },
    Normalize {
        norm: NormId,
        added: Option<Added>,
        relu: bool,
        out: BufferSlice,
    },
    Pool {
        pool: PoolId,
        from: BufferSlice,
        to: BufferSlice,
    },
    GlobalPool {
        from: BufferSlice,
        to: BufferSlice,
    },
    Relu {
        from: BufferSlice,
        to: BufferSlice,
    },
    Sigmoid {
        from: BufferSlice,
        to: BufferSlice,
    },
    Add {
        from: Vec<BufferSlice>,
        to: BufferSlice,
    },
    Gate {
        x: BufferSlice,
        gate: BufferSlice,
        to: BufferSlice,
    },
    Copy {
        from: BufferSlice,
        into: GradientTarget,
    },
    Linear {
        state: usize,
        from: BufferSlice,
        to: BufferSlice,
    },

    Zero {
        slice: BufferSlice,
    },
    /// Masks a gradient that is complete and takes its sums, where no convolution does so in its
    /// epilogue.
    NormSums(NormSums),
    /// Waits for all threads' sums, and computes the gradients of weight and bias and the
    /// coefficients of the input's gradient.
    NormCoefficients {
        norms: Vec<NormId>,
    },
    /// The gradient of a norm's input, where the input is not the result of a convolution that the
    /// norm alone reads.
    NormBack {
        from: GradientSource,
        into: GradientTarget,
    },
    ReluBack {
        from: BufferSlice,
        result: BufferSlice,
        into: GradientTarget,
    },
    ConvBack {
        conv: ConvId,
        from: GradientSource,
        inputs: Vec<BufferSlice>,
        into: Vec<GradientTarget>,
        /// For each gradient of `into`, the channels that this instruction completes, and whose
        /// sums it takes.
        norm_sums: Vec<Vec<NormSums>>,
    },
    PoolBack {
        pool: PoolId,
        from: BufferSlice,
        into: GradientTarget,
    },
    GlobalPoolBack {
        from: BufferSlice,
        into: GradientTarget,
    },
    SigmoidBack {
        from: BufferSlice,
        result: BufferSlice,
        into: GradientTarget,
    },
    GateBack {
        from: BufferSlice,
        x: BufferSlice,
        gate: BufferSlice,
        into_x: GradientTarget,
        into_gate: GradientTarget,
    },
    LinearBack {
        state: usize,
        from: BufferSlice,
        input: BufferSlice,
        into: GradientTarget,
    },
}
