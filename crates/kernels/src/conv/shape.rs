//! The shape of a convolution.

/// The shape of a convolution, as of PyTorch's Conv2d. The padding must be smaller than the span of
/// the taps, and a convolution with dilation has stride 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Channels of the input.
    pub channels: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the output.
    pub out: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Pixels between neighboring outputs.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Pixels between neighboring taps.
    pub dilation: usize,
    /// Groups of channels; divides `channels` and `out`.
    pub groups: usize,
}

impl ConvShape {
    /// Rows and columns of the output.
    pub fn output(&self) -> (usize, usize) {
        let size = |input: usize| (input + 2 * self.padding - self.span()) / self.stride + 1;
        (size(self.height), size(self.width))
    }

    /// Pixels from the first tap to the last one, along one axis.
    pub(super) fn span(&self) -> usize {
        self.dilation * (self.kernel - 1) + 1
    }

    /// The same convolution with taps no farther apart than they need be. All taps of a 3x3 but the
    /// middle one read nothing but zeros if they are farther apart than the image is large.
    pub(super) fn within_image(self) -> ConvShape {
        let side = self.height.max(self.width);
        if self.kernel == 3 && self.padding == self.dilation && self.dilation > side {
            return ConvShape { dilation: side, padding: side, ..self };
        }
        self
    }

    /// Elements of the weights, `[out][channels / groups][kernel][kernel]`.
    pub fn weights_len(&self) -> usize {
        self.out * self.channels / self.groups * self.kernel * self.kernel
    }

    /// Multiply-adds per image.
    pub fn multiply_adds(&self) -> usize {
        let (height, width) = self.output();
        self.weights_len() * height * width
    }

    pub(super) fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    pub(super) fn group_out(&self) -> usize {
        self.out / self.groups
    }
}
