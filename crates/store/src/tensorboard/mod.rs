//! TensorBoard event files: scalars, the trial's hyperparameters for the HPARAMS tab, and in
//! [`rich`] text, pictures, histograms and the layout of charts.
//!
//! Each attempt has a file of its own, since TensorBoard never replaces the first session of a
//! folder. Sessions of one arm share a group. No experiment summary is written: TensorBoard then
//! infers the columns from all runs, so that no run can hide the columns of another.

mod rich;

pub use rich::{Histogram, Picture, spec_text};

use crate::PlannedTrial;
use crate::error;
use protobuf::Message;
use protobuf::well_known_types::Value;
use res2lab_error::Error;
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

/// A hyperparameter's value.
#[derive(Clone, Debug, PartialEq)]
pub enum HParam {
    Number(f64),
    Text(String),
    Bool(bool),
}

impl HParam {
    fn is_finite(&self) -> bool {
        !matches!(self, HParam::Number(n) if !n.is_finite())
    }
}

/// The open event file of one attempt.
pub struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// Creates `events.out.tfevents.<seconds>.<process>` in `dir`.
    pub fn create(dir: &Path) -> Result<EventFile, Error> {
        let path =
            dir.join(format!("events.out.tfevents.{:010}.{}", now_s() as u64, std::process::id()));
        let file = File::create_new(&path).map_err(|e| error::io("create", &path, e))?;
        let mut events = EventFile { file, path };
        let mut event = event(0);
        event.set_file_version("brain.Event:2".into());
        events.write(&event)?;
        Ok(events)
    }

    /// Writes one value per tag at `step`.
    pub fn scalars<'a>(
        &mut self,
        step: u64,
        values: impl Iterator<Item = (&'a str, f64)>,
    ) -> Result<(), Error> {
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

    /// Opens the session: writes the hyperparameters, and the group whose sessions share a row.
    /// Numbers that are not finite are left out, because a single one spoils TensorBoard's range
    /// for all trials.
    pub fn hparams(&mut self, group: &str, hparams: &[(String, HParam)]) -> Result<(), Error> {
        let mut start = SessionStartInfo::new();
        start.set_group_name(group.to_owned());
        start.set_start_time_secs(now_s());
        for (name, value) in hparams.iter().filter(|(_, value)| value.is_finite()) {
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
    pub fn end(&mut self, success: bool) -> Result<(), Error> {
        let mut end = SessionEndInfo::new();
        end.set_status(if success { Status::STATUS_SUCCESS } else { Status::STATUS_FAILURE });
        end.set_end_time_secs(now_s());
        let mut data = HParamsPluginData::new();
        data.set_session_end_info(end);
        self.session("_hparams_/session_end_info", &data)
    }

    fn session(&mut self, tag: &str, data: &HParamsPluginData) -> Result<(), Error> {
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

    fn encode(&self, message: &impl Message) -> Result<Vec<u8>, Error> {
        message.write_to_bytes().map_err(|e| error::damaged(&self.path, e))
    }

    /// Writes one record in one write. A crash can therefore truncate only the last record, which
    /// TensorBoard tolerates.
    fn write(&mut self, event: &Event) -> Result<(), Error> {
        let mut record = Vec::new();
        let bytes = self.encode(event)?;
        let written = RecordWriter::new(&mut record)
            .write(&bytes)
            .and_then(|()| self.file.write_all(&record));
        written.map_err(|e| error::io("append to", &self.path, e))
    }
}

/// The hyperparameters that distinguish arms: network, recipe and costs. The seed is not included,
/// because seeds share a row.
pub fn hparams_of(trial: &PlannedTrial) -> Vec<(String, HParam)> {
    let mut found = Vec::new();
    let spec = serde_json::to_value(&trial.spec).unwrap_or_default();
    for part in ["model", "data", "train"] {
        flatten("", &spec[part], &mut found);
    }
    // All arms get the column, so that arms with and without initial weights can be compared.
    let weights = trial.spec.init.weights.clone().unwrap_or_else(|| "none".into());
    found.push(("init.weights".into(), HParam::Text(weights)));
    let depth = trial.spec.model.depth().map(|depth| ("depth", depth as u64));
    let costs =
        [("parameters", trial.parameters), ("macs", trial.macs), ("rf_max_px", trial.rf_max_px)];
    for (name, value) in depth.into_iter().chain(costs) {
        found.push((name.into(), HParam::Number(value as f64)));
    }
    found
}

/// Collects the leaves of nested maps under their last key. A schedule is kept whole: `{step:
/// {every: 30}}` is one value of an axis.
fn flatten(name: &str, value: &Json, found: &mut Vec<(String, HParam)>) {
    let leaf = match value {
        Json::Object(map) if name != "schedule" => {
            map.iter().for_each(|(key, value)| flatten(key, value, found));
            return;
        }
        Json::Null => return,
        Json::Bool(b) => HParam::Bool(*b),
        Json::Number(n) => HParam::Number(n.as_f64().unwrap_or_default()),
        Json::String(text) => HParam::Text(text.clone()),
        whole @ (Json::Array(_) | Json::Object(_)) => HParam::Text(whole.to_string()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::tests::row;
    use res2lab_experiment::{Decay, Schedule};

    /// Bitwise CRC-32C, an independent check of the package's table-driven implementation.
    fn crc32c(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }
            })
        })
    }

    /// Removes `n` bytes and the checksum after them from the front.
    fn checked<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
        let (payload, rest) = bytes.split_at(n);
        let (sum, rest) = rest.split_at(4);
        let masked = crc32c(payload).rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(sum, masked.to_le_bytes());
        *bytes = rest;
        payload
    }

    /// Reads every event of the only event file in `dir`.
    fn events(dir: &Path) -> Vec<Event> {
        let path = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
        assert!(path.file_name().unwrap().to_str().unwrap().starts_with("events.out.tfevents."));
        let file = std::fs::read(path).unwrap();
        let mut bytes = &file[..];
        let mut found = vec![];
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(checked(&mut bytes, 8).try_into().unwrap());
            found.push(Event::parse_from_bytes(checked(&mut bytes, length as usize)).unwrap());
        }
        found
    }

    fn plugin_data(event: &Event) -> (&str, HParamsPluginData) {
        let value = &event.get_summary().get_value()[0];
        let plugin = value.get_metadata().get_plugin_data();
        assert_eq!(plugin.get_plugin_name(), "hparams");
        (value.get_tag(), HParamsPluginData::parse_from_bytes(plugin.get_content()).unwrap())
    }

    #[test]
    fn a_session_is_decoded_as_written() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283, "the published check value");
        let dir = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(dir.path()).unwrap();
        let hparams = [
            ("scale".to_owned(), HParam::Number(4.0)),
            ("block".to_owned(), HParam::Text("größer".into())),
            ("se".to_owned(), HParam::Bool(true)),
            ("odd".to_owned(), HParam::Number(f64::NAN)),
        ];
        file.hparams("a trial", &hparams).unwrap();
        file.scalars(25, [("train/loss", 0.5), ("val/acc1", f64::NAN)].into_iter()).unwrap();
        file.end(false).unwrap();

        let events = events(dir.path());
        assert_eq!(events.len(), 4);
        assert_eq!(events[0].get_file_version(), "brain.Event:2");
        let (tag, start) = plugin_data(&events[1]);
        assert_eq!((tag, start.get_version()), ("_hparams_/session_start_info", 0));
        let start = start.get_session_start_info();
        assert_eq!((start.get_group_name(), start.get_hparams().len()), ("a trial", 3));
        assert_eq!(start.get_hparams()["scale"].get_number_value(), 4.0);
        assert_eq!(start.get_hparams()["block"].get_string_value(), "größer");
        assert!(start.get_hparams()["se"].get_bool_value());
        let scalars: Vec<_> = events[2]
            .get_summary()
            .get_value()
            .iter()
            .map(|v| (v.get_tag(), v.get_simple_value()))
            .collect();
        assert_eq!((events[2].get_step(), scalars[0]), (25, ("train/loss", 0.5)));
        assert!(scalars[1].0 == "val/acc1" && scalars[1].1.is_nan());
        let (tag, end) = plugin_data(&events[3]);
        assert_eq!(tag, "_hparams_/session_end_info");
        assert_eq!(end.get_session_end_info().get_status(), Status::STATUS_FAILURE);
        assert!(events.iter().all(|event| (now_s() - event.get_wall_time()).abs() < 60.0));
    }

    #[test]
    fn pictures_text_and_histograms_are_decoded_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(dir.path()).unwrap();
        let picture = Picture { width: 2, height: 1, rgb: vec![255, 0, 0, 0, 0, 255] };
        let limits = vec![1.0, 2.0];
        let counts = vec![3.0, 1.0];
        let histogram = Histogram {
            min: 0.0,
            max: 2.0,
            count: 4.0,
            sum: 5.0,
            sum_squares: 6.0,
            limits,
            counts,
        };
        file.text("spec", "**größer**").unwrap();
        file.layout(false).unwrap();
        file.picture(7, "a/picture", &picture).unwrap();
        file.histograms(8, vec![("weights/stem".into(), histogram)]).unwrap();
        let events = events(dir.path());
        let value = |i: usize| &events[i].get_summary().get_value()[0];
        assert_eq!(value(1).get_tensor().get_string_val()[0], "**größer**".as_bytes());
        assert_eq!(value(1).get_metadata().get_plugin_data().get_plugin_name(), "text");
        assert_eq!(value(2).get_tag(), "custom_scalars__config__");
        let image = value(3).get_image();
        let decoder = png::Decoder::new(std::io::Cursor::new(image.get_encoded_image_string()));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!((image.get_width(), image.get_height(), pixels), (2, 1, picture.rgb));
        let histo = value(4).get_histo();
        assert_eq!(
            (histo.get_num(), histo.get_bucket(), events[4].get_step()),
            (4.0, &[3.0, 1.0][..], 8)
        );
    }

    #[test]
    fn a_full_disk_and_a_missing_folder_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        assert!(EventFile::create(&dir.path().join("missing")).is_err());
        let path = PathBuf::from("/dev/full");
        let file = File::options().write(true).open(&path).unwrap();
        let mut events = EventFile { file, path };
        let failed = events.scalars(1, [("train/loss", 0.5)].into_iter()).unwrap_err();
        assert!(failed.help.contains("free some space"), "{failed}");
        assert!(events.end(true).is_err());
    }

    #[test]
    fn what_tells_arms_apart_is_a_hyper_parameter() {
        let mut trial = row("a", 7).planned;
        trial.spec.train.schedule =
            Schedule::Cosine(Decay { warmup_epochs: 5, ..Decay::default() });
        let found = hparams_of(&trial);
        let get =
            |name: &str| found.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let model = &trial.spec.model;
        assert_eq!(get("seed"), None, "the seeds of an arm are one row");
        assert_eq!(get("scale"), Some(HParam::Number(model.scale as f64)));
        assert_eq!(get("depth"), model.depth().map(|depth| HParam::Number(depth as f64)));
        assert_eq!(get("lr"), Some(HParam::Number(0.1)));
        assert_eq!(get("init.weights"), Some(HParam::Text("none".into())));
        assert_eq!(get("data"), Some(HParam::Text("mnist5k".into())));
        assert_eq!(
            get("schedule"),
            Some(HParam::Text(r#"{"cosine":{"warmup_epochs":5,"min_lr":0.0}}"#.into()))
        );
        assert_eq!((get("path"), get("parameters")), (None, Some(HParam::Number(1.0))));
        let names: std::collections::BTreeSet<_> = found.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), found.len(), "each name stands once: {found:?}");

        trial.spec.model = res2lab_arch::ModelOverrides {
            family: Some(res2lab_arch::Family::Dla),
            ..Default::default()
        }
        .resolve()
        .unwrap()
        .0;
        assert!(hparams_of(&trial).iter().all(|(name, _)| name != "depth"));
    }
}
