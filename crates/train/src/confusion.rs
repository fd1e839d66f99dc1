//! The confusion matrix as a picture for TensorBoard, with the names of the classes.

use font8x8::{BASIC_FONTS, LATIN_FONTS, UnicodeFonts};
use res2lab_store::tensorboard::Picture;

/// The most classes for which the confusion matrix is shown; larger ones are illegible.
pub(crate) const MOST_CLASSES: usize = 100;

const WHITE: [f64; 3] = [255.0, 255.0, 255.0];
const BLUE: [f64; 3] = [0.0, 62.0, 115.0];
/// Side of a letter in pixels.
const LETTER: usize = 8;
/// Letters of a name that are shown.
const MOST_LETTERS: usize = 12;
/// Pixels between names and cells.
const GAP: usize = 4;

/// A picture of the confusion matrix `counts`, given row by row: a row per true class, a column per
/// predicted class, from white (none of the row's images) to blue (all). Names stand at the left
/// and, turned, above, where cells are as high as letters.
pub(crate) fn picture(counts: &[f64], names: &[String]) -> Option<Picture> {
    let classes = (counts.len() as f64).sqrt().round() as usize;
    if classes == 0 {
        return None;
    }
    let cell = (240 / classes).clamp(3, 24);
    let letters = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let has_names = names.len() == classes && cell >= LETTER && letters > 0;
    let margin = if has_names { GAP + LETTER * letters.min(MOST_LETTERS) } else { 0 };
    let side = margin + classes * cell;
    let mut canvas = Canvas { side, rgb: vec![255; 3 * side * side] };
    for (y, x) in (0..classes * cell).flat_map(|y| (0..classes * cell).map(move |x| (y, x))) {
        let row = &counts[y / cell * classes..(y / cell + 1) * classes];
        let share = row[x / cell] / row.iter().sum::<f64>().max(1.0);
        let color = |i: usize| (WHITE[i] + share * (BLUE[i] - WHITE[i])).round() as u8;
        canvas.set(margin + x, margin + y, [color(0), color(1), color(2)]);
    }
    for (class, name) in names.iter().enumerate().filter(|_| has_names) {
        let middle = margin + class * cell + cell / 2;
        canvas.name(name, margin - GAP, middle, false);
        canvas.name(name, margin - GAP, middle, true);
    }
    Some(Picture { width: side, height: side, rgb: canvas.rgb })
}

/// A square picture.
struct Canvas {
    side: usize,
    rgb: Vec<u8>,
}

impl Canvas {
    fn set(&mut self, x: usize, y: usize, color: [u8; 3]) {
        if x < self.side && y < self.side {
            self.rgb[3 * (y * self.side + x)..][..3].copy_from_slice(&color);
        }
    }

    /// Writes a name that ends at `end` pixels from the left and is centered on `middle` from the
    /// top; turned, it ends at `end` from the top and is centered on `middle` from the left.
    fn name(&mut self, name: &str, end: usize, middle: usize, is_turned: bool) {
        let letters: Vec<char> = name.chars().take(MOST_LETTERS).collect();
        let start = end - LETTER * letters.len();
        for (i, letter) in letters.into_iter().enumerate() {
            for (row, bits) in glyph(letter).into_iter().enumerate() {
                for column in (0..LETTER).filter(|column| bits >> column & 1 == 1) {
                    let along = start + i * LETTER + column;
                    let across = middle + row - LETTER / 2;
                    match is_turned {
                        // Turned names read from the bottom.
                        true => self.set(across, end - 1 - (along - start), [0; 3]),
                        false => self.set(along, across, [0; 3]),
                    }
                }
            }
        }
    }
}

/// The rows of a letter, a bit per pixel; a question mark for letters that the font lacks.
fn glyph(letter: char) -> [u8; 8] {
    let found = BASIC_FONTS.get(letter).or_else(|| LATIN_FONTS.get(letter));
    found.or_else(|| BASIC_FONTS.get('?')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confusion_is_white_where_there_is_none() {
        let picture = picture(&[3.0, 1.0, 0.0, 0.0], &[]).unwrap();
        let at = |x: usize, y: usize| &picture.rgb[3 * (y * picture.width + x)..][..3];
        assert_eq!((picture.width, picture.height), (48, 48));
        assert_eq!((at(0, 0), at(24, 0)), (&[64, 110, 150][..], &[191, 207, 220][..]));
        assert_eq!(at(0, 30), [255; 3], "a class without images");
    }

    #[test]
    fn names_stand_beside_their_rows_and_above_their_columns() {
        let names = ["l".to_owned(), "owl".to_owned()];
        let picture = picture(&[1.0, 0.0, 0.0, 1.0], &names).unwrap();
        let margin = GAP + 3 * LETTER;
        assert_eq!(picture.width, margin + 48);
        let is_black = |x: usize, y: usize| picture.rgb[3 * (y * picture.width + x)] == 0;
        let count = |xs: std::ops::Range<usize>, ys: std::ops::Range<usize>| {
            ys.flat_map(|y| xs.clone().map(move |x| (x, y)))
                .filter(|(x, y)| is_black(*x, *y))
                .count()
        };
        let first = count(0..margin, margin..margin + 24);
        let second = count(0..margin, margin + 24..margin + 48);
        assert!(0 < first && first < second, "{first} {second}");
        assert_eq!(
            first,
            count(margin..margin + 24, 0..margin),
            "turned, the letters are the same"
        );
        assert_eq!(count(0..margin, 0..margin), 0, "the corner is empty");
    }
}
