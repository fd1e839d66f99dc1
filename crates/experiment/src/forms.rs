//! The notations of axes, by example, for the reference.

/// Meaning of a notation, a word in it, and the points of that word.
pub type Form = (&'static str, &'static str, &'static str);

/// Every notation.
pub const FORMS: [Form; 9] = [
    ("a list", "lr=0.1,0.05", "0.1 0.05"),
    ("a range, both ends included, with step 1", "seed=0..4", "0 1 2 3 4"),
    ("a range with a step", "depth=20..56:9", "20 29 38 47 56"),
    ("ranges and values in one list", "scale=1..3,8", "1 2 3 8"),
    ("fields that change together", "scale+width=2+48,4+26,8+14", "2+48 4+26 8+14"),
    ("any field by its path", "train.label_smoothing=0,0.1", "0 0.1"),
    ("a field left unset", "weights=none,./x.pth", "none ./x.pth"),
    ("values that contain commas, quoted", "weights='a, b.pth',c.pth", "a, b.pth c.pth"),
    ("values that are lists, in brackets", "blocks=[1,1],[2,2]", "[1,1] [2,2]"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Axis;
    use crate::axes::show_point;

    #[test]
    fn every_notation_has_the_points_that_it_claims() {
        for (meaning, word, points) in FORMS {
            let axis = Axis::parse(word).unwrap();
            let shown: Vec<String> = axis.points.iter().map(|point| show_point(point)).collect();
            assert_eq!(shown.join(" "), points, "{meaning}");
        }
    }
}
