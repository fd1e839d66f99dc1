//! Copies of images with zeros around them.

use super::{ConvPlan, Gradient};
use crate::real::{Real, wide};
use crate::view::View;

impl ConvPlan {
    /// The images `first..first + count` as phase planes, the sum of all `inputs` in them.
    ///
    /// # Safety
    /// As [`ConvPlan::forward`].
    pub(crate) unsafe fn fill_input<T: Real>(&self, inputs: &[View<T>], first: usize, count: usize, to: &mut [T]) {
        let (phases, plane) = (self.phases, self.plane());
        let one = self.rows * self.pitch;
        for channel in 0..self.shape.channels {
            for (i, to) in to[channel * phases * phases * plane..].chunks_exact_mut(plane).take(phases * phases).enumerate()
            {
                for (image, to) in to.chunks_exact_mut(one).enumerate() {
                    if image >= count {
                        to.fill(T::ZERO);
                        continue;
                    }
                    // SAFETY: the caller's promise.
                    let sources = |view: &View<T>| unsafe { view.read(first + image, channel) };
                    let second = inputs.get(1).map(sources);
                    self.fill_phase(sources(&inputs[0]), second, (i / phases, i % phases), to);
                }
            }
        }
    }

    fn fill_phase<T: Real>(&self, a: &[T], b: Option<&[T]>, (row, column): (usize, usize), to: &mut [T]) {
        let (stride, padding) = (self.shape.stride, self.shape.padding);
        let (height, width) = (self.shape.height, self.shape.width);
        // Columns whose pixel lies within the image.
        let from = padding.saturating_sub(column).div_ceil(stride).min(self.pitch);
        let until = ((width + padding).saturating_sub(column)).div_ceil(stride).clamp(from, self.pitch);
        wide(|| {
            for (q, to) in to.chunks_exact_mut(self.pitch).enumerate() {
                let y = (stride * q + row).wrapping_sub(padding);
                if y >= height {
                    to.fill(T::ZERO);
                    continue;
                }
                to[..from].fill(T::ZERO);
                to[until..].fill(T::ZERO);
                let start = y * width + stride * from + column - padding;
                let to = &mut to[from..until];
                match (stride, b) {
                    (1, None) => to.copy_from_slice(&a[start..start + to.len()]),
                    (1, Some(b)) => {
                        let (a, b) = (&a[start..start + to.len()], &b[start..start + to.len()]);
                        to.iter_mut().zip(a).zip(b).for_each(|((to, a), b)| *to = *a + *b);
                    }
                    (_, None) => to.iter_mut().zip(a[start..].iter().step_by(stride)).for_each(|(to, a)| *to = *a),
                    (_, Some(b)) => {
                        let sums = a[start..].iter().zip(&b[start..]).step_by(stride);
                        to.iter_mut().zip(sums).for_each(|(to, (a, b))| *to = *a + *b);
                    }
                }
            }
        });
    }

    /// The gradient of the result of those images, worked out as it is copied.
    ///
    /// # Safety
    /// As [`ConvPlan::backward`].
    pub(crate) unsafe fn fill_gradient<T: Real>(&self, from: &Gradient<T>, first: usize, count: usize, to: &mut [T]) {
        let (lead, one) = (self.lead(), self.rows * self.pitch);
        let width = self.out_width;
        for (channel, to) in to.chunks_exact_mut(self.gradient_plane()).enumerate() {
            to[..lead].fill(T::ZERO);
            to[lead + count * one..].fill(T::ZERO);
            for (image, to) in to[lead..lead + count * one].chunks_exact_mut(one).enumerate() {
                // SAFETY: the caller's promise.
                let (g, relu, x) = unsafe {
                    let read = |view: &View<T>| view.read(first + image, channel);
                    (read(&from.of), from.relu.as_ref().map(read), from.norm.as_ref().map(|norm| read(&norm.x)))
                };
                let terms = from.norm.as_ref().map(|norm| (norm.a[channel], norm.b[channel], norm.c[channel]));
                wide(|| {
                    for (q, to) in to.chunks_exact_mut(self.pitch).enumerate() {
                        if q >= self.out_height {
                            to.fill(T::ZERO);
                            continue;
                        }
                        let row = q * width..(q + 1) * width;
                        to[width..].fill(T::ZERO);
                        let (to, g) = (&mut to[..width], &g[row.clone()]);
                        match relu {
                            Some(y) => {
                                let y = &y[row.clone()];
                                for ((to, g), y) in to.iter_mut().zip(g).zip(y) {
                                    *to = if *y > T::ZERO { *g } else { T::ZERO };
                                }
                            }
                            None => to.copy_from_slice(g),
                        }
                        if let (Some((a, b, c)), Some(x)) = (terms, x) {
                            to.iter_mut().zip(&x[row]).for_each(|(to, x)| *to = a * *to + b * *x + c);
                        }
                    }
                });
            }
        }
    }
}
