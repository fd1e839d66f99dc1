//! The planned step behind [`Step`]: our own kernels over the net's flat buffers. Only the gradient
//! of the loss is computed by libtorch's autograd, which takes a few microseconds.

use crate::Engine;
use crate::Objective;
use crate::step::{AutogradStep, GradScale, Loss, Step, Targets};
use crate::{Net, Params};
use res2lab_arch::Graph;
use res2lab_planned::{Plan, State, Workspace};
use tch::{Kind, Tensor};

/// The planned step of a net. It is planned at the first batch, and again whenever the number of
/// images changes.
pub struct PlannedStep {
    reference: AutogradStep,
    plan: Option<TypedPlan>,
}

/// A plan in the net's kind, with its memory.
enum TypedPlan {
    Float(Plan<f32>, Workspace<f32>),
    Double(Plan<f64>, Workspace<f64>),
}

impl PlannedStep {
    /// A step with this label smoothing: the weight of the uniform distribution in the targets.
    pub fn new(objective: Objective) -> PlannedStep {
        PlannedStep { reference: AutogradStep::new(objective), plan: None }
    }

    /// Whether the planned step can train this net: in float32 or float64, on a CPU, in one
    /// process.
    pub fn fits(net: &Net) -> bool {
        net.placement().engine == Engine::Planned
    }

    /// The plan of a graph's step in float32 as text: its instructions, buffers and memory.
    pub fn describe(graph: &Graph, batch: usize, threads: usize) -> String {
        let entries = vec![0; graph.state.len()];
        Plan::<f32>::new(graph, entries, batch, threads).to_string()
    }

    fn plan(&mut self, net: &Net, batch: usize) -> &mut TypedPlan {
        let has_other_batch = match &self.plan {
            Some(TypedPlan::Float(plan, _)) => plan.batch() != batch,
            Some(TypedPlan::Double(plan, _)) => plan.batch() != batch,
            None => false,
        };
        if has_other_batch {
            self.plan = None;
        }
        self.plan.get_or_insert_with(|| {
            let entries = net.params().entry_offsets();
            let threads = tch::get_num_threads().max(1) as usize;
            let graph = net.training_graph();
            if net.placement().kind == Kind::Double {
                let plan = Plan::new(graph, entries, batch, threads);
                let workspace = Workspace::new(&plan);
                return TypedPlan::Double(plan, workspace);
            }
            let plan = Plan::new(graph, entries, batch, threads);
            let workspace = Workspace::new(&plan);
            TypedPlan::Float(plan, workspace)
        })
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
        match self.plan(net, images.size()[0] as usize) {
            TypedPlan::Float(plan, workspace) => {
                run((plan, workspace), &reference, net, &images, targets, scale)
            }
            TypedPlan::Double(plan, workspace) => {
                run((plan, workspace), &reference, net, &images, targets, scale)
            }
        }
    }
}

fn run<T: res2lab_planned::Real + tch::kind::Element + Copy>(
    (plan, workspace): (&Plan<T>, &mut Workspace<T>),
    reference: &AutogradStep,
    net: &mut Net,
    images: &Tensor,
    targets: &Targets,
    scale: GradScale,
) -> Loss {
    let pixels = res2lab_libtorch::values::<T>(images);
    let factors = workspace.noise_mut();
    net.noise().fill(net.training_graph(), plan.batch(), |i, factor| {
        factors[i] = T::from_f64(factor);
    });
    let params = net.params_mut();
    let logits = Tensor::from_slice(plan.forward(workspace, pixels, &mut state(params)));
    let logits = logits.view([images.size()[0], -1]).set_requires_grad(true);
    let loss = on_one_thread(|| {
        let loss = reference.loss_and_backward(&logits, targets, scale);
        Loss::new(loss, &logits, &targets.labels)
    });
    plan.backward(
        workspace,
        pixels,
        res2lab_libtorch::values(&logits.grad()),
        &mut state(params),
        scale.accumulates,
    );
    loss
}

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
