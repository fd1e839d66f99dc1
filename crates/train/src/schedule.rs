//! The schedule: learning rate and momentum of each step.

use res2lab_experiment::{Optimizer, Schedule, TrainSpec};
use res2lab_nn::Rates;

/// The rates of step `step` (from 0) in a training run with `steps_per_epoch` steps per epoch.
pub(crate) fn rates(train: &TrainSpec, steps_per_epoch: usize, step: usize) -> Rates {
    let Optimizer::Sgd { lr, momentum, .. } = train.optimizer;
    let total = train.epochs * steps_per_epoch;
    let epoch = step / steps_per_epoch;
    let scaled = |factor: f64| Rates { lr: lr * factor, momentum };
    match &train.schedule {
        Schedule::Constant => scaled(1.0),
        Schedule::OneCycle => one_cycle(lr, total, step),
        Schedule::Step { every, gamma } => scaled(gamma.powi((epoch / every) as i32)),
        Schedule::MultiStep { at, gamma } => {
            scaled(gamma.powi(at.iter().filter(|&&e| e <= epoch).count() as i32))
        }
        Schedule::Cosine { warmup_epochs, min_lr } => {
            let warm = warmup_epochs * steps_per_epoch;
            if step < warm {
                return scaled((step + 1) as f64 / warm as f64);
            }
            let done = (step - warm) as f64 / (total - warm).max(1) as f64;
            Rates { lr: anneal(lr, *min_lr, done), momentum }
        }
    }
}

/// The rates of PyTorch's OneCycleLR with its defaults.
fn one_cycle(peak: f64, total: usize, step: usize) -> Rates {
    const PCT_START: f64 = 0.3;
    const DIV_FACTOR: f64 = 25.0;
    const FINAL_DIV_FACTOR: f64 = 1e4;
    const MOMENTUM: (f64, f64) = (0.95, 0.85);
    let first = peak / DIV_FACTOR;
    let turn = PCT_START * total as f64 - 1.0;
    let step = step as f64;
    if step <= turn {
        let done = step / turn;
        return Rates {
            lr: anneal(first, peak, done),
            momentum: anneal(MOMENTUM.0, MOMENTUM.1, done),
        };
    }
    let done = (step - turn) / (total as f64 - 1.0 - turn);
    Rates {
        lr: anneal(peak, first / FINAL_DIV_FACTOR, done),
        momentum: anneal(MOMENTUM.1, MOMENTUM.0, done),
    }
}

/// Half a cosine from `start` to `end`.
fn anneal(start: f64, end: f64, done: f64) -> f64 {
    end + (start - end) / 2.0 * (1.0 + (std::f64::consts::PI * done).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(schedule: Schedule, epochs: usize) -> TrainSpec {
        TrainSpec { schedule, epochs, ..TrainSpec::default() }
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs()
    }

    /// Printed by torch.optim.lr_scheduler.OneCycleLR(SGD(lr=0.1, momentum=0.9), 0.1,
    /// total_steps=750), PyTorch 2.13.
    const ONE_CYCLE: [(usize, f64, f64); 7] = [
        (0, 0.0040000000000000036, 0.95),
        (1, 0.004004720715540394, 0.9499950825879787),
        (100, 0.04395970128137266, 0.9083753111652368),
        (224, 0.1, 0.85),
        (225, 0.09999910480403884, 0.8500008951995419),
        (400, 0.07474054078997398, 0.875259560248267),
        (749, 4e-07, 0.95),
    ];

    #[test]
    fn one_cycle_is_pytorchs() {
        for (step, lr, momentum) in ONE_CYCLE {
            let ours = rates(&train(Schedule::OneCycle, 6), 125, step);
            assert!(close(ours.lr, lr) && close(ours.momentum, momentum), "step {step}: {ours:?}");
        }
    }

    #[test]
    fn one_cycle_is_finite_however_short() {
        for total in 1..6 {
            for step in 0..total {
                let r = rates(&train(Schedule::OneCycle, 1), total, step);
                assert!(
                    r.lr.is_finite() && r.lr > 0.0 && r.momentum.is_finite(),
                    "{step} of {total}: {r:?}"
                );
            }
        }
    }

    #[test]
    fn drops_come_at_the_start_of_their_epochs() {
        let lr = |schedule: Schedule, step| rates(&train(schedule, 10), 10, step).lr;
        let multi = Schedule::MultiStep { at: vec![3, 5], gamma: 0.1 };
        assert!(
            close(lr(multi.clone(), 29), 0.1)
                && close(lr(multi.clone(), 30), 0.01)
                && close(lr(multi, 50), 0.001)
        );
        let step = Schedule::Step { every: 4, gamma: 0.5 };
        assert!(
            close(lr(step.clone(), 39), 0.1)
                && close(lr(step.clone(), 40), 0.05)
                && close(lr(step, 80), 0.025)
        );
    }

    #[test]
    fn cosine_rises_then_falls_to_its_minimum() {
        let schedule = Schedule::Cosine { warmup_epochs: 2, min_lr: 0.001 };
        let lr = |step| rates(&train(schedule.clone(), 10), 10, step).lr;
        assert!(close(lr(0), 0.005) && close(lr(19), 0.1) && close(lr(20), 0.1));
        assert!(lr(99) < 0.0011 && lr(99) > 0.001);
        assert!(close(lr(60), 0.0505));
    }
}
