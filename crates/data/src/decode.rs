//! Bytes of a JPEG or PNG to RGB, and a part of a picture to the size that the network wants.

use crate::crop::Crop;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// RGB, row by row.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

/// A picture larger than this many pixels is taken for damage (a few bytes can claim any size).
const MOST_PIXELS: usize = 1 << 28;

/// Decodes. The content decides the format, whatever the file's name says (ImageNet has a PNG called .JPEG).
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    if bytes.starts_with(&[0xff, 0xd8]) { jpeg(bytes) } else { png(bytes) }
}

fn jpeg(bytes: &[u8]) -> Result<Picture, String> {
    let attempt = |strict: bool| {
        let options = DecoderOptions::new_fast()
            .set_strict_mode(strict)
            .set_max_width(1 << 16)
            .set_max_height(1 << 16)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        let pixels = decoder.decode().map_err(|e| format!("JPEG: {e:?}"))?;
        let (width, height) = decoder.dimensions().ok_or("JPEG without a size")?;
        if pixels.len() != width * height * 3 {
            return Err("JPEG with an unknown number of colours".to_owned());
        }
        Ok(Picture { width, height, pixels })
    };
    // Many good pictures break a rule somewhere; one that also lacks its end was cut off.
    attempt(true).or_else(|e| if has_end(bytes) { attempt(false) } else { Err(e) })
}

/// Whether the marker that ends a JPEG stands among the last bytes.
fn has_end(bytes: &[u8]) -> bool {
    const TAIL: usize = 4096;
    bytes[bytes.len().saturating_sub(TAIL)..].windows(2).any(|pair| pair == [0xff, 0xd9])
}

fn png(bytes: &[u8]) -> Result<Picture, String> {
    if !bytes.starts_with(b"\x89PNG") {
        return Err("neither JPEG nor PNG".to_owned());
    }
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|e| format!("PNG: {e}"))?;
    let size =
        reader.output_buffer_size().filter(|&size| size <= 4 * MOST_PIXELS).ok_or("PNG of an impossible size")?;
    let mut pixels = vec![0; size];
    let info = reader.next_frame(&mut pixels).map_err(|e| format!("PNG: {e}"))?;
    pixels.truncate(info.buffer_size());
    // Transparency is dropped, as Pillow's convert("RGB") does.
    let rgb: Vec<u8> = match info.color_type {
        png::ColorType::Rgb => pixels,
        png::ColorType::Rgba => pixels.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
        png::ColorType::Grayscale => pixels.iter().flat_map(|&v| [v, v, v]).collect(),
        png::ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0]]).collect(),
        png::ColorType::Indexed => return Err("PNG with a palette that could not be expanded".to_owned()),
    };
    Ok(Picture { width: info.width as usize, height: info.height as usize, pixels: rgb })
}

/// Resizes the part `crop` of `pixels` (rows of `width` pixels of `channels` bytes) to `size` x `size` into `out`:
/// bilinear with antialiasing, as Pillow does.
pub fn resize(
    resizer: &mut Resizer,
    (pixels, width, height, channels): (&[u8], usize, usize, usize),
    crop: Crop,
    size: (usize, usize),
    out: &mut [u8],
) -> Result<(), String> {
    let kind = if channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
    let source = ImageRef::new(width as u32, height as u32, pixels, kind).map_err(|e| e.to_string())?;
    let mut target = Image::from_slice_u8(size.0 as u32, size.1 as u32, out, kind).map_err(|e| e.to_string())?;
    // Rounding must not push the box over the edge.
    let (left, top) = (crop.left.clamp(0.0, width as f64 - 1.0), crop.top.clamp(0.0, height as f64 - 1.0));
    let (cw, ch) = (crop.width.min(width as f64 - left), crop.height.min(height as f64 - top));
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(left, top, cw, ch)
        .use_alpha(false);
    resizer.resize(&source, &mut target, &options).map_err(|e| e.to_string())
}

#[cfg(test)]
pub(crate) mod tests_support {
    /// RGB pixels as the bytes of a PNG.
    pub fn png(pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
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
        let pixels: Vec<u8> =
            (0..width * height).flat_map(|i| [(i % width * 9) as u8, (i / width * 5) as u8, 7]).collect();
        super::tests_support::png(&pixels, width, height)
    }

    #[test]
    fn a_png_is_read_and_damage_is_an_error() {
        let bytes = png_of(20, 10);
        let picture = decode(&bytes).unwrap();
        assert_eq!((picture.width, picture.height, &picture.pixels[3..6]), (20, 10, [9, 0, 7].as_slice()));
        assert!(decode(&bytes[..bytes.len() / 2]).is_err());
        assert!(decode(b"hello").unwrap_err().contains("neither"));
        assert!(decode(&[0xff, 0xd8, 0xff, 0xe0, 0, 16]).is_err());
    }

    #[test]
    fn a_constant_picture_stays_constant_at_any_size() {
        let pixels = vec![90_u8; 31 * 17 * 3];
        let mut out = vec![0; 8 * 8 * 3];
        let crop = Crop { left: 3.3, top: 1.7, width: 20.1, height: 11.9 };
        resize(&mut Resizer::new(), (&pixels, 31, 17, 3), crop, (8, 8), &mut out).unwrap();
        assert!(out.iter().all(|&v| v == 90));
    }
}
