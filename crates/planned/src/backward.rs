//! The training step: the forward pass, and the backward pass behind it.

use crate::access::{Access, slices};
use crate::aliasing::alias_copies;
use crate::allocation::BufferSlice;
use crate::fusion::{Fusion, fuse};
use crate::instructions::{Backward, Forward};
use crate::ops::add::Add;
use crate::ops::concat::Copy;
use crate::ops::conv::Conv;
use crate::ops::conv_back::{ConvBack, InputTarget};
use crate::ops::gate::GateBack;
use crate::ops::global_pool::GlobalPoolBack;
use crate::ops::group_norm::GroupNormBack;
use crate::ops::linear::LinearBack;
use crate::ops::masked_sums::MaskedSums;
use crate::ops::noise::NoiseBack;
use crate::ops::norm::{Added, Normalize};
use crate::ops::norm_back::{Coefficients, GradientSource, NormBack, ZeroSums};
use crate::ops::pool::PoolBack;
use crate::ops::relu::ReluBack;
use crate::ops::resize::ResizeBack;
use crate::ops::sigmoid::SigmoidBack;
use crate::planning::{Gradients, Nodes, is_image};
use crate::program::Program;
use crate::tables::{ConvId, NormId, Tables};
use res2lab_arch::{Graph, NodeId, Op};

impl Program {
    /// Plans the training step of a graph, for a single thread that packs no weights (see
    /// `schedule`).
    pub fn new(graph: &Graph) -> Program {
        let fusions = fuse(graph);
        let (mut program, nodes) = Program::forward(graph, &fusions);
        let gradients = Gradients::new(&program.tables.buffers);
        let first = program.tables.buffers.len();
        program.tables.buffers.extend(program.tables.buffers.clone());
        program.tables.alias_of.extend(first..2 * first);
        let Program { tables, forward, .. } = &program;
        let mut planner = Planner {
            tables,
            forward,
            nodes: &nodes,
            gradients,
            instrs: Vec::new(),
            written: Vec::new(),
        };
        planner.push(ZeroSums { norms: (0..tables.norms.len()).collect() });
        let logits_gradient = planner.gradients.contribute(tables.logits).to;
        fusions.iter().rev().for_each(|fusion| planner.add_fusion(fusion));
        program.backward = planner.instrs;
        program.tables.logits_gradient = logits_gradient;
        alias_copies(&mut program);
        program
    }
}

/// Plans the backward pass.
struct Planner<'a> {
    tables: &'a Tables,
    forward: &'a [Forward],
    nodes: &'a Nodes<'a>,
    gradients: Gradients,
    instrs: Vec<Backward>,
    /// The slices that each of these instructions writes.
    written: Vec<Vec<BufferSlice>>,
}

impl Planner<'_> {
    /// Adds an instruction, after the zeros that it needs.
    fn push(&mut self, instr: impl Into<Backward>) {
        let zeros = self.gradients.take_zeros().into_iter().map(Backward::from);
        for instr in zeros.chain([instr.into()]) {
            let accesses = instr.accesses(self.tables).into_iter();
            self.written.push(slices(accesses.filter(Access::writes)).collect());
            self.instrs.push(instr);
        }
    }

    fn push_all(&mut self, copies: Vec<Copy>) {
        copies.into_iter().for_each(|copy| self.push(copy));
    }

    fn add_fusion(&mut self, fusion: &Fusion) {
        match fusion {
            Fusion::Norm { out, .. } => self.add_norm(self.nodes.at(*out)),
            Fusion::Conv { node, .. } => {
                let id = self.tables.convs.iter().position(|conv| conv.node == *node);
                let id = id.expect("every convolution is registered");
                if !self.tables.norms.iter().any(|norm| norm.conv == Some(id)) {
                    let of = self.gradients.complete(self.nodes.at(*node));
                    self.add_conv(id, GradientSource { of, norm: None });
                }
            }
            Fusion::Single(id) => self.add_single(*id),
        }
    }

    /// Adds the backward pass of the fused norm that computes `out`, followed at once by that of
    /// the convolutions before it, while the gradient is in the cache.
    fn add_norm(&mut self, out: BufferSlice) {
        let Normalize { norm, added, relu, .. } = *self.normalize(out);
        let of = self.gradients.complete(out);
        let norms: Vec<NormId> = std::iter::once(norm).chain(added.and_then(Added::norm)).collect();
        for (i, norm) in norms.iter().enumerate() {
            // The sums of the first norm mask the gradient, so those of the second must not mask
            // again.
            let relu = (relu && i == 0).then_some(out);
            self.add_sums(MaskedSums { norm: *norm, first: 0, of, relu });
        }
        self.push(Coefficients { norms: norms.clone() });
        if let Some(value) = added.and_then(Added::value).filter(|value| !is_image(value)) {
            let into = self.gradients.contribute(value);
            self.push(Copy { from: of, into });
        }
        for norm in norms {
            let x = self.tables.norms[norm].x;
            let from = GradientSource { of, norm: Some(norm) };
            match self.tables.norms[norm].conv {
                Some(conv) => self.add_conv(conv, from),
                None if is_image(&x) => {}
                None => {
                    let into = self.gradients.contribute(x);
                    self.push(NormBack { from, into });
                }
            }
        }
    }

    fn normalize(&self, to: BufferSlice) -> &Normalize {
        let found = self.forward.iter().find_map(|instr| {
            let Forward::Normalize(normalize) = instr else { return None };
            (normalize.out == to).then_some(normalize)
        });
        found.expect("every fused norm has one")
    }

    fn conv(&self, id: ConvId) -> &Conv {
        let found = self.forward.iter().find_map(|instr| {
            let Forward::Conv(conv) = instr else { return None };
            (conv.conv == id).then_some(conv)
        });
        found.expect("every convolution runs forward")
    }

    fn add_conv(&mut self, id: ConvId, from: GradientSource) {
        let conv = self.conv(id).clone();
        let back = ConvBack::plan(self.tables, &mut self.gradients, &conv, from);
        self.push(back);
    }

    /// Plans the sums of a norm, channel by channel. The convolution that completes the gradient of
    /// a channel takes its sums while the gradient is in registers; for other channels a separate
    /// instruction does.
    fn add_sums(&mut self, whole: MaskedSums) {
        let channels = whole.of.start..whole.of.start + whole.of.shape.channels;
        let takers: Vec<Option<(usize, usize)>> = channels
            .map(|channel| self.taker(whole.of.buffer, channel).filter(|_| whole.relu.is_some()))
            .collect();
        let mut first = 0;
        for same in takers.chunk_by(|a, b| a == b) {
            let part = whole.channels(first, same.len());
            first += same.len();
            let Some((at, into)) = same[0] else {
                self.push(part);
                continue;
            };
            if let Backward::ConvBack(back) = &mut self.instrs[at] {
                back.into[into].masked_sums.push(part);
            }
        }
    }

    /// The instruction whose epilogue can take the sums of a channel's gradient, and the index of
    /// its target: the last one that writes to it, if that is the backward pass of a convolution of
    /// stride 1, which writes whole rows.
    fn taker(&self, buffer: usize, channel: usize) -> Option<(usize, usize)> {
        let is_written = |slices: &Vec<BufferSlice>| slices.iter().any(|s| s.has(buffer, channel));
        let at = self.written.iter().rposition(is_written)?;
        let Backward::ConvBack(back) = &self.instrs[at] else { return None };
        let is_there = |into: &InputTarget| into.target.to.has(buffer, channel);
        let into = back.into.iter().rposition(is_there)?;
        (self.tables.convs[back.conv].shape.stride == 1).then_some((at, into))
    }

    fn add_single(&mut self, id: NodeId) {
        let nodes = self.nodes;
        let op = nodes.op(id);
        let is_constant = nodes.inputs(id).iter().all(is_image);
        if is_constant && !matches!(op, Op::Linear { .. }) {
            return;
        }
        let gradients = &mut self.gradients;
        let back: Backward = match op {
            Op::Relu => ReluBack::plan(nodes, gradients, id).into(),
            Op::Sigmoid => SigmoidBack::plan(nodes, gradients, id).into(),
            Op::Gate => GateBack::plan(nodes, gradients, id).into(),
            Op::Noise { .. } => NoiseBack::plan(nodes, gradients, id).into(),
            Op::MaxPool(_) | Op::AvgPool(_) => {
                PoolBack::plan(self.tables, nodes, gradients, id).into()
            }
            Op::GlobalPool => GlobalPoolBack::plan(nodes, gradients, id).into(),
            Op::GroupNorm { .. } => GroupNormBack::plan(nodes, gradients, id).into(),
            Op::Resize(_) => ResizeBack::plan(self.tables, nodes, gradients, id).into(),
            Op::Linear { .. } => LinearBack::plan(nodes, gradients, id).into(),
            Op::Add => {
                let copies = Add::plan_back(nodes, gradients, id);
                return self.push_all(copies);
            }
            Op::Concat => {
                let copies = Copy::plan_back(nodes, gradients, id);
                return self.push_all(copies);
            }
            Op::Input | Op::Slice { .. } | Op::Conv(_) | Op::BatchNorm { .. } => {
                unreachable!("these nodes are not single")
            }
        };
        self.push(back);
    }
}
