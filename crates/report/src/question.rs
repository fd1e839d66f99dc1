//! What a sweep asks: the kind of its arms decides what is found first.

use crate::design::{self, Design};
use crate::study::Study;

/// The kind of a sweep's question.
pub enum Question<'s, 'a> {
    /// Nothing was measured yet.
    Nothing,
    /// One arm, compared with none.
    OneArm,
    /// A complete grid: what each axis does, and two of them together.
    Grid(Box<Design<'s, 'a>>),
    /// Axes of which each has one line of arms: the trend along each.
    Lines(Vec<Design<'s, 'a>>),
    /// Arms against partners: pairs that were asked for, or all against the baseline.
    Pairs,
}

/// The question of a study. Pairs that were asked for come before everything else, and a rule that
/// adds seeds is about differences from the baseline.
pub fn of<'s, 'a>(study: &'s Study<'a>) -> Question<'s, 'a> {
    let measured = study.arms.iter().filter(|arm| arm.sample.is_some()).count();
    match measured {
        0 => return Question::Nothing,
        1 => return Question::OneArm,
        _ if study.has_asked_pairs || study.rows.plan.seed_rule.is_some() => {
            return Question::Pairs;
        }
        _ => {}
    }
    if let Some(grid) = design::grid(study) {
        return Question::Grid(Box::new(grid));
    }
    let lines: Option<Vec<Design>> =
        (0..study.axes.len()).map(|axis| design::line(study, axis)).collect();
    let is_ordered =
        |line: &Design| study.axes[line.axes[0]].numbers.is_some() && line.arms.len() > 2;
    match lines {
        Some(lines) if lines.iter().any(is_ordered) && holds_all(study, &lines) => {
            Question::Lines(lines)
        }
        _ => Question::Pairs,
    }
}

/// Whether every arm that has a value is on one of the lines.
fn holds_all(study: &Study, lines: &[Design]) -> bool {
    let is_on = |id: &str| lines.iter().any(|line| line.arms.iter().any(|arm| arm.id == id));
    study.arms.iter().all(|arm| arm.sample.is_none() || is_on(arm.id))
}
