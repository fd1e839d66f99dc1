//! The backward half of the program. Each gradient has one buffer slice: the first contribution
//! overwrites it, later ones accumulate. The order is static, so buffers are not zeroed first.

use crate::allocation::BufferSlice;
use crate::fusion::Fusion;
use crate::instructions::{Added, GradientSource, GradientTarget, Instr, NormSums};
use crate::program::{Program, copied, is_image};
use res2lab_arch::{Graph, NodeId, Op};

/// The gradient buffers, one for each buffer of values, and the channels written so far.
struct Gradients {
    /// The index of the first gradient buffer.
    first: usize,
    written: Vec<Vec<bool>>,
}

impl Gradients {
    fn slice_of(&self, value: BufferSlice) -> BufferSlice {
        value.in_buffer(self.first + value.buffer)
    }

    /// The target of a contribution to the gradient of a value. If some of its channels have been
    /// written, the others are zeroed first, and the contribution accumulates.
    fn contribute(&mut self, value: BufferSlice, instrs: &mut Vec<Instr>) -> GradientTarget {
        let range = value.start..value.start + value.shape.channels;
        let written = &mut self.written[value.buffer][range];
        let add = written.iter().any(|w| *w);
        if add {
            self.complete(value, instrs);
        } else {
            written.fill(true);
        }
        GradientTarget { to: self.slice_of(value), add }
    }

    /// The gradient of a value after all contributions; channels without any are zeroed.
    fn complete(&mut self, value: BufferSlice, instrs: &mut Vec<Instr>) -> BufferSlice {
        for channel in value.start..value.start + value.shape.channels {
            if !std::mem::replace(&mut self.written[value.buffer][channel], true) {
                let shape = res2lab_arch::Shape { channels: 1, ..value.shape };
                let of = self.slice_of(BufferSlice { start: channel, shape, ..value });
                match instrs.last_mut() {
                    Some(Instr::Zero { slice })
                        if slice.buffer == of.buffer
                            && slice.start + slice.shape.channels == channel =>
                    {
                        slice.shape.channels += 1;
                    }
                    _ => instrs.push(Instr::Zero { slice: of }),
                }
            }
        }
        self.slice_of(value)
    }
}

/// Adds the backward instructions and the buffers of gradients to a program.
pub(crate) fn add(program: &mut Program, graph: &Graph, fusions: &[Fusion]) {
    let first = program.buffers.len();
    let written = program.buffers.iter().map(|shape| vec![false; shape.channels]).collect();
    program.buffers.extend(program.buffers.clone());
    program.alias_of.extend(first..2 * first);
    let mut gradients = Gradients { first, written };
    let mut instrs = Vec::new();
    program.logits_gradient = gradients.contribute(program.logits, &mut instrs).to;
    let forward = program.forward.clone();
    for fusion in fusions.iter().rev() {
        match fusion {
            Fusion::Norm { out, .. } => {
                let normalize =
                    forward.iter().find(|instr| is_normalize_to(instr, program.at(*out)));
                norm(
                    program,
                    graph,
                    &mut gradients,
                    normalize.expect("every fused norm has one"),
                    &mut instrs,
                );
            }
            Fusion::Conv { node, .. } => {
                let id = program
                    .convs
                    .iter()
                    .position(|conv| conv.node == *node)
                    .expect("every conv is registered");
                if !program.norms.iter().any(|norm| norm.conv == Some(id)) {
                    let of = gradients.complete(program.at(*node), &mut instrs);
                    let from = GradientSource { of, norm: None };
                    let back = conv(program, &mut gradients, id, from, &mut instrs);
                    instrs.push(back);
                }
            }
            Fusion::Single(id) => single(program, graph, &mut gradients, *id, &mut instrs),
        }
    }
    program.backward = instrs;
}

fn is_normalize_to(instr: &Instr, slice: BufferSlice) -> bool {
    matches!(instr, Instr::Normalize { out, .. } if *out == slice)
}

/// The backward pass of a fused norm, followed at once by that of the convolutions before it, while
/// the gradient is in the cache.
fn norm(
    program: &Program,
    graph: &Graph,
    gradients: &mut Gradients,
    normalize: &Instr,
    instrs: &mut Vec<Instr>,
) {
    let Instr::Normalize { norm, added, relu, out } = normalize else {
        unreachable!("the caller passes a Normalize instruction");
    };
    let of = gradients.complete(*out, instrs);
    let other = match added {
        Some(Added::Norm(other)) => Some(*other),
        _ => None,
    };
    let norms: Vec<usize> = std::iter::once(*norm).chain(other).collect();
    for (i, norm) in norms.iter().enumerate() {
        // The sums of the first norm mask the gradient, so those of the second must not mask again.
        let relu = (*relu && i == 0).then_some(*out);
        sums(program, graph, NormSums { norm: *norm, first: 0, of, relu }, instrs);
    }
    instrs.push(Instr::NormCoefficients { norms: norms.clone() });
    if let Some(Added::Value(value)) = added
        && !is_image(value)
    {
        let into = gradients.contribute(*value, instrs);
        instrs.push(Instr::Copy { from: of, into });
    }
    for norm in norms {
        let back = match program.norms[norm].conv {
            Some(id) => {
                conv(program, gradients, id, GradientSource { of, norm: Some(norm) }, instrs)
            }
            None if is_image(&program.norms[norm].x) => continue,
            None => {
                let into = gradients.contribute(program.norms[norm].x, instrs);
                Instr::NormBack { from: GradientSource { of, norm: Some(norm) }, into }
            }
        };
        instrs.push(back);
    }
}

fn conv(
    program: &Program,
    gradients: &mut Gradients,
    id: usize,
    from: GradientSource,
    instrs: &mut Vec<Instr>,
) -> Instr {
    let inputs = program.forward.iter().find_map(|instr| match instr {
        Instr::Conv { conv, inputs, .. } if *conv == id => Some(inputs.clone()),
        _ => None,
    });
    let inputs = inputs.expect("every conv runs forward");
    let reached = inputs.iter().filter(|input| !is_image(input));
    let into: Vec<GradientTarget> =
        reached.map(|input| gradients.contribute(*input, instrs)).collect();
    Instr::ConvBack { conv: id, from, inputs, norm_sums: vec![Vec::new(); into.len()], into }
}

/// Plans the sums of a norm, channel by channel. The convolution that completes the gradient of a
/// channel takes its sums while the gradient is in registers; for other channels a separate
/// instruction does.
fn sums(program: &Program, graph: &Graph, whole: NormSums, instrs: &mut Vec<Instr>) {
    let channels = whole.of.shape.channels;
    let written: Vec<Vec<BufferSlice>> =
        instrs.iter().map(crate::liveness::gradients_written).collect();
    let writers: Vec<Option<(usize, usize)>> = (0..channels)
        .map(|channel| last_writer(&written, whole.of.buffer, whole.of.start + channel))
        .map(|writer| {
            writer.filter(|(at, _)| {
                whole.relu.is_some() && can_take_sums(program, graph, &instrs[*at])
            })
        })
        .collect();
    let mut first = 0;
    for same in writers.chunk_by(|a, b| a == b) {
        let shape = res2lab_arch::Shape { channels: same.len(), ..whole.of.shape };
        let part = |slice: BufferSlice| slice.channels(first, shape);
        let part = NormSums { first, of: part(whole.of), relu: whole.relu.map(part), ..whole };
        match same[0].map(|(at, into)| (&mut instrs[at], into)) {
            Some((Instr::ConvBack { norm_sums, .. }, into)) => norm_sums[into].push(part),
            _ => instrs.push(Instr::NormSums(part)),
        }
        first += same.len();
    }
}

/// The last instruction that writes to a channel of a gradient, and the index of that gradient
/// among those that the instruction writes.
fn last_writer(
    written: &[Vec<BufferSlice>],
    buffer: usize,
    channel: usize,
) -> Option<(usize, usize)> {
    let is_there = |slice: &BufferSlice| {
        slice.buffer == buffer
            && (slice.start..slice.start + slice.shape.channels).contains(&channel)
    };
    written
        .iter()
        .enumerate()
        .rev()
        .find_map(|(at, slices)| Some((at, slices.iter().rposition(is_there)?)))
}

/// Whether the epilogue of this instruction can take a norm's sums: it must be the backward pass of
/// a convolution of stride 1, which writes whole rows.
fn can_take_sums(program: &Program, graph: &Graph, instr: &Instr) -> bool {
    let Instr::ConvBack { conv, .. } = instr else { return false };
    matches!(graph.node(program.convs[*conv].node).op, Op::Conv(conv) if conv.stride == 1)
}

fn single(
    program: &Program,
    graph: &Graph,
    gradients: &mut Gradients,
    id: NodeId,
    instrs: &mut Vec<Instr>,
) {
    let node = graph.node(id);
    let input = |i: usize| program.at(node.inputs[i]);
    if node.op == Op::Concat {
        for (source, part) in
            copied(program, graph, id).into_iter().filter(|(source, _)| !is_image(source))
        {
            let from = gradients.complete(part, instrs);
            let into = gradients.contribute(source, instrs);
            instrs.push(Instr::Copy { from, into });
        }
        return;
    }
    let from = gradients.complete(program.at(id), instrs);
    if node.inputs.iter().all(|input| is_image(&program.at(*input)))
        && !matches!(node.op, Op::Linear { .. })
    {
        return;
    }
    match node.op {
        Op::Add => {
            for i in (0..node.inputs.len()).filter(|i| !is_image(&input(*i))) {
                let into = gradients.contribute(input(i), instrs);
                instrs.push(Instr::Copy { from, into });
            }
        }
        Op::Gate => {
            let into_x = gradients.contribute(input(0), instrs);
            let into_gate = gradients.contribute(input(1), instrs);
            instrs.push(Instr::GateBack { from, x: input(0), gate: input(1), into_x, into_gate });
        }
        _ => {
            let into = gradients.contribute(input(0), instrs);
            instrs.push(one_input(program, graph, id, from, into));
        }
    }
}

fn one_input(
    program: &Program,
    graph: &Graph,
    id: NodeId,
    from: BufferSlice,
    into: GradientTarget,
) -> Instr {
    let result = program.at(id);
    let input = program.at(graph.node(id).inputs[0]);
    match graph.node(id).op {
        Op::Relu => Instr::ReluBack { from, result, into },
        Op::Sigmoid => Instr::SigmoidBack { from, result, into },
        Op::AvgPool(_) | Op::MaxPool(_) => {
            let pool = program
                .pools
                .iter()
                .position(|pool| pool.output == result)
                .expect("every pool runs forward");
            Instr::PoolBack { pool, from, into }
        }
        Op::GlobalPool => Instr::GlobalPoolBack { from, into },
        Op::Linear { .. } => {
            let state = program.first_entry[id.0].expect("a linear layer has weights");
            Instr::LinearBack { state, from, input, into }
        }
        op => unreachable!("{op:?} has its own rule"),
    }
}
