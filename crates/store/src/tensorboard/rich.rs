//! TensorBoard events other than scalars: text, pictures, histograms, and the layout of charts.

use super::{EventFile, event};
use crate::PlannedTrial;
use crate::error;
use res2lab_error::Error;
use tensorboard_proto::layout::{Category, Chart, Layout, MultilineChartContent};
use tensorboard_proto::summary::{HistogramProto, Summary_Image, Summary_Value};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::tensor_shape::TensorShapeProto;
use tensorboard_proto::types::DataType;

/// A picture: rows from the top, three bytes per pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// A histogram: counts of the intervals that end at `limits`.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    pub min: f64,
    pub max: f64,
    pub count: f64,
    pub sum: f64,
    pub sum_squares: f64,
    pub limits: Vec<f64>,
    pub counts: Vec<f64>,
}

/// Charts of the custom-scalars page: a title and the tags that share a chart.
const CHARTS: [(&str, &[&str]); 3] = [
    ("loss", &["train/loss", "val/loss"]),
    ("accuracy", &["train/acc1", "val/acc1"]),
    ("learning rate", &["train/lr"]),
];
/// The chart of trials that clip gradients; others log no norm.
const CLIPPED: (&str, &[&str]) = ("norm of the gradient", &["train/grad_norm"]);

impl EventFile {
    /// Writes text in Markdown.
    pub fn text(&mut self, tag: &str, text: &str) -> Result<(), Error> {
        self.tensor(tag, "text", text.as_bytes())
    }

    /// Writes the layout of the custom-scalars page: charts of the tags that a trial logs, which
    /// `clips` its gradients or does not.
    pub fn layout(&mut self, clips: bool) -> Result<(), Error> {
        let chart = |(title, tags): &(&str, &[&str])| {
            let mut content = MultilineChartContent::new();
            tags.iter().for_each(|tag| content.mut_tag().push(format!("^{tag}$")));
            let mut chart = Chart::new();
            chart.set_title((*title).to_owned());
            chart.set_multiline(content);
            chart
        };
        let mut category = Category::new();
        category.set_title("training".into());
        category.set_chart(CHARTS.iter().chain(clips.then_some(&CLIPPED)).map(chart).collect());
        let mut layout = Layout::new();
        layout.mut_category().push(category);
        let content = self.encode(&layout)?;
        self.tensor("custom_scalars__config__", "custom_scalars", &content)
    }

    /// Writes a picture at `step`.
    pub fn picture(&mut self, step: u64, tag: &str, picture: &Picture) -> Result<(), Error> {
        let png = encode_png(picture).map_err(|e| error::damaged(&self.path, e))?;
        let mut image = Summary_Image::new();
        image.set_width(picture.width as i32);
        image.set_height(picture.height as i32);
        image.set_colorspace(3);
        image.set_encoded_image_string(png);
        let mut value = Summary_Value::new();
        value.set_tag(tag.to_owned());
        value.set_image(image);
        self.values(step, vec![value])
    }

    /// Writes histograms by tag at `step`.
    pub fn histograms(
        &mut self,
        step: u64,
        histograms: Vec<(String, Histogram)>,
    ) -> Result<(), Error> {
        let value = |(tag, histogram): (String, Histogram)| {
            let mut proto = HistogramProto::new();
            proto.set_min(histogram.min);
            proto.set_max(histogram.max);
            proto.set_num(histogram.count);
            proto.set_sum(histogram.sum);
            proto.set_sum_squares(histogram.sum_squares);
            proto.set_bucket_limit(histogram.limits);
            proto.set_bucket(histogram.counts);
            let mut value = Summary_Value::new();
            value.set_tag(tag);
            value.set_histo(proto);
            value
        };
        self.values(step, histograms.into_iter().map(value).collect())
    }

    /// Writes a string for a plugin.
    fn tensor(&mut self, tag: &str, plugin: &str, content: &[u8]) -> Result<(), Error> {
        let mut tensor = TensorProto::new();
        tensor.set_dtype(DataType::DT_STRING);
        tensor.set_tensor_shape(TensorShapeProto::new());
        tensor.mut_string_val().push(content.to_vec());
        let mut value = Summary_Value::new();
        value.set_tag(tag.to_owned());
        value.mut_metadata().mut_plugin_data().set_plugin_name(plugin.to_owned());
        // The package's messages lack the newer field `data_class` (4); 2 marks the value as a
        // tensor.
        value.mut_metadata().unknown_fields.add_varint(4, 2);
        value.set_tensor(tensor);
        self.values(0, vec![value])
    }

    fn values(&mut self, step: u64, values: Vec<Summary_Value>) -> Result<(), Error> {
        let mut event = event(step);
        values.into_iter().for_each(|value| event.mut_summary().mut_value().push(value));
        self.write(&event)
    }
}

/// A trial's spec as Markdown.
pub fn spec_text(trial: &PlannedTrial) -> String {
    let yaml = serde_yaml::to_string(&trial.spec).unwrap_or_default();
    format!("**{}** ({})\n\n```yaml\n{yaml}```\n", trial.label, trial.id)
}

fn encode_png(picture: &Picture) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width as u32, picture.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.rgb)?;
    writer.finish()?;
    Ok(bytes)
}
