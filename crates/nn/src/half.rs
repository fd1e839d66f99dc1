//! Weights in half precision beside those in float32. Autocast would convert each weight by an
//! operator of its own in every forward pass, and each gradient back; one copy of the flat buffer
//! does the same for all of them.

use crate::Params;
use crate::params::{trained_offsets, view};
use std::cell::Cell;
use tch::{Kind, Tensor};

/// A copy of the weights of convolutions and linear layers.
pub(crate) struct Half {
    values: Tensor,
    /// For each entry that is a weight, the leaf that forward passes read.
    leaves: Vec<Option<Tensor>>,
    /// Whether the weights have changed since they were copied.
    is_stale: Cell<bool>,
}

impl Params {
    /// Keeps a copy of the weights in `kind`; `None` drops it.
    pub(crate) fn use_half(&mut self, kind: Option<Kind>) {
        self.half = kind.map(|kind| {
            let _guard = tch::no_grad_guard();
            let values = self.weights().to_kind(kind);
            let (offsets, ..) = trained_offsets(&self.entries);
            let leaf = |(entry, offset): (_, &Option<i64>)| {
                let offset = offset.filter(|offset| *offset < self.weights_end)?;
                let view = view(&values, offset, entry, self.layout);
                Some(view.detach().set_requires_grad(true))
            };
            let leaves = self.entries.iter().zip(&offsets).map(leaf).collect();
            Half { values, leaves, is_stale: Cell::new(false) }
        });
    }

    /// The tensor of entry `index` that forward passes read, and that gets the gradient.
    pub(crate) fn leaf(&self, index: usize) -> &Tensor {
        let half = self.half.as_ref().and_then(|half| half.leaves[index].as_ref());
        half.unwrap_or_else(|| self.tensor(index))
    }

    /// Notes that weights have changed in another way than by [`Params::refresh_half`].
    pub(crate) fn mark_half_stale(&self) {
        if let Some(half) = &self.half {
            half.is_stale.set(true);
        }
    }

    /// Copies the weights to half precision if they have changed.
    pub(crate) fn refresh_half_if_stale(&self) {
        if self.half.as_ref().is_some_and(|half| half.is_stale.get()) {
            self.refresh_half();
        }
    }

    /// Copies the weights to half precision. To be called after each step of the optimizer, since a
    /// recorded step cannot find out whether the weights have changed.
    pub(crate) fn refresh_half(&self) {
        if let Some(half) = &self.half {
            let _guard = tch::no_grad_guard();
            half.values.shallow_clone().copy_(&self.weights());
            half.is_stale.set(false);
        }
    }

    fn weights(&self) -> Tensor {
        self.values.narrow(0, 0, self.weights_end)
    }
}

#[cfg(test)]
mod tests {
    use crate::step::{AutogradStep, Step, Targets};
    use crate::{Engine, GradScale, Layout, Mode, Net, Objective, Placement, Rates, Sgd, init};
    use res2lab_libtorch::Autocast;
    use tch::{Device, Kind, Tensor};

    fn net() -> Net {
        let words = res2lab_arch::ModelOverrides {
            blocks: Some(vec![1]),
            stem: Some(res2lab_arch::Stem::Cifar),
            ..Default::default()
        };
        let input = res2lab_arch::Input::square(12, 5);
        let graph = res2lab_arch::build(&words.resolve().unwrap().0, input).unwrap();
        let placement = Placement {
            device: Device::Cpu,
            kind: Kind::Float,
            layout: Layout::ChannelsLast,
            engine: Engine::Autograd,
        };
        let mut net = Net::new(graph, placement).unwrap();
        init::init(net.params_mut(), 1);
        net
    }

    #[test]
    fn steps_are_those_of_autocast_without_a_copy() {
        let mut ours = net();
        ours.set_autocast(Some(Kind::BFloat16));
        let mut theirs = net();
        let mut step = AutogradStep::new(Objective::cross_entropy(0.1));
        let sgd = Sgd { weight_decay: 1e-4, decay_weights_only: false, nesterov: true };
        let rates = Rates { lr: 0.1, momentum: 0.9 };
        let labels = Tensor::arange(4, (Kind::Int64, Device::Cpu));
        for turn in 0..3_i64 {
            let images = Tensor::arange(4 * 3 * 144, (Kind::Float, Device::Cpu));
            let images = (images * (0.1 + turn as f64)).sin().view([4, 3, 12, 12]);
            let targets = Targets::plain(labels.shallow_clone());
            let a = step.forward_backward(&mut ours, &images, &targets, GradScale::ONE).loss;
            let autocast = Autocast::new(Device::Cpu, Kind::BFloat16);
            let logits = theirs.logits(&images, Mode::Train).to_kind(Kind::Float);
            drop(autocast);
            let b = step.loss_and_backward(&logits, &targets, GradScale::ONE);
            theirs.params_mut().collect_grads(false).unwrap();
            assert_eq!(a, b, "loss of step {turn}");
            for i in 0..ours.params().entries().len() {
                assert_eq!(ours.params().grad(i), theirs.params().grad(i), "gradient {i}");
            }
            for net in [&mut ours, &mut theirs] {
                sgd.step(net.params_mut(), rates, turn == 0, None).unwrap();
            }
        }
        // Weights that are loaded count at once, also in evaluation.
        let images = Tensor::ones([1, 3, 12, 12], (Kind::Float, Device::Cpu));
        let before = ours.logits(&images, Mode::Eval);
        for i in 0..ours.params().entries().len() {
            let zeros = ours.params().tensor(i).zeros_like();
            ours.params_mut().set(i, &zeros);
        }
        assert_ne!(ours.logits(&images, Mode::Eval), before);
    }
}
