//! Planned evaluation: batch norms are folded into the convolutions before them, the sum and the
//! ReLU after them run in the epilogue, and weights are packed once.

use crate::allocation::IMAGES;
use crate::fusion::{Fusion, Residual, fuse, own_conv};
use crate::norms::{Affine, Constants};
use crate::ops::conv::{Conv, ConvEpilogue, Weights};
use crate::ops::norm::{self, Added, Normalize};
use crate::plan::Plan;
use crate::planning::Nodes;
use crate::profile::Profile;
use crate::program::Program;
use crate::segments;
use crate::step::State;
use crate::tables::{ConvId, EntryId};
use crate::workspace::Workspace;
use res2lab_arch::{Graph, NodeId, Op};
use res2lab_kernels::Stored;
use res2lab_kernels::element::Element;
use res2lab_kernels::memory::zeros;
use std::collections::HashMap;

/// A network with a copy of its weights, ready to be evaluated in batches of up to one size.
pub struct Inference<T: Stored> {
    plan: Plan<T>,
    workspace: Workspace<T>,
    /// All entries of the state, one after the other, with batch norms folded into packed weights
    /// and into biases.
    state: Vec<T::Real>,
}

/// A convolution of an inference, and what is folded into its weights and its bias.
struct Folded {
    conv: ConvId,
    norm: Option<FoldedNorm>,
}

/// A norm that is folded into a convolution.
#[derive(Clone, Copy)]
struct FoldedNorm {
    /// The first of its entries of the state.
    state: EntryId,
    eps: f64,
    /// The convolution's own bias.
    bias: Option<EntryId>,
}

impl<T: Stored> Inference<T> {
    /// Folds and packs the state. `entry` returns one entry of the graph's state, in its published
    /// layout.
    pub fn new(
        graph: &Graph,
        entry: impl Fn(usize) -> Vec<T::Real>,
        batch: usize,
        threads: usize,
    ) -> Inference<T> {
        Inference::within(graph, entry, batch, threads, segments::BYTES)
    }

    /// As [`Inference::new`], with micro-batches of which no instruction accesses more than
    /// `bytes`.
    fn within(
        graph: &Graph,
        entry: impl Fn(usize) -> Vec<T::Real>,
        batch: usize,
        threads: usize,
        bytes: usize,
    ) -> Inference<T> {
        let (program, convs) = build(graph);
        let plan = plan_inference(program, batch, threads, bytes);
        let tables = &plan.program.tables;
        let mut state = zeros(tables.elements(0..tables.state.len()));
        for i in 0..tables.state.len() {
            state[plan.layout.entry(tables, i)].copy_from_slice(&entry(i));
        }
        convs.iter().for_each(|conv| fold(&plan, conv, &mut state));
        let mut workspace = Workspace::new(&plan);
        workspace.own.iter_mut().for_each(|own| set_statistics(&mut own.constants, &plan, &state));
        Inference { plan, workspace, state }
    }

    /// Begins a profile of the first thread.
    pub fn start_profile(&mut self) {
        self.workspace.start_profile();
    }

    /// Ends the profile of the first thread.
    pub fn take_profile(&mut self) -> Option<Profile> {
        self.workspace.take_profile()
    }

    /// Logits (images x classes) of any number of `images` (images x channels x height x width).
    pub fn logits(&mut self, images: &[T::Real]) -> Vec<T::Real> {
        let image = self.plan.program.tables.buffers[IMAGES].elements();
        let mut logits = Vec::new();
        for batch in images.chunks(image * self.plan.batch()) {
            // An inference writes neither gradients nor running statistics.
            let mut state = State { values: &mut self.state, grads: &mut [], running: &mut [] };
            logits.extend_from_slice(self.plan.forward(&mut self.workspace, batch, &mut state));
        }
        logits
    }
}

impl<T: Stored> Plan<T> {
    /// Plans the inference of a graph for up to `batch` images, with the state of
    /// [`Inference::new`].
    pub fn inference(graph: &Graph, batch: usize, threads: usize) -> Plan<T> {
        let (program, _) = build(graph);
        plan_inference(program, batch, threads, segments::BYTES)
    }
}

/// Plans an inference whose instructions access at most `bytes` in a micro-batch of several images.
fn plan_inference<T: Stored>(
    program: Program,
    batch: usize,
    threads: usize,
    bytes: usize,
) -> Plan<T> {
    let mut end = 0;
    let start = |entry: &crate::tables::Entry| {
        end += entry.elements;
        end - entry.elements
    };
    let starts = program.tables.state.iter().map(start).collect();
    let elements = bytes / size_of::<T>();
    Plan::of(program, starts, batch.max(1), threads, |program, images| {
        segments::micro_batched(program, images, elements)
    })
}

/// The values of an entry of the state.
fn entry<'a, T: Stored>(plan: &Plan<T>, state: &'a [T::Real], entry: EntryId) -> &'a [T::Real] {
    &state[plan.layout.entry(&plan.program.tables, entry)]
}

/// Folds a norm into a convolution: w * g / sqrt(v + e), computed in double precision. The weights
/// are packed in place. The bias overwrites that of the norm, which has as many elements and no
/// other reader.
fn fold<T: Stored>(plan: &Plan<T>, folded: &Folded, state: &mut [T::Real]) {
    let tables = &plan.program.tables;
    let weight = tables.convs[folded.conv].weight;
    let mut weights = entry(plan, state, weight).to_vec();
    if let Some(FoldedNorm { state: start, eps, bias }) = folded.norm {
        let value = |i: usize, channel: usize| entry(plan, state, start + i)[channel].to_f64();
        let own =
            |channel: usize| bias.map_or(0.0, |bias| entry(plan, state, bias)[channel].to_f64());
        let channels = tables.state[start].elements;
        let scales: Vec<f64> =
            (0..channels).map(|c| value(0, c) / (value(3, c) + eps).sqrt()).collect();
        let shift = |c: usize| T::Real::from_f64((own(c) - value(2, c)) * scales[c] + value(1, c));
        let shifts: Vec<T::Real> = (0..channels).map(shift).collect();
        let each = weights.len() / channels;
        for (weights, scale) in weights.chunks_exact_mut(each).zip(&scales) {
            weights.iter_mut().for_each(|w| *w = T::Real::from_f64(w.to_f64() * scale));
        }
        state[plan.layout.entry(tables, start + 1)].copy_from_slice(&shifts);
    }
    let packed = &mut state[plan.layout.entry(tables, weight)];
    plan.layout.convs[folded.conv].pack::<T>(&weights, packed);
}

/// Sets the scale and shift of norms that cannot be folded into a convolution.
fn set_statistics<T: Stored>(
    constants: &mut Constants<T::Real>,
    plan: &Plan<T>,
    state: &[T::Real],
) {
    for norm in &plan.program.tables.norms {
        for channel in 0..norm.x.shape.channels {
            let value = |i: usize| entry(plan, state, norm.state + i)[channel].to_f64();
            let affine = Affine { weight: value(0), bias: value(1) };
            let at = norm.first_channel + channel;
            constants.set_statistics(at, value(2), value(3), norm.eps, affine);
        }
    }
}

/// The program of an inference, and for each of its convolutions the norm to fold into it.
fn build(graph: &Graph) -> (Program, Vec<Folded>) {
    let fusions = fuse(graph);
    let norms =
        graph.iter().filter(|(_, node)| matches!(node.op, Op::BatchNorm { .. })).map(|(id, _)| id);
    let before: HashMap<NodeId, NodeId> =
        norms.filter_map(|norm| Some((own_conv(graph, norm)?, norm))).collect();
    let (program, nodes) = Program::empty(graph, &fusions);
    let mut builder =
        Builder { nodes: &nodes, program, folded: Vec::new(), inputs: HashMap::new() };
    for fusion in &fusions {
        match fusion {
            Fusion::Conv { node, inputs } if before.contains_key(node) => {
                _ = builder.inputs.insert(*node, inputs.clone())
            }
            Fusion::Conv { node, inputs } => builder.conv(*node, inputs, None, PLAIN, *node),
            Fusion::Norm { norm, residual, relu, out } => {
                builder.norm(*norm, *residual, *relu, *out)
            }
            Fusion::Single(node) => builder.program.add_single(&nodes, *node, false),
        }
    }
    (builder.program, builder.folded)
}

/// The epilogue that only adds a bias.
const PLAIN: ConvEpilogue = ConvEpilogue::Activate { residual: None, relu: false };

/// Builds the program of an inference.
struct Builder<'a> {
    nodes: &'a Nodes<'a>,
    program: Program,
    folded: Vec<Folded>,
    /// The inputs of convolutions that are deferred until the norm after them is built.
    inputs: HashMap<NodeId, Vec<NodeId>>,
}

impl Builder<'_> {
    fn conv(
        &mut self,
        node: NodeId,
        inputs: &[NodeId],
        norm: Option<NodeId>,
        epilogue: ConvEpilogue,
        out: NodeId,
    ) {
        let tables = &mut self.program.tables;
        let conv = Conv::plan(tables, self.nodes, node, inputs, Weights::State);
        let of = &mut tables.convs[conv.conv];
        let norm = norm.map(|norm| FoldedNorm {
            state: self.nodes.state(norm),
            eps: eps(self.nodes, norm),
            bias: of.bias,
        });
        // The folded bias is in the place of the norm's.
        of.bias = norm.map_or(of.bias, |norm| Some(norm.state + 1));
        self.folded.push(Folded { conv: conv.conv, norm });
        self.program.forward.push(Conv { epilogue, out: self.nodes.at(out), ..conv }.into());
    }

    fn norm(&mut self, norm: NodeId, residual: Option<Residual>, relu: bool, out: NodeId) {
        let added = residual.map(|residual| match residual {
            Residual::Value(id) => Added::Value(self.nodes.at(id)),
            // With its norm folded in, the other branch's convolution writes the norm's result to
            // the slice of its own result.
            Residual::Norm(other) => match self.own(other) {
                Some((conv, inputs)) => {
                    self.conv(conv, &inputs, Some(other), PLAIN, conv);
                    Added::Value(self.nodes.at(conv))
                }
                None => Added::Norm(self.register(other)),
            },
        });
        let own = self.own(norm);
        if let (Some((conv, inputs)), None | Some(Added::Value(_))) = (&own, added) {
            let epilogue = ConvEpilogue::Activate { residual: added.and_then(Added::value), relu };
            return self.conv(*conv, inputs, Some(norm), epilogue, out);
        }
        if let Some((conv, inputs)) = own {
            self.conv(conv, &inputs, None, PLAIN, conv);
        }
        let norm = self.register(norm);
        let out = self.nodes.at(out);
        self.program.forward.push(Normalize { norm, added, relu, out }.into());
    }

    /// The deferred convolution before a norm, with its inputs.
    fn own(&mut self, norm: NodeId) -> Option<(NodeId, Vec<NodeId>)> {
        let conv = own_conv(self.nodes.graph, norm)?;
        Some((conv, self.inputs.remove(&conv)?))
    }

    /// Registers a norm that is not folded.
    fn register(&mut self, node: NodeId) -> usize {
        norm::register(&mut self.program.tables, self.nodes, node, None)
    }
}

fn eps(nodes: &Nodes, norm: NodeId) -> f64 {
    let Op::BatchNorm { eps, .. } = nodes.op(norm) else {
        unreachable!("the caller passes a batch norm");
    };
    eps
}

#[cfg(test)]
mod tests {
    use super::*;
    use res2lab_arch::Input;

    fn logits(name: &str, batch: usize, threads: usize, bytes: usize) -> (Vec<usize>, Vec<f64>) {
        let spec = res2lab_arch::zoo::find(name).unwrap().words.resolve().unwrap().0;
        let graph =
            res2lab_arch::build(&spec, Input { height: 64, width: 64, channels: 3, classes: 7 })
                .unwrap();
        let wave = |n: usize, seed: usize| {
            (0..n).map(move |i| (((i * 37 + seed * 11) % 101) as f64 - 50.0) / 400.0)
        };
        // A variance is positive.
        let entry = |i: usize| wave(graph.state[i].elements(), i).map(f64::abs).collect();
        let mut inference = Inference::<f64>::within(&graph, entry, batch, threads, bytes);
        let images: Vec<f64> = wave(5 * 3 * 64 * 64, 3).collect();
        let micro_batches =
            inference.plan.segments.iter().map(|segment| segment.micro_batch).collect();
        (micro_batches, inference.logits(&images))
    }

    /// A buffer that is live beyond its segment must keep the values of all images, while buffers
    /// of one micro-batch reuse their memory.
    #[test]
    fn micro_batches_change_nothing() {
        for name in ["res2net50_26w_4s", "res2net_dla60", "res2net50d", "seresnet50"] {
            let (micro_batches, whole) = logits(name, 5, 1, usize::MAX);
            assert_eq!(micro_batches, [5], "{name}");
            assert!(whole.iter().all(|value| value.is_finite()) && whole[0] != whole[7], "{name}");
            for (batch, threads, bytes) in
                [(5, 1, 2 << 20), (5, 2, 600 << 10), (4, 1, 1 << 20), (5, 1, 0)]
            {
                let (micro_batches, other) = logits(name, batch, threads, bytes);
                assert!(bytes == 0 || micro_batches.len() > 1, "{name}: {micro_batches:?}");
                let most = whole.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
                let off =
                    whole.iter().zip(&other).fold(0.0, |off: f64, (a, b)| off.max((a - b).abs()));
                assert!(
                    off <= 1e-12 * most,
                    "{name}, {batch} images, {threads} threads, {bytes} bytes: {off:e}"
                );
            }
        }
    }
}
