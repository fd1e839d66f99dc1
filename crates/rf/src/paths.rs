//! The distribution of the receptive fields of paths, by dynamic programming on the graph. A path
//! is a choice of one route through every sum, split and concatenation.

use crate::field::{Flow, Window};
use crate::weighting::{Routes, Weighting, of_merge};
use res2lab_arch::{Graph, NodeId};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Receptive fields (first and last pixel of unit 0) of paths, with their weights.
type Table = Vec<((i64, i64), f64)>;

/// The distribution of all paths to one node.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Sorted by receptive field.
    table: Rc<Table>,
    /// Offset of all receptive fields in the table. Windows shift every entry alike, so only the
    /// offset changes.
    moved: (i64, i64),
    /// Total weight of the paths through global pooling, which have no finite size.
    whole: f64,
    /// Binary exponent of all weights; deep networks have more paths than f64 can represent.
    exponent: i32,
    jump: i64,
}

/// Weights above this are scaled down. Counts below 2^53 stay exact.
const LARGEST: f64 = 1e270;

/// The path distributions at every node of `wanted`, in that order. Paths through a map that was
/// resized are not counted: there is no path to a node behind one.
pub fn paths(graph: &Graph, weighting: Weighting, wanted: &[NodeId]) -> Vec<Paths> {
    let mut all: Vec<Paths> = Vec::with_capacity(graph.nodes.len());
    let mut routes = Routes::default();
    let end = wanted.iter().map(|id| id.0 + 1).max().unwrap_or(0);
    for node in &graph.nodes[..end] {
        let input = |i: usize| &all[node.inputs[i].0];
        let next = match Flow::of(&node.op) {
            Flow::Image => Paths {
                table: Rc::new(vec![((0, 0), 1.0)]),
                moved: (0, 0),
                whole: 0.0,
                exponent: 0,
                jump: 1,
            },
            Flow::Sum | Flow::Concat => {
                let factors = of_merge(graph, node, weighting, &routes);
                let inputs: Vec<&Paths> = (0..node.inputs.len()).map(input).collect();
                merge(&inputs, &factors)
            }
            // A gate's values depend on the whole image.
            Flow::Gate => input(0).and_whole(input(1), weighting),
            Flow::Whole => input(0).pooled(),
            Flow::Windows(window) => input(0).window(window),
            Flow::Resized(_) => {
                Paths { table: Rc::new(Table::new()), whole: 0.0, ..input(0).clone() }
            }
            Flow::Split | Flow::Pointwise | Flow::Normalized => input(0).clone(),
        };
        routes.push(node);
        all.push(next);
    }
    wanted.iter().map(|id| all[id.0].clone()).collect()
}

fn merge(inputs: &[&Paths], factors: &[f64]) -> Paths {
    let exponent = inputs.iter().map(|paths| paths.exponent).max().unwrap_or(0);
    let mut table = Table::new();
    let mut whole = 0.0;
    for (paths, factor) in inputs.iter().zip(factors) {
        let factor = factor * f64::from(paths.exponent - exponent).exp2();
        whole += factor * paths.whole;
        table = sum(&table, paths.iter().map(|(field, weight)| (field, factor * weight)));
    }
    let jump = inputs.first().map_or(1, |paths| paths.jump);
    let merged = Paths { table: Rc::new(table), moved: (0, 0), whole, exponent, jump };
    if merged.sum() + merged.whole > LARGEST { merged.scaled_down() } else { merged }
}

/// Merges two sorted tables. Shifting all entries alike keeps the order.
fn sum(a: &[((i64, i64), f64)], b: impl Iterator<Item = ((i64, i64), f64)>) -> Table {
    let mut a = a.iter().copied().peekable();
    let mut b = b.peekable();
    let mut table = Table::with_capacity(a.len());
    loop {
        let next = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.0 == y.0 => {
                a.next().zip(b.next()).map(|(x, y)| (x.0, x.1 + y.1))
            }
            (Some(x), Some(y)) if x.0 > y.0 => b.next(),
            (Some(_), _) => a.next(),
            (None, _) => b.next(),
        };
        match next {
            Some(entry) => table.push(entry),
            None => return table,
        }
    }
}

impl Paths {
    fn iter(&self) -> impl Iterator<Item = ((i64, i64), f64)> + '_ {
        let (low, high) = self.moved;
        self.table.iter().map(move |((a, b), weight)| ((a + low, b + high), *weight))
    }

    fn sum(&self) -> f64 {
        self.table.iter().map(|(_, weight)| weight).sum()
    }

    fn scaled_down(self) -> Paths {
        const BY: i32 = 512;
        let down = f64::from(-BY).exp2();
        let table = self.table.iter().map(|(field, weight)| (*field, weight * down)).collect();
        Paths {
            table: Rc::new(table),
            whole: self.whole * down,
            exponent: self.exponent + BY,
            ..self
        }
    }

    fn window(&self, window: Window) -> Paths {
        let (before, after) = window.reach(self.jump);
        let moved = (self.moved.0 - before, self.moved.1 + after);
        Paths { moved, jump: self.jump * window.stride as i64, ..self.clone() }
    }

    fn pooled(&self) -> Paths {
        Paths { whole: self.whole + self.sum(), table: Rc::new(Vec::new()), ..self.clone() }
    }

    fn and_whole(&self, gate: &Paths, weighting: Weighting) -> Paths {
        let of_gate = gate.whole * f64::from(gate.exponent - self.exponent).exp2();
        match weighting {
            Weighting::Structural => Paths { whole: self.whole + of_gate, ..self.clone() },
            Weighting::BranchEqual => {
                let half =
                    self.table.iter().map(|(field, weight)| (*field, weight / 2.0)).collect();
                Paths { table: Rc::new(half), whole: (self.whole + of_gate) / 2.0, ..self.clone() }
            }
        }
    }

    /// Sizes in pixels with their weights, in ascending order. Paths through global pooling are
    /// left out.
    pub fn sizes(&self) -> Vec<(u64, f64)> {
        let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
        for ((low, high), weight) in self.iter() {
            *sums.entry((high - low + 1) as u64).or_default() += weight;
        }
        sums.into_iter().collect()
    }

    /// Decimal logarithm of the number of paths (of their total weight, if the weighting is not
    /// structural).
    pub fn log10_count(&self) -> f64 {
        (self.sum() + self.whole).log10() + f64::from(self.exponent) * 2f64.log10()
    }

    /// The number of paths if it is known exactly; `None` above 10^15.
    pub fn count(&self) -> Option<u64> {
        let sum = self.sum() + self.whole;
        (self.exponent == 0 && sum <= 1e15).then_some(sum as u64)
    }

    /// Share of the weight of paths through global pooling.
    pub fn whole_share(&self) -> f64 {
        self.whole / (self.sum() + self.whole)
    }

    /// The summary of the sizes; `None` if every path leads through global pooling.
    pub fn summary(&self) -> Option<Summary> {
        Summary::of(&self.sizes())
    }
}

/// Summary statistics of a distribution of receptive-field sizes, pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub min_px: u64,
    pub max_px: u64,
    pub mean_px: f64,
    /// Standard deviation over paths.
    pub sd_px: f64,
    pub p05_px: u64,
    pub p50_px: u64,
    pub p95_px: u64,
    /// Number of distinct sizes.
    pub distinct: usize,
}

impl Summary {
    fn of(sizes: &[(u64, f64)]) -> Option<Summary> {
        let first = sizes.first()?;
        let last = sizes.last()?;
        let total: f64 = sizes.iter().map(|(_, weight)| weight).sum();
        let moment = |of: &dyn Fn(f64) -> f64| {
            sizes.iter().map(|(px, w)| of(*px as f64) * (w / total)).sum::<f64>()
        };
        let mean_px = moment(&|px| px);
        let quantile = |share: f64| {
            let mut so_far = 0.0;
            let found = sizes.iter().find(|(_, weight)| {
                so_far += weight / total;
                so_far >= share
            });
            found.unwrap_or(last).0
        };
        Some(Summary {
            min_px: first.0,
            max_px: last.0,
            mean_px,
            sd_px: moment(&|px| (px - mean_px).powi(2)).sqrt(),
            p05_px: quantile(0.05),
            p50_px: quantile(0.5),
            p95_px: quantile(0.95),
            distinct: sizes.len(),
        })
    }
}

/// Share of the weight of paths whose receptive field is at most `px` pixels.
pub fn share_within(sizes: &[(u64, f64)], px: u64) -> f64 {
    let total: f64 = sizes.iter().map(|(_, weight)| weight).sum();
    sizes.iter().filter(|(size, _)| *size <= px).map(|(_, weight)| weight / total).sum()
}
