//! The analytic effective receptive field: every window is replaced by an average of its inputs,
//! and every path has a weight. The result is close to a Gaussian whose width grows with the square
//! root of the depth (Luo et al. 2016).

use crate::field::{Flow, Window};
use crate::weighting::{Routes, Weighting, of_merge};
use res2lab_arch::{Graph, NodeId};

/// Total weight of all paths, and mean and mean square of the pixel positions on which unit 0
/// depends.
#[derive(Clone, Copy)]
struct Moments {
    weight: f64,
    mean: f64,
    square: f64,
}

/// The spread of units that are not evenly spaced.
const UNKNOWN: Moments = Moments { weight: 0.0, mean: f64::NAN, square: f64::NAN };

/// The standard deviation of the analytic effective receptive field of every node, pixels. Global
/// pooling is treated like its input, a gate like its first input. Behind a resized map it is NaN.
pub fn sigmas(graph: &Graph, weighting: Weighting) -> Vec<f64> {
    let mut all: Vec<Moments> = Vec::with_capacity(graph.nodes.len());
    let mut jumps: Vec<i64> = Vec::with_capacity(graph.nodes.len());
    let mut routes = Routes::default();
    for node in &graph.nodes {
        let (next, jump) = match Flow::of(&node.op) {
            Flow::Image => (Moments { weight: 1.0, mean: 0.0, square: 0.0 }, 1),
            Flow::Sum | Flow::Concat => {
                let factors = of_merge(graph, node, weighting, &routes);
                let inputs: Vec<Moments> = node.inputs.iter().map(|id| all[id.0]).collect();
                (mixture(&inputs, &factors), jumps[node.inputs[0].0])
            }
            Flow::Windows(window) => {
                let jump = jumps[node.inputs[0].0];
                (averaged(all[node.inputs[0].0], jump, window), jump * window.stride as i64)
            }
            // Units behind a resized map are not evenly spaced.
            Flow::Resized(_) => (UNKNOWN, jumps[node.inputs[0].0]),
            Flow::Split | Flow::Gate | Flow::Whole | Flow::Normalized | Flow::Pointwise => {
                (all[node.inputs[0].0], jumps[node.inputs[0].0])
            }
        };
        routes.push(node);
        all.push(next);
        jumps.push(jump);
    }
    all.iter().map(deviation).collect()
}

/// NaN if it is not known, which the maximum of a number and NaN would hide.
fn deviation(m: &Moments) -> f64 {
    let variance = m.square - m.mean * m.mean;
    if variance.is_nan() { variance } else { variance.max(0.0).sqrt() }
}

/// Mixes inputs with factors. Weights may exceed f64, so moments use relative weights.
fn mixture(inputs: &[Moments], factors: &[f64]) -> Moments {
    let weight: f64 = inputs.iter().zip(factors).map(|(m, f)| m.weight * f).sum();
    let of = |value: fn(&Moments) -> f64| {
        inputs.iter().zip(factors).map(|(m, f)| m.weight * f / weight * value(m)).sum::<f64>()
    };
    Moments { weight, mean: of(|m| m.mean), square: of(|m| m.square) }
}

/// The average of a window of neighbors, `jump` pixels apart.
fn averaged(x: Moments, jump: i64, window: Window) -> Moments {
    let (before, after) = window.reach(jump);
    let shift = (after - before) as f64 / 2.0;
    let variance = (window.kernel.pow(2) - 1) as f64 / 12.0;
    let variance = variance * (jump * window.dilation as i64).pow(2) as f64;
    Moments {
        mean: x.mean + shift,
        square: x.square + 2.0 * shift * x.mean + shift * shift + variance,
        ..x
    }
}

/// The analytic effective receptive field of one node along one axis: the first pixel on which unit
/// 0 depends, and the weight of each pixel from there on. The weights sum to the total weight of
/// all paths. Behind a resized map it is NaN.
pub fn profile(graph: &Graph, weighting: Weighting, of: NodeId) -> (i64, Vec<f64>) {
    let mut all: Vec<(i64, Vec<f64>)> = Vec::with_capacity(of.0 + 1);
    let mut jumps: Vec<i64> = Vec::with_capacity(of.0 + 1);
    let mut routes = Routes::default();
    for node in &graph.nodes[..=of.0] {
        let (next, jump) = match Flow::of(&node.op) {
            Flow::Image => ((0, vec![1.0]), 1),
            Flow::Sum | Flow::Concat => {
                let factors = of_merge(graph, node, weighting, &routes);
                let inputs: Vec<&(i64, Vec<f64>)> =
                    node.inputs.iter().map(|id| &all[id.0]).collect();
                (sum(&inputs, &factors), jumps[node.inputs[0].0])
            }
            Flow::Windows(window) => {
                let jump = jumps[node.inputs[0].0];
                (boxed(&all[node.inputs[0].0], jump, window), jump * window.stride as i64)
            }
            Flow::Resized(_) => ((0, vec![f64::NAN]), jumps[node.inputs[0].0]),
            Flow::Split | Flow::Gate | Flow::Whole | Flow::Normalized | Flow::Pointwise => {
                (all[node.inputs[0].0].clone(), jumps[node.inputs[0].0])
            }
        };
        routes.push(node);
        all.push(next);
        jumps.push(jump);
    }
    all.pop().unwrap_or((0, vec![1.0]))
}

fn sum(inputs: &[&(i64, Vec<f64>)], factors: &[f64]) -> (i64, Vec<f64>) {
    let low = inputs.iter().map(|(low, _)| *low).min().unwrap_or(0);
    let high = inputs.iter().map(|(low, weights)| low + weights.len() as i64).max().unwrap_or(1);
    let mut total = vec![0.0; (high - low) as usize];
    for ((start, weights), factor) in inputs.iter().zip(factors) {
        for (i, weight) in weights.iter().enumerate() {
            total[(start - low) as usize + i] += factor * weight;
        }
    }
    (low, total)
}

fn boxed((low, weights): &(i64, Vec<f64>), jump: i64, window: Window) -> (i64, Vec<f64>) {
    let (before, after) = window.reach(jump);
    let kernel = window.kernel;
    let mut spread = vec![0.0; weights.len() + (before + after) as usize];
    for tap in 0..kernel {
        for (i, weight) in weights.iter().enumerate() {
            spread[i + tap * window.dilation * jump as usize] += weight / kernel as f64;
        }
    }
    (low - before, spread)
}
