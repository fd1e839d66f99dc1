//! Evaluation of a trained network on a CPU by kernels of our own: batch norms folded into the
//! convolutions before them, with the sums and ReLUs that follow. The weights are those of the
//! moment it was made.

use crate::Net;
use res2lab_planned::Inference as PlannedInference;
use tch::{Device, Kind, Tensor};

/// A network ready to be evaluated.
pub struct Inference {
    plan: Plan,
    kind: Kind,
}

enum Plan {
    Float(PlannedInference<f32>),
    Double(PlannedInference<f64>),
}

impl Inference {
    /// Whether it can evaluate this net: in float32 or float64, on a CPU.
    pub fn fits(net: &Net) -> bool {
        let placement = net.placement();
        placement.device == Device::Cpu
            && matches!(placement.kind, Kind::Float | Kind::Double)
            && !net.is_mixed()
    }

    /// Folds the net's present state, for `batch` images at a time.
    ///
    /// # Panics
    /// If it does not fit, or there is no memory for it.
    pub fn new(net: &Net, batch: usize) -> Inference {
        assert!(Inference::fits(net), "networks are folded on a CPU, in float32 or float64");
        let threads = tch::get_num_threads().max(1) as usize;
        let entry = |i: usize| net.params().tensor(i).contiguous();
        let kind = net.placement().kind;
        let plan = match kind {
            Kind::Double => Plan::Double(PlannedInference::new(
                net.graph(),
                |i| numbers(&entry(i)),
                batch,
                threads,
            )),
            _ => Plan::Float(PlannedInference::new(
                net.graph(),
                |i| numbers(&entry(i)),
                batch,
                threads,
            )),
        };
        Inference { plan, kind }
    }

    /// Logits of `images` (N x C x H x W, normalized, of the net's kind), as [`Net::logits`] gives
    /// them in evaluation.
    pub fn logits(&mut self, images: &Tensor) -> Tensor {
        debug_assert_eq!(images.kind(), self.kind);
        let images = images.contiguous();
        let logits = match &mut self.plan {
            Plan::Float(plan) => {
                Tensor::from_slice(&plan.logits(res2lab_libtorch::values(&images)))
            }
            Plan::Double(plan) => {
                Tensor::from_slice(&plan.logits(res2lab_libtorch::values(&images)))
            }
        };
        logits.view([images.size()[0], -1])
    }
}

fn numbers<T: tch::kind::Element + Copy>(tensor: &Tensor) -> Vec<T> {
    res2lab_libtorch::values::<T>(tensor).to_vec()
}
