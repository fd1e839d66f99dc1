//! The images that networks are asked with: opened once for all trials that see the same.
use res2lab_data::{Batch, EpochPlan, Split};
use res2lab_error::Error;
use res2lab_experiment::DataSpec;
use res2lab_random::Key;
use res2lab_store::PlannedTrial;
use res2lab_train::images::{Target, source, wanted};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Seed of normal images: the same for every network, so that they can be compared.
const SEED: u64 = 0;

/// Cache of probe images, keyed by data spec and image size.
pub(super) struct ProbeImages<'a> {
    pub count: usize,
    /// Normal noise takes the place of test images.
    pub noise: bool,
    pub root: &'a Path,
    known: Vec<(DataSpec, usize, Batch)>,
}

impl<'a> ProbeImages<'a> {
    pub(super) fn new(count: usize, noise: bool, root: &'a Path) -> ProbeImages<'a> {
        ProbeImages { count, noise, root, known: Vec::new() }
    }

    /// What this trial's network is to look at, not prepared for it yet.
    pub(super) fn at(&mut self, trial: &PlannedTrial) -> Result<&Batch, Error> {
        let spec = &trial.spec.data;
        let px = trial.image_px;
        let found = self.known.iter().position(|(known, side, _)| known == spec && *side == px);
        let i = match found {
            Some(i) => i,
            None => {
                let batch = if self.noise { self.normal(trial) } else { self.tested(trial)? };
                self.known.push((spec.clone(), px, batch));
                self.known.len() - 1
            }
        };
        Ok(&self.known[i].2)
    }

    fn normal(&self, trial: &PlannedTrial) -> Batch {
        let n = self.count as i64;
        let px = trial.image_px as i64;
        let channels = trial.image_channels as i64;
        let draws = Key::new(SEED).named("probe images");
        let values: Vec<f32> =
            (0..(n * channels * px * px) as u64).map(|i| draws.normal(i) as f32).collect();
        Batch {
            images: Tensor::from_slice(&values).view([n, channels, px, px]),
            labels: Tensor::zeros([n], (Kind::Int64, Device::Cpu)),
            indices: (0..self.count as u32).collect(),
        }
    }

    fn tested(&self, trial: &PlannedTrial) -> Result<Batch, Error> {
        let spec = &trial.spec.data;
        let threads = res2lab_sweep::slots::available_cores().len();
        let target = Target { device: Device::Cpu, kind: Kind::Float, threads };
        let mut source =
            source(spec, res2lab_data::open(&wanted(spec, self.root))?, trial.image_px, target)?;
        let count = self.count.min(source.len(Split::Test)) as u32;
        source.begin(EpochPlan {
            split: Split::Test,
            batches: vec![(0..count).collect()],
            augment: None,
        })?;
        source.next_batch()?.ok_or_else(|| {
            Error::input(
                "there is no test image to look at",
                "look at the test folder of the data set",
            )
        })
    }
}
