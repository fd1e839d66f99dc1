//! Decoding of pictures to RGB, and resizing of a crop to the network's input size.

use crate::auto::Interpolation;
use crate::crop::Crop;
use crate::pictures::Pixels;
use crate::sniff::{self, Content};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use std::panic::{AssertUnwindSafe, catch_unwind};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Pictures with more pixels are rejected as damaged, because a few bytes can claim any size.
const MOST_PIXELS: usize = 1 << 28;

/// JPEGs with fewer pixels are decoded at full size: the decoder for full size is faster than the
/// one for reduced size.
const LEAST_REDUCED: usize = 750_000;

/// A picture's original size and its decoded size, width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub own: (usize, usize),
    pub decoded: (usize, usize),
}

/// The largest reduction factor that is allowed for a picture of this width and height.
pub type Reduction<'a> = &'a (dyn Fn(usize, usize) -> usize + Sync);

/// Allows no reduction.
pub const IN_FULL: Reduction<'static> = &|_, _| 1;

/// Decodes to RGB, row by row, into `pixels`, whose memory is reused between pictures. A large JPEG
/// may be decoded at 1/2, 1/4 or 1/8 of its size, as far as `reduction` allows. The format is
/// detected from the content, not from the file name (ImageNet has a PNG called .JPEG).
///
/// An error is a phrase that continues the file's name, e.g. "is empty".
pub fn decode(bytes: &[u8], pixels: &mut Vec<u8>, reduction: Reduction) -> Result<Sizes, String> {
    // Decoders receive arbitrary user files. A panic in a decoder means one unreadable picture and
    // must not end the training.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode_any(bytes, pixels, reduction)));
    decoded.unwrap_or_else(|_| Err("cannot be decoded: its decoder gave up".to_owned()))
}

fn decode_any(bytes: &[u8], pixels: &mut Vec<u8>, reduction: Reduction) -> Result<Sizes, String> {
    let in_full = |own| Sizes { own, decoded: own };
    let content = sniff::content(bytes);
    let Some(name) = content.format() else { return Err(content.said()) };
    let broken = |e: String| {
        let e = e.split('\n').next().unwrap_or_default();
        if is_cut_off(e) {
            format!("is a {name} that is cut off")
        } else {
            format!("is a damaged {name} ({e})")
        }
    };
    match content {
        Content::Jpeg => match reduced_jpeg(bytes, pixels, reduction) {
            Some(sizes) => Ok(sizes),
            None if !has_end(bytes) => {
                jpeg(bytes, pixels).map(in_full).map_err(|_| broken("unexpected end".into()))
            }
            None => jpeg(bytes, pixels).map(in_full).map_err(broken),
        },
        Content::Png => png(bytes, pixels).map(in_full).map_err(broken),
        _ => any(bytes, pixels).map(in_full).map_err(broken),
    }
}

/// Whether a decoder's message means truncated input; decoders word it in many ways.
fn is_cut_off(error: &str) -> bool {
    let error = error.to_ascii_lowercase();
    let ends = [
        "unexpected end",
        "unexpectedeof",
        "failed to fill",
        "eof",
        "not enough",
        "exhausted",
        "too short",
    ];
    ends.iter().any(|end| error.contains(end))
}

/// Whether a size is plausible for the number of bytes. A few bytes can claim any size, but no
/// format compresses pixels much more than this.
fn is_possible(width: usize, height: usize, bytes: &[u8]) -> bool {
    const MOST_PIXELS_PER_BYTE: usize = 1 << 14;
    let pixels = width.saturating_mul(height);
    pixels > 0
        && pixels <= MOST_PIXELS
        && pixels <= bytes.len().saturating_mul(MOST_PIXELS_PER_BYTE)
}

/// Decodes formats other than JPEG and PNG; only the first frame of several.
fn any(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<(usize, usize), String> {
    let reader = || image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format();
    let (width, height) =
        reader().map_err(|e| e.to_string())?.into_dimensions().map_err(|e| e.to_string())?;
    let width = width as usize;
    let height = height as usize;
    if !is_possible(width, height, bytes) {
        return Err(format!("it claims {width} x {height} pixels"));
    }
    let decoded = reader().map_err(|e| e.to_string())?.decode().map_err(|e| e.to_string())?;
    *pixels = decoded.into_rgb8().into_raw();
    Ok((width, height))
}

/// Decodes a JPEG at reduced size. `None` if a reduction saves no time, or if this decoder fails;
/// the decoder for full size then reports the error.
fn reduced_jpeg(bytes: &[u8], pixels: &mut Vec<u8>, reduction: Reduction) -> Option<Sizes> {
    let mut headers = JpegDecoder::new(ZCursor::new(bytes));
    headers.decode_headers().ok()?;
    let (width, height) = headers.dimensions()?;
    let factor = reduction(width, height);
    let pays = factor >= 2 && width * height >= LEAST_REDUCED;
    if !pays || !is_possible(width, height, bytes) || !has_end(bytes) {
        return None;
    }
    let side = |length: usize| u16::try_from(length / factor).ok();
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let (w, h) = decoder.scale(side(width)?, side(height)?).ok()?;
    let decoded = decoder.decode().ok()?;
    match decoder.info()?.pixel_format {
        jpeg_decoder::PixelFormat::RGB24 => *pixels = decoded,
        jpeg_decoder::PixelFormat::L8 => {
            pixels.clear();
            pixels.extend(decoded.iter().flat_map(|&v| [v, v, v]));
        }
        _ => return None,
    }
    let sizes = Sizes { own: (width, height), decoded: (w.into(), h.into()) };
    (pixels.len() == sizes.decoded.0 * sizes.decoded.1 * 3).then_some(sizes)
}

fn jpeg(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<(usize, usize), String> {
    let mut attempt = |strict: bool| {
        let options = DecoderOptions::new_fast()
            .set_strict_mode(strict)
            .set_max_width(1 << 16)
            .set_max_height(1 << 16)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers().map_err(|e| format!("{e:?}"))?;
        let (width, height) = decoder.dimensions().ok_or("it has no size")?;
        if decoder.output_buffer_size() != Some(width * height * 3)
            || !is_possible(width, height, bytes)
        {
            return Err("an impossible size or number of colors".to_owned());
        }
        pixels.resize(width * height * 3, 0);
        decoder.decode_into(pixels).map_err(|e| format!("{e:?}"))?;
        Ok((width, height))
    };
    // Many intact pictures violate the standard somewhere. Only a violation without an end marker
    // counts as truncation.
    attempt(true).or_else(|e| if has_end(bytes) { attempt(false) } else { Err(e) })
}

/// Whether the end-of-image marker of a JPEG is among the last bytes.
fn has_end(bytes: &[u8]) -> bool {
    const TAIL: usize = 4096;
    bytes[bytes.len().saturating_sub(TAIL)..].windows(2).any(|pair| pair == [0xff, 0xd9])
}

fn png(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<(usize, usize), String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let width = reader.info().width as usize;
    let height = reader.info().height as usize;
    let size = reader.output_buffer_size().filter(|_| is_possible(width, height, bytes));
    let size = size.ok_or_else(|| format!("it claims {width} x {height} pixels"))?;
    let mut raw = vec![0; size];
    let info = reader.next_frame(&mut raw).map_err(|e| e.to_string())?;
    let raw = &raw[..info.buffer_size()];
    pixels.clear();
    // The alpha channel is dropped, as in Pillow's convert("RGB").
    match info.color_type {
        png::ColorType::Rgb => pixels.extend_from_slice(raw),
        png::ColorType::Rgba => pixels.extend(raw.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]])),
        png::ColorType::Grayscale => pixels.extend(raw.iter().flat_map(|&v| [v, v, v])),
        png::ColorType::GrayscaleAlpha => {
            pixels.extend(raw.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0]]))
        }
        png::ColorType::Indexed => return Err("its palette cannot be expanded".to_owned()),
    }
    Ok((info.width as usize, info.height as usize))
}

/// Resizes the rectangle `crop` of a picture to `size` (width, height) into `out`: bilinear with
/// antialiasing, as in Pillow.
pub fn resize(
    resizer: &mut Resizer,
    pixels: Pixels,
    crop: Crop,
    size: (usize, usize),
    out: &mut [u8],
) -> Result<(), String> {
    resize_by(resizer, pixels, crop, size, Interpolation::Bilinear, out)
}

/// As [`resize`], with this interpolation. `Random` is bilinear: the caller has drawn.
pub(crate) fn resize_by(
    resizer: &mut Resizer,
    Pixels { bytes, width, height, channels, .. }: Pixels,
    crop: Crop,
    size: (usize, usize),
    interpolation: Interpolation,
    out: &mut [u8],
) -> Result<(), String> {
    let filter = match interpolation {
        Interpolation::Bicubic => FilterType::CatmullRom,
        Interpolation::Bilinear | Interpolation::Random => FilterType::Bilinear,
    };
    let kind = if channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
    let source =
        ImageRef::new(width as u32, height as u32, bytes, kind).map_err(|e| e.to_string())?;
    let mut target =
        Image::from_slice_u8(size.0 as u32, size.1 as u32, out, kind).map_err(|e| e.to_string())?;
    // Rounding must not move the crop beyond the edge.
    let left = crop.left.clamp(0.0, width as f64 - 1.0);
    let top = crop.top.clamp(0.0, height as f64 - 1.0);
    let cw = crop.width.min(width as f64 - left);
    let ch = crop.height.min(height as f64 - top);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(left, top, cw, ch)
        .use_alpha(false);
    resizer.resize(&source, &mut target, &options).map_err(|e| e.to_string())
}

#[cfg(test)]
pub(crate) mod tests_support {
    /// Encodes RGB pixels as PNG.
    pub(crate) fn png(pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png_of(width: u32, height: u32) -> Vec<u8> {
        let pixels: Vec<u8> = (0..width * height)
            .flat_map(|i| [(i % width * 9) as u8, (i / width * 5) as u8, 7])
            .collect();
        tests_support::png(&pixels, width, height)
    }

    #[test]
    fn a_png_is_read_and_damage_is_an_error() {
        let bytes = png_of(20, 10);
        let mut pixels = vec![];
        assert_eq!(
            decode(&bytes, &mut pixels, IN_FULL).unwrap(),
            Sizes { own: (20, 10), decoded: (20, 10) }
        );
        assert_eq!((pixels.len(), &pixels[3..6]), (600, [9, 0, 7].as_slice()));
        let mut said = |bytes: &[u8]| decode(bytes, &mut pixels, IN_FULL).unwrap_err();
        assert_eq!(said(&bytes[..bytes.len() / 2]), "is a PNG that is cut off");
        assert_eq!(said(&[0xff, 0xd8, 0xff, 0xe0, 0, 16]), "is a JPEG that is cut off");
        assert_eq!((said(b""), said(b"hello")), ("is empty".into(), "is a text".into()));
    }

    #[test]
    fn other_kinds_of_pictures_are_read_whatever_they_are_called() {
        use image::ImageFormat::{Bmp, Gif, Pnm, Tiff, WebP};
        let picture =
            image::RgbImage::from_fn(20, 10, |x, y| image::Rgb([(x * 9) as u8, (y * 5) as u8, 7]));
        for format in [Bmp, Gif, Pnm, Tiff, WebP] {
            let mut bytes = std::io::Cursor::new(vec![]);
            picture.write_to(&mut bytes, format).unwrap();
            let bytes = bytes.into_inner();
            let mut pixels = vec![];
            assert_eq!(decode(&bytes, &mut pixels, IN_FULL).unwrap().own, (20, 10), "{format:?}");
            // A GIF has a palette of 256 colors.
            let error =
                pixels.iter().zip(picture.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(error <= if format == Gif { 16 } else { 0 }, "{format:?}: {error}");
            let said = decode(&bytes[..bytes.len() / 2], &mut pixels, IN_FULL).unwrap_err();
            assert!(said.contains("cut off") || said.contains("damaged"), "{format:?}: {said}");
        }
    }

    #[test]
    fn a_constant_picture_stays_constant_at_any_size() {
        let pixels = vec![90_u8; 31 * 17 * 3];
        let mut out = vec![0; 8 * 8 * 3];
        let crop = Crop { left: 3.3, top: 1.7, width: 20.1, height: 11.9 };
        let picture = Pixels { bytes: &pixels, width: 31, height: 17, channels: 3, own: (31, 17) };
        resize(&mut Resizer::new(), picture, crop, (8, 8), &mut out).unwrap();
        assert!(out.iter().all(|&v| v == 90));
    }
}
