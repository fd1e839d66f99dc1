//! The pictures of a split, wherever their bytes are.

use crate::decode::{self, IN_FULL, Reduction, Sizes};
use crate::folder::Sample;
use crate::pack::Pack;
use crate::{DataError, Images};
use fast_image_resize::Resizer;
use rayon::prelude::*;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A split.
#[derive(Debug)]
pub enum Pictures {
    /// One file each.
    Files(Vec<Sample>),
    /// All in one file.
    Packed(Pack),
    /// Decoded and of one size.
    Memory(Images),
}

/// Decoded bytes, row by row, of `channels` bytes a pixel.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Pixels<'a> {
    pub bytes: &'a [u8],
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    /// Width and height before it was reduced.
    pub own: (usize, usize),
}

/// Memory that is used again from picture to picture.
#[derive(Default)]
pub struct Scratch {
    file: Vec<u8>,
    pixels: Vec<u8>,
}

impl Pictures {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Pictures::Files(samples) => samples.len(),
            Pictures::Packed(pack) => pack.entries().len(),
            Pictures::Memory(images) => images.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of one.
    pub fn label(&self, index: usize) -> u32 {
        match self {
            Pictures::Files(samples) => samples[index].label,
            Pictures::Packed(pack) => pack.entries()[index].label,
            Pictures::Memory(images) => images.labels[index],
        }
    }

    /// What to call one in messages and tables.
    pub fn name(&self, index: usize) -> String {
        match self {
            Pictures::Files(samples) => samples[index].file.display().to_string(),
            _ => format!("#{index}"),
        }
    }

    /// Bytes per pixel.
    pub fn channels(&self) -> usize {
        match self {
            Pictures::Memory(images) => images.channels,
            _ => 3,
        }
    }

    /// Decodes one, at a smaller size if it is a large JPEG and `reduction` allows it.
    pub fn pixels<'a>(
        &'a self,
        index: usize,
        scratch: &'a mut Scratch,
        reduction: Reduction,
    ) -> Result<Pixels<'a>, String> {
        let Scratch { file, pixels } = scratch;
        let of_sizes = |s: Sizes| (s.own, s.decoded.0, s.decoded.1, 3);
        let (own, width, height, channels) = match self {
            Pictures::Files(samples) => {
                file.clear();
                let opened = File::open(&samples[index].file).and_then(|mut f| f.read_to_end(file));
                opened.map_err(|e| e.to_string())?;
                of_sizes(decode::decode(file, pixels, reduction)?)
            }
            Pictures::Packed(pack) => {
                let entry = &pack.entries()[index];
                let bytes = pack.bytes(entry);
                if entry.width > 0 {
                    let (width, height) = (entry.width as usize, entry.height as usize);
                    if bytes.len() != width * height * 3 {
                        return Err("it could not be read when the cache was built".into());
                    }
                    return Ok(Pixels { bytes, width, height, channels: 3, own: (width, height) });
                }
                of_sizes(decode::decode(bytes, pixels, reduction)?)
            }
            Pictures::Memory(images) => {
                let (c, h, w) = (images.channels, images.height, images.width);
                let planes = &images.pixels[index * c * h * w..(index + 1) * c * h * w];
                pixels.clear();
                pixels.extend((0..h * w).flat_map(|i| (0..c).map(move |k| planes[k * h * w + i])));
                ((w, h), w, h, c)
            }
        };
        Ok(Pixels { bytes: pixels, width, height, channels, own })
    }

    /// The same pictures decoded, none with a short side above `px`, in a pack at `path`; built if it is not there.
    pub fn cached(self, path: &Path, classes: &[String], px: usize) -> Result<Pictures, DataError> {
        let _alone = crate::cache::lock(path)?;
        if !path.is_file() {
            crate::pack::build(path, |packer| {
                let all: Vec<usize> = (0..self.len()).collect();
                for group in all.chunks(512) {
                    let decode = |scratch: &mut Scratch, &i: &usize| self.shrunk(i, px, scratch);
                    let decoded: Vec<_> = group.par_iter().map_init(Scratch::default, decode).collect();
                    for (&i, picture) in group.iter().zip(decoded) {
                        // One that cannot be read keeps its place, so that indices mean the same with and without.
                        let (pixels, width, height) = picture.unwrap_or((vec![], 1, 1));
                        let added = packer.add(&pixels, (width as u32, height as u32), self.label(i));
                        added.map_err(|e| DataError::io(path, &e))?;
                    }
                }
                Ok(classes.to_vec())
            })?;
        }
        Ok(Pictures::Packed(Pack::open(path)?))
    }

    fn shrunk(&self, index: usize, px: usize, scratch: &mut Scratch) -> Result<(Vec<u8>, usize, usize), String> {
        let source = self.pixels(index, scratch, IN_FULL)?;
        let (w, h) = (source.width, source.height);
        let short = w.min(h);
        if short <= px {
            return Ok((source.bytes.to_vec(), w, h));
        }
        let long = px * w.max(h) / short;
        let (width, height) = if w <= h { (px, long) } else { (long, px) };
        let mut pixels = vec![0; width * height * 3];
        let whole = crate::crop::Crop::whole(w, h);
        decode::resize(&mut Resizer::new(), source, whole, (width, height), &mut pixels)?;
        Ok((pixels, width, height))
    }

    /// All of them as images in memory, if they are small and of one size.
    pub fn into_memory(self) -> Result<Pictures, DataError> {
        const MOST_BYTES: usize = 2 << 30;
        const LARGEST_SIDE: usize = 96;
        let unreadable = |i: usize, e: String| DataError::new(format!("{}: {e}", self.name(i)), "get the file again");
        if self.is_empty() || matches!(self, Pictures::Memory(_)) {
            return Ok(self);
        }
        let mut scratch = Scratch::default();
        let first = self.pixels(0, &mut scratch, IN_FULL).map_err(|e| unreadable(0, e))?;
        let (width, height) = (first.width, first.height);
        if width.max(height) > LARGEST_SIDE || self.len() * width * height * 3 > MOST_BYTES {
            return Ok(self);
        }
        let one = |scratch: &mut Scratch, i: usize| {
            let p = self.pixels(i, scratch, IN_FULL).map_err(|e| unreadable(i, e))?;
            let plane = |c: usize| p.bytes.iter().skip(c).step_by(3).copied();
            let planes: Vec<u8> = (0..3).flat_map(plane).collect();
            Ok(((p.width, p.height) == (width, height)).then_some(planes))
        };
        let all = (0..self.len()).into_par_iter().map_init(Scratch::default, one);
        let all = all.collect::<Result<Vec<_>, DataError>>()?;
        let Some(all) = all.into_iter().collect::<Option<Vec<_>>>() else { return Ok(self) };
        let labels = (0..self.len()).map(|i| self.label(i)).collect();
        Ok(Pictures::Memory(Images { channels: 3, height, width, pixels: all.concat().into(), labels }))
    }
}
