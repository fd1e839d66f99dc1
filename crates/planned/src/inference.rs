//! Planned evaluation: batch norms are folded into the convolutions before them, the sum and the
//! ReLU after them run in the epilogue, and weights are packed once.

use crate::allocation::IMAGES;
use crate::fusion::{Fusion, Residual, fuse, own_conv};
use crate::instructions::{Added, EpilogueOf, Instr, NormId, NormOf};
use crate::norms::{Affine, Constants};
use crate::program::Program;
use crate::segments;
use crate::step::{ExecutionPlan, State};
use res2lab_arch::{Graph, NodeId, Op};
use res2lab_kernels::Real;
use res2lab_kernels::memory::zeros;
use std::collections::HashMap;

/// A network with a copy of its weights, ready to be evaluated in batches of up to one size.
pub struct Inference<T> {
    plan: ExecutionPlan<T>,
    /// All entries of the state, one after the other, with batch norms folded into packed weights
    /// and into biases.
    state: Vec<T>,
}

/// A norm that is folded into a convolution: the first of its entries of the state, and its
/// epsilon.
type Norm = (usize, f64);

impl<T: Real> Inference<T> {
    /// Folds and packs the state. `entry` returns one entry of the graph's state, in its published
    /// layout.
    pub fn new(
        graph: &Graph,
        entry: impl Fn(usize) -> Vec<T>,
        batch: usize,
        threads: usize,
    ) -> Inference<T> {
        Inference::within(graph, entry, batch, threads, segments::BYTES)
    }

    /// As [`Inference::new`], with micro-batches of which no instruction accesses more than
    /// `bytes`.
    fn within(
        graph: &Graph,
        entry: impl Fn(usize) -> Vec<T>,
        batch: usize,
        threads: usize,
        bytes: usize,
    ) -> Inference<T> {
        let mut starts = vec![0];
        starts.extend(graph.state.iter().scan(0, |end, entry| {
            *end += entry.elements();
            Some(*end)
        }));
        let mut state = zeros(starts.pop().unwrap_or(0));
        for (i, start) in starts.iter().enumerate() {
            let values = entry(i);
            state[*start..start + values.len()].copy_from_slice(&values);
        }
        let (program, norms) = program(graph);
        let cut = |program: &Program, images| {
            segments::micro_batched(program, images, bytes / size_of::<T>())
        };
        let mut plan = ExecutionPlan::of(program, graph, starts, batch.max(1), threads, cut);
        for (conv, norm) in norms.into_iter().enumerate() {
            fold(&mut plan, conv, norm, &mut state);
        }
        let mut own = std::mem::take(&mut plan.own);
        own.iter_mut().for_each(|own| set_statistics(&mut own.constants, &plan, &state));
        plan.own = own;
        Inference { plan, state }
    }

    /// Logits (images x classes) of any number of `images` (images x channels x height x width).
    pub fn logits(&mut self, images: &[T]) -> Vec<T> {
        let image = self.plan.program.buffers[IMAGES].elements();
        let mut logits = Vec::new();
        for batch in images.chunks(image * self.plan.batch) {
            // An inference writes neither gradients nor running statistics.
            self.plan.set_images(batch.len() / image);
            let mut state = State { values: &mut self.state, grads: &mut [], running: &mut [] };
            logits.extend_from_slice(self.plan.forward(batch, &mut state));
        }
        logits
    }
}

/// The values of an entry of the state.
fn entry<'a, T>(plan: &ExecutionPlan<T>, state: &'a [T], entry: usize) -> &'a [T] {
    &state[plan.entries[entry]..][..plan.lengths[entry]]
}

/// Folds a norm into a convolution: w * g / sqrt(v + e), computed in double precision. The weights
/// are packed in place. The bias overwrites that of the norm, which has as many elements and no
/// other reader.
fn fold<T: Real>(plan: &mut ExecutionPlan<T>, conv: usize, norm: Option<Norm>, state: &mut [T]) {
    let weight = plan.program.convs[conv].weight;
    let bias = plan.program.convs[conv].bias;
    let mut weights = entry(plan, state, weight).to_vec();
    if let Some((start, eps)) = norm {
        let value = |i: usize, channel: usize| entry(plan, state, start + i)[channel].to_f64();
        let own =
            |channel: usize| bias.map_or(0.0, |bias| entry(plan, state, bias)[channel].to_f64());
        let channels = plan.lengths[start];
        let scales: Vec<f64> =
            (0..channels).map(|c| value(0, c) / (value(3, c) + eps).sqrt()).collect();
        let shift = |c: usize| T::from_f64((own(c) - value(2, c)) * scales[c] + value(1, c));
        let shifts: Vec<T> = (0..channels).map(shift).collect();
        for (weights, scale) in
            weights.chunks_exact_mut(plan.lengths[weight] / channels).zip(&scales)
        {
            weights.iter_mut().for_each(|w| *w = T::from_f64(w.to_f64() * scale));
        }
        state[plan.entries[start + 1]..][..channels].copy_from_slice(&shifts);
        plan.program.convs[conv].bias = Some(start + 1);
    }
    plan.convs[conv].pack(&weights, &mut state[plan.entries[weight]..][..weights.len()]);
}

/// Sets the scale and shift of norms that cannot be folded into a convolution.
fn set_statistics<T: Real>(constants: &mut Constants<T>, plan: &ExecutionPlan<T>, state: &[T]) {
    for norm in &plan.program.norms {
        for channel in 0..norm.x.shape.channels {
            let value = |i: usize| entry(plan, state, norm.state + i)[channel].to_f64();
            let affine = Affine { weight: value(0), bias: value(1) };
            constants.set_statistics(
                norm.first_channel + channel,
                value(2),
                value(3),
                norm.eps,
                affine,
            );
        }
    }
}

/// The program of an evaluation, and for each of its convolutions the norm to fold into it.
fn program(graph: &Graph) -> (Program, Vec<Option<Norm>>) {
    let fusions = fuse(graph);
    let norms =
        graph.iter().filter(|(_, node)| matches!(node.op, Op::BatchNorm { .. })).map(|(id, _)| id);
    let before: HashMap<NodeId, NodeId> =
        norms.filter_map(|norm| Some((own_conv(graph, norm)?, norm))).collect();
    let mut builder = Builder {
        graph,
        program: Program::empty(graph, &fusions),
        folded: Vec::new(),
        inputs: HashMap::new(),
    };
    for fusion in &fusions {
        match fusion {
            Fusion::Conv { node, inputs } if before.contains_key(node) => {
                _ = builder.inputs.insert(*node, inputs.clone())
            }
            Fusion::Conv { node, inputs } => {
                builder.conv(*node, inputs, None, EpilogueOf { residual: None, relu: false }, *node)
            }
            Fusion::Norm { norm, residual, relu, out } => {
                builder.norm(*norm, *residual, *relu, *out)
            }
            Fusion::Single(node) => {
                let instr = builder.program.single(graph, *node);
                builder.program.forward.push(instr);
            }
        }
    }
    (builder.program, builder.folded)
}

/// Builds the program of an evaluation.
struct Builder<'a> {
    graph: &'a Graph,
    program: Program,
    folded: Vec<Option<Norm>>,
    /// The inputs of convolutions that are deferred until the norm after them is built.
    inputs: HashMap<NodeId, Vec<NodeId>>,
}

impl Builder<'_> {
    fn conv(
        &mut self,
        node: NodeId,
        inputs: &[NodeId],
        norm: Option<NodeId>,
        epilogue: EpilogueOf,
        out: NodeId,
    ) {
        let mut instr = self.program.conv(self.graph, node, inputs);
        if let Instr::Conv { epilogue: at, out: to, .. } = &mut instr {
            (*at, *to) = (Some(epilogue), self.program.at(out));
        }
        self.program.forward.push(instr);
        self.folded.push(norm.map(|norm| (self.program.state(norm), self.constants(norm).0)));
    }

    fn norm(&mut self, norm: NodeId, residual: Option<Residual>, relu: bool, out: NodeId) {
        let added = residual.map(|residual| match residual {
            Residual::Value(id) => Added::Value(self.program.at(id)),
            // With its norm folded in, the other branch's convolution writes the norm's result to
            // the slice of its own result.
            Residual::Norm(other) => match self.own(other) {
                Some((conv, inputs)) => {
                    self.conv(
                        conv,
                        &inputs,
                        Some(other),
                        EpilogueOf { residual: None, relu: false },
                        conv,
                    );
                    Added::Value(self.program.at(conv))
                }
                None => Added::Norm(self.register(other)),
            },
        });
        match (self.own(norm), added) {
            (Some((conv, inputs)), None | Some(Added::Value(_))) => {
                let residual = added.and_then(|added| {
                    if let Added::Value(slice) = added { Some(slice) } else { None }
                });
                self.conv(conv, &inputs, Some(norm), EpilogueOf { residual, relu }, out);
            }
            (own, added) => {
                if let Some((conv, inputs)) = own {
                    self.conv(
                        conv,
                        &inputs,
                        None,
                        EpilogueOf { residual: None, relu: false },
                        conv,
                    );
                }
                let norm = self.register(norm);
                let out = self.program.at(out);
                self.program.forward.push(Instr::Normalize { norm, added, relu, out });
            }
        }
    }

    /// The deferred convolution before a norm, with its inputs.
    fn own(&mut self, norm: NodeId) -> Option<(NodeId, Vec<NodeId>)> {
        let conv = own_conv(self.graph, norm)?;
        Some((conv, self.inputs.remove(&conv)?))
    }

    fn constants(&self, norm: NodeId) -> (f64, f64) {
        let Op::BatchNorm { eps, momentum } = self.graph.node(norm).op else {
            unreachable!("the caller passes a batch norm");
        };
        (eps, momentum)
    }

    /// Registers a norm that is not folded.
    fn register(&mut self, node: NodeId) -> NormId {
        let (eps, momentum) = self.constants(node);
        let x = self.program.at(self.graph.node(node).inputs[0]);
        self.program.add_norm(NormOf {
            state: self.program.state(node),
            eps,
            momentum,
            x,
            conv: None,
            first_channel: 0,
        })
    }
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
