//! Panels: which images and rows a panel holds, and how an input is packed into it.

use std::ops::Range;

use super::layout::{Grid, Layout};
use super::pack::{ONE, Pack, PlaneSource, SUM, StridedGather};
use super::product::Runs;
use crate::real::Real;
use crate::view::View;

/// A strip: the images and rows of positions that a panel holds at a time.
#[derive(Clone, Debug)]
pub(crate) struct Strip {
    pub images: Range<usize>,
    pub rows: Range<usize>,
}

/// The strips of a range of images, in order.
pub(crate) fn strips(layout: &Layout, images: Range<usize>) -> impl Iterator<Item = Strip> + use<> {
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
pub(crate) fn runs(layout: &Layout, grid: &Grid, strip: &Strip) -> Option<Runs> {
    let rows =
        strip.rows.end.min(grid.rows).checked_sub(strip.rows.start).filter(|&rows| rows > 0)?;
    let len = (rows - 1) * layout.pitch + grid.cols;
    let count = strip.images.len();
    if layout.flat {
        return Some(Runs { count: 1, span: layout.span, len: (count - 1) * layout.span + len });
    }
    Some(Runs { count, span: layout.span, len })
}

/// Packs one channel of all images of a strip. `source` returns the source, of this kind, of an
/// image's plane.
///
/// # Safety
/// The planes of the sources have the size of the grid's source, and `into` has room for the
/// channel's planes of the layout.
pub(crate) unsafe fn pack_channel<T: Real>(
    layout: &Layout,
    grid: &Grid,
    strip: &Strip,
    kind: usize,
    into: *mut T,
    source: impl Fn(usize) -> PlaneSource<T>,
) {
    let kernels = T::kernels();
    let wanted = strip.rows.len() + layout.reach;
    for (i, image) in strip.images.clone().enumerate() {
        let source = source(image);
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
                let into =
                    into.wrapping_add((a * grid.phases + b) * layout.plane + i * layout.span);
                let pitch = layout.pitch;
                let lead_x = grid.lead(b);
                let cols = grid.taken(b, grid.width);
                // SAFETY: rows and columns lie within the source, and the panel's plane has the
                // span and its slack.
                unsafe {
                    if grid.step == 1 {
                        let source = source.skip(first * grid.width);
                        let tail = layout.reach;
                        let prefetch_distance =
                            prefetch_distance(grid.height * grid.width, rows * grid.width);
                        let pack = Pack {
                            source,
                            into,
                            pitch,
                            above,
                            rows,
                            below,
                            tail,
                            lead: lead_x,
                            cols,
                            prefetch_distance,
                        };
                        (kernels.pack[kind])(&joined_rows(pack));
                    } else {
                        debug_assert!(kind == ONE || kind == SUM);
                        let y = (lead + first) * grid.step + a - grid.padding;
                        let x = lead_x * grid.step + b - grid.padding;
                        let source_pitch = grid.step * grid.width;
                        let step = grid.step;
                        let source = source.skip(y * grid.width + x);
                        let tail = layout.reach;
                        let gather = StridedGather {
                            source,
                            into,
                            pitch,
                            above,
                            rows,
                            below,
                            lead: lead_x,
                            tail,
                            cols,
                            step,
                            source_pitch,
                        };
                        (kernels.strided_gather[kind])(&gather);
                    }
                }
            }
        }
    }
}

/// Elements between what is read and what is prefetched. It is a whole number of planes of `plane`
/// elements, of each of which `part` are read, so that every prefetched line is read some hundred
/// nanoseconds later.
pub(crate) fn prefetch_distance(plane: usize, part: usize) -> usize {
    const LEAD: usize = 512;
    plane * LEAD.div_ceil(part.max(1))
}

/// Joins rows without padding between them into one long row.
fn joined_rows<T>(pack: Pack<T>) -> Pack<T> {
    if pack.lead > 0 || pack.cols != pack.pitch || pack.above + pack.below > 0 {
        return pack;
    }
    let len = pack.rows * pack.cols;
    Pack { rows: 1, cols: len, pitch: len, ..pack }
}

/// The source of a channel of one input, or of the sum of two inputs.
pub(crate) fn sum_of<T: Real>(
    inputs: &[View<T>],
    channel: usize,
) -> (usize, impl Fn(usize) -> PlaneSource<T>) {
    assert!((1..=2).contains(&inputs.len()), "one input, or two that are added");
    let kind = if inputs.len() == 2 { SUM } else { ONE };
    (kind, move |image| {
        let plane = |view: &View<T>| {
            view.at.wrapping_add(image * view.image_stride + channel * view.plane_len())
        };
        let second = inputs.get(1).map_or(std::ptr::null(), |view| plane(view).cast_const());
        PlaneSource { second, ..PlaneSource::one(plane(&inputs[0])) }
    })
}

/// The first address of the scratch memory that is aligned with a cache line. `len` includes the
/// elements that alignment may skip.
pub(crate) fn aligned<T>(scratch: &mut [T], len: usize) -> *mut T {
    let at = scratch.as_mut_ptr();
    let skip = at.align_offset(64).min(super::ALIGN);
    assert!(
        scratch.len() >= len,
        "scratch memory is too short: {} of {len} elements",
        scratch.len()
    );
    at.wrapping_add(skip)
}
