//! The pictures of a split, wherever their bytes are.

use crate::decode::{self, Picture};
use crate::folder::Sample;
use crate::pack::Pack;
use crate::{DataError, Images};
use fast_image_resize::Resizer;
use rayon::prelude::*;
use std::borrow::Cow;
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
pub struct Pixels<'a> {
    /// The bytes.
    pub bytes: Cow<'a, [u8]>,
    #[allow(missing_docs)]
    pub width: usize,
    #[allow(missing_docs)]
    pub height: usize,
    #[allow(missing_docs)]
    pub channels: usize,
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

    /// Decodes one.
    pub fn pixels(&self, index: usize) -> Result<Pixels<'_>, String> {
        let of = |p: Picture| Pixels { bytes: p.pixels.into(), width: p.width, height: p.height, channels: 3 };
        match self {
            Pictures::Files(samples) => {
                let bytes = std::fs::read(&samples[index].file).map_err(|e| e.to_string())?;
                decode::decode(&bytes).map(of)
            }
            Pictures::Packed(pack) => {
                let entry = &pack.entries()[index];
                let bytes = pack.bytes(entry);
                if entry.width == 0 {
                    return decode::decode(bytes).map(of);
                }
                let (width, height) = (entry.width as usize, entry.height as usize);
                if bytes.len() != width * height * 3 {
                    return Err("it could not be read when the cache was built".into());
                }
                Ok(Pixels { bytes: bytes.into(), width, height, channels: 3 })
            }
            Pictures::Memory(images) => {
                let (c, h, w) = (images.channels, images.height, images.width);
                let planes = &images.pixels[index * c * h * w..(index + 1) * c * h * w];
                let interleaved: Vec<u8> =
                    (0..h * w).flat_map(|i| (0..c).map(move |k| planes[k * h * w + i])).collect();
                Ok(Pixels { bytes: interleaved.into(), width: w, height: h, channels: c })
            }
        }
    }

    /// The same pictures decoded, none with a short side above `px`, in a pack at `path`; built if it is not there.
    pub fn cached(self, path: &Path, classes: &[String], px: usize) -> Result<Pictures, DataError> {
        let _alone = crate::cache::lock(path)?;
        if !path.is_file() {
            crate::pack::build(path, |packer| {
                let all: Vec<usize> = (0..self.len()).collect();
                for group in all.chunks(512) {
                    let decoded: Vec<_> = group.par_iter().map(|&i| self.shrunk(i, px)).collect();
                    for (&i, picture) in group.iter().zip(decoded) {
                        // One that cannot be read keeps its place, so that indices mean the same with and without.
                        let p = picture.unwrap_or(Picture { width: 1, height: 1, pixels: vec![] });
                        let added = packer.add(&p.pixels, (p.width as u32, p.height as u32), self.label(i));
                        added.map_err(|e| DataError::io(path, &e))?;
                    }
                }
                Ok(classes.to_vec())
            })?;
        }
        Ok(Pictures::Packed(Pack::open(path)?))
    }

    fn shrunk(&self, index: usize, px: usize) -> Result<Picture, String> {
        let source = self.pixels(index)?;
        let (w, h) = (source.width, source.height);
        let short = w.min(h);
        if short <= px {
            return Ok(Picture { width: w, height: h, pixels: source.bytes.into_owned() });
        }
        let long = px * w.max(h) / short;
        let (width, height) = if w <= h { (px, long) } else { (long, px) };
        let mut pixels = vec![0; width * height * 3];
        let whole = crate::crop::Crop::whole(w, h);
        decode::resize(&mut Resizer::new(), (&source.bytes, w, h, 3), whole, (width, height), &mut pixels)?;
        Ok(Picture { width, height, pixels })
    }

    /// All of them as images in memory, if they are small and of one size.
    pub fn into_memory(self) -> Result<Pictures, DataError> {
        const MOST_BYTES: usize = 2 << 30;
        const LARGEST_SIDE: usize = 96;
        let unreadable = |i: usize, e: String| DataError::new(format!("{}: {e}", self.name(i)), "get the file again");
        if self.is_empty() || matches!(self, Pictures::Memory(_)) {
            return Ok(self);
        }
        let first = self.pixels(0).map_err(|e| unreadable(0, e))?;
        let (width, height) = (first.width, first.height);
        drop(first);
        if width.max(height) > LARGEST_SIDE || self.len() * width * height * 3 > MOST_BYTES {
            return Ok(self);
        }
        let one = |i: usize| {
            let p = self.pixels(i).map_err(|e| unreadable(i, e))?;
            let plane = |c: usize| p.bytes.iter().skip(c).step_by(3).copied();
            let planes: Vec<u8> = (0..3).flat_map(plane).collect();
            Ok(((p.width, p.height) == (width, height)).then_some(planes))
        };
        let all = (0..self.len()).into_par_iter().map(one).collect::<Result<Vec<_>, DataError>>()?;
        let Some(all) = all.into_iter().collect::<Option<Vec<_>>>() else { return Ok(self) };
        let labels = (0..self.len()).map(|i| self.label(i)).collect();
        Ok(Pictures::Memory(Images { channels: 3, height, width, pixels: all.concat(), labels }))
    }
}
