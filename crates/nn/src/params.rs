//! Parameters as one ordered list over flat buffers.
//!
//! Values, gradients and momentum of all trained tensors lie in three flat buffers, so that the optimizer is one call,
//! optimizer state can be saved, and gradients can be reduced in buckets. The tensors of the network are views.

use crate::NnError;
use arch::{Graph, Role, StateEntry};
use tch::{Device, Kind, Tensor};

/// Memory order of activations and of convolution weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// NCHW.
    Contiguous,
    /// NHWC, expressed by strides.
    ChannelsLast,
}

impl Layout {
    /// As written into a trial's files.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Contiguous => "contiguous",
            Layout::ChannelsLast => "channels_last",
        }
    }

    /// The layout that is faster for `graph` on `device`. A rule and not a timing, so that a repeated trial chooses the
    /// same: channels_last was 1.13 to 1.25 times faster on every network of the family on CPUs, and is published to be
    /// faster on GPUs but for grouped convolutions.
    pub fn choose(graph: &Graph, device: Device) -> Layout {
        let grouped = graph.nodes.iter().any(|n| matches!(n.op, arch::Op::Conv(c) if c.groups > 1));
        if device != Device::Cpu && grouped { Layout::Contiguous } else { Layout::ChannelsLast }
    }

    /// `images` (NCHW in meaning) with this order in memory.
    pub fn apply(self, images: &Tensor) -> Tensor {
        match self {
            Layout::Contiguous => images.contiguous(),
            Layout::ChannelsLast => images.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]),
        }
    }
}

/// Where and how a network computes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Placement {
    pub device: Device,
    /// `Kind::Float` or `Kind::Double`.
    pub kind: Kind,
    pub layout: Layout,
}

/// All state of a network, in the order of published checkpoints.
pub struct Params {
    entries: Vec<StateEntry>,
    views: Vec<Tensor>,
    pub(crate) values: Tensor,
    pub(crate) grads: Tensor,
    pub(crate) momentum: Tensor,
    momentum_views: Vec<Option<Tensor>>,
    grad_views: Vec<Option<Tensor>>,
}

/// Tensors start on multiples of this many elements, 64 bytes in float32, as vector instructions like it.
const ALIGNMENT: i64 = 16;

impl Params {
    /// Zeros for all state of `graph`.
    pub fn new(graph: &Graph, placement: Placement) -> Result<Params, NnError> {
        let entries = graph.state.clone();
        let (trained_offsets, trained_length) = offsets(&entries, Role::is_trained);
        let (running_offsets, running_length) = offsets(&entries, |role| !role.is_trained());
        let zeros = |length: i64| Tensor::zeros([length], (placement.kind, placement.device));
        let (values, grads, momentum) = (zeros(trained_length), zeros(trained_length), zeros(trained_length));
        let running = zeros(running_length);
        let mut params = Params {
            views: Vec::with_capacity(entries.len()),
            momentum_views: Vec::with_capacity(entries.len()),
            grad_views: Vec::with_capacity(entries.len()),
            entries,
            values,
            grads,
            momentum,
        };
        for (i, entry) in params.entries.iter().enumerate() {
            let (Some(offset), true) = (trained_offsets[i], entry.role.is_trained()) else {
                let offset = running_offsets[i].unwrap_or_default();
                params.views.push(view(&running, offset, entry, placement.layout));
                params.momentum_views.push(None);
                params.grad_views.push(None);
                continue;
            };
            let of = |flat: &Tensor| view(flat, offset, entry, placement.layout);
            // Detached, the view is a leaf of its own that shares the buffer's memory.
            let mut leaf = of(&params.values).detach().set_requires_grad(true);
            let grad = of(&params.grads);
            libtorch::set_grad(&mut leaf, &grad)?;
            params.views.push(leaf);
            params.momentum_views.push(Some(of(&params.momentum)));
            params.grad_views.push(Some(grad));
        }
        Ok(params)
    }

    /// Names, shapes and roles, in order.
    pub fn entries(&self) -> &[StateEntry] {
        &self.entries
    }

    /// The tensor of entry `index`: a view into the buffers.
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

    /// Position of a tensor by its published name.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|e| e.name == name)
    }

    /// Overwrites entry `index` with `source` of the same shape, whatever its device, kind and strides.
    pub fn set(&mut self, index: usize, source: &Tensor) {
        tch::no_grad(|| self.views[index].copy_(source));
    }

    /// Overwrites the momentum of entry `index`.
    pub fn set_momentum(&mut self, index: usize, source: &Tensor) {
        if let Some(view) = &mut self.momentum_views[index] {
            view.copy_(source);
        }
    }

    /// Gradients to zero, before a step's first batch.
    pub fn zero_grads(&mut self) {
        let _ = self.grads.zero_();
    }
}

/// Where each wanted tensor starts in its flat buffer, and how long that is.
fn offsets(entries: &[StateEntry], wanted: impl Fn(Role) -> bool) -> (Vec<Option<i64>>, i64) {
    let mut next = 0;
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

fn view(flat: &Tensor, offset: i64, entry: &StateEntry, layout: Layout) -> Tensor {
    let shape: Vec<i64> = entry.shape.iter().map(|&n| n as i64).collect();
    let piece = flat.narrow(0, offset, entry.elements() as i64);
    match (entry.role, layout) {
        (Role::ConvWeight, Layout::ChannelsLast) => {
            let [o, i, h, w] = [shape[0], shape[1], shape[2], shape[3]];
            piece.view([o, h, w, i]).permute([0, 3, 1, 2])
        }
        _ => piece.view(shape.as_slice()),
    }
}
