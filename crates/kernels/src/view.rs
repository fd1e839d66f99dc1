//! One tensor of a batch, as planes.

use std::ops::Range;

use crate::real::Real;

/// One tensor of a batch: in every image `channels` contiguous planes of `height * width` elements,
/// `image_stride` elements from one image to the next, so that a range of channels of a larger
/// tensor is a view as well.
///
/// # Safety
/// Every `unsafe fn` of this crate asks the same of its caller: for each image of the range, a
/// view's planes are memory that is valid for reading, and for writing where the view is a result;
/// no other thread writes what is read, or touches what is written, during the call; and a result
/// overlaps no argument, unless a function says that it may be the same.
#[derive(Clone, Copy, Debug)]
pub struct View<T> {
    /// The first element of channel 0 of image 0.
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

// SAFETY: a view is an address and sizes; whoever dereferences it does so in an unsafe function
// with the promise above.
unsafe impl<T: Send> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for View<T> {}

impl<T> View<T> {
    /// Elements of one plane.
    pub fn plane_len(&self) -> usize {
        self.height * self.width
    }

    /// Elements of one image.
    pub fn image_len(&self) -> usize {
        self.channels * self.plane_len()
    }

    /// Where a plane begins.
    ///
    /// # Safety
    /// The image and the channel are the view's.
    pub unsafe fn plane(&self, image: usize, channel: usize) -> *mut T {
        debug_assert!(channel < self.channels);
        // SAFETY: the caller's promise puts the plane inside the view's memory.
        unsafe { self.at.add(image * self.image_stride + channel * self.plane_len()) }
    }

    /// Zeros in all of these channels' planes.
    ///
    /// # Safety
    /// The promise at [`View`]; the image and the channels are the view's.
    pub unsafe fn zero(&self, image: usize, channels: Range<usize>)
    where
        T: Real,
    {
        // SAFETY: the caller's promise; an image's planes lie one after the other.
        unsafe {
            let length = channels.len() * self.plane_len();
            std::slice::from_raw_parts_mut(self.plane(image, channels.start), length).fill(T::ZERO);
        }
    }

    /// Whether channels, height and width are the other's.
    pub fn same_shape<U>(&self, other: &View<U>) -> bool {
        (self.channels, self.height, self.width) == (other.channels, other.height, other.width)
    }
}
