//! Optimizers, as written in YAML.

use crate::train::range;
use res2lab_error::Error;
use serde::{Deserialize, Serialize};

/// The optimizer with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Stochastic gradient descent as in PyTorch (dampening 0, weight decay added to the gradient).
    Sgd {
        /// Peak learning rate.
        lr: f64,
        /// Momentum; overridden by the schedule one_cycle.
        #[serde(default = "default_momentum")]
        momentum: f64,
        /// Nesterov momentum.
        #[serde(default)]
        nesterov: bool,
        /// L2 penalty.
        #[serde(default)]
        weight_decay: f64,
        /// Parameters with weight decay.
        #[serde(default)]
        decay_on: DecayOn,
    },
    /// Adam with decoupled weight decay as in PyTorch (Loshchilov and Hutter 2019).
    Adamw {
        /// Peak learning rate.
        lr: f64,
        /// Shares of the means of gradients and of their squares that a step keeps; the schedule
        /// one_cycle replaces the first.
        #[serde(default = "default_betas")]
        betas: [f64; 2],
        /// Added to the root of the mean of squares.
        #[serde(default = "default_adamw_eps")]
        eps: f64,
        /// Share of a value, times the learning rate, that a step takes away.
        #[serde(default)]
        weight_decay: f64,
        #[serde(default = "weights")]
        decay_on: DecayOn,
    },
    /// LAMB as in timm (You et al. 2020): Adam's update, of a length in proportion to each tensor's.
    Lamb {
        /// Peak learning rate.
        lr: f64,
        #[serde(default = "default_betas")]
        betas: [f64; 2],
        #[serde(default = "default_lamb_eps")]
        eps: f64,
        /// Share of a value that is added to its update.
        #[serde(default)]
        weight_decay: f64,
        #[serde(default = "weights")]
        decay_on: DecayOn,
        /// Norm to which a larger gradient of the whole network is scaled down; 0 is off.
        #[serde(default = "one")]
        max_grad_norm: f64,
        /// Whether the trust ratio is at most 1.
        #[serde(default)]
        trust_clip: bool,
        /// Whether tensors without weight decay have a trust ratio too.
        #[serde(default)]
        always_adapt: bool,
    },
    /// RMSprop as in TensorFlow (timm's `rmsproptf`).
    RmspropTf {
        /// Peak learning rate.
        lr: f64,
        /// Share of the mean of squares that a step keeps.
        #[serde(default = "default_momentum")]
        alpha: f64,
        /// Added to the mean of squares before its root.
        #[serde(default = "default_rmsprop_eps")]
        eps: f64,
        #[serde(default = "default_momentum")]
        momentum: f64,
        /// L2 penalty.
        #[serde(default)]
        weight_decay: f64,
        #[serde(default = "weights")]
        decay_on: DecayOn,
    },
}

fn default_momentum() -> f64 {
    0.9
}

fn default_betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn default_adamw_eps() -> f64 {
    1e-8
}

fn default_lamb_eps() -> f64 {
    1e-6
}

fn default_rmsprop_eps() -> f64 {
    1e-10
}

fn one() -> f64 {
    1.0
}

fn weights() -> DecayOn {
    DecayOn::Weights
}

/// The parameters to which weight decay is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecayOn {
    /// All parameters, as in the authors' code.
    #[default]
    All,
    /// Weights of convolution and linear layers, without batch norm and biases.
    Weights,
}

impl Optimizer {
    /// The name in a file.
    pub fn name(&self) -> &'static str {
        match self {
            Optimizer::Sgd { .. } => "sgd",
            Optimizer::Adamw { .. } => "adamw",
            Optimizer::Lamb { .. } => "lamb",
            Optimizer::RmspropTf { .. } => "rmsprop_tf",
        }
    }

    /// The peak learning rate.
    pub fn lr(&self) -> f64 {
        match *self {
            Optimizer::Sgd { lr, .. }
            | Optimizer::Adamw { lr, .. }
            | Optimizer::Lamb { lr, .. }
            | Optimizer::RmspropTf { lr, .. } => lr,
        }
    }

    /// The peak learning rate, to be changed.
    pub fn lr_mut(&mut self) -> &mut f64 {
        match self {
            Optimizer::Sgd { lr, .. }
            | Optimizer::Adamw { lr, .. }
            | Optimizer::Lamb { lr, .. }
            | Optimizer::RmspropTf { lr, .. } => lr,
        }
    }

    /// The momentum, or the share of the mean of gradients that a step keeps.
    pub fn momentum(&self) -> f64 {
        match *self {
            Optimizer::Sgd { momentum, .. } | Optimizer::RmspropTf { momentum, .. } => momentum,
            Optimizer::Adamw { betas, .. } | Optimizer::Lamb { betas, .. } => betas[0],
        }
    }

    /// The weight decay, and where it applies.
    pub fn decay(&self) -> (f64, DecayOn) {
        match *self {
            Optimizer::Sgd { weight_decay, decay_on, .. }
            | Optimizer::Adamw { weight_decay, decay_on, .. }
            | Optimizer::Lamb { weight_decay, decay_on, .. }
            | Optimizer::RmspropTf { weight_decay, decay_on, .. } => (weight_decay, decay_on),
        }
    }

    /// Whether it keeps means of squared gradients beside the momentum.
    pub fn keeps_squares(&self) -> bool {
        !matches!(self, Optimizer::Sgd { .. })
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let check = |field: &str, value: f64, ok: bool, help: &str| {
            range(&format!("train.optimizer.{}.{field}", self.name()), value, ok, help)
        };
        let share = |field: &str, value: f64| {
            check(field, value, (0.0..1.0).contains(&value), "a number from 0 to below 1")
        };
        let positive = |value: f64| value > 0.0;
        check("lr", self.lr(), positive(self.lr()), "a number above 0, e.g. 0.1")?;
        match *self {
            Optimizer::Sgd { momentum, .. } => share("momentum", momentum)?,
            Optimizer::Adamw { betas, eps, .. } | Optimizer::Lamb { betas, eps, .. } => {
                betas.into_iter().try_for_each(|beta| share("betas", beta))?;
                check("eps", eps, positive(eps), "a small number above 0, e.g. 1e-8")?;
            }
            Optimizer::RmspropTf { alpha, eps, momentum, .. } => {
                share("alpha", alpha)?;
                share("momentum", momentum)?;
                check("eps", eps, positive(eps), "a small number above 0, e.g. 1e-3")?;
            }
        }
        if let Optimizer::Lamb { max_grad_norm, .. } = *self {
            let is_norm = max_grad_norm >= 0.0;
            check("max_grad_norm", max_grad_norm, is_norm, "0 (off) or a number such as 1")?;
        }
        let (decay, _) = self.decay();
        check("weight_decay", decay, decay >= 0.0, "0 or a small number, e.g. 5e-4")
    }

    /// The options beyond plain SGD, in words.
    pub(crate) fn features(&self) -> Vec<String> {
        let (decay, decay_on) = self.decay();
        let mut on = match self {
            Optimizer::Sgd { nesterov: false, .. } => vec![],
            Optimizer::Sgd { .. } => vec!["nesterov".to_owned()],
            Optimizer::Adamw { .. } => vec!["AdamW".to_owned()],
            Optimizer::Lamb { trust_clip: false, .. } => vec!["LAMB".to_owned()],
            Optimizer::Lamb { .. } => vec!["LAMB with trust clip".to_owned()],
            Optimizer::RmspropTf { .. } => vec!["RMSprop as TensorFlow's".to_owned()],
        };
        if decay > 0.0 {
            let place = if decay_on == DecayOn::All { "all" } else { "weights" };
            on.push(format!("weight decay {decay} on {place}"));
        }
        on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optimizers_have_the_defaults_of_pytorch_and_timm() {
        let of = |text: &str| {
            serde_yaml::with::singleton_map::deserialize::<Optimizer, _>(
                serde_yaml::from_str::<serde_yaml::Value>(text).unwrap(),
            )
            .unwrap()
        };
        let lamb = of("lamb: {lr: 5e-3}");
        assert!(matches!(
            lamb,
            Optimizer::Lamb { eps: 1e-6, max_grad_norm: 1.0, trust_clip: false, .. }
        ));
        assert_eq!((lamb.lr(), lamb.momentum(), lamb.name()), (5e-3, 0.9, "lamb"));
        let adamw = of("adamw: {lr: 1e-3, weight_decay: 0.05}");
        assert_eq!(adamw.decay(), (0.05, DecayOn::Weights));
        assert_eq!(adamw.features(), ["AdamW", "weight decay 0.05 on weights"]);
        for (text, field) in [
            ("adamw: {lr: 1e-3, betas: [0.9, 1]}", "adamw.betas 1"),
            ("lamb: {lr: 1e-3, eps: 0}", "lamb.eps 0"),
            ("lamb: {lr: 1e-3, max_grad_norm: -1}", "lamb.max_grad_norm -1"),
            ("rmsprop_tf: {lr: 0}", "rmsprop_tf.lr 0"),
            ("rmsprop_tf: {lr: 1, alpha: 2}", "rmsprop_tf.alpha 2"),
        ] {
            let e = of(text).check().unwrap_err();
            assert!(e.cause.contains(field), "{e}");
        }
    }
}
