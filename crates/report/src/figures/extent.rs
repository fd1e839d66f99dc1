//! Figures: smallest, mean and largest receptive field against each numeric axis (scale, depth,
//! width, cardinality).

use super::by_axis::PLOT;
use super::{Figure, Table};
use crate::axis::Axis;
use crate::chart::{Chart, Grid, Kind, Mark, Scale};
use crate::encoding::{self, Style};
use crate::format::fixed;
use crate::lines::{Group, gather};
use crate::network::Seen;

/// One figure per numeric axis along which receptive fields differ. `asked` names the analyzed
/// layer.
pub fn figures(axes: &[Axis], seen: &[Seen], asked: &str) -> Vec<Figure> {
    (0..axes.len()).filter_map(|axis| figure(axes, axis, seen, asked)).collect()
}

fn figure(axes: &[Axis], index: usize, seen: &[Seen], asked: &str) -> Option<Figure> {
    let axis = &axes[index];
    let numbers = axis.numbers.as_deref()?;
    let members = seen.iter().map(|s| (s, &s.network.places[..], &s.network.variant[..]));
    let groups = gather(axes, index, members);
    let varies =
        |g: &Group<&Seen>| g.points.windows(2).any(|pair| pair[0].1.summary != pair[1].1.summary);
    if !groups.iter().any(varies) {
        return None;
    }
    let x = Scale::points(&axis.values, Some(numbers), &axis.label, PLOT);
    let px = groups.iter().flat_map(|g| &g.points).map(|(_, s)| s.summary.max_px as f64);
    let image = seen.iter().map(|s| s.network.image_px).max()? as f64;
    let y = Scale::from_zero(px.chain([image]), "receptive field (px)");
    let mut marks = vec![Mark {
        points: vec![(x.low, image), (x.high, image)],
        kind: Kind::Guide,
        title: format!("images are {image} px wide"),
        ..Mark::default()
    }];
    let at = |i: usize| x.position(numbers[i]);
    marks.extend(groups.iter().flat_map(|group| of_group(group, style(group), &at)));
    let label = format!("receptive fields against {}", axis.label);
    Some(Figure {
        id: format!("extent-{index}"),
        title: format!("Receptive fields against {}", axis.label),
        drawing: Chart { label, height: 230, x, y, grid: Grid::Horizontal, marks }.into(),
        how_to_read: format!(
            "Exact: symbols joined by lines are the mean over all paths to a unit of {asked}, dashed lines are the shortest and \
             the longest path. The level line is the image's width.{}",
            if groups.len() > 1 { " Each line holds the other axes fixed." } else { "" }
        ),
        legend: Vec::new(),
        table: table(axis, &groups),
    })
}

/// The style that the networks of a line share.
fn style(group: &Group<&Seen>) -> Style {
    encoding::common(group.points.iter().map(|(_, s)| s.network.style()))
}

fn of_group(group: &Group<&Seen>, style: Style, at: &impl Fn(usize) -> f64) -> Vec<Mark> {
    let line = |kind, what: &str, px: fn(&Seen) -> f64| Mark {
        points: group.points.iter().map(|(i, s)| (at(*i), px(s))).collect(),
        kind,
        color: style.color,
        shape: style.shape,
        title: if group.label.is_empty() {
            what.to_owned()
        } else {
            format!("{}: {what}", group.label)
        },
        ..Mark::default()
    };
    let mut marks = vec![
        line(Kind::Dashed, "longest path", |s| s.summary.max_px as f64),
        line(Kind::Dashed, "shortest path", |s| s.summary.min_px as f64),
        line(Kind::Line, "mean over paths", |s| s.summary.mean_px),
    ];
    marks.extend(group.points.iter().map(|(i, s)| {
        let summary = &s.summary;
        let network = s.network;
        let min = summary.min_px;
        let mean = fixed(summary.mean_px, 1);
        let max = summary.max_px;
        Mark {
            points: vec![(at(*i), summary.mean_px)],
            kind: Kind::Symbol,
            color: network.color,
            shape: network.shape,
            arm: network.id.clone(),
            trial: String::new(),
            arms: String::new(),
            title: format!("{}: {min} to {max} px, {mean} on average", network.label),
        }
    }));
    marks
}

fn table(axis: &Axis, groups: &[Group<&Seen>]) -> Table {
    let with_group = groups.len() > 1;
    let mut columns = vec![axis.label.clone()];
    columns.extend(with_group.then(|| "other axes".to_owned()));
    columns.extend(["min px", "mean px", "max px", "within the image"].map(str::to_owned));
    let row = |group: &Group<&Seen>, (at, s): &(usize, &Seen)| {
        let mut cells = vec![axis.values[*at].clone()];
        cells.extend(with_group.then(|| group.label.clone()));
        cells.extend([
            s.summary.min_px.to_string(),
            fixed(s.summary.mean_px, 1),
            s.summary.max_px.to_string(),
        ]);
        cells.push(format!("{} %", fixed(100.0 * s.within, 1)));
        cells
    };
    Table {
        columns,
        rows: groups.iter().flat_map(|g| g.points.iter().map(move |p| row(g, p))).collect(),
    }
}
