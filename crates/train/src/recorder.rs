//! The files that a trial writes while it trains (metrics.jsonl, the attempt's log and event file),
//! and its progress. If the event file fails, the log has a warning and training continues.
use crate::environment::now_s;
use res2lab_error::Error;
use res2lab_store::tensorboard::{EventFile, hparams_of, spec_text};
use res2lab_store::{Metrics, PlannedTrial, Point, Progress, RunDir};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Group of the final values. TensorBoard sorts groups by name, and curves come before columns of
/// single dots.
const FINAL: &str = "zz_final";

/// The recorder of one attempt. In processes other than the first, it writes nothing.
pub(crate) struct Recorder<'a> {
    files: Option<(Metrics, File)>,
    events: Option<EventFile>,
    on_progress: &'a mut dyn FnMut(&Progress),
}

impl<'a> Recorder<'a> {
    /// Opens the files of `attempt`, and truncates metrics.jsonl to its length at the checkpoint.
    pub(crate) fn open(
        run: &RunDir,
        attempt: u32,
        trial: &PlannedTrial,
        metrics_length: u64,
        on_progress: &'a mut dyn FnMut(&Progress),
    ) -> Result<Recorder<'a>, Error> {
        let metrics = Metrics::open(&run.metrics(), metrics_length)?;
        let path = run.log(attempt);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|e| res2lab_store::error::io("open", &path, e))?;
        let mut recorder = Recorder { files: Some((metrics, log)), events: None, on_progress };
        let started = start_events(&run.attempt(attempt), trial);
        recorder.events = recorder.unless_failed(started);
        Ok(recorder)
    }

    /// A recorder that writes nothing.
    pub(crate) fn silent(on_progress: &'a mut dyn FnMut(&Progress)) -> Recorder<'a> {
        Recorder { files: None, events: None, on_progress }
    }

    /// Writes a line into the attempt's log. Errors are ignored: on a full disk, the next
    /// checkpoint fails with a message.
    pub(crate) fn log(&mut self, line: &str) {
        if let Some((_, log)) = &mut self.files {
            let _ = writeln!(log, "{:.1} {line}", now_s());
        }
    }

    /// Writes a point into metrics.jsonl and the event file.
    pub(crate) fn point(
        &mut self,
        step: usize,
        epoch: f64,
        values: BTreeMap<String, f64>,
    ) -> Result<(), Error> {
        let scalars: Vec<_> = values.iter().map(|(name, &value)| (name.as_str(), value)).collect();
        let written =
            self.events.as_mut().map(|events| events.scalars(step as u64, scalars.into_iter()));
        self.after_event(written);
        let Some((metrics, _)) = &mut self.files else { return Ok(()) };
        metrics.append(&Point { step: step as u64, epoch, values: values.into() })
    }

    /// Flushes metrics.jsonl and returns its length.
    pub(crate) fn sync(&mut self) -> Result<u64, Error> {
        let Some((metrics, _)) = &mut self.files else { return Ok(0) };
        metrics.sync()
    }

    /// Whether there is an event file.
    pub(crate) fn shows(&self) -> bool {
        self.events.is_some()
    }

    /// Writes pictures or histograms into the event file.
    pub(crate) fn show(&mut self, write: impl FnOnce(&mut EventFile) -> Result<(), Error>) {
        let written = self.events.as_mut().map(write);
        self.after_event(written);
    }

    /// Reports the progress to the callback.
    pub(crate) fn progress(&mut self, progress: &Progress) {
        if self.files.is_some() {
            (self.on_progress)(progress);
        }
    }

    /// Writes the final values, which HParams tables show, and closes the event file.
    pub(crate) fn end(&mut self, step: usize, metrics: &BTreeMap<String, f64>, success: bool) {
        let finals: Vec<_> =
            metrics.iter().map(|(name, &value)| (format!("{FINAL}/{name}"), value)).collect();
        let written = self.events.as_mut().map(|events| {
            events
                .scalars(step as u64, finals.iter().map(|(name, value)| (name.as_str(), *value)))?;
            events.end(success)
        });
        self.after_event(written);
    }

    fn after_event(&mut self, written: Option<Result<(), Error>>) {
        if let Some(Err(e)) = written {
            self.log(&format!("warning: no more TensorBoard events: {e}"));
            self.events = None;
        }
    }

    fn unless_failed(&mut self, started: Result<EventFile, Error>) -> Option<EventFile> {
        started.map_err(|e| self.log(&format!("warning: no TensorBoard events: {e}"))).ok()
    }
}

fn start_events(attempt_dir: &Path, trial: &PlannedTrial) -> Result<EventFile, Error> {
    let mut events = EventFile::create(attempt_dir)?;
    // The seeds of an arm share a group, which TensorBoard shows as one row of means. An
    // interrupted attempt does not contribute, since final values are written at the end.
    events.hparams(&trial.arm, &hparams_of(trial))?;
    events.text("spec", &spec_text(trial))?;
    events.layout(trial.spec.train.clip_norm > 0.0)?;
    Ok(events)
}
