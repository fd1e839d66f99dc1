//! The engine that trains a network: one value, chosen once, from which the memory layout follows.

use crate::Layout;
use res2lab_arch::{Graph, Node, Op};
use tch::{Device, Kind};

/// The implementation of a training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The planned step with our own kernels, on a CPU.
    Planned,
    /// libtorch's operators and autograd.
    Autograd,
    /// libtorch's operators and autograd, recorded as a CUDA graph.
    CudaGraph,
}

/// What the choice of an engine depends on.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    pub device: Device,
    /// The kind of convolutions and matrix products, if it is not that of the weights.
    pub autocast: Option<Kind>,
    /// The number of processes that train the network together.
    pub processes: usize,
    /// Whether the recipe asks for libtorch's operators (`train.plain`).
    pub plain: bool,
    /// Whether a GPU records the step (`train.cuda_graph`).
    pub cuda_graph: bool,
}

impl Conditions {
    /// One process on `device`, in the precision of the weights.
    pub fn on(device: Device) -> Conditions {
        Conditions { device, autocast: None, processes: 1, plain: false, cuda_graph: false }
    }
}

impl Engine {
    /// The fastest engine that the conditions allow, and the reason in words.
    pub fn choose(c: &Conditions) -> (Engine, &'static str) {
        if c.device != Device::Cpu {
            return match c.cuda_graph && !c.plain {
                true => (Engine::CudaGraph, "train.cuda_graph"),
                false => (Engine::Autograd, "the planned step is for CPUs"),
            };
        }
        if c.plain {
            (Engine::Autograd, "train.plain")
        } else if c.processes > 1 {
            (Engine::Autograd, "several processes train one network")
        } else if c.autocast.is_some_and(|kind| kind != Kind::BFloat16) {
            (Engine::Autograd, "half precision with loss scaling")
        } else {
            (Engine::Planned, "one process on a CPU")
        }
    }

    /// The engine of a resumed trial: the saved one if the conditions still allow it. `saved` is
    /// empty in checkpoints from before engines were saved; the layout decided then.
    pub fn resumed(saved: &str, layout: Layout, c: &Conditions) -> Engine {
        let was_planned = match saved {
            "" => layout == Layout::Contiguous,
            name => name == Engine::Planned.name(),
        };
        match Engine::choose(&Conditions { plain: false, ..*c }).0 {
            Engine::Planned if was_planned => Engine::Planned,
            Engine::CudaGraph if !c.plain => Engine::CudaGraph,
            _ => Engine::Autograd,
        }
    }

    /// The name in a trial's files.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Planned => "planned",
            Engine::Autograd => "autograd",
            Engine::CudaGraph => "cuda_graph",
        }
    }

    /// The memory layout that the engine is fastest with. This is a rule and not a measurement, so
    /// that a repeated trial makes the same choice.
    ///
    /// The planned step has its own layout of activations, and reads weights in their published
    /// order. libtorch on CPUs was 1.13 to 1.25 times faster with channels_last for every network
    /// of the family. GPUs compute half precision in channels_last: with the other layout, cuDNN
    /// transposes before and after each dense convolution. In float32, channels_last is published
    /// to be slower for grouped convolutions; it has not been measured.
    pub fn layout(self, graph: &Graph, device: Device, is_mixed: bool) -> Layout {
        match self {
            Engine::Planned => Layout::Contiguous,
            _ if device != Device::Cpu && !is_mixed && is_mostly_grouped(graph) => {
                Layout::Contiguous
            }
            _ => Layout::ChannelsLast,
        }
    }
}

/// Whether more than a quarter of the convolutions that are not 1x1 are grouped: so in ResNeXt and
/// Res2NeXt, and not where only the first block of a stage is.
fn is_mostly_grouped(graph: &Graph) -> bool {
    let is_grouped = |node: &Node| match node.op {
        Op::Conv(conv) if conv.kernel > 1 => Some(conv.groups > 1),
        _ => None,
    };
    let found: Vec<bool> = graph.nodes.iter().filter_map(is_grouped).collect();
    4 * found.iter().filter(|is_grouped| **is_grouped).count() > found.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planned_step_needs_one_process_on_a_cpu() {
        let cpu = Conditions::on(Device::Cpu);
        let gpu = Conditions::on(Device::Cuda(0));
        let engine = |c: Conditions| Engine::choose(&c).0;
        assert_eq!(engine(cpu), Engine::Planned);
        assert_eq!(engine(Conditions { plain: true, ..cpu }), Engine::Autograd);
        assert_eq!(engine(Conditions { processes: 2, ..cpu }), Engine::Autograd);
        let precision = |kind| Conditions { autocast: Some(kind), ..cpu };
        assert_eq!(engine(precision(Kind::BFloat16)), Engine::Planned);
        assert_eq!(engine(precision(Kind::Half)), Engine::Autograd);
        assert_eq!(engine(Conditions { cuda_graph: true, ..cpu }), Engine::Planned);
        assert_eq!(engine(gpu), Engine::Autograd);
        assert_eq!(engine(Conditions { cuda_graph: true, ..gpu }), Engine::CudaGraph);
        assert_eq!(engine(Conditions { cuda_graph: true, processes: 2, ..gpu }), Engine::CudaGraph);
    }

    #[test]
    fn a_resumed_trial_keeps_its_engine() {
        let cpu = Conditions::on(Device::Cpu);
        let gpu = Conditions::on(Device::Cuda(0));
        let resumed = |saved, layout, c: &Conditions| Engine::resumed(saved, layout, c);
        assert_eq!(resumed("planned", Layout::Contiguous, &cpu), Engine::Planned);
        assert_eq!(resumed("autograd", Layout::ChannelsLast, &cpu), Engine::Autograd);
        assert_eq!(resumed("", Layout::Contiguous, &cpu), Engine::Planned);
        assert_eq!(resumed("", Layout::ChannelsLast, &cpu), Engine::Autograd);
        // A trial that moves to a GPU cannot keep the planned step.
        assert_eq!(resumed("planned", Layout::Contiguous, &gpu), Engine::Autograd);
    }

    #[test]
    fn grouped_convolutions_are_contiguous_on_a_gpu_in_float32_alone() {
        let graph = |name: &str| {
            let model = res2lab_arch::zoo::find(name).unwrap().words.resolve().unwrap().0;
            res2lab_arch::build(&model, res2lab_arch::Input::square(64, 10)).unwrap()
        };
        let layout = |name: &str, engine: Engine, device, is_mixed| {
            engine.layout(&graph(name), device, is_mixed)
        };
        let gpu = Device::Cuda(0);
        let autograd = Engine::Autograd;
        assert_eq!(layout("res2next50", autograd, gpu, false), Layout::Contiguous);
        assert_eq!(layout("res2next50", autograd, gpu, true), Layout::ChannelsLast);
        assert_eq!(layout("res2next50", autograd, Device::Cpu, false), Layout::ChannelsLast);
        assert_eq!(layout("res2net50_26w_4s", autograd, gpu, false), Layout::ChannelsLast);
        let planned = Engine::Planned;
        assert_eq!(layout("res2next50", planned, Device::Cpu, false), Layout::Contiguous);
    }
}
