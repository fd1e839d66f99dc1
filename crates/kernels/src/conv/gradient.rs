//! The operands of a convolution's backward pass.

use super::epilogue::Epilogue;
use crate::dispatch::Stored;
use crate::source::{NormPlane, One};
use crate::view::View;

/// The gradient of a convolution's output. The backward pass of a batch norm after the convolution
/// is computed as the gradient is read, so that its result is never stored as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Gradient<'a, T: Stored> {
    /// The gradient of the norm's output, or of the convolution's output without a norm. A ReLU's
    /// mask has been applied to it.
    pub of: View<T>,
    /// The batch norm after the convolution.
    pub norm: Option<NormBackward<'a, T>>,
}

/// The backward pass of a batch norm: `dx = dy_coefficient * dy + x_coefficient * x + constant`,
/// with three coefficients per channel.
#[derive(Clone, Copy, Debug)]
pub struct NormBackward<'a, T: Stored> {
    /// The norm's input, which is the convolution's output.
    pub x: View<T>,
    pub dy_coefficient: &'a [T::Real],
    pub x_coefficient: &'a [T::Real],
    pub constant: &'a [T::Real],
}

/// The target of the gradient of a convolution's input.
#[derive(Debug)]
pub struct InputGradient<'a, T: Stored> {
    pub into: View<T>,
    /// What is done with the gradient before it is written.
    pub epilogue: Epilogue<'a, T>,
}

/// One plane of a gradient.
#[derive(Clone, Copy)]
pub(crate) enum GradientPlane<T: Stored> {
    /// The gradient itself.
    One(One<T>),
    /// The gradient behind a batch norm's backward pass.
    Norm(NormPlane<T>),
}

impl<T: Stored> Gradient<'_, T> {
    /// One plane.
    pub(crate) fn plane(&self, image: usize, channel: usize) -> GradientPlane<T> {
        let plane = |view: View<T>| {
            view.at
                .wrapping_add(image * view.image_stride + channel * view.plane_len())
                .cast_const()
        };
        match &self.norm {
            None => GradientPlane::One(One(plane(self.of))),
            Some(norm) => GradientPlane::Norm(NormPlane {
                dy: plane(self.of),
                x: plane(norm.x),
                dy_coefficient: norm.dy_coefficient[channel],
                x_coefficient: norm.x_coefficient[channel],
                constant: norm.constant[channel],
            }),
        }
    }

    pub(crate) fn check(&self) {
        let shape = self.of;
        assert!(self.norm.as_ref().is_none_or(|norm| {
            norm.x.same_shape(&shape)
                && [norm.dy_coefficient, norm.x_coefficient, norm.constant]
                    .iter()
                    .all(|numbers| numbers.len() == shape.channels)
        }));
    }
}
