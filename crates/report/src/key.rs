//! The color bar of heat maps: which value a fill stands for.

use crate::svg::{Svg, UNIT};

/// A bar from one fill to another, with the values at its ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// What the values are.
    pub title: String,
    /// The values at the ends.
    pub ends: (String, String),
    /// The opacity of the fill at the ends.
    pub levels: (f64, f64),
}

/// Steps of the bar.
const STEPS: i32 = 20;
/// Height of the bar, and its distance from the picture's sides, in SVG units.
const BAR: i32 = 9;
const SIDE: i32 = 50;

impl Key {
    /// Height with the text in SVG units.
    pub const HEIGHT: i32 = 34;

    /// Draws the bar from `top` on, across the picture.
    pub(crate) fn draw(&self, svg: &mut Svg, top: i32) {
        let top = (top + 4) * UNIT;
        let bottom = top + BAR * UNIT;
        let left = SIDE * UNIT;
        let right = svg.width() * UNIT - left;
        svg.open("s0", "", "", "");
        let at = |step: i32| left + (right - left) * step / STEPS;
        for step in 0..STEPS {
            let share = f64::from(step) / f64::from(STEPS - 1);
            let level = self.levels.0 + share * (self.levels.1 - self.levels.0);
            svg.shade((at(step), top), (at(step + 1), bottom), level);
        }
        svg.close();
        let frame = [(left, top), (right, top), (right, bottom), (left, bottom)];
        svg.path(frame, true, "axis");
        let text = bottom + 11 * UNIT;
        svg.text(&self.ends.0, (left, text), "middle", "label");
        svg.text(&self.title, ((left + right) / 2, text), "middle", "title");
        svg.text(&self.ends.1, (right, text), "middle", "label");
    }
}
