//! Event files that TensorBoard reads: scalars, and the trial's hyper-parameters for its HPARAMS tab.
//!
//! Each attempt has a file of its own, since TensorBoard keeps the first session of a folder for ever. Sessions of one
//! trial share a group. No experiment summary is written: TensorBoard then infers columns, and no run can hide those of
//! another.

use crate::{PlannedTrial, StoreError};
use protobuf::Message;
use protobuf::well_known_types::Value;
use serde_json::Value as Json;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tensorboard_proto::api::Status;
use tensorboard_proto::event::Event;
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionEndInfo, SessionStartInfo};
use tensorboard_proto::summary::{Summary, Summary_Value};
use tensorboard_rs::record_writer::RecordWriter;

const PLUGIN: &str = "hparams";

/// A hyper-parameter's value.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum HParam {
    Number(f64),
    Text(String),
    Bool(bool),
}

/// The open file of one attempt.
pub struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// Creates `events.out.tfevents.<seconds>.<process>` in `dir`.
    pub fn create(dir: &Path) -> Result<EventFile, StoreError> {
        let path = dir.join(format!("events.out.tfevents.{:010}.{}", now_s() as u64, std::process::id()));
        let file = File::create_new(&path).map_err(|e| StoreError::io("create", &path, &e))?;
        let mut events = EventFile { file, path };
        let mut event = event(0);
        event.set_file_version("brain.Event:2".into());
        events.write(&event)?;
        Ok(events)
    }

    /// One value per tag, at `step`.
    pub fn scalars<'a>(&mut self, step: u64, values: impl Iterator<Item = (&'a str, f64)>) -> Result<(), StoreError> {
        let mut event = event(step);
        for (tag, value) in values {
            let mut entry = Summary_Value::new();
            entry.set_tag(tag.to_owned());
            // TensorBoard's scalars are single precision.
            entry.set_simple_value(value as f32);
            event.mut_summary().mut_value().push(entry);
        }
        self.write(&event)
    }

    /// Opens the session: hyper-parameters, and the group whose attempts are one row.
    pub fn hparams(&mut self, group: &str, hparams: &[(String, HParam)]) -> Result<(), StoreError> {
        let mut start = SessionStartInfo::new();
        start.set_group_name(group.to_owned());
        start.set_start_time_secs(now_s());
        for (name, value) in hparams {
            let mut proto = Value::new();
            match value {
                HParam::Number(n) => proto.set_number_value(*n),
                HParam::Text(t) => proto.set_string_value(t.clone()),
                HParam::Bool(b) => proto.set_bool_value(*b),
            }
            start.mut_hparams().insert(name.clone(), proto);
        }
        let mut data = HParamsPluginData::new();
        data.set_session_start_info(start);
        self.session("_hparams_/session_start_info", &data)
    }

    /// Closes the session.
    pub fn end(&mut self, success: bool) -> Result<(), StoreError> {
        let mut end = SessionEndInfo::new();
        end.set_status(if success { Status::STATUS_SUCCESS } else { Status::STATUS_FAILURE });
        end.set_end_time_secs(now_s());
        let mut data = HParamsPluginData::new();
        data.set_session_end_info(end);
        self.session("_hparams_/session_end_info", &data)
    }

    fn session(&mut self, tag: &str, data: &HParamsPluginData) -> Result<(), StoreError> {
        let mut value = Summary_Value::new();
        value.set_tag(tag.to_owned());
        let plugin = value.mut_metadata().mut_plugin_data();
        plugin.set_plugin_name(PLUGIN.into());
        plugin.set_content(self.encode(data)?);
        let mut summary = Summary::new();
        summary.mut_value().push(value);
        let mut event = event(0);
        event.set_summary(summary);
        self.write(&event)
    }

    fn encode(&self, message: &impl Message) -> Result<Vec<u8>, StoreError> {
        message.write_to_bytes().map_err(|e| StoreError::damaged(&self.path, e))
    }

    /// One record in one write, so that a crash leaves at most the last one cut, which TensorBoard tolerates.
    fn write(&mut self, event: &Event) -> Result<(), StoreError> {
        let mut record = Vec::new();
        let bytes = self.encode(event)?;
        let written = RecordWriter::new(&mut record).write(&bytes).and_then(|()| self.file.write_all(&record));
        written.map_err(|e| StoreError::io("append to", &self.path, &e))
    }
}

/// What tells trials apart: the network, the recipe, the seed, and what they cost.
pub fn hparams_of(trial: &PlannedTrial) -> Vec<(String, HParam)> {
    let mut found = Vec::new();
    let spec = serde_json::to_value(&trial.spec).unwrap_or_default();
    for part in ["model", "data", "train"] {
        flatten("", &spec[part], &mut found);
    }
    found.push(("seed".into(), HParam::Number(trial.spec.seed as f64)));
    for (name, value) in [("parameters", trial.parameters), ("macs", trial.macs), ("rf_max_px", trial.rf_max_px)] {
        found.push((name.into(), HParam::Number(value as f64)));
    }
    found
}

/// Leaves of nested maps, named by their last key, or by the path below `optimizer` and `schedule` maps.
fn flatten(name: &str, value: &Json, found: &mut Vec<(String, HParam)>) {
    let leaf = match value {
        Json::Object(map) => {
            map.iter().for_each(|(key, value)| flatten(key, value, found));
            return;
        }
        Json::Null => return,
        Json::Bool(b) => HParam::Bool(*b),
        Json::Number(n) => HParam::Number(n.as_f64().unwrap_or_default()),
        Json::String(text) => HParam::Text(text.clone()),
        list @ Json::Array(_) => HParam::Text(list.to_string()),
    };
    // `name` is also a field of the data set's map.
    let name = if name == "name" { "data" } else { name };
    found.push((name.to_owned(), leaf));
}

fn event(step: u64) -> Event {
    let mut event = Event::new();
    event.set_wall_time(now_s());
    event.set_step(step as i64);
    event
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
