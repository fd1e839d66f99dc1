//! Masked sums: a gradient that is complete is masked by its ReLU, and the sums are taken that the
//! backward pass of the batch norm before that ReLU needs. A convolution that completes the
//! gradient does so in its epilogue; elsewhere it is an instruction of its own.

use crate::access::{Access, Memory};
use crate::allocation::BufferSlice;
use crate::instruction::Instruction;
use crate::interpreter::thread::Thread;
use crate::tables::{NormId, Tables};
use res2lab_arch::Shape;
use res2lab_kernels::Stored;

/// Channels of a norm's result whose gradient is complete.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskedSums {
    pub norm: NormId,
    /// The first of these channels, among the norm's channels.
    pub first: usize,
    /// The gradient of these channels.
    pub of: BufferSlice,
    /// The output of the ReLU, if there is one.
    pub relu: Option<BufferSlice>,
}

impl MaskedSums {
    /// The masked sums of a range of these channels.
    pub(crate) fn channels(&self, first: usize, channels: usize) -> MaskedSums {
        let part = |slice: BufferSlice| slice.channels(first, Shape { channels, ..slice.shape });
        MaskedSums {
            first: self.first + first,
            of: part(self.of),
            relu: self.relu.map(part),
            ..*self
        }
    }

    /// The norm's input, of these channels.
    pub(crate) fn x(&self, tables: &Tables) -> BufferSlice {
        tables.norms[self.norm].x.channels(self.first, self.of.shape)
    }

    /// The accesses beside that of the gradient itself.
    pub(crate) fn beside(&self, tables: &Tables) -> Vec<Access> {
        let relu = self.relu.map(Access::read);
        let others = [
            Access::read(self.x(tables)),
            Access::read(Memory::Statistics(self.norm)),
            Access::update(Memory::Sums(self.norm)),
        ];
        relu.into_iter().chain(others).collect()
    }

    /// The mean of the norm's input, of these channels.
    pub(crate) fn mean<'t, T: Stored>(&self, thread: &'t Thread<T>) -> &'t [T::Real] {
        let first = thread.tables.norms[self.norm].first_channel + self.first;
        &thread.constants.mean[first..first + self.of.shape.channels]
    }

    /// This thread's first and second sums, of these channels.
    pub(crate) fn sums<'a, T: Stored>(&self, thread: &Thread<'a, T>) -> [&'a mut [f64]; 2] {
        let channels = thread.tables.norms[self.norm].x.shape.channels;
        let own = self.first..self.first + self.of.shape.channels;
        let (first, second) = thread.sums(self.norm).split_at_mut(channels);
        [&mut first[own.clone()], &mut second[own]]
    }
}

impl Instruction for MaskedSums {
    const NAME: &'static str = "masked sums";

    fn accesses(&self, tables: &Tables) -> Vec<Access> {
        let gradient =
            if self.relu.is_some() { Access::update(self.of) } else { Access::read(self.of) };
        std::iter::once(gradient).chain(self.beside(tables)).collect()
    }

    fn run<T: Stored>(&self, thread: &mut Thread<T>) {
        let x = self.x(thread.tables);
        let sums = self.sums(thread);
        thread.add_masked_sums(self.of, self.relu, (x, self.mean(thread)), sums);
    }
}
