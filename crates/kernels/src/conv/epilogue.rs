//! The epilogue of a convolution: what is done with its results while they are in registers.

use std::ops::Range;

use super::results::{Activate, Add, Mask, Results, Store, StoreSums, Write};
use crate::dispatch::Stored;
use crate::element::Element;
use crate::view::View;

/// What is done with the results of a convolution, or of the gradient of its input, before they are
/// written.
#[derive(Debug)]
pub enum Epilogue<'a, T: Stored> {
    /// Results are stored.
    Store,
    /// Results are stored. Each channel's sum is added to the first half of the slice, and each
    /// channel's sum of squares to the second half, for a batch norm.
    Sums(&'a mut [f64]),
    /// `relu(result + bias + residual)` is stored.
    Activate {
        /// One value per channel.
        bias: Option<&'a [T::Real]>,
        /// A tensor of the target's shape, which may be the target itself.
        residual: Option<View<T>>,
        /// Whether to apply a ReLU.
        relu: bool,
    },
    /// Results are a gradient.
    Gradient {
        /// Whether to accumulate.
        add: bool,
        /// Channels whose gradient is complete. Only the gradients of convolutions of stride 1 can
        /// have any.
        masked_sums: &'a [MaskedSums<'a, T>],
    },
}

/// The epilogue of a gradient that is complete. It is masked by the ReLU that computed its value,
/// and the sums are taken that the backward pass of the batch norm before that ReLU needs (see
/// [`crate::norm::backward_sums`]).
#[derive(Clone, Debug)]
pub struct MaskedSums<'a, T: Stored> {
    /// The channels of the gradient that are complete.
    pub channels: Range<usize>,
    /// The ReLU's output, of these channels.
    pub relu: View<T>,
    /// The norm's input, of these channels.
    pub x: View<T>,
    /// The mean of the norm's input, of these channels.
    pub mean: &'a [T::Real],
    /// The addresses to which the two sums of these channels are added.
    pub sums: [*mut f64; 2],
}

/// The position of results in their tensor: a plane, and the first element that is written.
#[derive(Clone, Copy)]
pub(super) struct PlanePart {
    pub image: usize,
    pub channel: usize,
    pub skip: usize,
}

impl<T: Stored> Epilogue<'_, T> {
    /// Checks the sizes for results in `into`.
    pub(super) fn check(&self, into: View<T>) {
        match self {
            Epilogue::Store => {}
            Epilogue::Sums(sums) => assert_eq!(sums.len(), 2 * into.channels),
            Epilogue::Activate { bias, residual, .. } => {
                assert!(bias.is_none_or(|bias| bias.len() == into.channels));
                assert!(residual.is_none_or(|residual| residual.same_shape(&into)));
            }
            Epilogue::Gradient { masked_sums, .. } => {
                masked_sums.iter().for_each(|masked_sums| masked_sums.check(into));
            }
        }
    }

    /// Whether results accumulate.
    pub(super) fn adds(&self) -> bool {
        matches!(self, Epilogue::Gradient { add: true, .. })
    }

    /// Whether nothing is computed but the sum with the target.
    pub(super) fn is_plain(&self) -> bool {
        match self {
            Epilogue::Store => true,
            Epilogue::Gradient { masked_sums, .. } => masked_sums.is_empty(),
            Epilogue::Sums(_) | Epilogue::Activate { .. } => false,
        }
    }

    /// Writes results of one plane.
    ///
    /// # Safety
    /// The results lie within the plane; the contract at [`View`] for it and for the tensors of the
    /// epilogue.
    #[inline(always)]
    pub(super) unsafe fn write(&mut self, results: Results<T>, part: PlanePart) {
        let PlanePart { image, channel, skip } = part;
        let kernels = &T::kernels().write;
        // SAFETY: the caller guarantees the planes.
        unsafe {
            match self {
                Epilogue::Store => (kernels.store)(&Write { results, operation: Store }),
                Epilogue::Sums(sums) => {
                    let (sum, squares) = sums.split_at_mut(sums.len() / 2);
                    let operation = StoreSums([&raw mut sum[channel], &raw mut squares[channel]]);
                    (kernels.sums)(&Write { results, operation });
                }
                Epilogue::Activate { bias, residual, relu } => {
                    let plane = |view: View<T>| view.plane(image, channel).add(skip).cast_const();
                    let operation = Activate {
                        bias: bias.map_or(T::Real::ZERO, |bias| bias[channel]),
                        residual: residual.map(plane),
                        relu: *relu,
                    };
                    (kernels.activate)(&Write { results, operation });
                }
                Epilogue::Gradient { add, masked_sums } => {
                    let complete = masked_sums.iter().find(|sums| sums.channels.contains(&channel));
                    match (*add, complete) {
                        (false, None) => {
                            (kernels.store)(&Write { results, operation: Store });
                        }
                        (true, None) => (kernels.add)(&Write { results, operation: Add }),
                        (false, Some(sums)) => {
                            let operation = sums.mask(part);
                            (kernels.mask)(&Write { results, operation });
                        }
                        (true, Some(sums)) => {
                            let operation = sums.mask(part);
                            (kernels.mask_add)(&Write { results, operation });
                        }
                    }
                }
            }
        }
    }
}

impl<T: Stored> MaskedSums<'_, T> {
    fn check(&self, into: View<T>) {
        let of = |view: &View<T>| (view.channels, view.height, view.width);
        let wanted = (self.channels.len(), into.height, into.width);
        assert!(self.channels.end <= into.channels && self.mean.len() == self.channels.len());
        assert!(of(&self.relu) == wanted && of(&self.x) == wanted);
    }

    /// The operation on results of one plane.
    unsafe fn mask<const ADD: bool>(&self, part: PlanePart) -> Mask<T, ADD> {
        let channel = part.channel - self.channels.start;
        // SAFETY: the caller guarantees the planes, and the sums of each channel.
        unsafe {
            Mask {
                gate: self.relu.plane(part.image, channel).add(part.skip),
                x: self.x.plane(part.image, channel).add(part.skip),
                mean: self.mean[channel],
                sums: self.sums.map(|sums| sums.add(channel)),
            }
        }
    }
}
