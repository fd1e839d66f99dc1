//! Evaluation of a trained network on a CPU by our own kernels. Batch norms are folded into the
//! convolutions before them, and the sums and ReLUs after them are fused. An inference holds a copy
//! of the weights, so later changes of the net do not reach it.

use crate::Net;
use crate::net::logits_size;
use res2lab_planned::{Bf16, Inference as PlannedInference, Profile, Stored};
use tch::{Device, Kind, Tensor};

/// A copy of a network, ready to be evaluated.
pub struct Inference {
    inference: TypedInference,
    /// The size of the logits.
    size: Vec<i64>,
    kind: Kind,
}

/// An inference in the net's precision.
enum TypedInference {
    Float(PlannedInference<f32>),
    Double(PlannedInference<f64>),
    Bfloat16(PlannedInference<Bf16>),
}

impl Inference {
    /// Whether an inference can evaluate this net: in float32, float64 or bfloat16, on a CPU.
    pub fn fits(net: &Net) -> bool {
        let placement = net.placement();
        placement.device == Device::Cpu
            && matches!(placement.kind, Kind::Float | Kind::Double)
            && net.autocast().is_none_or(|kind| kind == Kind::BFloat16)
    }

    /// Folds the present state of `net`, for `batch` images at a time.
    ///
    /// # Panics
    /// If [`Inference::fits`] is false, or memory does not suffice.
    pub fn new(net: &Net, batch: usize) -> Inference {
        assert!(Inference::fits(net), "networks are folded on a CPU, and not in half precision");
        let kind = net.placement().kind;
        let inference = match kind {
            Kind::Double => TypedInference::Double(planned(net, batch)),
            _ if net.is_mixed() => TypedInference::Bfloat16(planned(net, batch)),
            _ => TypedInference::Float(planned(net, batch)),
        };
        Inference { inference, size: logits_size(net.graph()), kind }
    }

    /// Times the instructions of the first thread in `steps` evaluations.
    pub fn profile(&mut self, images: &Tensor, steps: usize) -> Profile {
        let _ = self.logits(images);
        match &mut self.inference {
            TypedInference::Float(inference) => inference.start_profile(),
            TypedInference::Double(inference) => inference.start_profile(),
            TypedInference::Bfloat16(inference) => inference.start_profile(),
        }
        (0..steps).for_each(|_| _ = self.logits(images));
        let profile = match &mut self.inference {
            TypedInference::Float(inference) => inference.take_profile(),
            TypedInference::Double(inference) => inference.take_profile(),
            TypedInference::Bfloat16(inference) => inference.take_profile(),
        };
        profile.unwrap_or_default()
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
            TypedInference::Bfloat16(inference) => {
                Tensor::from_slice(&inference.logits(res2lab_libtorch::values(&images)))
            }
        };
        logits.reshape(&self.size)
    }
}

/// The inference of a net with activations that are stored as `T`.
fn planned<T: Stored<Real: tch::kind::Element>>(net: &Net, batch: usize) -> PlannedInference<T> {
    let threads = tch::get_num_threads().max(1) as usize;
    let entry = |i: usize| {
        let tensor = net.params().tensor(i).contiguous();
        res2lab_libtorch::values::<T::Real>(&tensor).to_vec()
    };
    PlannedInference::new(net.graph(), entry, batch, threads)
}
