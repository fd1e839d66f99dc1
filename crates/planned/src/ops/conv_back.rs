//! Convolutions, backward: the gradients of weights, bias and inputs.

use crate::access::{Access, GradientTarget, Memory, PackedWeights, Partials, Pass};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::ops::conv::Conv;
use crate::ops::masked_sums::MaskedSums;
use crate::ops::norm_back::GradientSource;
use crate::planning::{Gradients, is_image};
use crate::profile::Products;
use crate::tables::{ConvId, Tables};
use res2lab_kernels::element::Element;
use res2lab_kernels::{Epilogue, InputGradient, Stored};

/// The gradients of a convolution's weights, bias and inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvBack {
    pub conv: ConvId,
    pub from: GradientSource,
    pub inputs: Vec<BufferSlice>,
    /// The gradients of those inputs that have one.
    pub into: Vec<InputTarget>,
    /// The buffer of the packed weights, which the gradients of inputs need.
    pub packed: Option<usize>,
    pub partials: Partials,
}

/// The target of the gradient of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct InputTarget {
    pub target: GradientTarget,
    /// The channels that this instruction completes, and whose sums it takes.
    pub masked_sums: Vec<MaskedSums>,
}

impl ConvBack {
    /// The backward pass of `conv`.
    pub(crate) fn plan(
        tables: &Tables,
        gradients: &mut Gradients,
        conv: &Conv,
        from: GradientSource,
    ) -> ConvBack {
        let of = &tables.convs[conv.conv];
        let reached = conv.inputs.iter().filter(|input| !is_image(input));
        let target = |input: &BufferSlice| InputTarget {
            target: gradients.contribute(*input),
            masked_sums: Vec::new(),
        };
        let into: Vec<InputTarget> = reached.map(target).collect();
        ConvBack {
            conv: conv.conv,
            from,
            inputs: conv.inputs.clone(),
            packed: (!into.is_empty()).then_some(0),
            into,
            partials: Partials::of(of.weight..of.bias.unwrap_or(of.weight) + 1),
        }
    }

    fn packed_weights(&self) -> PackedWeights {
        PackedWeights { conv: self.conv, pass: Pass::Backward }
    }
}

impl Instruction for ConvBack {
    const NAME: &'static str = "conv back";

    fn accesses(&self, tables: &Tables) -> Vec<Access> {
        let mut accesses: Vec<Access> = self.from.accesses(tables).collect();
        accesses.extend(self.inputs.iter().copied().map(Access::read));
        for into in &self.into {
            accesses.push(Access::target(into.target));
            accesses.extend(into.masked_sums.iter().flat_map(|sums| sums.beside(tables)));
        }
        let of = self.packed_weights();
        let packed = |buffer| Access::read_all(Memory::Packed { buffer, of });
        accesses.extend(self.packed.map(packed));
        accesses.extend(self.partials.written());
        accesses
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        let of = &thread.tables.convs[self.conv];
        let packed = self.packed.map_or(&[][..], |buffer| thread.packed(buffer, of.weight));
        let weights = thread.partial(&self.partials, of.weight);
        let masked: Vec<_> = self.into.iter().map(|into| into.kernel_sums(thread)).collect();
        let into = self.into.iter().zip(&masked).map(|(into, masked_sums)| InputGradient {
            into: thread.view(into.target.to),
            epilogue: Epilogue::Gradient { add: into.target.add, masked_sums },
        });
        let mut into: Vec<InputGradient<T>> = into.collect();
        let gradient = self.from.gradient(thread);
        thread.convolve_back(self.conv, &gradient, &self.inputs, packed, weights, &mut into);
        if let Some(bias) = of.bias {
            let mut sums = vec![0.0; 2 * thread.tables.state[bias].elements];
            thread.add_sums(self.from.of, &mut sums);
            let (partial, add) = thread.partial(&self.partials, bias);
            for (partial, sum) in partial.iter_mut().zip(&sums) {
                let before = if add { *partial } else { T::Real::ZERO };
                *partial = T::Real::from_f64(*sum) + before;
            }
        }
    }

    fn products(&self, tables: &Tables) -> Option<Products> {
        let of_inputs = usize::from(!self.into.is_empty());
        Some(Products { shape: tables.convs[self.conv].shape, count: 1 + of_inputs })
    }

    fn packed(&mut self) -> Option<(PackedWeights, &mut usize)> {
        let of = self.packed_weights();
        self.packed.as_mut().map(|buffer| (of, buffer))
    }

    fn partials(&mut self) -> Option<&mut Partials> {
        Some(&mut self.partials)
    }
}

impl InputTarget {
    /// The kernel's arguments for the channels that are complete.
    fn kernel_sums<'t, T: Stored>(
        &self,
        thread: &'t Thread<T>,
    ) -> Vec<res2lab_kernels::MaskedSums<'t, T>> {
        let sums = |of: &MaskedSums| {
            let start = of.of.start - self.target.to.start;
            res2lab_kernels::MaskedSums {
                channels: start..start + of.of.shape.channels,
                relu: thread
                    .view(of.relu.expect("a convolution completes gradients of ReLUs only")),
                x: thread.view(of.x(thread.tables)),
                mean: of.mean(thread),
                sums: of.sums(thread).map(<[f64]>::as_mut_ptr),
            }
        };
        self.masked_sums.iter().map(sums).collect()
    }
}
