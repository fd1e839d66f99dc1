//! The instructions of the two passes. A new instruction is a line in one of the two lists; one of
//! the forward pass also states how threads divide it.

use crate::access::{Access, PackedWeights, Partials};
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::ops::add::Add;
use crate::ops::concat::Copy;
use crate::ops::conv::Conv;
use crate::ops::conv_back::ConvBack;
use crate::ops::gate::{Gate, GateBack};
use crate::ops::global_pool::{GlobalPool, GlobalPoolBack};
use crate::ops::group_norm::{GroupNorm, GroupNormBack};
use crate::ops::linear::{Linear, LinearBack};
use crate::ops::masked_sums::MaskedSums;
use crate::ops::noise::{Noise, NoiseBack};
use crate::ops::norm::{NormSums, Normalize, Statistics};
use crate::ops::norm_back::{Coefficients, NormBack, ZeroSums};
use crate::ops::pool::{Pool, PoolBack};
use crate::ops::relu::{Relu, ReluBack};
use crate::ops::resize::{Resize, ResizeBack};
use crate::ops::sigmoid::{Sigmoid, SigmoidBack};
use crate::ops::synchronize::{AddPartials, Barrier, Pack};
use crate::ops::zero::Zero;
use crate::profile::Products;
use crate::tables::Tables;
use res2lab_kernels::Stored;

/// Defines the instructions of a pass, each of which implements [`Instruction`].
macro_rules! instructions {
    ($(#[$doc:meta])* $pass:ident { $($name:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $pass {
            $($name($name),)*
        }

        $(impl From<$name> for $pass {
            fn from(instr: $name) -> $pass {
                $pass::$name(instr)
            }
        })*

        impl $pass {
            /// The name in a program's text.
            pub fn name(&self) -> &'static str {
                match self {
                    $($pass::$name(_) => $name::NAME,)*
                }
            }

            /// Everything that the instruction reads and writes.
            pub fn accesses(&self, tables: &Tables) -> Vec<Access> {
                match self {
                    $($pass::$name(instr) => instr.accesses(tables),)*
                }
            }

            /// The products of convolutions that the instruction computes.
            fn products(&self, tables: &Tables) -> Option<Products> {
                match self {
                    $($pass::$name(instr) => instr.products(tables),)*
                }
            }

            /// Runs the instruction on one thread.
            pub(crate) fn run<T: Stored>(&self, thread: &mut Thread<T>) {
                let start = thread.profile.is_some().then(std::time::Instant::now);
                match self {
                    $($pass::$name(instr) => instr.run(thread),)*
                }
                if let (Some(profile), Some(start)) = (&mut thread.profile, start) {
                    let products = self.products(thread.tables);
                    let seconds = start.elapsed().as_secs_f64();
                    profile.add(self.name(), products, thread.images.len(), seconds);
                }
            }

            /// The packed weights that it reads, and the buffer that holds them.
            pub(crate) fn packed(&mut self) -> Option<(PackedWeights, &mut usize)> {
                match self {
                    $($pass::$name(instr) => instr.packed(),)*
                }
            }
        }
    };
    // As above, for a pass whose instructions compute partial gradients.
    ($(#[$doc:meta])* $pass:ident with partials { $($name:ident,)* }) => {
        instructions! { $(#[$doc])* $pass { $($name,)* } }

        impl $pass {
            /// The partial gradients that it computes.
            pub(crate) fn partials(&mut self) -> Option<&mut Partials> {
                match self {
                    $($pass::$name(instr) => instr.partials(),)*
                }
            }
        }
    };
}

instructions! {
    /// An instruction of the forward pass, or of an inference.
    Forward {
        Add,
        Barrier,
        Conv,
        Copy,
        Gate,
        GlobalPool,
        GroupNorm,
        Linear,
        Noise,
        NormSums,
        Normalize,
        Pack,
        Pool,
        Relu,
        Resize,
        Sigmoid,
        Statistics,
    }
}

instructions! {
    /// An instruction of the backward pass.
    Backward with partials {
        AddPartials,
        Barrier,
        Coefficients,
        ConvBack,
        Copy,
        GateBack,
        GlobalPoolBack,
        GroupNormBack,
        LinearBack,
        MaskedSums,
        NoiseBack,
        NormBack,
        Pack,
        PoolBack,
        ReluBack,
        ResizeBack,
        SigmoidBack,
        Zero,
        ZeroSums,
    }
}

/// How threads that work on the same images divide an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Division {
    /// Each thread computes its share of the channels.
    Channels,
    /// The instruction divides its results itself.
    Results,
    /// The first thread computes all.
    First,
}

impl Forward {
    /// How threads that work on the same images divide the instruction.
    pub fn division(&self) -> Division {
        match self {
            Forward::Conv(_)
            | Forward::GroupNorm(_)
            | Forward::Linear(_)
            | Forward::Pack(_)
            | Forward::Barrier(_) => Division::Results,
            Forward::Normalize(_) | Forward::NormSums(_) | Forward::Statistics(_) => {
                Division::First
            }
            Forward::Add(_)
            | Forward::Copy(_)
            | Forward::Gate(_)
            | Forward::GlobalPool(_)
            | Forward::Noise(_)
            | Forward::Pool(_)
            | Forward::Relu(_)
            | Forward::Resize(_)
            | Forward::Sigmoid(_) => Division::Channels,
        }
    }
}
