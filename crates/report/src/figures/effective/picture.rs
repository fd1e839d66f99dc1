//! PNG encoding of maps and images, as base64.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use res2lab_store::effective::Thumbnail;

/// Lower end of a logarithmic map, as a share of the greatest value.
const FLOOR: f64 = 1e-3;

/// Encodes a map in one color whose opacity is the value, so that the map suits light and dark
/// pages. `full` is the value that is fully opaque.
pub(super) fn png(map: &Thumbnail, full: f64, is_log: bool) -> String {
    let level = |v: &u16| {
        let share = (f64::from(*v) / full).min(1.0);
        let shown = if is_log { 1.0 - share.max(FLOOR).log10() / FLOOR.log10() } else { share };
        [0, 114, 178, (255.0 * shown).round() as u8]
    };
    let pixels: Vec<u8> = map.values.iter().flat_map(level).collect();
    encode(map, &pixels)
}

fn encode(map: &Thumbnail, rgba: &[u8]) -> String {
    let mut bytes = Vec::new();
    let height = map.values.len().checked_div(map.width).unwrap_or(0);
    let mut encoder = png::Encoder::new(&mut bytes, map.width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    // Writing to memory fails only for images without pixels, for which an empty string is correct.
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(rgba));
    if written.is_ok() { BASE64_STANDARD.encode(&bytes) } else { String::new() }
}

/// Encodes an image in translucent gray, so that a map drawn over it stands out.
pub(super) fn gray_png(image: &Thumbnail) -> String {
    let pixel = |v: &u16| [(*v >> 8) as u8; 3].into_iter().chain([110]);
    encode(image, &image.values.iter().flat_map(pixel).collect::<Vec<u8>>())
}
