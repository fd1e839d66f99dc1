//! Whole trials on real images: learning, stop, exact resume, and the value that states the end.

mod common;

use common::{folder, options, short, trial};
use res2lab_experiment::{
    Augment, Bce, DataSpec, DecayOn, Loss, Optimizer, Precision, Schedule, TrainSpec, TrialSpec,
};
use res2lab_store::{Outcome, PlannedTrial, RunDir, TrialResult, atomic};
use res2lab_train::{Ended, TrialOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs one attempt. If `stop_at` is given, a stop is requested after that step.
fn run_once(trial: &PlannedTrial, run: &RunDir, stop_at: Option<usize>) -> Ended {
    run.create(&trial.spec).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut on_progress = |p: &res2lab_store::Progress| {
        if stop_at == Some(p.step) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    res2lab_train::run(trial, run, &options(&stop), &mut on_progress).unwrap()
}

fn bytes(run: &RunDir) -> [Vec<u8>; 3] {
    [run.last_checkpoint(), run.best_weights(), run.metrics()]
        .map(|p: PathBuf| std::fs::read(p).unwrap())
}

#[test]
fn a_stopped_and_resumed_trial_is_the_uninterrupted_one_to_the_bit() {
    let augmented = TrialSpec {
        data: DataSpec {
            augment: Augment { crop_pad: 2, flip: true, ..Augment::default() },
            ..DataSpec::default()
        },
        ..trial(short()).spec
    };
    for spec in [trial(short()).spec, augmented] {
        let trial =
            PlannedTrial { id: res2lab_experiment::id::trial_id(&spec), spec, ..trial(short()) };
        let (_a, whole) = folder();
        assert_eq!(run_once(&trial, &whole, None), Ended::Done);
        let (_b, pieces) = folder();
        // In the middle of an epoch, at the end of an epoch, and one step before the trial's end.
        for stop_at in [3, 8, 15] {
            assert_eq!(
                run_once(&trial, &pieces, Some(stop_at)),
                Ended::Preempted,
                "at step {stop_at}"
            );
        }
        assert_eq!(run_once(&trial, &pieces, None), Ended::Done);
        assert!(
            bytes(&whole) == bytes(&pieces),
            "weights, momentum, best weights or metrics differ"
        );
        assert_eq!(pieces.last_attempt(), 4);
        let log = std::fs::read_to_string(pieces.log(2)).unwrap();
        assert!(log.contains("resume from step 3"), "{log}");
    }
}

/// Interruptions change neither the weights that are kept after epochs 1, 2 and 4, nor the
/// checkpoint, the best weights and the metrics.
#[test]
fn small_networks_keep_weights_on_the_way() {
    let spec = TrialSpec { train: TrainSpec { epochs: 5, ..short() }, ..trial(short()).spec };
    let trial =
        PlannedTrial { id: res2lab_experiment::id::trial_id(&spec), spec, ..trial(short()) };
    let (_a, whole) = folder();
    assert_eq!(run_once(&trial, &whole, None), Ended::Done);
    assert_eq!(whole.kept_epochs(), [1, 2, 4]);
    let (_b, pieces) = folder();
    for stop_at in [3, 8, 20] {
        assert_eq!(run_once(&trial, &pieces, Some(stop_at)), Ended::Preempted, "at step {stop_at}");
    }
    assert_eq!(pieces.kept_epochs(), [1, 2]);
    assert_eq!(run_once(&trial, &pieces, None), Ended::Done);
    let kept =
        |run: &RunDir| [1, 2, 4].map(|epoch| std::fs::read(run.epoch_weights(epoch)).unwrap());
    assert!(kept(&whole) == kept(&pieces) && bytes(&whole) == bytes(&pieces));
    let [first, second, fourth] = kept(&whole);
    assert!(first != second && second != fourth);
    // The kept weights can be read like any file of weights.
    let best = res2lab_nn::weights::WeightsFile::open(&whole.best_weights()).unwrap();
    let early = res2lab_nn::weights::WeightsFile::open(&whole.epoch_weights(4)).unwrap();
    let names = |file: &res2lab_nn::weights::WeightsFile| {
        file.tensors.iter().map(|t| t.name.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&best), names(&early));
}

/// Recipes whose second epoch has images of another side: small ones are resized as a whole, or
/// cropped.
fn with_sizes() -> [(&'static str, PlannedTrial); 2] {
    let sizes = TrainSpec { sizes: vec![14, 20], drop_path: 0.1, ..short() };
    let resized = ("sides of training images [14, 20]", trial(sizes.clone()));
    let mut cropped = ("random resized crop", trial(sizes));
    cropped.1.spec.data.augment.random_resized_crop = true;
    cropped.1.spec.data.augment.crop_scale = [0.5, 1.0];
    [resized, cropped]
}

/// Float16 is slow on CPUs, so this recipe trains on a few generated images.
fn in_half_precision() -> PlannedTrial {
    let fp16 = TrainSpec {
        precision: Precision::Fp16,
        clip_norm: 1.0,
        batch_size: 8,
        epochs: 2,
        log_every: 1,
        ..TrainSpec::default()
    };
    let data = DataSpec {
        name: "generated".into(),
        images: Some(64),
        classes: Some(4),
        size: Some(16),
        ..DataSpec::default()
    };
    let spec = TrialSpec { data, ..trial(fp16.clone()).spec };
    PlannedTrial { image_channels: 3, image_px: 16, classes: 4, spec, ..trial(fp16) }
}

#[test]
fn every_part_of_a_recipe_resumes_to_the_bit_and_is_named_in_the_log() {
    let decay_on = DecayOn::Weights;
    let optimizer =
        Optimizer::Sgd { lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 1e-3, decay_on };
    let recipes = [
        ("mixup 0.2", TrainSpec { mixup: 0.2, ..short() }),
        ("cutmix 1", TrainSpec { cutmix: 1.0, mixup: 0.2, ..short() }),
        ("ema 0.9", TrainSpec { ema: 0.9, ..short() }),
        ("accumulate 2", TrainSpec { accumulate: 2, mixup: 0.2, ..short() }),
        ("bf16", TrainSpec { precision: Precision::Bf16, ..short() }),
        ("weight decay 0.001 on weights", TrainSpec { optimizer, clip_norm: 0.5, ..short() }),
    ];
    let optimizer = |map: serde_json::Value| serde_json::from_value(map).unwrap();
    let squares = [
        (
            "AdamW, weight decay 0.05 on weights, layer decay 0.75",
            TrainSpec {
                optimizer: optimizer(
                    serde_json::json!({"adamw": {"lr": 2e-3, "weight_decay": 0.05}}),
                ),
                layer_decay: 0.75,
                clip_value: 0.1,
                ..short()
            },
        ),
        (
            "LAMB with trust clip",
            TrainSpec {
                optimizer: optimizer(serde_json::json!({
                    "lamb": {"lr": 2e-2, "weight_decay": 0.02, "trust_clip": true}
                })),
                ..short()
            },
        ),
        (
            "RMSprop as TensorFlow's",
            TrainSpec {
                optimizer: optimizer(serde_json::json!({"rmsprop_tf": {"lr": 0.05, "eps": 1e-3}})),
                clip_agc: 0.5,
                ema: 0.9,
                ..short()
            },
        ),
    ];
    let digits = recipes.into_iter().chain(squares).map(|(feature, train)| (feature, trial(train)));
    let fp16 = [("fp16 autocast with loss scaling", in_half_precision())];
    for (feature, trial) in digits.chain(with_sizes()).chain(fp16) {
        let (_a, whole) = folder();
        assert_eq!(run_once(&trial, &whole, None), Ended::Done, "{feature}");
        let (_b, pieces) = folder();
        for stop_at in [3, 11] {
            assert_eq!(run_once(&trial, &pieces, Some(stop_at)), Ended::Preempted, "{feature}");
        }
        assert_eq!(run_once(&trial, &pieces, None), Ended::Done);
        assert!(bytes(&whole) == bytes(&pieces), "{feature}: bits differ");
        let log = std::fs::read_to_string(whole.log(1)).unwrap();
        assert!(log.contains(feature), "{log}");
        let result: TrialResult = atomic::read_json(&whole.result()).unwrap().unwrap();
        assert!(result.metrics["train/loss"] < 2.3, "{feature}: {:?}", result.metrics);
    }
}

#[test]
fn what_is_evaluated_and_kept_is_the_moving_average() {
    let with = |ema| {
        let trial = trial(TrainSpec { ema, ..short() });
        let (dir, run) = folder();
        assert_eq!(run_once(&trial, &run, None), Ended::Done);
        let result: TrialResult = atomic::read_json(&run.result()).unwrap().unwrap();
        (dir, run, result)
    };
    let (_a, plain, without) = with(0.0);
    let (_b, averaged, with) = with(0.9);
    // The average does not change the training, only the weights that are evaluated and saved.
    assert_eq!(without.metrics["train/loss"], with.metrics["train/loss"]);
    assert_ne!(without.metrics["val/loss"], with.metrics["val/loss"]);
    assert_ne!(
        std::fs::read(plain.best_weights()).unwrap(),
        std::fs::read(averaged.best_weights()).unwrap()
    );
}

#[test]
fn every_loss_trains_and_the_planned_step_agrees_with_autograd() {
    let weights = vec![1.0, 1.0, 2.0, 1.0, 0.5, 1.0, 1.0, 3.0, 1.0, 1.0];
    let bce = Bce { threshold: Some(0.2), sum_classes: true };
    // At a higher rate, training multiplies differences in the last bit by a hundred in each step.
    let optimizer = Optimizer::Sgd {
        lr: 0.005,
        momentum: 0.9,
        nesterov: true,
        weight_decay: 0.0,
        decay_on: DecayOn::All,
    };
    for (loss, mixup, class_weights) in [
        (Loss::Bce(bce), 0.4, vec![]),
        (Loss::Bce(Bce::default()), 0.0, weights.clone()),
        (Loss::Focal { gamma: 2.0 }, 0.0, weights),
    ] {
        let recipe = TrainSpec {
            epochs: 1,
            precision: Precision::F64,
            optimizer: optimizer.clone(),
            loss,
            mixup,
            class_weights,
            ..short()
        };
        let trained = |plain| {
            let trial = trial(TrainSpec { plain, ..recipe.clone() });
            let (_dir, run) = folder();
            assert_eq!(run_once(&trial, &run, None), Ended::Done);
            let result: TrialResult = atomic::read_json(&run.result()).unwrap().unwrap();
            ["train/loss", "val/loss", "val/acc1"].map(|name| result.metrics[name])
        };
        for (planned, autograd) in trained(false).into_iter().zip(trained(true)) {
            let off = (planned - autograd).abs() / autograd.abs();
            assert!(off < 1e-9, "{:?}: {planned} and {autograd}", recipe.loss);
        }
    }
}

#[test]
fn a_time_limit_ends_a_trial_with_an_evaluation() {
    let trial = trial(TrainSpec { max_minutes: 1e-4, epochs: 50, ..short() });
    let (_dir, run) = folder();
    assert_eq!(run_once(&trial, &run, None), Ended::Done);
    let result: TrialResult = atomic::read_json(&run.result()).unwrap().unwrap();
    assert!(
        result.reason.contains("max_minutes") && result.metrics.contains_key("val/acc1"),
        "{result:?}"
    );
    assert!(result.steps < 50 * 8);
}

#[test]
fn training_starts_from_given_weights() {
    let first = trial(short());
    let (_a, run) = folder();
    run_once(&first, &run, None);
    let second = trial(TrainSpec {
        optimizer: Optimizer::Sgd {
            lr: 1e-9,
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            decay_on: DecayOn::All,
        },
        schedule: Schedule::Constant,
        ..short()
    });
    let (_b, again) = folder();
    again.create(&second.spec).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let options = TrialOptions { weights: Some(run.best_weights()), ..options(&stop) };
    assert_eq!(res2lab_train::run(&second, &again, &options, &mut |_| {}).unwrap(), Ended::Done);
    let of =
        |run: &RunDir| atomic::read_json::<TrialResult>(&run.result()).unwrap().unwrap().metrics;
    // At this learning rate the weights hardly change, so the loss is that of the given weights.
    let first = of(&run)["train/loss"];
    let second = of(&again)["train/loss"];
    assert!((first - second).abs() < 1e-4, "{first} and {second}");
    let log = std::fs::read_to_string(again.log(1)).unwrap();
    assert!(log.contains("start from weights") && log.contains("best.safetensors"), "{log}");
}

#[test]
fn what_a_killed_attempt_wrote_beyond_its_checkpoint_is_forgotten() {
    let trial = trial(short());
    let (_a, whole) = folder();
    run_once(&trial, &whole, None);
    let (_b, killed) = folder();
    run_once(&trial, &killed, Some(5));
    // The files of an attempt that was killed some time after its last checkpoint: more metrics, an
    // incomplete line, newer best weights.
    let longer = [std::fs::read(whole.metrics()).unwrap(), b"{\"step\":99".to_vec()].concat();
    std::fs::write(killed.metrics(), longer).unwrap();
    std::fs::copy(whole.best_weights(), killed.best_weights()).unwrap();
    assert_eq!(run_once(&trial, &killed, None), Ended::Done);
    assert!(bytes(&whole) == bytes(&killed));
}

#[test]
fn digits_are_learned_and_the_result_says_so() {
    let trial = trial(TrainSpec { epochs: 3, batch_size: 64, ..TrainSpec::default() });
    let (_dir, run) = folder();
    assert_eq!(run_once(&trial, &run, None), Ended::Done);
    let result: TrialResult = atomic::read_json(&run.result()).unwrap().unwrap();
    assert!(result.metrics["val/acc1"] > 93.0, "{:?}", result.metrics);
    assert!(result.metrics["val/acc5"] > result.metrics["val/acc1"]);
    assert_eq!((result.steps, result.status, result.attempts), (3 * 62, Outcome::Done, 1));
    assert!(
        result.images_per_s > Some(0.0)
            && result.step_ms > Some(0.0)
            && result.peak_memory_mib > 50.0
    );
    // A second run of a finished trial trains nothing.
    assert_eq!(run_once(&trial, &run, None), Ended::Done);
    assert_eq!(run.last_attempt(), 1);
}

#[test]
fn a_loss_that_is_not_finite_ends_the_trial_as_diverged() {
    let optimizer = Optimizer::Sgd {
        lr: 1e30,
        momentum: 0.9,
        nesterov: false,
        weight_decay: 0.0,
        decay_on: DecayOn::All,
    };
    let trial = trial(TrainSpec { optimizer, schedule: Schedule::Constant, ..short() });
    let (_dir, run) = folder();
    let Ended::Diverged(reason) = run_once(&trial, &run, None) else { panic!("it cannot be done") };
    assert!(reason.contains("NaN or infinite"), "{reason}");
    let result: TrialResult = atomic::read_json(&run.result()).unwrap().unwrap();
    assert_eq!(result.status, Outcome::Diverged);
}

#[test]
fn accumulated_batches_give_the_step_of_one_large_batch_but_for_batch_norm() {
    // Gradients are averaged over the parts. With batch norm, each part has its own statistics, so
    // the results are close to those of one large batch, but not equal. The number of steps and the
    // images of each step must be equal.
    let trial = trial(TrainSpec { accumulate: 2, ..short() });
    let (_dir, run) = folder();
    assert_eq!(run_once(&trial, &run, None), Ended::Done);
    let result: TrialResult = atomic::read_json(&run.result()).unwrap().unwrap();
    assert_eq!(result.steps, 16);
    assert!(result.metrics["train/loss"] < 2.3);
}

#[test]
fn a_damaged_checkpoint_and_one_of_another_trial_are_refused_by_name() {
    let trial = trial(short());
    let (_dir, run) = folder();
    run_once(&trial, &run, Some(2));
    let whole = std::fs::read(run.last_checkpoint()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let again = |trial: &PlannedTrial| {
        res2lab_train::run(trial, &run, &options(&stop), &mut |_| {}).unwrap_err()
    };
    std::fs::write(run.last_checkpoint(), &whole[..whole.len() / 2]).unwrap();
    let e = again(&trial);
    assert!(
        e.cause.contains("last.safetensors is damaged") && e.help.contains("remove it"),
        "{e:?}"
    );
    std::fs::write(run.last_checkpoint(), &whole).unwrap();
    let e = again(&PlannedTrial { id: "another".into(), ..trial.clone() });
    assert!(e.cause.contains(&trial.id), "{e:?}");
}
