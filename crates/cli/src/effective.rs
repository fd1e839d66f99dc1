//! What the trained networks of a sweep look at: effective receptive fields of one trial of each arm, as initialised and
//! as trained.

use crate::failure::Failure;
use crate::trained::{self, Trained};
use arch::NodeId;
use data::{Batch, Pass, Split};
use explain::{Erf, ExplainError, Map, Method, Options, cam, erf, shares};
use nn::{Net, init};
use std::collections::HashSet;
use std::path::Path;
use store::effective::{
    AREAS, CamMap, Effective, EffectiveArm, EffectiveNode, EffectiveState, Picture, SplitShare, Thumbnail,
};
use store::{Outcome, Plan, PlannedTrial, SweepDir, TrialResult, atomic};
use tch::{Device, Kind, Tensor};
use train::environment::now_s;
use train::images::{Target, source, wanted};

/// Cells of a kept map's side: more are not seen on a page.
const MOST_CELLS: usize = 64;

/// Measures one finished trial of each arm on the first `images` test images.
pub fn measure(dir: &SweepDir, plan: &Plan, images: usize, data: &Path) -> Result<Effective, Failure> {
    let mut seen = HashSet::new();
    let mut arms = Vec::new();
    for trial in &plan.trials {
        if seen.contains(&trial.arm) || !is_done(dir, trial)? {
            continue;
        }
        seen.insert(&trial.arm);
        arms.push(of_trial(dir, trial, images, data)?);
    }
    if arms.is_empty() {
        return Err(Failure::input("no trial of this sweep is done", "measure again once some are"));
    }
    Ok(Effective { at_s: now_s(), images, sign: "absolute".into(), arms })
}

fn is_done(dir: &SweepDir, trial: &PlannedTrial) -> Result<bool, Failure> {
    let result: Option<TrialResult> = atomic::read_json(&dir.run(&trial.id).result())?;
    Ok(result.is_some_and(|r| r.status == Outcome::Done))
}

fn of_trial(dir: &SweepDir, trial: &PlannedTrial, images: usize, data: &Path) -> Result<EffectiveArm, Failure> {
    let folder = dir.run(&trial.id).path().display().to_string();
    let Trained { mut net, px, data: spec, .. } = trained::load(&[folder], data)?;
    let placement = net.placement();
    let threads = sweep::local::available_cores().len();
    let target = Target { device: placement.device, kind: placement.kind, threads };
    let mut source = source(&spec, data::open(&wanted(&spec, data))?, px, target)?;
    let count = images.min(source.len(Split::Test)) as u32;
    source.begin(Pass { split: Split::Test, batches: vec![(0..count).collect()], augment: None })?;
    let batch = source.next_batch()?.ok_or_else(|| {
        Failure::input("there is no test image to look at", "look at the test folder of the data set")
    })?;
    let images = net.prepare(&batch.images);
    let explained = |e: explain::ExplainError| Failure::machine(format!("{}: {}", trial.label, e.cause), e.help);
    let of_splits = shares::shares(&net, &images).map_err(explained)?;
    let trained = state(&net, &images, "trained").map_err(explained)?;
    let gallery = gallery(&net, &images, &batch).map_err(explained)?;
    init::init(net.params_mut(), trial.spec.seed);
    explain::calibrate::calibrate(&net, &images);
    let fresh = state(&net, &images, "init").map_err(explained)?;
    let share = |s: &shares::Share| SplitShare {
        block: s.split.block.trim_end_matches(".concat").to_owned(),
        split: s.split.index,
        share: s.share,
    };
    Ok(EffectiveArm {
        arm: trial.arm.clone(),
        label: trial.label.clone(),
        trial: trial.id.clone(),
        seed: trial.spec.seed,
        image_px: px,
        states: vec![fresh, trained],
        shares: of_splits.iter().map(share).collect(),
        gallery,
    })
}

fn state(net: &Net, images: &Tensor, name: &str) -> Result<EffectiveState, explain::ExplainError> {
    let nodes = nodes(net);
    let ids: Vec<NodeId> = nodes.iter().map(|(_, id)| *id).collect();
    let found = erf(net, images, &ids, Options::default())?;
    let nodes = nodes.into_iter().zip(&found).map(|((node, _), found)| of_node(node, found)).collect();
    Ok(EffectiveState { state: name.into(), nodes })
}

/// Test images of a gallery.
const PICTURES: usize = 4;

/// The first test images with the maps of the last block's splits; empty where there are no splits.
fn gallery(net: &Net, images: &Tensor, batch: &Batch) -> Result<Vec<Picture>, ExplainError> {
    let splits: Vec<(String, NodeId)> = nodes(net).into_iter().filter(|(name, _)| name.contains('.')).collect();
    if splits.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<NodeId> = splits.iter().map(|(_, id)| *id).collect();
    let guesses = tch::no_grad(|| net.logits(images, nn::Mode::Eval).argmax(1, false));
    let picture = |i: usize| {
        let image = images.narrow(0, i as i64, 1);
        let maps = cam(net, &image, None, &ids, Method::GradCam)?;
        let splits = splits.iter().zip(&maps).map(|((node, _), found)| CamMap {
            node: node.clone(),
            max: found.max,
            map: thumbnail(&found.shown),
        });
        Ok(Picture {
            index: batch.indices[i],
            label: batch.labels.int64_value(&[i as i64]),
            guess: guesses.int64_value(&[i as i64]),
            image: thumbnail(&grey(&image)),
            splits: splits.collect(),
        })
    };
    (0..PICTURES.min(batch.indices.len())).map(picture).collect()
}

/// An image's mean over colours, from its least value on.
fn grey(image: &Tensor) -> Map {
    let mean = image.to_device(Device::Cpu).to_kind(Kind::Double).mean_dim([0_i64, 1].as_slice(), false, None);
    let above = &mean - mean.min();
    let width = above.size()[1] as usize;
    Map { width, values: Vec::try_from(above.contiguous().flatten(0, -1)).unwrap_or_default() }
}

/// The end of each stage, and the splits of the last block that has any.
fn nodes(net: &Net) -> Vec<(String, NodeId)> {
    let graph = net.graph();
    let mut nodes: Vec<(String, NodeId)> = graph.stages.iter().map(|s| (s.name.clone(), s.node)).collect();
    let splits = rf::splits::splits(graph);
    let last = splits.last().map(|split| split.block.clone());
    let of_last = splits.iter().filter(|split| Some(&split.block) == last.as_ref());
    nodes.extend(of_last.map(|s| (format!("{}.{}", s.block.trim_end_matches(".concat"), s.index), s.node)));
    nodes
}

fn of_node(node: String, found: &Erf) -> EffectiveNode {
    let map = &found.mean;
    let (sigma_x_px, sigma_y_px) = map.sigma().unwrap_or_default();
    let (x, y) = map.centre_of_mass().unwrap_or(found.centre);
    let centre = found.centre_pixel();
    let log = map.log();
    let profile = map.radial_profile(found.centre);
    let most = profile.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let error = found.error.values.iter().map(|e| e * e).sum::<f64>().sqrt();
    EffectiveNode {
        node,
        rf_max_px: found.field.max_px(),
        centre_px: [found.centre.0, found.centre.1],
        sigma_x_px,
        sigma_y_px,
        com_dx_px: x - found.centre.0,
        com_dy_px: y - found.centre.1,
        size_px: map.seen_size_px(),
        area_ratios: AREAS.map(|share| map.area(centre, share).ratio),
        area_ratios_log: AREAS.map(|share| log.area(centre, share).ratio),
        profile: profile.into_iter().filter(|v| v.is_finite()).map(|v| v / most).collect(),
        scale: map.sum(),
        relative_error: error / map.sum().max(f64::MIN_POSITIVE),
        is_saturated: found.is_saturated(),
        images: found.images,
        skipped: found.skipped,
        map: thumbnail(map),
    }
}

/// Means over cells of equal size; a cell at the edge may be smaller.
fn thumbnail(map: &Map) -> Thumbnail {
    let (w, h) = (map.width, map.height());
    let cell_px = w.max(h).div_ceil(MOST_CELLS).max(1);
    let (width, height) = (w.div_ceil(cell_px), h.div_ceil(cell_px));
    let (mut sums, mut counts) = (vec![0.0; width * height], vec![0.0_f64; width * height]);
    for (i, value) in map.values.iter().enumerate() {
        let cell = i / w / cell_px * width + i % w / cell_px;
        sums[cell] += value;
        counts[cell] += 1.0;
    }
    let means: Vec<f64> = sums.iter().zip(&counts).map(|(sum, n)| sum / n.max(1.0)).collect();
    let most = means.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    Thumbnail { width, cell_px, values: means.iter().map(|v| (65535.0 * v / most).round() as u16).collect() }
}
