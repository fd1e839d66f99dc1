//! What the trained networks of a sweep look at: effective receptive fields of one trial of each
//! arm in depth, and how wide that of every other trial is.
//!
//! Reading order:
//! - [`probe_images`]: the images
//! - [`nodes`]: which nodes are asked, and what is kept of each
//! - [`gallery`]: what splits see in single images

mod gallery;
mod nodes;
mod probe_images;
use crate::network;
use nodes::{last_stage, state};
use probe_images::ProbeImages;
use res2lab_arch::Input;
use res2lab_error::Error;
use res2lab_explain::{ErfOptions, Sign, shares};
use res2lab_nn::weights::{self, Fit, WeightsFile};
use res2lab_nn::{Net, init};
use res2lab_store::effective::{
    Effective, EffectiveArm, EffectiveEpoch, EffectiveTrial, SplitShare,
};
use res2lab_store::{Outcome, Plan, PlannedTrial, RunDir, SweepDir, TrialResult, atomic};
use res2lab_train::environment::now_s;
use std::collections::HashSet;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// How it is measured.
pub struct MeasureOptions {
    /// Images that gradients are averaged over.
    pub images: usize,
    /// Of normal noise, in place of test images.
    pub noise: bool,
    /// Where the networks run.
    pub device: Device,
    /// In double precision.
    pub float64: bool,
    pub options: ErfOptions,
    /// No more than one trial of each arm.
    pub one_per_arm: bool,
}

impl MeasureOptions {
    fn sign(&self) -> &'static str {
        match self.options.sign {
            Sign::Absolute => "absolute",
            Sign::Positive => "positive",
            Sign::Signed => "signed",
        }
    }
}

/// Measures the finished trials of a sweep.
pub fn measure(
    dir: &SweepDir,
    plan: &Plan,
    ask: &MeasureOptions,
    data: &Path,
) -> Result<Effective, Error> {
    let mut looked = ProbeImages::new(ask.images, ask.noise, data);
    let mut seen = HashSet::new();
    let mut arms = Vec::new();
    let mut trials = Vec::new();
    for trial in &plan.trials {
        let Some(result) = result_of_done(dir, trial)? else { continue };
        let is_first = seen.insert(&trial.arm);
        if !is_first && ask.one_per_arm {
            continue;
        }
        let mut measured = Measured::open(dir, trial, ask, &mut looked)?;
        let width = measured.width()?;
        if is_first {
            arms.push(measured.in_depth(&result, width.sigma_px)?);
        }
        trials.push(width);
    }
    if arms.is_empty() {
        return Err(Error::input("no trial of this sweep is done", "measure again once some are"));
    }
    let sign = ask.sign().to_owned();
    let at_s = now_s();
    let images = ask.images;
    let noise = ask.noise;
    let float64 = ask.float64;
    let relu = ask.options.relu;
    Ok(Effective { at_s, images, sign, noise, float64, relu, arms, trials })
}

fn result_of_done(dir: &SweepDir, trial: &PlannedTrial) -> Result<Option<TrialResult>, Error> {
    // A damaged result is no result; the report names it.
    let result: Option<TrialResult> =
        atomic::read_json(&dir.run(&trial.id).result()).unwrap_or_default();
    Ok(result.filter(|r| r.status == Outcome::Done))
}

/// One trial's network with the images it is asked with.
struct Measured<'a> {
    trial: &'a PlannedTrial,
    run: RunDir,
    ask: &'a MeasureOptions,
    net: Net,
    batch: &'a res2lab_data::Batch,
    images: Tensor,
}

impl<'a> Measured<'a> {
    fn open(
        dir: &SweepDir,
        trial: &'a PlannedTrial,
        ask: &'a MeasureOptions,
        looked: &'a mut ProbeImages,
    ) -> Result<Measured<'a>, Error> {
        let px = trial.image_px;
        let input =
            Input { channels: trial.image_channels, height: px, width: px, classes: trial.classes };
        let kind = if ask.float64 { Kind::Double } else { Kind::Float };
        let net = network::build_in(&trial.spec.model, input, ask.device, kind)?;
        let batch = looked.at(trial)?;
        let images = net.prepare(&batch.images);
        let mut measured = Measured { trial, run: dir.run(&trial.id), ask, net, batch, images };
        measured.load(&measured.run.best_weights())?;
        Ok(measured)
    }

    fn load(&mut self, path: &Path) -> Result<(), Error> {
        let file = WeightsFile::open(path).map_err(network::input)?;
        weights::load(self.net.params_mut(), &file, Fit::Exact).map_err(network::input)?;
        Ok(())
    }

    fn failed(&self, e: Error) -> Error {
        e.of_kind(res2lab_error::Kind::Machine).at(&self.trial.label)
    }

    fn width(&self) -> Result<EffectiveTrial, Error> {
        let found =
            last_stage(&self.net, &self.images, self.ask.options).map_err(|e| self.failed(e))?;
        Ok(EffectiveTrial {
            trial: self.trial.id.clone(),
            arm: self.trial.arm.clone(),
            seed: self.trial.spec.seed,
            sigma_px: found.sigma_px,
            ratio_50: found.ratio_50,
        })
    }

    /// All of it, with the width of the last stage as trained; the network ends as it was
    /// initialized.
    fn in_depth(&mut self, result: &TrialResult, trained_px: f64) -> Result<EffectiveArm, Error> {
        let trial = self.trial;
        let options = self.ask.options;
        let of_splits = shares::shares(&self.net, &self.images).map_err(|e| self.failed(e))?;
        let trained =
            state(&self.net, &self.images, "trained", options).map_err(|e| self.failed(e))?;
        // Noise is no picture of anything, and has no class to be taken for.
        let gallery = match self.ask.noise {
            true => Vec::new(),
            false => {
                gallery::gallery(&self.net, &self.images, self.batch).map_err(|e| self.failed(e))?
            }
        };
        let mut growth = self.on_the_way()?;
        init::init(self.net.params_mut(), trial.spec.seed);
        res2lab_explain::calibrate::calibrate(&self.net, &self.images);
        let fresh = state(&self.net, &self.images, "init", options).map_err(|e| self.failed(e))?;
        if !growth.is_empty() {
            let sigma_px =
                last_stage(&self.net, &self.images, options).map_err(|e| self.failed(e))?.sigma_px;
            growth.push(EffectiveEpoch { epoch: 0.0, sigma_px });
            // The best weights were evaluated after some epoch, which is where they stand among the
            // others.
            let epoch =
                result.metrics.get("best/epoch").copied().unwrap_or(trial.spec.train.epochs as f64);
            growth.retain(|kept| kept.epoch != epoch);
            growth.push(EffectiveEpoch { epoch, sigma_px: trained_px });
            growth.sort_by(|a, b| a.epoch.total_cmp(&b.epoch));
        }
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
            image_px: trial.image_px,
            states: vec![fresh, trained],
            growth,
            shares: of_splits.iter().map(share).collect(),
            gallery,
        })
    }

    /// Every state that was kept while it was trained.
    fn on_the_way(&mut self) -> Result<Vec<EffectiveEpoch>, Error> {
        let mut found = Vec::new();
        for epoch in self.run.kept_epochs() {
            self.load(&self.run.epoch_weights(epoch))?;
            let width = last_stage(&self.net, &self.images, self.ask.options)
                .map_err(|e| self.failed(e))?;
            found.push(EffectiveEpoch { epoch: epoch as f64, sigma_px: width.sigma_px });
        }
        Ok(found)
    }
}
