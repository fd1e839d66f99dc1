//! Parameters as one ordered list over flat buffers.
//!
//! Values, gradients and momentum of all trained tensors are stored in three flat buffers, so that
//! the optimizer is one call, optimizer state can be saved, and gradients can be reduced in
//! buckets. The tensors of the network are views of these buffers.
use crate::Engine;
use crate::half::Half;
use crate::second::Second;
use res2lab_arch::{Graph, Role, StateEntry};
use res2lab_error::Error;
use tch::{Device, Kind, Tensor};

/// The memory layout of activations and of convolution weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// NCHW.
    Contiguous,
    /// NHWC, expressed by strides.
    ChannelsLast,
}

impl Layout {
    /// The name in a trial's files.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Contiguous => "contiguous",
            Layout::ChannelsLast => "channels_last",
        }
    }

    /// The layout of this name.
    pub fn from_name(name: &str) -> Option<Layout> {
        [Layout::Contiguous, Layout::ChannelsLast].into_iter().find(|known| known.name() == name)
    }

    /// Copies `images` (logically NCHW) to this memory layout.
    pub fn apply(self, images: &Tensor) -> Tensor {
        match self {
            Layout::Contiguous => images.contiguous(),
            Layout::ChannelsLast => images.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]),
        }
    }
}

/// The device, element type and memory layout of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    pub device: Device,
    /// `Kind::Float` or `Kind::Double`.
    pub kind: Kind,
    pub layout: Layout,
    /// The engine that trains the network.
    pub engine: Engine,
}

impl Placement {
    /// A placement for `engine`, with the layout that it is fastest with.
    pub fn new(engine: Engine, graph: &Graph, device: Device, kind: Kind) -> Placement {
        Placement { device, kind, layout: engine.layout(graph, device, false), engine }
    }
}

/// The state of a network: its tensors, in the order of published checkpoints.
pub struct Params {
    pub(crate) entries: Vec<StateEntry>,
    views: Vec<Tensor>,
    pub(crate) values: Tensor,
    pub(crate) grads: Tensor,
    pub(crate) momentum: Tensor,
    momentum_views: Vec<Option<Tensor>>,
    grad_views: Vec<Option<Tensor>>,
    pub(crate) running: Tensor,
    average: Option<Average>,
    /// The mean of squared gradients, for optimizers that keep one.
    pub(crate) second: Option<Second>,
    pub(crate) layout: Layout,
    engine: Engine,
    /// Weights in half precision, in mixed precision.
    pub(crate) half: Option<Half>,
    /// The end of the weights of convolutions and linear layers in the flat buffers. Batch norms
    /// and biases follow.
    pub(crate) weights_end: i64,
}

/// The state of a network in main memory; each list has one tensor per entry.
pub struct HostState {
    pub values: Vec<Tensor>,
    /// None for running statistics.
    pub momentum: Vec<Option<Tensor>>,
    /// The means of squared gradients, if the optimizer keeps them; the tensors of running
    /// statistics stand for nothing.
    pub second: Option<Vec<Tensor>>,
    pub average: Option<Vec<Tensor>>,
}

/// A moving average of all state, in buffers of the same layout.
struct Average {
    values: Tensor,
    running: Tensor,
    views: Vec<Tensor>,
}

/// Tensors start on multiples of this many elements (64 bytes in float32), which vector
/// instructions prefer.
const ALIGNMENT: i64 = 16;

impl Params {
    /// Allocates the state of `graph`, filled with zeros.
    pub fn new(graph: &Graph, placement: Placement) -> Result<Params, Error> {
        let entries = graph.state.clone();
        let (trained_offsets, weights_end, trained_length) = trained_offsets(&entries);
        let (running_offsets, running_length) = offsets(&entries, |role| !role.is_trained(), 0);
        let zeros = |length: i64| Tensor::zeros([length], (placement.kind, placement.device));
        let values = zeros(trained_length);
        let grads = zeros(trained_length);
        let momentum = zeros(trained_length);
        let running = zeros(running_length);
        let mut params = Params {
            views: Vec::with_capacity(entries.len()),
            momentum_views: Vec::with_capacity(entries.len()),
            grad_views: Vec::with_capacity(entries.len()),
            entries,
            values,
            grads,
            momentum,
            running,
            average: None,
            second: None,
            layout: placement.layout,
            engine: placement.engine,
            half: None,
            weights_end,
        };
        for (i, entry) in params.entries.iter().enumerate() {
            let (Some(offset), true) = (trained_offsets[i], entry.role.is_trained()) else {
                let offset = running_offsets[i].unwrap_or_default();
                params.views.push(view(&params.running, offset, entry, placement.layout));
                params.momentum_views.push(None);
                params.grad_views.push(None);
                continue;
            };
            let of = |flat: &Tensor| view(flat, offset, entry, placement.layout);
            // The detached view is a leaf that shares the memory of the buffer.
            params.views.push(of(&params.values).detach().set_requires_grad(true));
            params.momentum_views.push(Some(of(&params.momentum)));
            params.grad_views.push(Some(of(&params.grads)));
        }
        Ok(params)
    }

    /// The names, shapes and roles of all entries, in order.
    pub fn entries(&self) -> &[StateEntry] {
        &self.entries
    }

    /// The tensor of entry `index`, which is a view of the buffers.
    pub fn tensor(&self, index: usize) -> &Tensor {
        &self.views[index]
    }

    /// The gradient of entry `index`; None for running statistics.
    pub fn grad(&self, index: usize) -> Option<&Tensor> {
        self.grad_views[index].as_ref()
    }

    /// The momentum of entry `index`; None for running statistics.
    pub fn momentum(&self, index: usize) -> Option<&Tensor> {
        self.momentum_views[index].as_ref()
    }

    /// The index of the entry with this published name.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|e| e.name == name)
    }

    /// Trained values and their gradients in main memory, with one copy for each; one tensor per
    /// entry, None for running statistics.
    pub fn trained_on_host(&self) -> [Vec<Option<Tensor>>; 2] {
        [&self.values, &self.grads].map(|flat| {
            let views = self.views_of(&flat.to_device(Device::Cpu), &self.running);
            let one = |(i, tensor): (usize, Tensor)| self.grad_views[i].is_some().then_some(tensor);
            views.into_iter().enumerate().map(one).collect()
        })
    }

    /// Overwrites entry `index` with `source`, which has the same shape and any device, kind and
    /// strides.
    pub fn set(&mut self, index: usize, source: &Tensor) {
        let _guard = tch::no_grad_guard();
        self.views[index].copy_(source);
        self.mark_half_stale();
    }

    /// Overwrites the momentum of entry `index`.
    pub fn set_momentum(&mut self, index: usize, source: &Tensor) {
        if let Some(view) = &mut self.momentum_views[index] {
            view.copy_(source);
        }
    }

    /// Starts a moving average of all state with the present values.
    pub fn start_average(&mut self) {
        let values = self.values.copy();
        let running = self.running.copy();
        let views = self.views_of(&values, &running);
        self.average = Some(Average { values, running, views });
    }

    /// The entries as views of two flat buffers with the lengths of ours.
    pub(crate) fn views_of(&self, values: &Tensor, running: &Tensor) -> Vec<Tensor> {
        let (trained, _, _) = trained_offsets(&self.entries);
        let (untrained, _) = offsets(&self.entries, |role| !role.is_trained(), 0);
        let one = |(i, entry): (usize, &StateEntry)| match (trained[i], untrained[i]) {
            (Some(offset), _) => view(values, offset, entry, self.layout),
            (None, offset) => view(running, offset.unwrap_or_default(), entry, self.layout),
        };
        self.entries.iter().enumerate().map(one).collect()
    }

    /// The state in main memory, with one copy for each flat buffer.
    pub fn on_host(&self) -> HostState {
        let host = |flat: &Tensor| flat.to_device(Device::Cpu);
        // Trained values alone have momentum: the buffer of running statistics stands for nothing.
        let running = host(&self.running);
        let momentum = self.views_of(&host(&self.momentum), &running);
        let is_trained = |i: usize| self.momentum_views[i].is_some();
        HostState {
            values: self.views_of(&host(&self.values), &running),
            momentum: momentum
                .into_iter()
                .enumerate()
                .map(|(i, t)| is_trained(i).then_some(t))
                .collect(),
            second: self.second_flat().map(|second| self.views_of(&host(second), &running)),
            average: self
                .average
                .as_ref()
                .map(|average| self.views_of(&host(&average.values), &host(&average.running))),
        }
    }

    /// Moves the average towards the present values: a * decay + x * (1 - decay).
    pub fn update_average(&mut self, decay: f64) {
        if let Some(average) = &mut self.average {
            let _guard = tch::no_grad_guard();
            let _ = average.values.lerp_(&self.values, 1.0 - decay);
            let _ = average.running.lerp_(&self.running, 1.0 - decay);
        }
    }

    /// Exchanges the state and its average, if there is one. A second call restores both.
    pub fn swap_average(&mut self) {
        if let Some(average) = &mut self.average {
            let _guard = tch::no_grad_guard();
            for (state, average) in
                [(&mut self.values, &mut average.values), (&mut self.running, &mut average.running)]
            {
                let kept = state.copy();
                state.copy_(average);
                average.copy_(&kept);
            }
            self.mark_half_stale();
        }
    }

    /// The average of entry `index`; None if no average was started.
    pub fn average(&self, index: usize) -> Option<&Tensor> {
        self.average.as_ref().map(|average| &average.views[index])
    }

    /// Overwrites the average of entry `index`.
    pub fn set_average(&mut self, index: usize, source: &Tensor) {
        if let Some(average) = &mut self.average {
            average.views[index].copy_(source);
        }
    }

    /// The running statistics, and their average if there is one. Evaluation reads them, training
    /// does not.
    pub fn running(&mut self) -> Vec<&mut Tensor> {
        let average = self.average.as_mut().map(|average| &mut average.running);
        std::iter::once(&mut self.running).chain(average).collect()
    }

    /// The offset of each entry in its flat buffer: one holds trained values, another running
    /// statistics.
    pub(crate) fn entry_offsets(&self) -> Vec<usize> {
        let (trained, _, _) = trained_offsets(&self.entries);
        let (running, _) = offsets(&self.entries, |role| !role.is_trained(), 0);
        trained.iter().zip(running).map(|(a, b)| a.or(b).unwrap_or_default() as usize).collect()
    }

    /// The flat buffers of trained values, of their gradients, and of running statistics.
    pub(crate) fn flat(&mut self) -> [&mut Tensor; 3] {
        [&mut self.values, &mut self.grads, &mut self.running]
    }

    /// The offset and the index of each trained entry.
    pub(crate) fn trained_offsets(&self) -> Vec<(i64, usize)> {
        let (offsets, _, _) = trained_offsets(&self.entries);
        offsets
            .into_iter()
            .enumerate()
            .filter_map(|(entry, offset)| Some((offset?, entry)))
            .collect()
    }

    /// Whether our own kernels update this state: they do where the planned step trains.
    pub(crate) fn is_for_kernels(&self) -> bool {
        self.engine == Engine::Planned
    }

    /// Each trained leaf with its view of the gradient buffer.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = (&Tensor, &Tensor)> {
        let pairs = self.grad_views.iter().enumerate();
        pairs.filter_map(|(i, grad)| Some((self.leaf(i), grad.as_ref()?)))
    }

    /// Moves the gradients that autograd left at the leaves to the gradient buffer, or adds them
    /// there. A reducer may have moved some already.
    pub(crate) fn collect_grads(&mut self, adds: bool) -> Result<(), Error> {
        let (leaves, grads): (Vec<&Tensor>, Vec<&Tensor>) = self.leaves().unzip();
        res2lab_libtorch::collect_gradients(&leaves, &grads, adds)
    }

    /// Drops what a backward pass that failed left at the leaves.
    pub(crate) fn discard_grads(&mut self) {
        let leaves: Vec<&Tensor> = self.leaves().map(|(leaf, _)| leaf).collect();
        res2lab_libtorch::discard_gradients(&leaves);
    }

    /// Sets all gradients to zero.
    pub fn zero_grads(&mut self) {
        let _ = self.grads.zero_();
    }
}

/// The offset of each tensor whose role is wanted, from `start` on, and the end of the last one.
fn offsets(
    entries: &[StateEntry],
    wanted: impl Fn(Role) -> bool,
    start: i64,
) -> (Vec<Option<i64>>, i64) {
    let mut next = start;
    let offset = |entry: &StateEntry| {
        wanted(entry.role).then(|| {
            let start = next;
            next += (entry.elements() as i64 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            start
        })
    };
    let list = entries.iter().map(offset).collect();
    (list, next)
}

/// The offsets of trained tensors, the end of the weights, and the end of all. Weights come first,
/// so that weight decay for weights only takes two calls on two ranges.
pub(crate) fn trained_offsets(entries: &[StateEntry]) -> (Vec<Option<i64>>, i64, i64) {
    let is_weight = |role: Role| matches!(role, Role::ConvWeight | Role::LinearWeight);
    let (weights, weights_end) = offsets(entries, is_weight, 0);
    let (rest, end) = offsets(entries, |role| role.is_trained() && !is_weight(role), weights_end);
    (weights.into_iter().zip(rest).map(|(a, b)| a.or(b)).collect(), weights_end, end)
}

pub(crate) fn view(flat: &Tensor, offset: i64, entry: &StateEntry, layout: Layout) -> Tensor {
    let shape: Vec<i64> = entry.shape.iter().map(|&n| n as i64).collect();
    let range = flat.narrow(0, offset, entry.elements() as i64);
    match (entry.role, layout) {
        (Role::ConvWeight, Layout::ChannelsLast) => {
            let [o, i, h, w] = [shape[0], shape[1], shape[2], shape[3]];
            range.view([o, h, w, i]).permute([0, 3, 1, 2])
        }
        _ => range.view(shape.as_slice()),
    }
}
