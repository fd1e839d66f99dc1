//! Figure: the distribution of receptive-field sizes over paths, in pixels, one line per network.

use super::{Figure, Legend, Table};
use crate::chart::{Chart, Grid, Kind, Mark, Scale};
use crate::format::fixed;
use crate::network::Seen;
use std::collections::BTreeMap;

/// Maximum number of bins; more would not be distinguishable.
const MOST_BINS: u64 = 90;
/// Maximum number of image sizes that are marked if networks differ in image size.
const MOST_SIZES: usize = 4;

/// Draws the figure; `None` if no network has a color, or each network has a single size.
pub fn figure(seen: &[Seen], asked: &str, weighting: &str) -> Option<Figure> {
    let shown: Vec<&Seen> = seen.iter().filter(|s| s.network.color.is_some()).collect();
    if shown.iter().all(|s| s.summary.distinct < 2) {
        return None;
    }
    let (raster, width) = bins_px(&shown);
    let lines: Vec<Vec<(f64, f64)>> = shown.iter().map(|s| line(s, raster, width)).collect();
    let mut sizes: Vec<usize> = shown.iter().map(|s| s.network.image_px).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let marked = if sizes.len() > MOST_SIZES { &sizes[sizes.len() - 1..] } else { &sizes[..] };
    let ends =
        lines.iter().flatten().map(|point| point.0).chain(marked.iter().map(|px| *px as f64));
    let x = Scale::linear(ends.chain([0.0]), "receptive field of a path (px)");
    let y = Scale::from_zero(lines.iter().flatten().map(|point| point.1), "share of paths (%)");
    let image = |px: &usize| Mark {
        points: vec![(*px as f64, y.low), (*px as f64, y.high)],
        kind: Kind::Guide,
        title: format!("images are {px} px wide"),
        ..Mark::default()
    };
    let mut marks: Vec<Mark> = marked.iter().map(image).collect();
    marks.extend(shown.iter().zip(lines).map(|(s, points)| mark(s, points)));
    let others = if shown.len() < seen.len() {
        format!(" Of {} networks those with a color are drawn.", seen.len())
    } else {
        String::new()
    };
    let label = "share of paths by receptive field".to_owned();
    Some(Figure {
        id: "paths".into(),
        title: format!("Paths to a unit of {asked}, by receptive field"),
        drawing: Chart { label, height: 220, x, y, grid: Grid::Horizontal, marks }.into(),
        how_to_read: format!(
            "Exact: the share of paths whose receptive field lies within each {width} px; {weighting}. The upright line is the \
             image's width: paths to its right reach into the padding.{others}"
        ),
        legend: shown.iter().map(|s| legend(s)).collect(),
        table: Table {
            columns: ["network", "5 %", "25 %", "50 %", "75 %", "95 %", "within the image"]
                .map(str::to_owned)
                .to_vec(),
            rows: seen.iter().map(cells).collect(),
        },
    })
}

/// The grid spacing of all sizes and the bin width, both in pixels. Sizes differ by multiples of a
/// spacing (8 px for a Res2Net with the usual stem). A bin width that is no multiple of the spacing
/// would hold a varying number of sizes, and the lines would show artificial teeth.
fn bins_px(shown: &[&Seen]) -> (u64, u64) {
    let all = || shown.iter().flat_map(|s| s.shares.iter().map(|(px, _)| *px));
    let low = all().min().unwrap_or(0);
    let high = all().max().unwrap_or(0);
    let raster = all().fold(0, |raster, px| gcd(raster, px - low)).max(1);
    (raster, raster * (high - low + raster).div_ceil(raster * MOST_BINS))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Shares in percent as steps over the bins.
fn line(seen: &Seen, raster: u64, width: u64) -> Vec<(f64, f64)> {
    let low = seen.summary.min_px;
    let mut bins: BTreeMap<i64, f64> = BTreeMap::new();
    for (px, share) in &seen.shares {
        *bins.entry(((px - low) / width) as i64).or_default() += 100.0 * share;
    }
    let last = bins.keys().last().copied().unwrap_or(0);
    let edge = |i: i64| (low as f64 + (i * width as i64) as f64 - raster as f64 / 2.0).max(0.0);
    let share = |i: i64| bins.get(&i).copied().unwrap_or(0.0);
    let steps = (0..=last).flat_map(|i| [(edge(i), share(i)), (edge(i + 1), share(i))]);
    std::iter::once((edge(0), 0.0)).chain(steps).chain([(edge(last + 1), 0.0)]).collect()
}

fn mark(seen: &Seen, points: Vec<(f64, f64)>) -> Mark {
    let network = seen.network;
    let within = fixed(100.0 * seen.within, 1);
    Mark {
        points,
        kind: Kind::Line,
        color: network.color,
        shape: network.shape,
        arm: network.id.clone(),
        trial: String::new(),
        arms: String::new(),
        title: format!(
            "{}: {within} % of paths reach no further than {} px",
            network.label, network.image_px
        ),
    }
}

pub(super) fn legend(seen: &Seen) -> Legend {
    let network = seen.network;
    Legend { text: network.label.clone(), style: network.style(), arm: network.id.clone() }
}

fn cells(seen: &Seen) -> Vec<String> {
    let quantile = |share: f64| {
        let mut so_far = 0.0;
        let found = seen.shares.iter().find(|(_, of)| {
            so_far += of;
            so_far >= share
        });
        found.map_or(seen.summary.max_px, |(px, _)| *px).to_string()
    };
    let mut cells = vec![seen.network.label.clone()];
    cells.extend([0.05, 0.25, 0.5, 0.75, 0.95].map(quantile));
    cells.push(format!("{} %", fixed(100.0 * seen.within, 1)));
    cells
}
