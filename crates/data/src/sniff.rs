//! Detects the kind of a file from its first bytes, independent of its name.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Kinds of files that occur among pictures and weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Jpeg,
    Png,
    Gif,
    Bmp,
    Tiff,
    WebP,
    /// Portable graymap, pixmap and related formats.
    Pnm,
    Gzip,
    Empty,
    /// Another known format, by its description.
    Other(&'static str),
    Unknown,
}

/// Signatures of files that are not pictures, or whose picture format is not supported.
const OTHERS: [(&[u8], &str); 23] = [
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself (git lfs pull brings it)"),
    (b"\x00\x05\x16\x07", "what macOS keeps beside a file (AppleDouble)"),
    (b"\x00\x05\x16\x00", "what macOS keeps beside a file (AppleSingle)"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"8BPS", "a Photoshop file"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\xff\x0a", "a JPEG XL picture, which is not read"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture, which is not read"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture, which is not read"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture, which is not read"),
    (b"\x00\x00\x01\x00", "a Windows icon, which is not read"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture, which is not read"),
];

/// Detects the kind of content from its first bytes.
pub fn content(bytes: &[u8]) -> Content {
    let tiff: [&[u8]; 4] = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
    match bytes {
        [] => Content::Empty,
        [0xff, 0xd8, ..] => Content::Jpeg,
        [0x89, b'P', b'N', b'G', ..] => Content::Png,
        [b'G', b'I', b'F', b'8', ..] => Content::Gif,
        [b'B', b'M', ..] if bytes.len() > 26 && is_bmp_header(bytes) => Content::Bmp,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Content::WebP,
        [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t' | b'#', ..] => Content::Pnm,
        [0x1f, 0x8b, ..] => Content::Gzip,
        _ if tiff.iter().any(|start| bytes.starts_with(start)) => Content::Tiff,
        _ => other(bytes),
    }
}

/// Checks the header's length field, which has one of a few values.
fn is_bmp_header(bytes: &[u8]) -> bool {
    matches!(bytes[14..18], [12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])
}

fn other(bytes: &[u8]) -> Content {
    if let Some((_, what)) = OTHERS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Content::Other(what);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Content::Other(match bytes.get(8..12) {
            Some(b"avif" | b"avis") => "an AVIF picture, which is not read",
            Some(b"heic" | b"heix" | b"mif1" | b"msf1" | b"hevc") => {
                "a HEIC picture, which is not read"
            }
            _ => "a video",
        });
    }
    let start: Vec<u8> = bytes.iter().take(1024).copied().collect();
    let text = String::from_utf8_lossy(&start)
        .trim_start_matches('\u{feff}')
        .trim_start()
        .to_ascii_lowercase();
    if ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| text.starts_with(tag)) {
        return Content::Other("an HTML page (a failed download?)");
    }
    if text.starts_with("<svg") || (text.starts_with("<?xml") && text.contains("<svg")) {
        return Content::Other("an SVG drawing, which is not read");
    }
    if text.starts_with("<?xml") {
        return Content::Other("an XML text");
    }
    if start.iter().all(|&b| b == 0) {
        return Content::Other("nothing but zeros");
    }
    let is_text = |&b: &u8| b >= 0x20 && b != 0x7f || [b'\n', b'\r', b'\t', 0x0c].contains(&b);
    // The last character may be truncated.
    let is_whole =
        std::str::from_utf8(&start).map_or_else(|e| start.len() - e.valid_up_to() < 4, |_| true);
    if is_whole && start.iter().all(is_text) { Content::Other("a text") } else { Content::Unknown }
}

/// Detects the kind of the file at `path`; `None` if it cannot be read.
pub fn of_file(path: &Path) -> Option<Content> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(1024).read_to_end(&mut start).ok()?;
    Some(content(&start))
}

impl Content {
    /// Whether the content is a supported picture format.
    pub fn is_picture(self) -> bool {
        self.format().is_some()
    }

    /// The name of the picture format; `None` for other content.
    pub fn format(self) -> Option<&'static str> {
        match self {
            Content::Jpeg => Some("JPEG"),
            Content::Png => Some("PNG"),
            Content::Gif => Some("GIF"),
            Content::Bmp => Some("BMP"),
            Content::Tiff => Some("TIFF"),
            Content::WebP => Some("WebP"),
            Content::Pnm => Some("PNM"),
            _ => None,
        }
    }

    /// A phrase on a file that has the wrong kind, which continues its name.
    pub fn said(self) -> String {
        match self {
            Content::Empty => "is empty".into(),
            Content::Gzip => "is compressed with gzip".into(),
            Content::Other(what) => format!("is {what}"),
            Content::Unknown => "is no picture of a known kind".into(),
            picture => {
                let name = picture.format().unwrap_or_default();
                format!("is a {name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_by_what_they_are() {
        for (bytes, said) in [
            (&b""[..], "is empty"),
            (b"\x1f\x8b\x08", "is compressed with gzip"),
            (b"  <!DOCTYPE html><p>", "is an HTML page"),
            (b"\xef\xbb\xbf<html>", "is an HTML page"),
            (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
            (b"\x00\x05\x16\x07\x00\x02", "macOS"),
            (b"\x00\x00\x00\x18ftypheic", "is a HEIC picture"),
            (b"hello", "is a text"),
            (b"\0\0\0\0\0\0\0\0\0\0", "is nothing but zeros"),
            (b"\x12\x00\xfe\x80", "is no picture of a known kind"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "is a WebP"),
            (b"P5 2 2 255\n", "is a PNM"),
        ] {
            assert!(content(bytes).said().contains(said), "{bytes:?}: {}", content(bytes).said());
        }
    }
}
