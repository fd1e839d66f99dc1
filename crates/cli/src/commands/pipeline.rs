//! `res2lab pipeline`: how fast pictures can be read here, or what evaluation sees of them.

use crate::args::PipelineArgs;
use crate::{print, records};
use res2lab_data::normalize::IMAGENET;
use res2lab_data::stream::StreamOptions;
use res2lab_data::{DataSet, DatasetRequest, EpochPlan, Shard, Source, Split, Stream, order};
use res2lab_error::Error;
use res2lab_experiment as recipe;
use res2lab_lab::network;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

#[derive(Serialize)]
struct Measured {
    images_per_s: f64,
    threads: usize,
    images: usize,
}

/// Measures, or writes crops.
pub(crate) fn run(args: &PipelineArgs) -> Result<u8, Error> {
    if args.batch == 0 || args.size == 0 || args.resize < args.size || args.threads == Some(0) {
        return Err(Error::input(
            "--batch, --size, --resize or --threads is impossible",
            "give at least 1, and resize at least size",
        ));
    }
    let auto = args.auto.as_deref().map(recipe::Auto::parse).transpose()?;
    let wanted = DatasetRequest {
        name: "images".into(),
        dir: args.folder.clone(),
        root: args.folders.data.clone(),
        size: Some(args.size),
        cache_px: args.cache_px,
        ..DatasetRequest::default()
    };
    let set = res2lab_data::open(&wanted)?;
    res2lab_libtorch::keep_memory();
    match &args.crops {
        Some(path) => crops(args, set, path),
        None => measure(args, set, auto),
    }
}

fn stream(args: &PipelineArgs, set: DataSet, statistics: &[(f64, f64)]) -> Result<Stream, Error> {
    let threads = args.threads.unwrap_or_else(|| res2lab_sweep::slots::available_cores().len());
    let options = StreamOptions {
        size: args.size,
        resize: args.resize,
        statistics: statistics.to_vec(),
        threads,
        max_corrupt: 10,
        device: Device::Cpu,
        kind: Kind::Float,
    };
    Stream::new(set, options)
}

/// Training batches as an epoch has them; the clock starts with the first, when all threads are at
/// work.
fn measure(args: &PipelineArgs, set: DataSet, auto: Option<recipe::Auto>) -> Result<u8, Error> {
    tch::set_num_threads(1);
    let images = set.train.len();
    if images < 2 * args.batch {
        return Err(Error::input(
            format!("{images} pictures are fewer than two batches"),
            "give a smaller --batch",
        ));
    }
    let mut stream = stream(args, set, &IMAGENET)?;
    let wanted = recipe::Augment { flip: true, auto, ..recipe::Augment::default() };
    let spec = recipe::DataSpec { augment: wanted, ..recipe::DataSpec::default() };
    let augment = res2lab_train::images::augment(&spec, false);
    let mut count = 0;
    let mut started = None;
    for epoch in 0..args.epochs {
        let batches = order::training_batches(images, 0, epoch, args.batch, Shard::WHOLE, 0);
        stream.begin(EpochPlan {
            split: Split::Train,
            batches,
            augment: Some((augment, order::epoch_key(0, epoch))),
        })?;
        while let Some(batch) = stream.next_batch()? {
            match started {
                None => started = Some(Instant::now()),
                Some(_) => count += batch.indices.len(),
            }
        }
    }
    let seconds = started.map_or(0.0, |at| at.elapsed().as_secs_f64());
    let threads = args.threads.unwrap_or_else(|| res2lab_sweep::slots::available_cores().len());
    let measured = Measured { images_per_s: count as f64 / seconds, threads, images: count };
    if !args.output.is_text() {
        records::print(args.output.format(), &measured, &[&measured])?
    } else {
        print::line(&format!(
            "{:.0} images/s with {}",
            measured.images_per_s,
            res2lab_lab::text::count(threads, "thread")
        ))
    }
    Ok(0)
}

fn crops(args: &PipelineArgs, set: DataSet, path: &Path) -> Result<u8, Error> {
    let images = set.test.len();
    // Without a change of scale the numbers are the bytes themselves.
    let mut stream = stream(args, set, &[(0.0, 1.0); 3])?;
    let batches = order::evaluation_batches(images, args.batch, Shard::WHOLE);
    stream.begin(EpochPlan { split: Split::Test, batches, augment: None })?;
    let mut all = Vec::new();
    while let Some(batch) = stream.next_batch()? {
        let bytes = batch.images.permute([0, 2, 3, 1]).to_kind(Kind::Uint8).contiguous();
        all.extend(
            Vec::<u8>::try_from(&bytes.flatten(0, -1))
                .map_err(|e| network::machine(&e.to_string()))?,
        );
    }
    let shape = vec![all.len() / (args.size * args.size * 3), args.size, args.size, 3];
    let broken = |e: safetensors::SafeTensorError| network::machine(&e.to_string());
    let view = TensorView::new(Dtype::U8, shape, &all).map_err(broken)?;
    let bytes = safetensors::serialize([("images", view)], None).map_err(broken)?;
    res2lab_store::atomic::write(path, &bytes)?;
    print::line(&format!("written: {}", path.display()));
    stream.warnings().iter().for_each(|what| print::line(what));
    Ok(0)
}

/// The tensor `images` of a file, as a network takes it.
pub(crate) fn read_tensor(path: &str) -> Result<Tensor, Error> {
    let file = res2lab_nn::weights::WeightsFile::open(Path::new(path)).map_err(network::input)?;
    let found = file.tensors.iter().find(|t| t.name == "images" && t.shape.len() == 4).ok_or_else(
        || {
            Error::input(
                format!("{path} has no tensor images of four axes"),
                "save it as {'images': N x C x H x W}",
            )
        },
    )?;
    file.reader()
        .read(found)
        .map_err(|why| Error::input(format!("tensor images {why}"), "save it again"))
}
