//! Forward passes over a graph with libtorch.

use crate::noise::Noise;
use crate::params::{Params, Placement};
use res2lab_arch::{Graph, Interpolation, NodeId, NoiseRates, Op, Pool, Shape};
use res2lab_error::Error;
use res2lab_libtorch::{Autocast, Group, group};
use std::rc::Rc;
use tch::{Kind, Tensor};

/// The mode of batch norms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Uses the statistics of the batch, and updates the running statistics.
    Train,
    /// Uses the running statistics.
    Eval,
}

/// The results of a forward pass.
pub struct Output {
    /// N x classes, or N x classes x H x W if the output is a map.
    pub logits: Tensor,
    /// The result of each tap, N x C x H x W.
    pub taps: Vec<Tensor>,
}

/// A graph with what its forward passes need.
pub(crate) struct Flow {
    graph: Graph,
    /// For each node, the index of its first entry in the state; `None` for nodes without state.
    first_entry: Vec<Option<usize>>,
    /// For each node, the last node that reads it.
    last_use: Vec<usize>,
    consumers: Vec<usize>,
    /// For the first of the slices that divide a node's channels among them: all of these slices.
    splits: Vec<Option<Vec<NodeId>>>,
}

impl Flow {
    /// The slices of `source`, in one operation. Its backward pass is one concatenation, where the
    /// backward pass of each slice alone would be a gradient of the whole width.
    fn split(&self, source: &Tensor, slices: &[NodeId]) -> Vec<Tensor> {
        let width = |id: &NodeId| {
            let Op::Slice { len, .. } = self.graph.node(*id).op else {
                unreachable!("the caller passes slices");
            };
            len as i64
        };
        source.split_with_sizes(slices.iter().map(width).collect::<Vec<_>>(), 1)
    }

    fn new(graph: Graph) -> Flow {
        let mut last_use: Vec<usize> = (0..graph.nodes.len()).collect();
        for (id, node) in graph.iter() {
            node.inputs.iter().for_each(|input| last_use[input.0] = id.0);
        }
        let first_entry = graph.first_entries();
        let consumers = graph.consumers();
        let splits = splits(&graph);
        Flow { graph, first_entry, last_use, consumers, splits }
    }
}

/// A graph with its parameters.
pub struct Net {
    flow: Flow,
    /// The graph in training where it is another: with random factors, or for images of another
    /// size.
    training: Option<Flow>,
    /// The random numbers of the next training step.
    noise: Noise,
    params: Params,
    placement: Placement,
    autocast: Option<Kind>,
    /// Whether evaluation folds batch norms on a GPU.
    fuses_evaluation: bool,
    /// The processes over whose images batch norms take their statistics in training.
    sync: Option<Rc<Group>>,
}

impl Net {
    /// A net whose state is zero; [`crate::init`] and [`crate::weights`] set it.
    pub fn new(graph: Graph, placement: Placement) -> Result<Net, Error> {
        let params = Params::new(&graph, placement)?;
        // A head may have dropout of its own.
        let training = res2lab_arch::with_noise(&graph, NoiseRates::default()).map(Flow::new);
        Ok(Net {
            flow: Flow::new(graph),
            training,
            noise: Noise::default(),
            params,
            placement,
            autocast: None,
            fuses_evaluation: false,
            sync: None,
        })
    }

    /// The architecture.
    pub fn graph(&self) -> &Graph {
        &self.flow.graph
    }

    /// Makes training multiply by random factors at these rates.
    pub fn set_noise_rates(&mut self, rates: NoiseRates) {
        self.training = res2lab_arch::with_noise(&self.flow.graph, rates).map(Flow::new);
    }

    /// Makes training run `graph`, the same network for images of another size, with random factors
    /// at these rates.
    pub fn train_as(&mut self, graph: Graph, rates: NoiseRates) {
        let graph = res2lab_arch::with_noise(&graph, rates).unwrap_or(graph);
        self.training = Some(Flow::new(graph));
    }

    /// The architecture in training, which may have random factors or another size of images.
    pub fn training_graph(&self) -> &Graph {
        self.training.as_ref().map_or(&self.flow.graph, |flow| &flow.graph)
    }

    /// Sets the random numbers of the next training step.
    pub fn set_noise(&mut self, noise: Noise) {
        self.noise = noise;
    }

    /// The random numbers of the next training step.
    pub(crate) fn noise(&self) -> Noise {
        self.noise
    }

    /// What evaluation runs.
    pub(crate) fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The state.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The state, to be changed.
    pub fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// The device, element type and memory layout.
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// Makes convolutions and matrix products compute in `kind` (bfloat16 or half). Logits and
    /// weights stay float32. The planned step rounds weights as it packs them, and needs no copy.
    pub fn set_autocast(&mut self, kind: Option<Kind>) {
        self.autocast = kind;
        self.params.use_half(kind.filter(|_| self.placement.engine != crate::Engine::Planned));
    }

    /// The kind of convolutions and matrix products in mixed precision.
    pub fn autocast(&self) -> Option<Kind> {
        self.autocast
    }

    /// Makes [`crate::FusedInference`] evaluate the net, where it fits.
    pub fn fuse_evaluation(&mut self, on: bool) {
        self.fuses_evaluation = on;
    }

    /// Whether [`crate::FusedInference`] evaluates the net.
    pub fn fuses_evaluation(&self) -> bool {
        self.fuses_evaluation && crate::FusedInference::fits(self)
    }

    /// Makes batch norms in training take their statistics over the images of all processes of
    /// `group`.
    pub fn sync_batch_norm(&mut self, group: &Rc<Group>) {
        self.sync = Some(Rc::clone(group));
    }

    /// Whether the net computes in mixed precision.
    pub fn is_mixed(&self) -> bool {
        self.autocast.is_some()
    }

    /// Whether batch norms take their statistics over the images of several processes.
    pub fn is_synchronized(&self) -> bool {
        self.sync.is_some()
    }

    /// The logits of `images` (N x C x H x W, normalized, of the net's kind and device).
    pub fn logits(&self, images: &Tensor, mode: Mode) -> Tensor {
        self.forward(images, mode, &[]).logits
    }

    /// The logits, and the results of the nodes `taps`.
    pub fn forward(&self, images: &Tensor, mode: Mode, taps: &[NodeId]) -> Output {
        self.params.refresh_half_if_stale();
        let flow = self.training.as_ref().filter(|_| mode == Mode::Train).unwrap_or(&self.flow);
        let mut results: Vec<Option<Tensor>> = (0..flow.graph.nodes.len()).map(|_| None).collect();
        let _autocast = self.autocast.map(|kind| Autocast::new(self.placement.device, kind));
        results[0] = Some(self.placement.layout.apply(images));
        for (id, node) in flow.graph.iter().skip(1) {
            if let Some(slices) = &flow.splits[id.0] {
                let source = results[node.inputs[0].0].as_ref().expect("inputs run first");
                for (slice, part) in slices.iter().zip(flow.split(source, slices)) {
                    results[slice.0] = Some(part);
                }
            }
            let result = match results[id.0].take() {
                Some(part) => part,
                None => self.run(flow, id, &results, mode, taps),
            };
            for input in &node.inputs {
                if flow.last_use[input.0] == id.0 && !taps.contains(input) {
                    results[input.0] = None;
                }
            }
            results[id.0] = Some(result);
        }
        let end = flow.graph.output();
        let take = |id: &NodeId| results[id.0].as_ref().map(Tensor::shallow_clone);
        let taps = taps.iter().filter_map(take).collect();
        // The output has no reader, so its result is still stored.
        let logits = results[end.0].take().unwrap_or_default();
        let logits = logits.reshape(logits_size(&flow.graph));
        Output { logits: logits.to_kind(self.placement.kind), taps }
    }

    /// Computes one node from the results of its inputs.
    pub(crate) fn run(
        &self,
        flow: &Flow,
        id: NodeId,
        results: &[Option<Tensor>],
        mode: Mode,
        taps: &[NodeId],
    ) -> Tensor {
        let node = flow.graph.node(id);
        // An input is dropped only after its last use, so it is present.
        let input = |i: usize| {
            results[node.inputs[i].0].as_ref().expect("inputs run first and live to their last use")
        };
        let state = |i: usize| self.state(flow, id, i);
        let x = input(0);
        match node.op {
            Op::Input => x.shallow_clone(),
            Op::Conv(c) => {
                let stride = [c.stride as i64; 2];
                let padding = [c.padding as i64; 2];
                x.conv2d(
                    state(0),
                    c.bias.then(|| state(1)),
                    stride,
                    padding,
                    [c.dilation as i64; 2],
                    c.groups as i64,
                )
            }
            Op::BatchNorm { eps, momentum } => {
                self.batch_norm([0, 1, 2, 3].map(state), x, mode, eps, momentum)
            }
            Op::GroupNorm { groups, eps } => {
                x.group_norm(groups as i64, Some(state(0)), Some(state(1)), eps, true)
            }
            Op::Relu => {
                let source = node.inputs[0];
                // The backward pass of norms and sums does not need their output, so the ReLU may
                // overwrite it.
                let overwritable =
                    matches!(flow.graph.node(source).op, Op::BatchNorm { .. } | Op::Add);
                if overwritable && flow.consumers[source.0] == 1 && !taps.contains(&source) {
                    x.shallow_clone().relu_()
                } else {
                    x.relu()
                }
            }
            Op::Sigmoid => x.sigmoid(),
            Op::Add => (1..node.inputs.len()).fold(x.shallow_clone(), |sum, i| sum + input(i)),
            Op::Gate => x * input(1),
            Op::Noise { rate, per } => x * self.noise.factors(&node.name, rate, per, x),
            Op::Slice { start, len } => x.narrow(1, start as i64, len as i64),
            Op::Concat => Tensor::cat(&(0..node.inputs.len()).map(input).collect::<Vec<_>>(), 1),
            Op::MaxPool(p) => {
                let [k, s, pad] = [p.kernel, p.stride, p.padding].map(|n| [n as i64; 2]);
                x.max_pool2d(k, s, pad, [1, 1], p.ceil_mode)
            }
            Op::AvgPool(p) => average(x, p),
            Op::GlobalPool => x.mean_dim([2_i64, 3].as_slice(), true, None),
            Op::Resize(how) => resized(x, how, [node.shape.height, node.shape.width]),
            Op::Linear { .. } => x.flatten(1, -1).linear(state(0), Some(state(1))),
        }
    }

    fn batch_norm(
        &self,
        [weight, bias, running_mean, running_var]: [&Tensor; 4],
        x: &Tensor,
        mode: Mode,
        eps: f64,
        momentum: f64,
    ) -> Tensor {
        let training = mode == Mode::Train;
        if let (Some(group), true) = (&self.sync, training) {
            let of = group::BatchNorm { weight, bias, running_mean, running_var, momentum, eps };
            // As all operations of tch, this panics if libtorch fails: here, if another process
            // ended.
            return group::sync_batch_norm(group, x, of).unwrap_or_else(|e| panic!("{e}"));
        }
        x.batch_norm(
            Some(weight),
            Some(bias),
            Some(running_mean),
            Some(running_var),
            training,
            momentum,
            eps,
            true,
        )
    }

    /// Entry `i` of the state of a node, in the kind of the weights.
    pub(crate) fn entry(&self, id: NodeId, i: usize) -> &Tensor {
        self.params.tensor(self.flow.first_entry[id.0].expect("this op has state") + i)
    }

    /// Entry `i` of the state of a node, as forward passes read it.
    fn state(&self, flow: &Flow, id: NodeId, i: usize) -> &Tensor {
        self.params.leaf(flow.first_entry[id.0].expect("this op has state") + i)
    }

    /// Converts images to the net's kind, device and memory layout.
    pub fn prepare(&self, images: &Tensor) -> Tensor {
        let Placement { device, kind, layout, .. } = self.placement;
        layout.apply(&images.to_device(device).to_kind(kind))
    }
}

/// The size of logits: N x classes, or N x classes x H x W if the output is a map.
pub(crate) fn logits_size(graph: &Graph) -> Vec<i64> {
    let Shape { channels, height, width } = graph.node(graph.output()).shape;
    match graph.is_dense() {
        true => vec![-1, channels as i64, height as i64, width as i64],
        false => vec![-1, channels as i64],
    }
}

fn average(x: &Tensor, p: Pool) -> Tensor {
    let [k, s, pad] = [p.kernel, p.stride, p.padding].map(|n| [n as i64; 2]);
    let after = p.after as i64;
    let x = if after > 0 { x.constant_pad_nd([0, after, 0, after]) } else { x.shallow_clone() };
    x.avg_pool2d(k, s, pad, p.ceil_mode, p.count_include_pad, None)
}

fn resized(x: &Tensor, how: Interpolation, size: [usize; 2]) -> Tensor {
    let size = size.map(|n| n as i64);
    match how {
        Interpolation::Nearest => x.upsample_nearest2d(size, None, None),
        Interpolation::Bilinear { aligned } => x.upsample_bilinear2d(size, aligned, None, None),
    }
}

/// For each node that is the first of several slices which divide the channels of their source
/// among them, all of these slices in the order of channels.
fn splits(graph: &Graph) -> Vec<Option<Vec<NodeId>>> {
    let mut slices: Vec<Vec<(usize, usize, NodeId)>> = vec![vec![]; graph.nodes.len()];
    for (id, node) in graph.iter() {
        if let Op::Slice { start, len } = node.op {
            slices[node.inputs[0].0].push((start, len, id));
        }
    }
    let mut splits = vec![None; graph.nodes.len()];
    for (source, mut parts) in slices.into_iter().enumerate() {
        parts.sort_unstable_by_key(|(start, ..)| *start);
        let follows = |pair: &[(usize, usize, NodeId)]| pair[0].0 + pair[0].1 == pair[1].0;
        let end = parts.last().map_or(0, |(start, len, _)| start + len);
        let covers = parts.first().is_some_and(|part| part.0 == 0)
            && parts.windows(2).all(follows)
            && end == graph.nodes[source].shape.channels;
        if parts.len() > 1 && covers {
            let ids: Vec<NodeId> = parts.iter().map(|(.., id)| *id).collect();
            let first = ids.iter().map(|id| id.0).min().unwrap_or_default();
            splits[first] = Some(ids);
        }
    }
    splits
}
