//! The planned step behind [`Step`]: our own kernels over the net's flat buffers. Only the gradient
//! of the loss is computed by libtorch's autograd, which takes a few microseconds.

use crate::Engine;
use crate::Objective;
use crate::net::logits_size;
use crate::step::{AutogradStep, GradScale, Loss, Step, Targets};
use crate::{Net, Params};
use res2lab_arch::Graph;
use res2lab_planned::{Bf16, Element, Plan, Profile, State, Stored, Workspace};
use tch::{Kind, Tensor};

/// The planned step of a net. It is planned at the first batch, and again whenever the number of
/// images, or their size, changes.
pub struct PlannedStep {
    reference: AutogradStep,
    plan: Option<TypedPlan>,
    /// The images that were planned for: N, C, H, W.
    size: Vec<i64>,
}

/// A plan in the net's precision, with its memory.
enum TypedPlan {
    Float(Plan<f32>, Workspace<f32>),
    Double(Plan<f64>, Workspace<f64>),
    /// Activations and their gradients in bfloat16, all else in float32.
    Bfloat16(Plan<Bf16>, Workspace<Bf16>),
}

impl TypedPlan {
    fn new(net: &Net, batch: usize) -> TypedPlan {
        fn planned<T: Stored>(net: &Net, batch: usize) -> (Plan<T>, Workspace<T>) {
            let threads = tch::get_num_threads().max(1) as usize;
            let entries = net.params().entry_offsets();
            let plan = Plan::new(net.training_graph(), entries, batch, threads);
            let workspace = Workspace::new(&plan);
            (plan, workspace)
        }
        if net.placement().kind == Kind::Double {
            let (plan, workspace) = planned(net, batch);
            return TypedPlan::Double(plan, workspace);
        }
        if net.autocast() == Some(Kind::BFloat16) {
            let (plan, workspace) = planned(net, batch);
            return TypedPlan::Bfloat16(plan, workspace);
        }
        let (plan, workspace) = planned(net, batch);
        TypedPlan::Float(plan, workspace)
    }
}

impl PlannedStep {
    /// A step with this label smoothing: the weight of the uniform distribution in the targets.
    pub fn new(objective: Objective) -> PlannedStep {
        PlannedStep { reference: AutogradStep::new(objective), plan: None, size: vec![] }
    }

    /// Whether the planned step trains this net: in float32, float64 or bfloat16, on a CPU, in one
    /// process.
    pub fn fits(net: &Net) -> bool {
        net.placement().engine == Engine::Planned
    }

    /// The plan of a graph's step in float32 as text: its instructions, buffers and memory.
    pub fn describe(graph: &Graph, batch: usize, threads: usize) -> String {
        let entries = vec![0; graph.state.len()];
        Plan::<f32>::new(graph, entries, batch, threads).to_string()
    }

    /// Times the instructions of the first thread in `steps` passes forward and backward.
    pub fn profile(net: &mut Net, images: &Tensor, steps: usize) -> Profile {
        let images = images.contiguous();
        match TypedPlan::new(net, images.size()[0] as usize) {
            TypedPlan::Float(plan, workspace) => profiled(plan, workspace, net, &images, steps),
            TypedPlan::Double(plan, workspace) => profiled(plan, workspace, net, &images, steps),
            TypedPlan::Bfloat16(plan, workspace) => profiled(plan, workspace, net, &images, steps),
        }
    }

    fn plan(&mut self, net: &Net, size: Vec<i64>) -> &mut TypedPlan {
        if self.size != size {
            // The memory of the old plan is returned before the new one takes its own.
            self.plan = None;
            self.size = size;
        }
        let batch = self.size[0] as usize;
        self.plan.get_or_insert_with(|| TypedPlan::new(net, batch))
    }
}

impl Step for PlannedStep {
    fn forward_backward(
        &mut self,
        net: &mut Net,
        images: &Tensor,
        targets: &Targets,
        scale: GradScale,
    ) -> Loss {
        let images = images.contiguous();
        let reference = self.reference.clone();
        match self.plan(net, images.size()) {
            TypedPlan::Float(plan, workspace) => {
                run((plan, workspace), &reference, net, &images, targets, scale)
            }
            TypedPlan::Double(plan, workspace) => {
                run((plan, workspace), &reference, net, &images, targets, scale)
            }
            TypedPlan::Bfloat16(plan, workspace) => {
                run((plan, workspace), &reference, net, &images, targets, scale)
            }
        }
    }
}

fn run<T: Stored<Real: tch::kind::Element>>(
    (plan, workspace): (&Plan<T>, &mut Workspace<T>),
    reference: &AutogradStep,
    net: &mut Net,
    images: &Tensor,
    targets: &Targets,
    scale: GradScale,
) -> Loss {
    let pixels = res2lab_libtorch::values::<T::Real>(images);
    let factors = workspace.noise_mut();
    net.noise().fill(net.training_graph(), plan.batch(), |i, factor| {
        factors[i] = T::Real::from_f64(factor);
    });
    let size = logits_size(net.training_graph());
    let params = net.params_mut();
    let logits = Tensor::from_slice(plan.forward(workspace, pixels, &mut state(params)));
    let logits = logits.reshape(size).set_requires_grad(true);
    let loss = || {
        let loss = reference.loss_and_backward(&logits, targets, scale);
        Loss::new(loss, &logits, &targets.labels)
    };
    let loss = if logits.numel() < MANY { on_one_thread(loss) } else { loss() };
    plan.backward(
        workspace,
        pixels,
        res2lab_libtorch::values(&logits.grad()),
        &mut state(params),
        scale.accumulates,
    );
    loss
}

fn profiled<T: Stored<Real: tch::kind::Element>>(
    plan: Plan<T>,
    mut workspace: Workspace<T>,
    net: &mut Net,
    images: &Tensor,
    steps: usize,
) -> Profile {
    let pixels = res2lab_libtorch::values::<T::Real>(images);
    // The first pass touches the memory for the first time.
    for step in 0..=steps {
        if step == 1 {
            workspace.start_profile();
        }
        let params = net.params_mut();
        let gradient = plan.forward(&mut workspace, pixels, &mut state(params)).to_vec();
        plan.backward(&mut workspace, pixels, &gradient, &mut state(params), false);
    }
    workspace.take_profile().unwrap_or_default()
}

/// Logits of which a loss gains from several threads: those of maps.
const MANY: usize = 1 << 16;

/// Runs libtorch's operators on one thread. Its other threads would keep spinning on cores that the
/// backward pass needs, and the logits of a batch are too few to gain from them.
fn on_one_thread<R>(work: impl FnOnce() -> R) -> R {
    let threads = tch::get_num_threads();
    tch::set_num_threads(1);
    let result = work();
    tch::set_num_threads(threads);
    result
}

fn state<T: tch::kind::Element>(params: &mut Params) -> State<'_, T> {
    let [values, grads, running] = params.flat().map(res2lab_libtorch::values_mut);
    State { values, grads, running }
}
