//! Tensors of a batch as kernels see them.

use std::ops::Range;

/// One tensor of a batch: channels as planes of `height * width` elements, one after another, `image_stride` elements from
/// one image to the next, so that a range of a larger tensor's channels is a view too.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct View<T> {
    pub at: *mut T,
    pub image_stride: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

// SAFETY: a view is an address; who uses it promises that nobody else writes there.
unsafe impl<T: Send> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for View<T> {}

impl<T> View<T> {
    /// Elements of a channel.
    pub fn plane(&self) -> usize {
        self.height * self.width
    }

    /// The first element of a channel of an image.
    ///
    /// # Safety
    /// The view must hold them.
    #[inline(always)]
    pub unsafe fn channel(&self, image: usize, channel: usize) -> *mut T {
        // SAFETY: the caller's promise.
        unsafe { self.at.add(image * self.image_stride + channel * self.plane()) }
    }

    /// A channel of an image.
    ///
    /// # Safety
    /// The view must hold them, and nobody may write there meanwhile.
    #[inline(always)]
    pub unsafe fn read<'a>(&self, image: usize, channel: usize) -> &'a [T] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.channel(image, channel), self.plane()) }
    }

    /// A channel of an image, to be written.
    ///
    /// # Safety
    /// The view must hold them, and nobody else may use them meanwhile.
    #[inline(always)]
    pub unsafe fn write<'a>(&self, image: usize, channel: usize) -> &'a mut [T] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.channel(image, channel), self.plane()) }
    }

    /// Images and channels, in the order in which they lie.
    pub(crate) fn planes(&self, images: Range<usize>) -> impl Iterator<Item = (usize, usize)> + use<T> {
        let channels = self.channels;
        images.flat_map(move |image| (0..channels).map(move |channel| (image, channel)))
    }
}
