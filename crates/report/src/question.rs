//! The question that a sweep poses, derived from the layout of its arms.

use crate::design::{self, Design};
use crate::study::Study;

/// The kind of a sweep's question.
pub enum Question<'s, 'a> {
    /// No trial has a value yet.
    Nothing,
    /// One measured arm, without a comparison.
    OneArm,
    /// A complete grid: main effects and interactions of two axes.
    Grid(Box<Design<'s, 'a>>),
    /// One line of arms per axis: the trend along each.
    Lines(Vec<Design<'s, 'a>>),
    /// Arms against partners: requested pairs, or every arm against the baseline.
    Pairs,
}

/// The question of a study. Requested pairs take precedence. A sweep whose rule adds seeds compares
/// arms with the baseline.
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

/// Whether every measured arm is on one of the lines.
fn holds_all(study: &Study, lines: &[Design]) -> bool {
    let is_on = |id: &str| lines.iter().any(|line| line.arms.iter().any(|arm| arm.id == id));
    study.arms.iter().all(|arm| arm.sample.is_none() || is_on(arm.id))
}
