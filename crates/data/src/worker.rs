//! Decoding of a batch by the threads of a pool: pictures are decoded, cropped, resized, augmented
//! and, on a CPU, normalized.

use crate::ahead::Window;
use crate::auto::Interpolation;
use crate::crop::{self, Crop};
use crate::pictures::{Scratch, Unreadable};
use crate::{Augment, Pictures};
use fast_image_resize::Resizer;
use rayon::prelude::*;
use res2lab_random::Key;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tch::Tensor;

/// A decoded batch: N x size x size x C values, one label per image, and the unreadable pictures.
pub(crate) struct Decoded {
    pub pixels: Values,
    pub labels: Vec<i64>,
    pub indices: Vec<u32>,
    pub damaged: Vec<Damaged>,
    /// Number of images that replace unreadable pictures.
    pub replaced: usize,
}

/// An unreadable picture: its name, and the reason.
pub(crate) type Damaged = (String, Unreadable);

/// The values of a batch. On a CPU the decoding threads also normalize, while a picture is in the
/// processor's cache. A GPU receives bytes, which need a quarter of the transfer, and normalizes
/// whole batches.
pub(crate) enum Values {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
    /// The labels (int64) and then the pixels (uint8), as one vector of bytes in page-locked memory.
    Pinned(Tensor),
}

/// Lookup table per channel: normalized value of each byte.
pub(crate) type LookupTable = Vec<[f32; 256]>;

pub(crate) fn lookup_table(statistics: &[(f64, f64)]) -> LookupTable {
    statistics
        .iter()
        .map(|&(mean, deviation)| std::array::from_fn(|v| ((v as f64 - mean) / deviation) as f32))
        .collect()
}

/// The parameters for decoding the pictures of a pass.
pub(crate) struct Worker<'a> {
    pub pictures: &'a Pictures,
    pub size: usize,
    pub resize: usize,
    pub augment: Option<(Augment, Key)>,
    /// The mean color, for what lies beyond the edges of a picture.
    pub fill: [u8; 3],
    pub lookup_table: Option<LookupTable>,
    /// Whether a GPU receives the batches.
    pub pinned: bool,
    pub spare: &'a Mutex<Vec<Vec<f32>>>,
    pub desks: &'a [Mutex<WorkerScratch>],
}

/// A thread's scratch memory.
#[derive(Default)]
pub(crate) struct WorkerScratch {
    resizer: Resizer,
    scratch: Scratch,
    bytes: Vec<u8>,
}

/// The result for one picture: the label (`None` if the picture is left out), and the unreadable
/// pictures that were tried.
type DecodeResult = (Option<u32>, Vec<Damaged>);

impl Worker<'_> {
    /// The scratch of the calling thread; no other thread uses it.
    fn desk(&self) -> MutexGuard<'_, WorkerScratch> {
        let own = rayon::current_thread_index().unwrap_or(0) % self.desks.len();
        // After a panic, the next picture overwrites everything in the scratch, so poisoning is
        // harmless.
        self.desks[own].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn batch(&self, indices: &[u32], window: &Window) -> Decoded {
        let length = self.size * self.size * self.pictures.channels();
        let (pixels, made) = match &self.lookup_table {
            None => self.bytes(indices, window, length),
            Some(lookup_table) => {
                let mut floats =
                    self.spare.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default();
                floats.resize(indices.len() * length, 0.0);
                let make = |(out, &index): (&mut [f32], &u32)| {
                    let desk = &mut *self.desk();
                    let mut bytes = std::mem::take(&mut desk.bytes);
                    bytes.resize(length, 0);
                    let made = self.one(desk, index as usize, window, &mut bytes);
                    normalize(&bytes, lookup_table, out);
                    desk.bytes = bytes;
                    made
                };
                let made: Vec<DecodeResult> = floats
                    .par_chunks_exact_mut(length)
                    .zip(indices)
                    .with_max_len(1)
                    .map(make)
                    .collect();
                let end = keep(&mut floats, length, &made);
                floats.truncate(end);
                (Values::Floats(floats), made)
            }
        };
        let is_kept = |(_, (label, _)): &(&u32, &DecodeResult)| label.is_some();
        Decoded {
            pixels,
            labels: made.iter().filter_map(|(label, _)| *label).map(i64::from).collect(),
            indices: indices.iter().zip(&made).filter(is_kept).map(|(&index, _)| index).collect(),
            replaced: made
                .iter()
                .filter(|(label, damaged)| label.is_some() && !damaged.is_empty())
                .count(),
            damaged: made.into_iter().flat_map(|(_, damaged)| damaged).collect(),
        }
    }

    /// Decodes a batch to bytes. Without page-locked memory, a GPU gets them from ordinary memory.
    fn bytes(
        &self,
        indices: &[u32],
        window: &Window,
        length: usize,
    ) -> (Values, Vec<DecodeResult>) {
        let labels = size_of::<i64>() * indices.len();
        let bytes = labels + indices.len() * length;
        let pinned = self.pinned.then(|| res2lab_libtorch::device::pinned(bytes));
        let Some(Ok(mut pinned)) = pinned else {
            let mut bytes = vec![0; indices.len() * length];
            let made = self.decode(indices, window, length, &mut bytes);
            let end = keep(&mut bytes, length, &made);
            bytes.truncate(end);
            return (Values::Bytes(bytes), made);
        };
        let memory: &mut [u8] = res2lab_libtorch::values_mut(&mut pinned);
        let (head, pixels) = memory.split_at_mut(labels);
        let made = self.decode(indices, window, length, pixels);
        let end = labels + keep(pixels, length, &made);
        // Where pictures are left out, the labels end where the pixels begin all the same.
        let kept = made.iter().filter_map(|(label, _)| *label);
        let start = labels - size_of::<i64>() * kept.clone().count();
        for (place, label) in head[start..].chunks_exact_mut(size_of::<i64>()).zip(kept) {
            place.copy_from_slice(&i64::from(label).to_ne_bytes());
        }
        (Values::Pinned(pinned.narrow(0, start as i64, (end - start) as i64)), made)
    }

    fn decode(
        &self,
        indices: &[u32],
        window: &Window,
        length: usize,
        out: &mut [u8],
    ) -> Vec<DecodeResult> {
        let make = |(out, &index): (&mut [u8], &u32)| {
            self.one(&mut self.desk(), index as usize, window, out)
        };
        out.par_chunks_exact_mut(length).zip(indices).with_max_len(1).map(make).collect()
    }

    fn one(
        &self,
        desk: &mut WorkerScratch,
        index: usize,
        window: &Window,
        out: &mut [u8],
    ) -> DecodeResult {
        const MOST_TRIES: usize = 100;
        let mut damaged = Vec::new();
        for attempt in 0..MOST_TRIES {
            let candidate = (index + attempt) % self.pictures.len();
            match self.make(desk, candidate, (index, window), out) {
                Ok(()) => return (Some(self.pictures.label(candidate)), damaged),
                Err(e) => damaged.push((self.pictures.name(candidate), e)),
            }
            if self.augment.is_none() {
                break;
            }
        }
        (None, damaged)
    }

    fn make(
        &self,
        desk: &mut WorkerScratch,
        picture: usize,
        (index, window): (usize, &Window),
        out: &mut [u8],
    ) -> Result<(), Unreadable> {
        let key = self.augment.map(|(_, epoch)| epoch.named("picture").with(index as u64));
        let part = |width: usize, height: usize| match (self.augment, key) {
            (Some((Augment { crop: Some(range), .. }, _)), Some(key)) => {
                crop::random(width, height, range, key.with(0))
            }
            (Some(_), _) => Crop::whole(width, height),
            (None, _) => crop::central(width, height, self.resize, self.size),
        };
        let reduction = |width: usize, height: usize| part(width, height).reduction(self.size);
        let source = match window.get(&(picture as u32)) {
            Some(bytes) => Pictures::decoded(bytes, &mut desk.scratch, &reduction)?,
            None => self.pictures.pixels(picture, &mut desk.scratch, &reduction)?,
        };
        let own = source.own;
        let channels = source.channels;
        let part = part(own.0, own.1).reduced(own, (source.width, source.height));
        let interpolation = match (self.augment, key) {
            (Some((augment, _)), Some(key)) => {
                augment.interpolation.choose(key.named("interpolation").bits(0))
            }
            _ => Interpolation::Bilinear,
        };
        let size = (self.size, self.size);
        crate::decode::resize_by(&mut desk.resizer, source, part, size, interpolation, out)?;
        let (Some((augment, _)), Some(key)) = (self.augment, key) else { return Ok(()) };
        if augment.flip && key.with(1).bits(0) >> 63 == 1 {
            mirror(out, self.size, channels);
        }
        if channels != 3 {
            return Ok(());
        }
        // As in timm, in this order.
        if let Some(auto) = augment.auto {
            auto.apply(out, self.size, self.fill, augment.interpolation, key.named("auto"));
        }
        if augment.jitter > 0.0 {
            crate::jitter::jitter(out, augment.jitter, key.with(2));
        }
        if augment.grayscale > 0.0 && key.named("gray").uniform(0) < augment.grayscale {
            crate::auto::to_gray(out);
        }
        Ok(())
    }
}

/// Moves the pictures that were not left out to the front, and returns their end. Evaluation leaves
/// out unreadable pictures; training replaces them.
fn keep<T: Copy>(values: &mut [T], length: usize, made: &[DecodeResult]) -> usize {
    let mut end = 0;
    for (i, (label, _)) in made.iter().enumerate() {
        if label.is_some() {
            values.copy_within(i * length..(i + 1) * length, end);
            end += length;
        }
    }
    end
}

fn normalize(bytes: &[u8], lookup_table: &LookupTable, out: &mut [f32]) {
    match &lookup_table[..] {
        [red, green, blue] => {
            for (out, p) in out.chunks_exact_mut(3).zip(bytes.chunks_exact(3)) {
                out[0] = red[p[0] as usize];
                out[1] = green[p[1] as usize];
                out[2] = blue[p[2] as usize];
            }
        }
        lookup_table => {
            let channels = lookup_table.len();
            for (i, (out, &v)) in out.iter_mut().zip(bytes).enumerate() {
                *out = lookup_table[i % channels][v as usize];
            }
        }
    }
}

/// Flips a picture horizontally in place.
fn mirror(pixels: &mut [u8], width: usize, channels: usize) {
    for row in pixels.chunks_exact_mut(width * channels) {
        for x in 0..width / 2 {
            for c in 0..channels {
                row.swap(x * channels + c, (width - 1 - x) * channels + c);
            }
        }
    }
}
