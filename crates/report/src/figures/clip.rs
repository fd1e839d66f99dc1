//! Clips curves and areas at a lower bound instead of squeezing values onto the edge.

type Point = (f64, f64);

/// The parts of a curve that are not below `low`, with interpolated end points.
pub fn curve_above(points: impl IntoIterator<Item = Point>, low: f64) -> Vec<Vec<Point>> {
    let mut parts: Vec<Vec<Point>> = Vec::new();
    let mut before: Option<Point> = None;
    for point in points {
        let cut =
            before.filter(|b| (b.1 < low) != (point.1 < low)).map(|b| crossing(b, point, low));
        if point.1 >= low {
            if before.is_none_or(|b| b.1 < low) {
                parts.push(cut.into_iter().collect());
            }
            if let Some(part) = parts.last_mut() {
                part.push(point);
            }
        } else if let (Some(cut), Some(part)) = (cut, parts.last_mut()) {
            part.push(cut);
        }
        before = Some(point);
    }
    parts
}

/// The part of a polygon that is not below `low` (Sutherland-Hodgman algorithm for one edge).
pub fn polygon_above(corners: &[Point], low: f64) -> Vec<Point> {
    let mut kept = Vec::new();
    for (i, &to) in corners.iter().enumerate() {
        let from = corners[(i + corners.len() - 1) % corners.len()];
        if (from.1 < low) != (to.1 < low) {
            kept.push(crossing(from, to, low));
        }
        if to.1 >= low {
            kept.push(to);
        }
    }
    kept
}

/// The point at height `low` on the line between two points.
fn crossing(from: Point, to: Point, low: f64) -> Point {
    (from.0 + (low - from.1) / (to.1 - from.1) * (to.0 - from.0), low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_cut_where_they_cross() {
        let curve = [(0.0, 0.0), (1.0, 2.0), (2.0, 2.0), (3.0, 0.0), (4.0, 2.0)];
        let parts = curve_above(curve, 1.0);
        assert_eq!(
            parts,
            [vec![(0.5, 1.0), (1.0, 2.0), (2.0, 2.0), (2.5, 1.0)], vec![(3.5, 1.0), (4.0, 2.0)]]
        );
        assert!(curve_above([(0.0, 0.0)], 1.0).is_empty());
    }

    #[test]
    fn polygons_are_cut_where_they_cross() {
        let triangle = [(0.0, 0.0), (1.0, 2.0), (2.0, 0.0)];
        assert_eq!(polygon_above(&triangle, 1.0), [(0.5, 1.0), (1.0, 2.0), (1.5, 1.0)]);
        assert!(polygon_above(&triangle, 3.0).is_empty());
    }
}
