//! Figures in groups, with the legend of the page, as values of the template.

use super::context::{OwnPart, TextTable};
use crate::encoding::{Entry, Style};
use crate::figures::{Figure, Group, Legend};
use crate::legend;
use crate::study::Study;
use crate::svg::color_class;
use serde::Serialize;

/// A part of the page with figures.
#[derive(Serialize)]
pub(crate) struct GroupContext {
    pub id: &'static str,
    pub title: &'static str,
    /// Whether the part is folded when the page opens.
    pub is_folded: bool,
    /// The author's text on the part.
    pub words: Vec<OwnPart>,
    pub stacks: Vec<StackContext>,
}

/// Figures of which one is shown at a time.
#[derive(Serialize)]
pub(crate) struct StackContext {
    /// Name of the control; empty for a single figure.
    pub control: &'static str,
    /// Whether the control is a slider; a menu otherwise.
    pub is_slider: bool,
    pub is_wide: bool,
    pub figures: Vec<FigureContext>,
}

#[derive(Serialize)]
pub(crate) struct FigureContext {
    pub id: String,
    pub title: String,
    pub svg: String,
    /// The same picture for wide windows; empty if there is one for all.
    pub wide: String,
    /// Height of the picture's place while the page's script has not drawn it; 0 if it is drawn
    /// when the page opens.
    pub later_px: i32,
    pub how_to_read: String,
    /// Whether a saved copy needs the legend of the page.
    pub needs_legend: bool,
    pub legend: Vec<EntryContext>,
    pub table: TextTable,
}

/// A part of the legend: an axis with its values, or arms.
#[derive(Serialize)]
pub(crate) struct KeyContext {
    pub title: String,
    pub entries: Vec<EntryContext>,
}

#[derive(Serialize)]
pub(crate) struct EntryContext {
    pub text: String,
    /// CSS classes of the color and the shape.
    pub class: String,
    pub arm: String,
    /// The condition that the entry stands for; empty for arms.
    pub condition: String,
}

/// Width of the wide picture of a forest plot.
const WIDE: i32 = 900;

/// CSS classes of a style.
pub(crate) fn classes(style: Style) -> String {
    format!("{} h{}", color_class(style.color), style.shape)
}

impl FigureContext {
    /// Leaves the drawing to the page's script, when the figure comes into view.
    pub(super) fn draw_later(&mut self) {
        let height = self.svg.split_once("height=\"").and_then(|(_, rest)| rest.split_once('"'));
        self.later_px = height.and_then(|(height, _)| height.parse().ok()).unwrap_or(200);
    }
}

/// The groups of all figures but the first one of the page.
pub(super) fn groups(figures: Vec<Figure>) -> Vec<GroupContext> {
    let mut groups: Vec<GroupContext> = Vec::new();
    let mut last = None;
    for figure in figures {
        let (id, title) = name(figure.group());
        if groups.last().is_none_or(|group| group.id != id) {
            let is_folded = matches!(figure.group(), Group::Sees | Group::Architecture);
            groups.push(GroupContext {
                id,
                title,
                is_folded,
                words: Vec::new(),
                stacks: Vec::new(),
            });
        }
        let Some(group) = groups.last_mut() else { continue };
        let stack = figure.stack();
        let is_next = stack.is_some() && stack == last;
        last = stack;
        match group.stacks.last_mut().filter(|_| is_next) {
            Some(stack) => stack.figures.push(figure.into()),
            None => group.stacks.push(StackContext {
                control: stack.map_or("", control),
                is_slider: stack == Some("block-"),
                is_wide: matches!(figure.drawing, crate::chart::Drawing::Wide(_)),
                figures: vec![figure.into()],
            }),
        }
    }
    // A control of a single figure would have nothing to choose.
    let stacks = groups.iter_mut().flat_map(|group| &mut group.stacks);
    stacks.filter(|stack| stack.figures.len() < 2).for_each(|stack| stack.control = "");
    groups
}

fn name(group: Group) -> (&'static str, &'static str) {
    match group {
        Group::Answer | Group::Result => ("result", "Result"),
        Group::Cost => ("cost", "Cost"),
        Group::Training => ("training", "Training"),
        Group::Sees => ("sees", "What the network sees"),
        Group::Architecture => ("architecture", "Architecture"),
    }
}

fn control(stack: &str) -> &'static str {
    match stack {
        "cost-" => "Cost",
        "block-" => "Block",
        "effective-maps-" => "Scale of the maps",
        _ => "Arm",
    }
}

/// The legend of the page.
pub(super) fn key(study: &Study) -> Vec<KeyContext> {
    if study.arms.len() < 2 {
        return Vec::new();
    }
    let entry = |entry: Entry| EntryContext {
        text: entry.text,
        class: classes(entry.style),
        arm: entry.arm,
        condition: entry.condition,
    };
    let group = |(title, entries): (String, Vec<Entry>)| KeyContext {
        title,
        entries: entries.into_iter().map(entry).collect(),
    };
    legend::entries(study).into_iter().map(group).collect()
}

impl From<Figure> for FigureContext {
    fn from(figure: Figure) -> FigureContext {
        let legend = |entry: Legend| EntryContext {
            text: entry.text,
            class: classes(entry.style),
            arm: entry.arm,
            condition: String::new(),
        };
        let is_forest = matches!(figure.drawing, crate::chart::Drawing::Forest(_));
        FigureContext {
            svg: figure.svg(),
            needs_legend: figure.drawing.needs_legend(),
            later_px: 0,
            wide: if is_forest { figure.drawing.svg_of(WIDE) } else { String::new() },
            id: figure.id,
            title: figure.title,
            how_to_read: figure.how_to_read,
            legend: figure.legend.into_iter().map(legend).collect(),
            table: figure.table.into(),
        }
    }
}
