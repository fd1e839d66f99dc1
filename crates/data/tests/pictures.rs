//! Pictures of every supported kind as written by Pillow, intact and damaged.

use proptest::prelude::*;
use res2lab_data::decode::{IN_FULL, decode};
use std::path::Path;

/// File, and Pillow's pixel at (20, 15) after convert("RGB").
const PICTURES: [(&str, [u8; 3]); 14] = [
    ("cmyk.jpg", [120, 119, 90]),
    ("deflate.tiff", [120, 120, 90]),
    ("gray.jpg", [116, 116, 116]),
    ("gray.pgm", [117, 117, 117]),
    ("lossless.webp", [120, 120, 90]),
    ("lossy.webp", [117, 117, 90]),
    ("lzw.tif", [120, 120, 90]),
    ("palette.png", [141, 136, 90]),
    ("plain.bmp", [120, 120, 90]),
    ("plain.gif", [126, 124, 90]),
    ("plain.jpg", [119, 120, 89]),
    ("plain.png", [120, 120, 90]),
    ("plain.ppm", [120, 120, 90]),
    ("progressive.jpg", [119, 120, 89]),
];

fn read(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name)).unwrap()
}

#[test]
fn every_kind_is_decoded_as_pillow_does() {
    for (name, expected) in PICTURES {
        let mut pixels = vec![];
        let sizes =
            decode(&read(name), &mut pixels, IN_FULL).unwrap_or_else(|e| panic!("{name} {e}"));
        assert_eq!((sizes.own, pixels.len()), ((40, 30), 40 * 30 * 3), "{name}");
        let pixel = &pixels[3 * (15 * 40 + 20)..][..3];
        // Decoders of lossy formats round differently.
        let error = pixel.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max().unwrap();
        assert!(error <= 4, "{name}: {pixel:?}, not {expected:?}");
    }
}

#[test]
fn a_picture_that_is_cut_off_is_called_so() {
    for (name, _) in PICTURES {
        let whole = read(name);
        let mut pixels = vec![];
        let said = decode(&whole[..whole.len() * 2 / 3], &mut pixels, IN_FULL).unwrap_err();
        assert!(
            said.starts_with("is a ") && (said.contains("cut off") || said.contains("damaged")),
            "{name}: {said}"
        );
    }
}

/// The number of random cases, which `RES2LAB_CASES` sets (more in `just verify-long`).
fn cases() -> u32 {
    std::env::var("RES2LAB_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    /// Changed, missing or additional bytes give pixels of the reported size, or an error.
    #[test]
    fn damaged_pictures_give_pixels_or_a_reason(
        which in 0..PICTURES.len(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = read(PICTURES[which].0);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if is_cut {
            bytes.truncate(end.index(bytes.len()));
        }
        let mut pixels = vec![];
        match decode(&bytes, &mut pixels, IN_FULL) {
            Ok(sizes) => prop_assert_eq!(pixels.len(), sizes.decoded.0 * sizes.decoded.1 * 3),
            Err(said) => {
                let is_reason = ["is ", "cannot be decoded"].iter().any(|start| said.starts_with(start));
                prop_assert!(is_reason && !said.contains('\n'), "{}", said);
            }
        }
    }
}
