//! The planned step behind [`Step`]: kernels of our own over the net's flat buffers, no autograd (but for the loss, whose
//! gradient is asked of libtorch, a few microseconds).

use crate::step::{AutogradStep, Loss, Step, Targets, Weight};
use crate::{Layout, Net};
use planned::{Planned, State};
use tch::{Device, Kind, Tensor};

/// Plans at the first batch, and again if the number of images changes.
pub struct PlannedStep {
    reference: AutogradStep,
    plan: Option<Plan>,
}

enum Plan {
    Float(Planned<f32>),
    Double(Planned<f64>),
}

impl PlannedStep {
    /// With this weight of the uniform distribution in the targets.
    pub fn new(label_smoothing: f64) -> PlannedStep {
        PlannedStep { reference: AutogradStep { label_smoothing }, plan: None }
    }

    /// Whether it can train this net: in float32 or float64, on a CPU, in one process.
    pub fn fits(net: &Net) -> bool {
        let placement = net.placement();
        placement.device == Device::Cpu
            && placement.layout == Layout::Contiguous
            && matches!(placement.kind, Kind::Float | Kind::Double)
            && !net.is_mixed_or_shared()
    }

    fn plan(&mut self, net: &Net, batch: usize) -> &mut Plan {
        let batch_of = |plan: &Plan| match plan {
            Plan::Float(plan) => plan.batch(),
            Plan::Double(plan) => plan.batch(),
        };
        if self.plan.as_ref().is_some_and(|plan| batch_of(plan) != batch) {
            self.plan = None;
        }
        self.plan.get_or_insert_with(|| {
            let (entries, threads) = (net.params().entry_offsets(), tch::get_num_threads().max(1) as usize);
            match net.placement().kind {
                Kind::Double => Plan::Double(Planned::new(net.graph(), entries, batch, threads)),
                _ => Plan::Float(Planned::new(net.graph(), entries, batch, threads)),
            }
        })
    }
}

impl Step for PlannedStep {
    fn forward_backward(&mut self, net: &mut Net, images: &Tensor, targets: &Targets, weight: Weight) -> Loss {
        let images = images.contiguous();
        self.plan(net, images.size()[0] as usize);
        let PlannedStep { reference, plan } = self;
        match plan {
            Some(Plan::Float(plan)) => run(plan, reference, net, &images, targets, weight),
            Some(Plan::Double(plan)) => run(plan, reference, net, &images, targets, weight),
            None => unreachable!("planned just above"),
        }
    }
}

fn run<T: planned::Real + tch::kind::Element + Copy>(
    plan: &mut Planned<T>,
    reference: &AutogradStep,
    net: &mut Net,
    images: &Tensor,
    targets: &Targets,
    weight: Weight,
) -> Loss {
    let pixels = libtorch::values::<T>(images);
    let params = net.params_mut();
    let logits = {
        let [values, grads, running] = params.flat();
        let mut state = State {
            values: libtorch::values_mut(values),
            grads: libtorch::values_mut(grads),
            running: libtorch::values_mut(running),
        };
        Tensor::from_slice(plan.forward(pixels, &mut state))
    };
    let logits = logits.view([images.size()[0], -1]).set_requires_grad(true);
    let loss = reference.loss_and_backward(&logits, targets, weight);
    let gradient = logits.grad();
    let [values, grads, running] = params.flat();
    let mut state = State {
        values: libtorch::values_mut(values),
        grads: libtorch::values_mut(grads),
        running: libtorch::values_mut(running),
    };
    plan.backward(pixels, libtorch::values(&gradient), &mut state);
    Loss { loss, logits: logits.detach() }
}
