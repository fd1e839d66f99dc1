//! Smoke tests: any experiment with every costly number reduced, so that it takes seconds on two
//! cores. The options of the recipe stay enabled. Images are generated with the shape of the
//! experiment's own.

use crate::{DataSpec, Expansion, Optimizer, Reference, TrialSpec};
use res2lab_arch::{Family, ModelSpec};
use std::cmp::min;

/// Number of training images in a smoke test.
const IMAGES: usize = 96;
const BATCH: usize = 16;
const EPOCHS: usize = 3;
/// Number of classes, or fewer if the experiment has fewer.
const CLASSES: usize = 8;

/// Reduces every arm to the size of a smoke test, and keeps the first seed only.
pub fn smoke(expansion: &mut Expansion) {
    expansion.name += "-smoke";
    expansion.seeds.truncate(1);
    expansion.seed_rule = None;
    expansion.is_smoke = true;
    // The rungs are beyond the number of epochs in a smoke test.
    expansion.early_stop = None;
    // Published results do not apply to generated images.
    expansion.reference = Reference::default();
    expansion.notes.push(
        "smoke test: networks, images and epochs are shrunk, and the images are generated".into(),
    );
    for arm in &mut expansion.arms {
        shrink(&mut arm.spec);
        arm.budget.iter_mut().for_each(|budget| shrink_model(&mut budget.reference));
    }
}

fn shrink_model(model: &mut ModelSpec) {
    let is_dla = model.family == Family::Dla;
    // The trees of a DLA have two to the power of their levels blocks.
    model
        .blocks
        .iter_mut()
        .for_each(|n| *n = if is_dla { 1 + usize::from(*n > 2) } else { n.div_ceil(8) });
    // A quarter of the channels, but enough for every split and its groups.
    let enough = (if is_dla { 256_usize } else { 64 }).div_ceil(model.width);
    model.planes = min(model.planes, (model.planes / 4).max(16).max(enough.next_multiple_of(4)));
}

fn shrink(spec: &mut TrialSpec) {
    shrink_model(&mut spec.model);
    let train = &mut spec.train;
    *train.optimizer.lr_mut() *= match train.optimizer {
        // Linear scaling rule: the learning rate is proportional to the batch size.
        Optimizer::Sgd { .. } => BATCH as f64 / train.batch_size.max(BATCH) as f64,
        // The rate is the share of its length by which a tensor moves, whatever the batch, and a
        // smoke test has few steps.
        Optimizer::Lamb { .. } => 20.0,
        // The length of an update does not depend on the batch.
        Optimizer::Adamw { .. } | Optimizer::RmspropTf { .. } => 1.0,
    };
    train.batch_size =
        min(train.batch_size, BATCH).next_multiple_of(train.accumulate * train.devices_per_trial);
    train.epochs = EPOCHS;
    if !train.sizes.is_empty() {
        // Every network takes multiples of 32.
        train.sizes = vec![32, 64];
    }
    train.log_every = 2;
    train.eval_every = 1;
    train.ema = train.ema.min(0.9);
    if let Some(decay) = train.schedule.decay_mut() {
        decay.warmup_epochs = min(decay.warmup_epochs, 1);
        decay.cooldown_epochs = 0;
        decay.cycles = 1;
    }
    spec.data = generated(&spec.data);
}

/// The configuration of generated images that pass through the same pipeline as the experiment's
/// own.
fn generated(data: &DataSpec) -> DataSpec {
    let is_small = ["mnist5k", "mnist", "fashion_mnist", "cifar10", "cifar100", "shapes"]
        .contains(&data.name.as_str());
    let mut augment = data.augment.clone();
    augment.random_resized_crop |= !is_small;
    // A twelfth of a tiny image does not show its class.
    augment.crop_scale[0] = augment.crop_scale[0].max(0.4);
    DataSpec {
        name: "generated".into(),
        path: None,
        augment,
        size: Some(if is_small { 32 } else { 64 }),
        resize: data.resize.map(|_| 72),
        cache_px: None,
        images: Some(IMAGES),
        classes: Some(CLASSES),
        ..data.clone()
    }
}
