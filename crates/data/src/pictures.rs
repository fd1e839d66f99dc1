//! The pictures of a split, independent of their container.

use crate::Images;
use crate::cache::{self, Places};
use crate::decode::{self, IN_FULL, Reduction, Sizes};
use crate::error;
use crate::folder::Sample;
use crate::pack::{self, Pack};
use crate::tars::Tars;
use fast_image_resize::Resizer;
use rayon::prelude::*;
use res2lab_error::Error;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The pictures of a split.
#[derive(Debug)]
pub enum Pictures {
    /// One file per picture.
    Files(Vec<Sample>),
    /// All pictures in one pack.
    Packed(Pack),
    /// Pictures in tar files.
    Tars(Tars),
    /// Decoded images of one size.
    Memory(Images),
}

/// Decoded bytes, row by row, with `channels` bytes per pixel.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    pub bytes: &'a [u8],
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    /// Width and height before a reduction.
    pub own: (usize, usize),
}

/// The reason why a picture could not be decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Unreadable {
    /// The picture is damaged; a phrase that continues its name.
    Picture(String),
    /// The cached copy is damaged. The picture itself may be intact, so training stops with an
    /// error instead of leaving the picture out.
    Kept(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Unreadable::Picture(why) | Unreadable::Kept(why)) = self;
        f.write_str(why)
    }
}

impl From<String> for Unreadable {
    fn from(why: String) -> Unreadable {
        Unreadable::Picture(why)
    }
}

/// Buffers that are reused between pictures.
#[derive(Default)]
pub struct Scratch {
    file: Vec<u8>,
    pixels: Vec<u8>,
}

impl Pictures {
    /// The number of pictures.
    pub fn len(&self) -> usize {
        match self {
            Pictures::Files(samples) => samples.len(),
            Pictures::Packed(pack) => pack.entries().len(),
            Pictures::Tars(tars) => tars.members.len(),
            Pictures::Memory(images) => images.len(),
        }
    }

    /// Whether there are no pictures.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of picture `index`.
    pub fn label(&self, index: usize) -> u32 {
        match self {
            Pictures::Files(samples) => samples[index].label,
            Pictures::Packed(pack) => pack.entries()[index].label,
            Pictures::Tars(tars) => tars.members[index].label,
            Pictures::Memory(images) => images.labels[index],
        }
    }

    /// The name of picture `index` for messages and tables.
    pub fn name(&self, index: usize) -> String {
        match self {
            Pictures::Files(samples) => crate::walk::shown(samples[index].file.as_os_str()),
            Pictures::Tars(tars) => tars.name(index),
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

    /// Decodes picture `index`. A large JPEG may be decoded at a reduced size, as far as
    /// `reduction` allows.
    pub fn pixels<'a>(
        &'a self,
        index: usize,
        scratch: &'a mut Scratch,
        reduction: Reduction,
    ) -> Result<Pixels<'a>, Unreadable> {
        let Scratch { file, pixels } = scratch;
        let of_sizes = |s: Sizes| (s.own, s.decoded.0, s.decoded.1, 3);
        let (own, width, height, channels) = match self {
            Pictures::Files(samples) => {
                file.clear();
                let opened = File::open(&samples[index].file).and_then(|mut f| f.read_to_end(file));
                opened.map_err(|e| said(&samples[index].file, &e))?;
                of_sizes(decode::decode(file, pixels, reduction)?)
            }
            Pictures::Tars(tars) => {
                tars.read(index, file)?;
                of_sizes(decode::decode(file, pixels, reduction)?)
            }
            Pictures::Packed(pack) => {
                let entry = &pack.entries()[index];
                let damaged = || {
                    format!("{} is damaged; remove it, it is built again", pack.path().display())
                };
                let bytes = pack.bytes(entry).ok_or_else(|| Unreadable::Kept(damaged()))?;
                if entry.width > 0 {
                    let width = entry.width as usize;
                    let height = entry.height as usize;
                    if bytes.len() != width * height * 3 {
                        let why = "could not be read when decoded pictures were kept".to_owned();
                        return Err(why.into());
                    }
                    return Ok(Pixels { bytes, width, height, channels: 3, own: (width, height) });
                }
                of_sizes(decode::decode(bytes, pixels, reduction)?)
            }
            Pictures::Memory(images) => {
                let c = images.channels;
                let h = images.height;
                let w = images.width;
                let planes = &images.pixels[index * c * h * w..(index + 1) * c * h * w];
                pixels.clear();
                pixels.extend((0..h * w).flat_map(|i| (0..c).map(move |k| planes[k * h * w + i])));
                ((w, h), w, h, c)
            }
        };
        Ok(Pixels { bytes: pixels, width, height, channels, own })
    }

    /// Decodes a picture from `bytes` that were read before, like [`Pictures::pixels`].
    pub fn decoded<'a>(
        bytes: &[u8],
        scratch: &'a mut Scratch,
        reduction: Reduction,
    ) -> Result<Pixels<'a>, Unreadable> {
        let pixels = &mut scratch.pixels;
        let Sizes { own, decoded: (width, height) } = decode::decode(bytes, pixels, reduction)?;
        Ok(Pixels { bytes: pixels, width, height, channels: 3, own })
    }

    /// Replaces each picture's label by `of(label)`.
    pub fn relabel(&mut self, of: &dyn Fn(u32) -> u32) {
        match self {
            Pictures::Files(samples) => {
                samples.iter_mut().for_each(|sample| sample.label = of(sample.label))
            }
            Pictures::Packed(pack) => pack.relabel(of),
            Pictures::Tars(tars) => {
                tars.members.iter_mut().for_each(|member| member.label = of(member.label))
            }
            Pictures::Memory(images) => {
                images.labels.iter_mut().for_each(|label| *label = of(*label))
            }
        }
    }

    /// The same pictures in decoded form, with a short side of at most `px`, in a pack called
    /// `name`. The pack is built if it is missing or was built from a source with a digest other
    /// than `source`.
    pub fn cached(
        self,
        places: &Places,
        name: &str,
        source: u64,
        px: usize,
    ) -> Result<Pictures, Error> {
        let find = || places.find(name, |path| Pack::of(path, source));
        if let Some(pack) = find() {
            return Ok(Pictures::Packed(pack));
        }
        let path = places.writable()?.join(name);
        let _alone = cache::lock(&path)?;
        // Another process may have built the pack while this one waited for the lock.
        if let Some(pack) = find() {
            return Ok(Pictures::Packed(pack));
        }
        pack::build(&path, source, |packer| {
            let all: Vec<usize> = (0..self.len()).collect();
            for group in all.chunks(512) {
                let decode = |scratch: &mut Scratch, &i: &usize| self.shrunk(i, px, scratch);
                let decoded: Vec<_> = group.par_iter().map_init(Scratch::default, decode).collect();
                for (&i, picture) in group.iter().zip(decoded) {
                    // An unreadable picture keeps its entry, so that indices are the same with and
                    // without a cache.
                    let (pixels, width, height) = match picture {
                        Ok(picture) => picture,
                        Err(Unreadable::Picture(_)) => (vec![], 1, 1),
                        Err(Unreadable::Kept(why)) => {
                            return Err(Error::input(why, "remove that file"));
                        }
                    };
                    let added = packer.add(&pixels, (width as u32, height as u32), self.label(i));
                    added.map_err(|e| error::io(&path, e))?;
                }
            }
            Ok(Vec::new())
        })?;
        Ok(Pictures::Packed(Pack::open(&path)?))
    }

    fn shrunk(
        &self,
        index: usize,
        px: usize,
        scratch: &mut Scratch,
    ) -> Result<(Vec<u8>, usize, usize), Unreadable> {
        let source = self.pixels(index, scratch, IN_FULL)?;
        let w = source.width;
        let h = source.height;
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

    /// All pictures as images in memory. `None` unless they are small, square, of one size, and of
    /// the requested size, if any.
    pub fn as_images(&self, size: Option<usize>) -> Option<Images> {
        const MOST_BYTES: usize = 2 << 30;
        const LARGEST_SIDE: usize = 96;
        if self.is_empty() {
            return None;
        }
        // An unreadable picture gives `None`. It is reported later, when pictures are read one by
        // one.
        let mut scratch = Scratch::default();
        let Pixels { width, height, .. } = self.pixels(0, &mut scratch, IN_FULL).ok()?;
        let is_wanted = width == height && size.is_none_or(|size| size == width);
        if !is_wanted || width > LARGEST_SIDE || self.len() * width * height * 3 > MOST_BYTES {
            return None;
        }
        let one = |scratch: &mut Scratch, i: usize| {
            let p = self.pixels(i, scratch, IN_FULL).ok()?;
            let plane = |c: usize| p.bytes.iter().skip(c).step_by(3).copied();
            let planes: Vec<u8> = (0..3).flat_map(plane).collect();
            ((p.width, p.height) == (width, height)).then_some(planes)
        };
        let all = (0..self.len()).into_par_iter().map_init(Scratch::default, one);
        let all = all.collect::<Option<Vec<_>>>()?;
        let labels = (0..self.len()).map(|i| self.label(i)).collect();
        Some(Images { channels: 3, height, width, pixels: all.concat().into(), labels })
    }
}

/// The reason why a file cannot be opened, as a phrase that continues its name.
fn said(path: &Path, e: &std::io::Error) -> String {
    match e.kind() {
        ErrorKind::NotFound if path.is_symlink() => "is a broken link".into(),
        ErrorKind::NotFound => "is not there any more".into(),
        ErrorKind::IsADirectory => "is a folder".into(),
        ErrorKind::PermissionDenied => "may not be read by you".into(),
        _ => format!("cannot be read: {e}"),
    }
}
