//! Gaussian blur by three box blurs in each direction (Gwosdek et al. 2011), as Pillow's.

use super::Canvas;

const PASSES: usize = 3;
/// The weights of a box are integers with this sum.
const ONE: f32 = (1 << 24) as f32;

/// Blurs with a standard deviation of `radius` pixels.
pub(super) fn gaussian(canvas: &mut Canvas, radius: f64) {
    let radius = box_radius(radius as f32);
    if radius <= 0.0 {
        return;
    }
    let boxes = Boxes::new(radius);
    let row = 3 * canvas.width;
    let mut sums = vec![0; row];
    // A row goes on beyond its ends with its last pixels.
    let reach = boxes.reach;
    let mut long = vec![0; row + 6 * reach];
    for line in canvas.pixels.chunks_exact_mut(row) {
        for _ in 0..PASSES {
            long[3 * reach..][..row].copy_from_slice(line);
            for i in 0..reach {
                long[3 * i..][..3].copy_from_slice(&line[..3]);
                long[row + 3 * (reach + i)..][..3].copy_from_slice(&line[row - 3..]);
            }
            boxes.blur(line, &mut sums, |i| &long[3 * i..][..row]);
        }
    }
    let last = canvas.height() - 1;
    let mut from = vec![0; canvas.pixels.len()];
    for _ in 0..PASSES {
        from.copy_from_slice(canvas.pixels);
        for (y, line) in canvas.pixels.chunks_exact_mut(row).enumerate() {
            let at = |i: usize| (y + i).saturating_sub(reach).min(last);
            boxes.blur(line, &mut sums, |i| &from[at(i) * row..][..row]);
        }
    }
}

/// The radius of the boxes, whose fraction is the weight of the pixels at their ends.
fn box_radius(radius: f32) -> f32 {
    let variance = radius * radius / PASSES as f32;
    let length = (12.0 * variance + 1.0).sqrt();
    let whole = ((length - 1.0) / 2.0).floor();
    let fraction = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance)
        / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)));
    whole + fraction
}

/// A box: the weights of its inner pixels and of the two at its ends, whose sum is 2^24.
struct Boxes {
    weight: u32,
    end_weight: u32,
    /// The pixels to each side, the last of which has the weight of an end.
    reach: usize,
}

impl Boxes {
    fn new(radius: f32) -> Boxes {
        let whole = radius as u32;
        let weight = (ONE / (radius * 2.0 + 1.0)) as u32;
        let end_weight = ((1 << 24) - (2 * whole + 1) * weight) / 2;
        Boxes { weight, end_weight, reach: whole as usize + 1 }
    }

    /// The weighted means of lines: `near(0)` is the first within reach, `near(2 * reach)` the last.
    /// No sum exceeds 32 bits, as no weighted mean exceeds 255.
    fn blur<'a>(&self, out: &mut [u8], sums: &mut [u32], near: impl Fn(usize) -> &'a [u8]) {
        let ends = near(0).iter().zip(near(2 * self.reach));
        for (sum, (first, last)) in sums.iter_mut().zip(ends) {
            *sum = (u32::from(*first) + u32::from(*last)) * self.end_weight + (1 << 23);
        }
        for i in 1..2 * self.reach {
            for (sum, value) in sums.iter_mut().zip(near(i)) {
                *sum += u32::from(*value) * self.weight;
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = (*sum >> 24) as u8;
        }
    }
}
