//! Figure: which trial each slot trained when, from the runner's journal.

use super::{Figure, Table};
use crate::chart::{Chart, Grid, Kind, Mark, Scale};
use crate::format::{duration, fixed};
use crate::study::{Arm, Study};
use crate::svg::shorten;
use res2lab_store::Event;
use std::collections::HashMap;

/// Maximum number of bars.
const MOST: usize = 1000;

/// The time of one trial on a slot.
struct Bar<'a> {
    id: &'a str,
    slot: &'a str,
    start: f64,
    end: f64,
    outcome: &'a str,
}

/// Draws the last command that started a trial; `None` if no command did.
pub fn figure(study: &Study) -> Option<Figure> {
    let bars = bars(&study.rows.events);
    let start = bars.iter().map(|bar| bar.start).fold(f64::INFINITY, f64::min);
    let end = bars.iter().map(|bar| bar.end).fold(f64::NEG_INFINITY, f64::max);
    if bars.is_empty() || !(end - start).is_finite() || bars.len() > MOST {
        return None;
    }
    let mut slots: Vec<&str> = Vec::new();
    for bar in &bars {
        if !slots.contains(&bar.slot) {
            slots.push(bar.slot);
        }
    }
    slots.sort_unstable();
    let in_minutes = end - start >= 300.0;
    let unit = if in_minutes { 60.0 } else { 1.0 };
    let arms: HashMap<&str, &Arm> = study
        .arms
        .iter()
        .flat_map(|arm| arm.trials.iter().map(move |t| (t.planned.id.as_str(), arm)))
        .collect();
    let mark = |bar: &Bar| {
        let row = slots.iter().position(|slot| *slot == bar.slot).unwrap_or(0) as f64;
        let points =
            vec![((bar.start - start) / unit, row - 0.36), ((bar.end - start) / unit, row + 0.36)];
        let arm = arms.get(bar.id);
        let title = format!("{}: {}, {}", bar.id, duration(bar.end - bar.start), bar.outcome);
        let color = arm.and_then(|arm| arm.color);
        let arm = arm.map_or_else(String::new, |arm| arm.id.to_owned());
        let trial = bar.id.to_owned();
        Mark { points, kind: Kind::Block, color, arm, trial, title, ..Mark::default() }
    };
    let x = Scale::from_zero(
        [(end - start) / unit],
        if in_minutes { "minutes since the start" } else { "seconds since the start" },
    );
    let names: Vec<String> = slots.iter().rev().map(|slot| shorten(slot, 90.0)).collect();
    let mut y = Scale::points(&names, None, "", 0.0);
    // The first slot is at the top.
    y.ticks = y.ticks.into_iter().map(|(at, text)| (names.len() as f64 - 1.0 - at, text)).collect();
    (y.low, y.high) = (y.high, y.low);
    let busy: f64 = bars.iter().map(|bar| bar.end - bar.start).sum();
    let share = 100.0 * busy / ((end - start).max(1e-9) * slots.len() as f64);
    Some(Figure {
        id: "timeline".into(),
        title: "Timeline".into(),
        drawing: Chart {
            label: "timeline of slots".into(),
            height: 52 + 24 * slots.len().max(2) as i32,
            x,
            y,
            grid: Grid::Vertical,
            marks: bars.iter().map(mark).collect(),
        }
        .into(),
        how_to_read: format!(
            "Each bar is a trial on the slot that ran it, from the last command that started any. \
             The slots were busy for {} % of that time.",
            fixed(share.min(100.0), 0)
        ),
        legend: Vec::new(),
        table: Table {
            columns: ["trial", "slot", "start", "duration", "end"].map(str::to_owned).to_vec(),
            rows: bars.iter().map(|bar| cells(bar, start)).collect(),
        },
    })
}

fn cells(bar: &Bar, start: f64) -> Vec<String> {
    let after = duration(bar.start - start);
    vec![
        bar.id.to_owned(),
        bar.slot.to_owned(),
        after,
        duration(bar.end - bar.start),
        bar.outcome.to_owned(),
    ]
}

/// The bars of the last command that started a trial. A running trial extends to the last event.
fn bars(events: &[Event]) -> Vec<Bar<'_>> {
    let last_start = events.iter().rposition(|e| matches!(e, Event::Started { .. })).unwrap_or(0);
    let planned =
        events[..last_start].iter().rposition(|e| matches!(e, Event::Planned { .. })).unwrap_or(0);
    let now = events.iter().map(time).fold(f64::NEG_INFINITY, f64::max);
    let mut bars: Vec<Bar> = Vec::new();
    for event in &events[planned..] {
        match event {
            Event::Started { at_s, id, slot, .. } => {
                bars.push(Bar { id, slot, start: *at_s, end: now, outcome: "running" })
            }
            Event::Ended { at_s, id, outcome, .. } => {
                if let Some(bar) =
                    bars.iter_mut().rfind(|bar| bar.id == id && bar.outcome == "running")
                {
                    (bar.end, bar.outcome) = (*at_s, outcome);
                }
            }
            _ => {}
        }
    }
    bars
}

fn time(event: &Event) -> f64 {
    match event {
        Event::Planned { at_s, .. }
        | Event::Started { at_s, .. }
        | Event::Adopted { at_s, .. }
        | Event::Ended { at_s, .. }
        | Event::SetAside { at_s, .. }
        | Event::Signaled { at_s, .. }
        | Event::Stopped { at_s, .. } => *at_s,
    }
}
