//! The global pool: the mean of each plane.

use std::ops::Range;

use crate::dispatch::Stored;
use crate::element::Element;
use crate::pointwise::loops::PlaneSum;
use crate::source::One;
use crate::view::View;

/// Writes the mean of each plane to `out`, `[channels][1][1]`.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn forward<T: Stored>(x: View<T>, out: View<T>, images: Range<usize>) {
    assert!(out.channels == x.channels && out.plane_len() == 1);
    for image in images {
        for channel in 0..x.channels {
            let mut sum = 0.0;
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let of = One(x.plane(image, channel).cast_const());
                (T::kernels().sum)(&PlaneSum { of, len: x.plane_len(), sum: &mut sum });
                *out.plane(image, channel) =
                    T::stored(T::Real::from_f64(sum / x.plane_len() as f64));
            }
        }
    }
}

/// Writes, or accumulates, the gradient of the planes: the gradient of the mean divided by the
/// number of pixels.
///
/// # Safety
/// The contract at [`View`].
pub unsafe fn backward<T: Stored>(
    gradient: View<T>,
    into: View<T>,
    add: bool,
    images: Range<usize>,
) {
    assert!(gradient.channels == into.channels && gradient.plane_len() == 1);
    for image in images {
        for channel in 0..into.channels {
            // SAFETY: the contract at `View` covers these planes.
            unsafe {
                let whole = (*gradient.plane(image, channel)).real();
                let share = whole / T::Real::from_f64(into.plane_len() as f64);
                let plane =
                    std::slice::from_raw_parts_mut(into.plane(image, channel), into.plane_len());
                match add {
                    true => plane.iter_mut().for_each(|at| *at = T::stored(at.real() + share)),
                    false => plane.fill(T::stored(share)),
                }
            }
        }
    }
}
