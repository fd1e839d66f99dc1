//! Panels: which images and rows a panel holds, and how an input or a gradient is packed into it.

use std::ops::Range;

use super::gradient::{Gradient, GradientPlane};
use super::layout::{Grid, Layout};
use super::pack::{Pack, PanelRows, StridedGather};
use super::rows::Runs;
use crate::dispatch::Stored;
use crate::source::{One, Source, Sum};
use crate::view::View;

/// The most elements that are skipped to align scratch memory with a cache line.
pub(super) const ALIGN: usize = 16;

/// A strip: the images and rows of positions that a panel holds at a time.
#[derive(Clone, Debug)]
pub(super) struct Strip {
    pub images: Range<usize>,
    pub rows: Range<usize>,
}

/// The strips of a range of images, in order.
pub(super) fn strips(layout: &Layout, images: Range<usize>) -> impl Iterator<Item = Strip> + use<> {
    let Layout { strip_images, strip_rows, .. } = *layout;
    let rows = layout.rows();
    let end = images.end;
    images.step_by(strip_images).flat_map(move |image| {
        (0..rows).step_by(strip_rows).map(move |row| Strip {
            images: image..(image + strip_images).min(end),
            rows: row..(row + strip_rows).min(rows),
        })
    })
}

/// The positions of a strip that a grid needs; None where the strip begins after the grid's last
/// row.
pub(super) fn runs(layout: &Layout, grid: &Grid, strip: &Strip) -> Option<Runs> {
    let rows =
        strip.rows.end.min(grid.rows).checked_sub(strip.rows.start).filter(|&rows| rows > 0)?;
    let len = (rows - 1) * layout.pitch + grid.cols;
    let count = strip.images.len();
    if layout.flat {
        return Some(Runs { count: 1, span: layout.span, len: (count - 1) * layout.span + len });
    }
    Some(Runs { count, span: layout.span, len })
}

/// Rows of one image and one phase that are packed into a panel.
struct PhaseRows<R> {
    panel: PanelRows<R>,
    /// The first element of the source.
    start: usize,
}

/// Calls `pack` for every image of a strip and every phase of one channel, with the rows that are
/// packed into the panel at `into`.
#[inline(always)]
fn for_each_phase<R>(
    layout: &Layout,
    grid: &Grid,
    strip: &Strip,
    into: *mut R,
    mut pack: impl FnMut(usize, PhaseRows<R>),
) {
    let wanted = strip.rows.len() + layout.reach;
    for (i, image) in strip.images.clone().enumerate() {
        for a in 0..grid.phases {
            // This phase consists of `lead` rows of zeros, `taken` rows of the source, and rows of
            // zeros.
            let lead = grid.lead(a);
            let taken = grid.taken(a, grid.height);
            let start = strip.rows.start;
            let above = lead.saturating_sub(start).min(wanted);
            let first = start.saturating_sub(lead).min(taken);
            let rows = (taken - first).min(wanted - above);
            let below = wanted - above - rows;
            for b in 0..grid.phases {
                let plane = (a * grid.phases + b) * layout.plane + i * layout.span;
                let lead_x = grid.lead(b);
                let cols = grid.taken(b, grid.width);
                let into = into.wrapping_add(plane);
                let pitch = layout.pitch;
                let tail = layout.reach;
                let y = (lead + first) * grid.step + a - grid.padding;
                let x = lead_x * grid.step + b - grid.padding;
                let panel = PanelRows { into, pitch, above, rows, below, tail, lead: lead_x, cols };
                pack(image, PhaseRows { panel, start: y * grid.width + x });
            }
        }
    }
}

/// Packs one channel of all images of a strip of a convolution's input.
///
/// # Safety
/// The planes of the inputs have the size of the grid's source, and `into` has room for the
/// channel's planes of the layout.
pub(super) unsafe fn pack_input<T: Stored>(
    layout: &Layout,
    strip: &Strip,
    inputs: &[View<T>],
    channel: usize,
    into: *mut T::Real,
) {
    assert!((1..=2).contains(&inputs.len()), "one input, or two that are added");
    let grid = &layout.forward;
    let kernels = T::kernels();
    for_each_phase(layout, grid, strip, into, |image, rows| {
        let plane = |view: &View<T>| {
            let plane = image * view.image_stride + channel * view.plane_len();
            view.at.wrapping_add(plane).cast_const()
        };
        let one = One(plane(&inputs[0])).skip(rows.start);
        let sum = inputs.get(1).map(|second| Sum(one.0, plane(second).wrapping_add(rows.start)));
        // SAFETY: rows and columns lie within the source, and the panel's plane has the span and
        // its slack.
        unsafe {
            match (grid.step, sum) {
                (1, None) => (kernels.pack.one)(&rows.pack(grid, one)),
                (1, Some(sum)) => (kernels.pack.sum)(&rows.pack(grid, sum)),
                (_, None) => (kernels.gather.one)(&rows.gather(grid, one)),
                (_, Some(sum)) => (kernels.gather.sum)(&rows.gather(grid, sum)),
            }
        }
    });
}

/// Packs one channel of all images of a strip of the gradient of a convolution's output.
///
/// # Safety
/// As for [`pack_input`].
pub(super) unsafe fn pack_gradient<T: Stored>(
    layout: &Layout,
    strip: &Strip,
    gradient: &Gradient<T>,
    channel: usize,
    into: *mut T::Real,
) {
    let kernels = T::kernels();
    let grid = &layout.backward;
    debug_assert_eq!(grid.step, 1);
    for_each_phase(layout, grid, strip, into, |image, rows| {
        let start = rows.start;
        // SAFETY: as in `pack_input`.
        unsafe {
            match gradient.plane(image, channel) {
                GradientPlane::One(plane) => {
                    (kernels.pack.one)(&rows.pack(grid, plane.skip(start)))
                }
                GradientPlane::Norm(plane) => {
                    (kernels.pack.norm)(&rows.pack(grid, plane.skip(start)))
                }
            }
        }
    });
}

impl<R> PhaseRows<R> {
    /// The arguments that pack consecutive rows. Rows without padding between them are joined into
    /// one long row.
    #[inline(always)]
    fn pack<P>(self, grid: &Grid, source: P) -> Pack<R, P> {
        let panel = self.panel;
        let prefetch_distance =
            prefetch_distance(grid.height * grid.width, panel.rows * grid.width);
        let is_padded = panel.lead > 0 || panel.cols != panel.pitch;
        if is_padded || panel.above + panel.below > 0 {
            return Pack { source, panel, prefetch_distance };
        }
        let len = panel.rows * panel.cols;
        let panel = PanelRows { rows: 1, cols: len, pitch: len, ..panel };
        Pack { source, panel, prefetch_distance }
    }

    /// The arguments that gather the elements of one phase.
    #[inline(always)]
    fn gather<P>(self, grid: &Grid, source: P) -> StridedGather<R, P> {
        let source_pitch = grid.step * grid.width;
        StridedGather { source, panel: self.panel, step: grid.step, source_pitch }
    }
}

/// Elements between what is read and what is prefetched. It is a whole number of planes of `plane`
/// elements, of each of which `part` are read, so that every prefetched line is read some hundred
/// nanoseconds later.
#[inline(always)]
pub(super) fn prefetch_distance(plane: usize, part: usize) -> usize {
    const LEAD: usize = 512;
    plane * LEAD.div_ceil(part.max(1))
}

/// The first address of the scratch memory that is aligned with a cache line. `len` includes the
/// elements that alignment may skip.
pub(super) fn aligned<R>(scratch: &mut [R], len: usize) -> *mut R {
    let at = scratch.as_mut_ptr();
    let skip = at.align_offset(64).min(ALIGN);
    assert!(
        scratch.len() >= len,
        "scratch memory is too short: {} of {len} elements",
        scratch.len()
    );
    at.wrapping_add(skip)
}
