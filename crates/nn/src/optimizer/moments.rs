//! Steps with a mean of squared gradients: AdamW, LAMB and RMSprop.

use super::Lamb;
use super::parts::Part;
use super::sgd::Rates;
use crate::Params;
use res2lab_planned::moments::{self, Betas, RmsPropTf, State};
use res2lab_planned::{Real, flat};
use std::ops::Range;
use tch::{Kind, Tensor};

/// The constants of a step of AdamW and LAMB.
pub(super) struct Adam {
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    /// 1 - beta1^t.
    correction: f64,
    /// The square root of 1 - beta2^t.
    root_correction: f64,
}

impl Adam {
    /// Of the step with this number, from 0.
    pub(super) fn new(rates: Rates, beta2: f64, eps: f64, step: usize) -> Adam {
        let Rates { lr, momentum: beta1 } = rates;
        let t = step as f64 + 1.0;
        let correction = 1.0 - beta1.powf(t);
        let root_correction = (1.0 - beta2.powf(t)).sqrt();
        Adam { lr, beta1, beta2, eps, correction, root_correction }
    }

    fn betas<T: Real>(&self) -> Betas<T> {
        Betas::new(self.beta1, self.beta2)
    }

    /// Moves both means towards these gradients, by libtorch.
    fn average(&self, grads: &Tensor, first: &mut Tensor, second: &mut Tensor) {
        let _ = first.lerp_(grads, 1.0 - self.beta1);
        let _ = second.g_mul_scalar_(self.beta2);
        let _ = second.g_add_(&(grads.square() * (1.0 - self.beta2)));
    }

    /// The square root of the corrected mean of squares, plus eps.
    fn root(&self, second: &Tensor) -> Tensor {
        (second.sqrt() / self.root_correction).g_add_scalar_(self.eps)
    }
}

/// The kind of elements, where our own kernels step this state.
fn own_kind(params: &Params) -> Option<Kind> {
    params.is_for_kernels().then(|| params.values.kind())
}

/// The values, gradients and both means in a range.
fn flats(params: &Params, range: &Range<i64>) -> [Tensor; 4] {
    let narrow = |flat: &Tensor| flat.narrow(0, range.start, range.end - range.start);
    // The step is only made after the state has been started.
    let second = params.second_flat().map_or_else(Tensor::new, narrow);
    [narrow(&params.values), narrow(&params.grads), narrow(&params.momentum), second]
}

/// Calls `work` with a state over the memory of these tensors.
fn with_state<T: Real + tch::kind::Element>(
    [values, grads, first, second]: &mut [Tensor; 4],
    work: impl FnOnce(State<T>),
) {
    work(State {
        values: res2lab_libtorch::values_mut(values),
        grads: res2lab_libtorch::values(grads),
        first: res2lab_libtorch::values_mut(first),
        second: res2lab_libtorch::values_mut(second),
    });
}

fn threads() -> usize {
    tch::get_num_threads().max(1) as usize
}

/// Runs a step of AdamW on a range.
pub(super) fn adamw(params: &mut Params, range: Range<i64>, part: Part, adam: &Adam) {
    let mut flats = flats(params, &range);
    let lr = adam.lr * part.lr_scale;
    let keep = 1.0 - lr * part.weight_decay;
    let step_size = lr / adam.correction;
    match own_kind(params) {
        Some(Kind::Float) => own_adamw::<f32>(&mut flats, adam, keep, step_size),
        Some(_) => own_adamw::<f64>(&mut flats, adam, keep, step_size),
        None => {
            let [mut values, grads, mut first, mut second] = flats;
            let _ = values.g_mul_scalar_(keep);
            adam.average(&grads, &mut first, &mut second);
            let _ = values.g_sub_(&(first / adam.root(&second) * step_size));
        }
    }
}

fn own_adamw<T: Real + tch::kind::Element>(
    flats: &mut [Tensor; 4],
    adam: &Adam,
    keep: f64,
    step_size: f64,
) {
    let step = moments::AdamW {
        keep: T::from_f64(keep),
        betas: adam.betas(),
        step_size: T::from_f64(step_size),
        root_correction: T::from_f64(adam.root_correction),
        eps: T::from_f64(adam.eps),
    };
    with_state(flats, |state: State<T>| {
        flat::each_part(threads(), state, |state| moments::adamw(&step, state));
    });
}

/// Runs a step of RMSprop on a range.
pub(super) fn rmsprop_tf(
    params: &mut Params,
    range: Range<i64>,
    part: Part,
    rates: Rates,
    constants: [f64; 2],
) {
    let mut flats = flats(params, &range);
    let Rates { lr, momentum } = rates;
    let lr = lr * part.lr_scale;
    let numbers = [lr, momentum, part.weight_decay];
    match own_kind(params) {
        Some(Kind::Float) => own_rmsprop_tf::<f32>(&mut flats, numbers, constants),
        Some(_) => own_rmsprop_tf::<f64>(&mut flats, numbers, constants),
        None => {
            let [alpha, eps] = constants;
            let [mut values, grads, mut first, mut second] = flats;
            let grads = grads + &values * part.weight_decay;
            let _ = second.g_add_(&((grads.square() - &second) * (1.0 - alpha)));
            let root = (&second + eps).sqrt();
            let _ = first.g_mul_scalar_(momentum);
            let _ = first.g_add_(&(grads / root * lr));
            let _ = values.g_sub_(&first);
        }
    }
}

fn own_rmsprop_tf<T: Real + tch::kind::Element>(
    flats: &mut [Tensor; 4],
    [lr, momentum, weight_decay]: [f64; 3],
    [alpha, eps]: [f64; 2],
) {
    let [lr, momentum, weight_decay, eps] = [lr, momentum, weight_decay, eps].map(T::from_f64);
    let step = RmsPropTf { lr, new: T::from_f64(1.0 - alpha), eps, momentum, weight_decay };
    with_state(flats, |state: State<T>| {
        flat::each_part(threads(), state, |state| moments::rmsprop_tf(&step, state));
    });
}

/// Runs a step of LAMB on all tensors.
pub(super) fn lamb(params: &mut Params, parts: &[Part], lamb: &Lamb, adam: &Adam) {
    let mut flats = flats(params, &(0..params.values.numel() as i64));
    match own_kind(params) {
        Some(Kind::Float) => own_lamb::<f32>(&mut flats, parts, lamb, adam),
        Some(_) => own_lamb::<f64>(&mut flats, parts, lamb, adam),
        None => lamb_by_libtorch(flats, parts, lamb, adam),
    }
}

/// Whether a tensor has a trust ratio.
fn adapts(lamb: &Lamb, part: &Part) -> bool {
    part.weight_decay != 0.0 || lamb.always_adapt
}

fn own_lamb<T: Real + tch::kind::Element>(
    flats: &mut [Tensor; 4],
    parts: &[Part],
    lamb: &Lamb,
    adam: &Adam,
) {
    let tensors: Vec<_> =
        parts.iter().map(|part| (part.offset as usize, part.length as usize)).collect();
    let grads: &[T] = res2lab_libtorch::values(&flats[1]);
    let squares = tensors.iter().map(|&(at, n)| moments::square_sum(&grads[at..at + n]));
    let grad_scale = match lamb.max_grad_norm {
        0.0 => 1.0,
        most => (squares.sum::<f64>().sqrt() / most).max(1.0),
    };
    let trust = |part: &Part, values: f64, update: f64| {
        let is_ratio = adapts(lamb, part) && values > 0.0 && update > 0.0;
        let ratio = if is_ratio { values / update } else { 1.0 };
        if lamb.trust_clip { ratio.min(1.0) } else { ratio }
    };
    let step = |part: &Part| moments::Lamb {
        lr: T::from_f64(adam.lr * part.lr_scale),
        grad_scale: T::from_f64(grad_scale),
        betas: adam.betas(),
        correction: T::from_f64(adam.correction),
        root_correction: T::from_f64(adam.root_correction),
        eps: T::from_f64(adam.eps),
        weight_decay: T::from_f64(part.weight_decay),
    };
    with_state(flats, |state: State<T>| {
        flat::each_tensor(threads(), state, &tensors, |index, state| {
            let part = &parts[index];
            moments::lamb(&step(part), state, |values, update| trust(part, values, update));
        });
    });
}

fn lamb_by_libtorch(
    [values, grads, mut first, mut second]: [Tensor; 4],
    parts: &[Part],
    lamb: &Lamb,
    adam: &Adam,
) {
    let grads = match lamb.max_grad_norm {
        0.0 => grads,
        most => &grads / (grads.norm() / most).clamp_min(1.0),
    };
    adam.average(&grads, &mut first, &mut second);
    let updates = (&first / adam.correction) / adam.root(&second);
    for part in parts {
        let of_part = |flat: &Tensor| flat.narrow(0, part.offset, part.length);
        let mut values = of_part(&values);
        let mut update = of_part(&updates);
        let _ = update.g_add_(&(&values * part.weight_decay));
        if adapts(lamb, part) {
            let of_values = values.norm();
            let of_update = update.norm();
            let one = of_values.ones_like();
            let is_ratio = of_values.gt(0.0).logical_and(&of_update.gt(0.0));
            let ratio = (&of_values / &of_update).where_self(&is_ratio, &one);
            let ratio = if lamb.trust_clip { ratio.clamp_max(1.0) } else { ratio };
            let _ = update.g_mul_(&ratio);
        }
        let _ = values.g_sub_(&(update * (adam.lr * part.lr_scale)));
    }
}
