//! Views: a tensor of a batch as planes in memory.

use std::ops::Range;

use crate::stored::Storage;

/// A tensor of a batch. Each image has `channels` contiguous planes of `height * width` elements,
/// and images are `image_stride` elements apart, so that a range of channels of a larger tensor is
/// a view as well.
///
/// # Safety
/// All `unsafe fn` of this crate share one contract, for each image of the range:
/// - The planes of a view are readable, and those of a result are writable.
/// - During the call, no other thread writes memory that is read, or accesses memory that is
///   written.
/// - A result overlaps no argument, unless the function's documentation allows it.
#[derive(Clone, Copy, Debug)]
pub struct View<T> {
    /// The address of channel 0 of image 0.
    pub at: *mut T,
    /// Elements from one image to the next.
    pub image_stride: usize,
    /// Planes per image.
    pub channels: usize,
    /// Rows of a plane.
    pub height: usize,
    /// Elements of a row.
    pub width: usize,
}

// SAFETY: a view is an address and sizes. It is dereferenced only in unsafe functions, under the
// contract above.
unsafe impl<T: Send> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for View<T> {}

impl<T> View<T> {
    /// The elements of one plane.
    pub fn plane_len(&self) -> usize {
        self.height * self.width
    }

    /// The elements of one image.
    pub fn image_len(&self) -> usize {
        self.channels * self.plane_len()
    }

    /// The address of a plane.
    ///
    /// # Safety
    /// The view has this image and this channel.
    pub unsafe fn plane(&self, image: usize, channel: usize) -> *mut T {
        debug_assert!(channel < self.channels);
        // SAFETY: the plane lies within the view's memory.
        unsafe { self.at.add(image * self.image_stride + channel * self.plane_len()) }
    }

    /// Fills the planes of these channels with zeros.
    ///
    /// # Safety
    /// The contract at [`View`]; the view has this image and these channels.
    pub unsafe fn zero(&self, image: usize, channels: Range<usize>)
    where
        T: Storage,
    {
        // SAFETY: the planes of an image are contiguous, and the caller guarantees that they are
        // writable.
        unsafe {
            let length = channels.len() * self.plane_len();
            std::slice::from_raw_parts_mut(self.plane(image, channels.start), length)
                .fill(T::default());
        }
    }

    /// Whether both views have the same channels, height and width.
    pub fn same_shape<U>(&self, other: &View<U>) -> bool {
        (self.channels, self.height, self.width) == (other.channels, other.height, other.width)
    }
}
