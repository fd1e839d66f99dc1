//! One encoding for the whole page: a color for the values of one axis, a shape (of symbols) and
//! dash (of lines) for those of another.

use crate::axis::{Axis, Place};
use crate::svg::RAMP;

/// Maximum number of values that colors tell apart.
const MOST_COLORS: usize = 8;
/// Maximum number of values that shapes tell apart.
pub const SHAPES: usize = 4;

/// The color and the shape of an arm's marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// `None` for arms that are not highlighted.
    pub color: Option<usize>,
    pub shape: usize,
}

/// What colors and shapes stand for.
#[derive(Clone, Debug, PartialEq)]
pub enum Encoding {
    /// Values of axes; the second index is the axis of the shapes.
    Axes { color: usize, shape: Option<usize> },
    /// Individual arms.
    Arms,
}

/// An entry of the page's legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub text: String,
    pub style: Style,
    /// The condition that the entry's arms meet: `depth=20`; empty for a single arm.
    pub condition: String,
    /// The arm's id, if the entry is of one arm.
    pub arm: String,
}

impl Encoding {
    /// The encoding of arms with these places: an ordered axis is colored in preference to others,
    /// and an axis of more values in preference to one of fewer.
    pub fn of<'p>(axes: &[Axis], places: impl Iterator<Item = &'p [Place]> + Clone) -> Encoding {
        let is_whole = |axis: usize| {
            places.clone().all(|p| p.first().is_some_and(|place| place[axis].is_some()))
        };
        let fits = |axis: &usize, most: usize| axes[*axis].values.len() <= most && is_whole(*axis);
        let rank = |axis: &usize| {
            (axes[*axis].numbers.is_some(), axes[*axis].values.len(), std::cmp::Reverse(*axis))
        };
        let color = (0..axes.len()).filter(|a| fits(a, MOST_COLORS)).max_by_key(rank);
        let Some(color) = color else { return Encoding::Arms };
        let others = (0..axes.len()).filter(|a| *a != color && fits(a, SHAPES));
        let shape = others.max_by_key(|a| (axes[*a].values.len(), std::cmp::Reverse(*a)));
        Encoding::Axes { color, shape }
    }

    /// The style of an arm at `place`; `None` if arms have styles of their own.
    pub fn style(&self, axes: &[Axis], place: &Place) -> Option<Style> {
        let Encoding::Axes { color, shape } = *self else { return None };
        let index = |axis: usize| axes[axis].index(place[axis].as_deref()?);
        let at = index(color)?;
        Some(Style {
            color: Some(color_of(&axes[color], at)),
            shape: match shape {
                Some(axis) => index(axis)?,
                None => at % SHAPES,
            },
        })
    }

    /// The style of everything with one value of an axis.
    pub fn style_of_value(&self, axes: &[Axis], axis: usize, at: usize) -> Style {
        match *self {
            Encoding::Axes { color, shape } if color == axis => Style {
                color: Some(color_of(&axes[axis], at)),
                shape: if shape.is_none() { at % SHAPES } else { 0 },
            },
            Encoding::Axes { shape: Some(shape), .. } if shape == axis => {
                Style { color: None, shape: at }
            }
            _ => Style::default(),
        }
    }

    /// The legend's entries, by axis: its name, and an entry for each value.
    pub fn entries(&self, axes: &[Axis]) -> Vec<(String, Vec<Entry>)> {
        let Encoding::Axes { color, shape } = *self else { return Vec::new() };
        let entry = |axis: usize, at: usize| Entry {
            text: axes[axis].values[at].clone(),
            style: self.style_of_value(axes, axis, at),
            condition: format!("{}={}", axes[axis].column(), axes[axis].values[at]),
            arm: String::new(),
        };
        let of_axis = |axis: usize| {
            let values = (0..axes[axis].values.len()).map(|at| entry(axis, at)).collect();
            (axes[axis].label.clone(), values)
        };
        std::iter::once(color).chain(shape).map(of_axis).collect()
    }

    /// Whether the axis has a color or a shape.
    pub fn shows(&self, axis: usize) -> bool {
        matches!(*self, Encoding::Axes { color, shape } if color == axis || shape == Some(axis))
    }
}

/// The color of a value: steps of the ramp over an ordered axis, categories otherwise.
fn color_of(axis: &Axis, at: usize) -> usize {
    let last = axis.values.len() - 1;
    if axis.numbers.is_some() && last > 0 {
        return RAMP + (at * (RAMP - 1) + last / 2) / last;
    }
    at % MOST_COLORS
}

/// The style that all of `styles` share; without a color where colors differ.
pub fn common(styles: impl Iterator<Item = Style>) -> Style {
    let all: Vec<Style> = styles.collect();
    let first = all.first().copied().unwrap_or_default();
    Style {
        color: first.color.filter(|_| all.iter().all(|s| s.color == first.color)),
        shape: if all.iter().all(|s| s.shape == first.shape) { first.shape } else { 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(label: &str, values: &[&str]) -> Axis {
        Axis::new(label, values.iter().map(|v| (*v).to_owned()).collect())
    }

    #[test]
    fn an_ordered_axis_is_colored_and_a_short_one_shaped() {
        let axes = [
            axis("lr", &["0.05", "0.1"]),
            axis("scale", &["1", "2", "4", "8"]),
            axis("block", &["a", "b", "c", "d", "e"]),
            axis("width", &["16", "26", "40"]),
        ];
        let place: Place = ["0.1", "4", "b", "16"].map(|v| Some(v.to_owned())).to_vec();
        let places = [vec![place.clone()]];
        let encoding = Encoding::of(&axes, places.iter().map(Vec::as_slice));
        assert_eq!(encoding, Encoding::Axes { color: 1, shape: Some(3) });
        let style = encoding.style(&axes, &place).unwrap();
        assert_eq!(style, Style { color: Some(RAMP + 5), shape: 0 });
        let entries = encoding.entries(&axes);
        assert_eq!(entries[0].1.len() + entries[1].1.len(), 7);
        assert_eq!(entries[1].1[2].condition, "width=40");
    }

    #[test]
    fn arms_without_axes_have_styles_of_their_own() {
        assert_eq!(Encoding::of(&[], std::iter::empty()), Encoding::Arms);
        let gap: Place = vec![None];
        let places = [vec![gap]];
        let axes = [axis("scale", &["1", "2"])];
        assert_eq!(Encoding::of(&axes, places.iter().map(Vec::as_slice)), Encoding::Arms);
    }
}
