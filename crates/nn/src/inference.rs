//! Evaluation of a trained network on a CPU by our own kernels. Batch norms are folded into the
//! convolutions before them, and the sums and ReLUs after them are fused. An inference holds a copy
//! of the weights, so later changes of the net do not reach it.

use crate::Net;
use res2lab_planned::Inference as PlannedInference;
use tch::{Device, Kind, Tensor};

/// A copy of a network, ready to be evaluated.
pub struct Inference {
    inference: TypedInference,
    kind: Kind,
}

/// An inference in the net's kind.
enum TypedInference {
    Float(PlannedInference<f32>),
    Double(PlannedInference<f64>),
}

impl Inference {
    /// Whether an inference can evaluate this net: in float32 or float64, on a CPU.
    pub fn fits(net: &Net) -> bool {
        let placement = net.placement();
        placement.device == Device::Cpu
            && matches!(placement.kind, Kind::Float | Kind::Double)
            && !net.is_mixed()
    }

    /// Folds the present state of `net`, for `batch` images at a time.
    ///
    /// # Panics
    /// If [`Inference::fits`] is false, or memory does not suffice.
    pub fn new(net: &Net, batch: usize) -> Inference {
        assert!(Inference::fits(net), "networks are folded on a CPU, in float32 or float64");
        let threads = tch::get_num_threads().max(1) as usize;
        let entry = |i: usize| net.params().tensor(i).contiguous();
        let kind = net.placement().kind;
        let inference = match kind {
            Kind::Double => TypedInference::Double(PlannedInference::new(
                net.graph(),
                |i| numbers(&entry(i)),
                batch,
                threads,
            )),
            _ => TypedInference::Float(PlannedInference::new(
                net.graph(),
                |i| numbers(&entry(i)),
                batch,
                threads,
            )),
        };
        Inference { inference, kind }
    }

    /// The logits of `images` (N x C x H x W, normalized, of the net's kind), as [`Net::logits`]
    /// computes them in evaluation.
    pub fn logits(&mut self, images: &Tensor) -> Tensor {
        debug_assert_eq!(images.kind(), self.kind);
        let images = images.contiguous();
        let logits = match &mut self.inference {
            TypedInference::Float(inference) => {
                Tensor::from_slice(&inference.logits(res2lab_libtorch::values(&images)))
            }
            TypedInference::Double(inference) => {
                Tensor::from_slice(&inference.logits(res2lab_libtorch::values(&images)))
            }
        };
        logits.view([images.size()[0], -1])
    }
}

fn numbers<T: tch::kind::Element + Copy>(tensor: &Tensor) -> Vec<T> {
    res2lab_libtorch::values::<T>(tensor).to_vec()
}
