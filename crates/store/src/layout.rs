//! The folders of a sweep and of a run. No other place names a file in them.
//!
//! ```text
//! reports/<name>/  sweep.yaml  plan.json  journal.jsonl  history.jsonl  lock
//!                  effective.json  index.html  trials.{parquet,csv}  metrics.parquet
//!                  slurm/  submission-1.{json,sh}  submission-1-0.{jsonl,out,lock}  ...   (with executor: slurm)
//!                  runs/<trial-id>/  spec.yaml  classes.json  lock  result.json  metrics.jsonl  checkpoints/{last,best,epoch-0001}.safetensors
//!                                    console.txt  progress.json  stop-early.txt
//!                                    attempt-1/{env.json,log.txt,trace.json,events.out.tfevents.*}  attempt-2/...
//! ```

use crate::error;
use crate::{atomic, checksum};
use res2lab_error::Error;
use res2lab_experiment::TrialSpec;
use std::fs;
use std::path::{Path, PathBuf};

/// Largest size of a network's weights for which weights are kept during training. A network of 25
/// M parameters over 300 epochs would otherwise take 1 GB just for figures of growth.
pub const MOST_KEPT_BYTES: usize = 16 << 20;

/// The folder of a sweep.
#[derive(Clone, Debug)]
pub struct SweepDir(PathBuf);

/// The folder of a trial.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

impl SweepDir {
    pub fn new(path: impl Into<PathBuf>) -> SweepDir {
        SweepDir(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn sweep_yaml(&self) -> PathBuf {
        self.0.join("sweep.yaml")
    }

    pub fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.jsonl")
    }

    pub fn history(&self) -> PathBuf {
        self.0.join("history.jsonl")
    }

    pub fn effective(&self) -> PathBuf {
        self.0.join("effective.json")
    }

    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The author's own text for the report.
    pub fn author_notes(&self) -> PathBuf {
        self.0.join("notes.md")
    }

    pub fn page(&self) -> PathBuf {
        self.0.join("index.html")
    }

    pub fn trials_parquet(&self) -> PathBuf {
        self.0.join("trials.parquet")
    }

    pub fn trials_csv(&self) -> PathBuf {
        self.0.join("trials.csv")
    }

    pub fn metrics_parquet(&self) -> PathBuf {
        self.0.join("metrics.parquet")
    }

    pub fn runs(&self) -> PathBuf {
        self.0.join("runs")
    }

    /// The folder of submissions to a cluster.
    pub fn slurm(&self) -> PathBuf {
        self.0.join("slurm")
    }

    pub fn submission(&self, number: usize) -> PathBuf {
        self.slurm().join(format!("submission-{number}.json"))
    }

    pub fn sbatch_script(&self, number: usize) -> PathBuf {
        self.slurm().join(format!("submission-{number}.sh"))
    }

    /// The journal of one job of a submission's array.
    pub fn job_journal(&self, number: usize, task: usize) -> PathBuf {
        self.slurm().join(format!("submission-{number}-{task}.jsonl"))
    }

    pub fn job_lock(&self, number: usize, task: usize) -> PathBuf {
        self.slurm().join(format!("submission-{number}-{task}.lock"))
    }

    pub fn run(&self, trial_id: &str) -> RunDir {
        RunDir(self.runs().join(trial_id))
    }
}

impl RunDir {
    pub fn new(path: impl Into<PathBuf>) -> RunDir {
        RunDir(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn spec(&self) -> PathBuf {
        self.0.join("spec.yaml")
    }

    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Class names in the order of the network's outputs; missing if the data set has no names.
    pub fn classes(&self) -> PathBuf {
        self.0.join("classes.json")
    }

    pub fn result(&self) -> PathBuf {
        self.0.join("result.json")
    }

    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    pub fn last_checkpoint(&self) -> PathBuf {
        self.0.join("checkpoints").join("last.safetensors")
    }

    pub fn best_weights(&self) -> PathBuf {
        self.0.join("checkpoints").join("best.safetensors")
    }

    /// Weights after this epoch, counted from 1.
    pub fn epoch_weights(&self, epoch: usize) -> PathBuf {
        self.0.join("checkpoints").join(format!("epoch-{epoch:04}.safetensors"))
    }

    /// The epochs whose weights were kept, in ascending order.
    pub fn kept_epochs(&self) -> Vec<usize> {
        let Ok(entries) = fs::read_dir(self.0.join("checkpoints")) else { return Vec::new() };
        let epoch =
            |name: &str| name.strip_prefix("epoch-")?.strip_suffix(".safetensors")?.parse().ok();
        let mut epochs: Vec<usize> =
            entries.filter_map(|e| epoch(e.ok()?.file_name().to_str()?)).collect();
        epochs.sort_unstable();
        epochs
    }

    /// Output of the trial's processes, all attempts in sequence.
    pub fn console(&self) -> PathBuf {
        self.0.join("console.txt")
    }

    /// The trial's progress report.
    pub fn progress(&self) -> PathBuf {
        self.0.join("progress.json")
    }

    /// The micro-batch reduction after the trial ran out of memory.
    pub fn halved(&self) -> PathBuf {
        self.0.join("halved.json")
    }

    /// The runner's request to stop the trial early, with the reason.
    pub fn stop_early(&self) -> PathBuf {
        self.0.join("stop-early.txt")
    }

    pub fn attempt(&self, number: u32) -> PathBuf {
        self.0.join(format!("attempt-{number}"))
    }

    pub fn env(&self, attempt: u32) -> PathBuf {
        self.attempt(attempt).join("env.json")
    }

    pub fn log(&self, attempt: u32) -> PathBuf {
        self.attempt(attempt).join("log.txt")
    }

    /// The trace events of one training step of several processes.
    pub fn trace(&self, attempt: u32) -> PathBuf {
        self.attempt(attempt).join("trace.json")
    }

    /// The highest attempt number; 0 without attempts.
    pub fn last_attempt(&self) -> u32 {
        let Ok(entries) = fs::read_dir(&self.0) else { return 0 };
        let numbers = entries
            .filter_map(|e| e.ok()?.file_name().to_str()?.strip_prefix("attempt-")?.parse().ok());
        numbers.max().unwrap_or(0)
    }

    /// Creates the folders of the next attempt and returns its number.
    pub fn begin_attempt(&self) -> Result<u32, Error> {
        let number = self.last_attempt() + 1;
        atomic::create_dir(&self.0.join("checkpoints"))?;
        atomic::create_dir(&self.attempt(number))?;
        Ok(number)
    }

    /// Creates the folder with its spec.yaml. Fails if the folder exists with another spec. Specs
    /// that differ only in whether a GPU records the step train the same network: that field was
    /// `false` by default before it could be `auto`.
    pub fn create(&self, spec: &TrialSpec) -> Result<(), Error> {
        if let Some(mut existing) = self.read_spec()? {
            existing.train.cuda_graph = spec.train.cuda_graph;
            if existing == *spec {
                return Ok(());
            }
            return Err(Error::machine(
                format!("{} holds a trial of another spec", self.0.display()),
                "use another --name, or remove that folder",
            ));
        }
        atomic::create_dir(&self.0)?;
        let text = serde_yaml::to_string(spec).map_err(|e| error::damaged(&self.spec(), e))?;
        atomic::write(&self.spec(), checksum::seal_yaml(&text).as_bytes())
    }

    /// Reads the spec; `None` if the folder has none.
    pub fn read_spec(&self) -> Result<Option<TrialSpec>, Error> {
        let path = self.spec();
        let Some(text) = atomic::read_text(&path)? else { return Ok(None) };
        let checked =
            checksum::open_yaml(&text).map_err(|differs| error::damaged(&path, differs))?;
        serde_yaml::from_str(&checked.text).map(Some).map_err(|e| error::damaged(&path, e))
    }
}
