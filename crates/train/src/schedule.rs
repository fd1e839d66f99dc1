//! The schedule: learning rate and momentum of each step.

use res2lab_experiment::{Decay, Schedule, TrainSpec};
use res2lab_nn::Rates;

/// The rates of step `step` (from 0) in a training run with `steps_per_epoch` steps per epoch.
pub(crate) fn rates(train: &TrainSpec, steps_per_epoch: usize, step: usize) -> Rates {
    let lr = train.optimizer.lr();
    let momentum = train.optimizer.momentum();
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
        Schedule::Cosine(decay) => {
            let shape = |done: f64| 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
            Rates { lr: decayed(lr, decay, train.epochs, steps_per_epoch, step, shape), momentum }
        }
        Schedule::Polynomial { power, decay } => {
            let shape = |done: f64| (1.0 - done).powf(*power);
            Rates { lr: decayed(lr, decay, train.epochs, steps_per_epoch, step, shape), momentum }
        }
    }
}

/// The learning rate with a warm-up, cycles of `shape`, which falls from 1 to 0, and a cool-down.
fn decayed(
    peak: f64,
    decay: &Decay,
    epochs: usize,
    steps_per_epoch: usize,
    step: usize,
    shape: impl Fn(f64) -> f64,
) -> f64 {
    let unit = if decay.per_epoch { 1 } else { steps_per_epoch };
    let time = if decay.per_epoch { step / steps_per_epoch } else { step };
    let warm = decay.warmup_epochs * unit;
    if time < warm {
        return match decay.warmup_lr {
            None => peak * ((time + 1) as f64 / warm as f64),
            Some(first) => first + (peak - first) * time as f64 / warm as f64,
        };
    }
    let begin = if decay.from_start { 0 } else { warm };
    let end = (epochs * unit).saturating_sub(decay.cooldown_epochs * unit);
    let length = end.saturating_sub(begin).max(1) as f64 / decay.cycles as f64;
    let time = (time - begin) as f64;
    let cycle = (time / length).floor();
    if cycle >= decay.cycles as f64 {
        return decay.min_lr;
    }
    let done = (time - cycle * length) / length;
    let peak = peak * decay.cycle_decay.powi(cycle as i32);
    decay.min_lr + (peak - decay.min_lr) * shape(done)
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
        let decay = Decay { warmup_epochs: 2, min_lr: 0.001, ..Decay::default() };
        let schedule = Schedule::Cosine(decay);
        let lr = |step| rates(&train(schedule.clone(), 10), 10, step).lr;
        assert!(close(lr(0), 0.005) && close(lr(19), 0.1) && close(lr(20), 0.1));
        assert!(lr(99) < 0.0011 && lr(99) > 0.001);
        assert!(close(lr(60), 0.0505));
    }

    /// Learning rates of ten epochs of seven steps with a peak of 0.4, as timm 1.0.31's
    /// CosineLRScheduler and PolyLRScheduler give them before each step.
    fn is_timms(schedule: Schedule, expected: [f64; 11]) {
        const STEPS: [usize; 11] = [0, 1, 13, 14, 15, 30, 41, 49, 55, 62, 69];
        let mut train = train(schedule.clone(), 10);
        *train.optimizer.lr_mut() = 0.4;
        for (step, expected) in STEPS.into_iter().zip(expected) {
            let ours = rates(&train, 7, step).lr;
            assert!(close(ours, expected), "{schedule:?}, step {step}: {ours}, not {expected}");
        }
    }

    const WARM: Decay = Decay {
        warmup_epochs: 2,
        warmup_lr: Some(1e-4),
        min_lr: 1e-3,
        cooldown_epochs: 0,
        cycles: 1,
        cycle_decay: 1.0,
        from_start: false,
        per_epoch: false,
    };

    #[test]
    fn a_decay_after_the_warm_up_with_a_cool_down_is_timms() {
        let values = [
            0.0001,
            0.028664285714285715,
            0.3714357142857143,
            0.4,
            0.39944215753764545,
            0.2733855343610958,
            0.11394019404604717,
            0.027727931945004523,
            0.0015578424623545642,
            0.001,
            0.001,
        ];
        is_timms(Schedule::Cosine(Decay { cooldown_epochs: 2, ..WARM }), values);
        let values = [
            0.0001,
            0.028664285714285715,
            0.3714357142857143,
            0.4,
            0.3935817367101398,
            0.2957526128268734,
            0.22167943810790902,
            0.1660444925186522,
            0.12292304612169952,
            0.07024440051022683,
            0.011656232105447976,
        ];
        is_timms(Schedule::Polynomial { power: 0.9, decay: WARM }, values);
    }

    #[test]
    fn a_decay_from_the_start_is_timms() {
        let values = [
            0.0001,
            0.028664285714285715,
            0.3714357142857143,
            0.36189889037780204,
            0.356475380752372,
            0.24489292632428472,
            0.14742564930944838,
            0.08323684216765163,
            0.04452461924762806,
            0.013721143307372428,
            0.0012008832250077395,
        ];
        is_timms(Schedule::Cosine(Decay { from_start: true, ..WARM }), values);
        let values = [
            0.0001,
            0.0001,
            0.20005,
            0.34156780284671623,
            0.34156780284671623,
            0.2005,
            0.1241546552431646,
            0.016186033263998298,
            0.016186033263998298,
            0.001,
            0.001,
        ];
        let per_epoch = Decay { from_start: true, per_epoch: true, cooldown_epochs: 2, ..WARM };
        is_timms(Schedule::Cosine(per_epoch), values);
    }

    #[test]
    fn cycles_are_timms() {
        let values = [
            0.4,
            0.39919687165205026,
            0.2789084938149578,
            0.26214889037780204,
            0.24489292632428472,
            0.020756710853467406,
            0.1859156549633857,
            0.1312471909403073,
            0.07835916707134673,
            0.025569389132640723,
            0.0014005577474737127,
        ];
        let decay =
            Decay { warmup_epochs: 0, warmup_lr: None, cycles: 2, cycle_decay: 0.5, ..WARM };
        is_timms(Schedule::Cosine(decay), values);
    }
}
