//! `res2lab weights`: published weights by name, or any file of weights as clean safetensors.

use crate::args::{Output, WeightsArgs};
use crate::{download, print, records};
use res2lab_error::Error;
use res2lab_lab::network;
use res2lab_lab::published::{WEIGHTS, weights_of};
use res2lab_nn::weights::{self, Fit, WeightsFile};
use serde::Serialize;
use std::path::Path;

/// A file of weights that is here now.
#[derive(Serialize)]
struct Got<'a> {
    network: &'a str,
    file: &'a Path,
    /// Of a file that was converted.
    #[serde(skip_serializing_if = "Option::is_none")]
    tensors: Option<usize>,
    notes: &'a [String],
}

/// A network whose weights are published.
#[derive(Serialize)]
struct Known {
    network: &'static str,
    here: bool,
    published_at: String,
}

/// Downloads, converts, or lists.
pub(crate) fn run(args: &WeightsArgs) -> Result<u8, Error> {
    let Some((name, rest)) = args.words.split_first() else {
        list(&args.folders.data, args.output)?;
        return Ok(0);
    };
    if let Some(out) = &args.out {
        return convert(&args.words, out, args);
    }
    if !rest.is_empty() {
        return Err(Error::input(
            "a download takes one network's name",
            "to convert a file, add --out FILE.safetensors",
        ));
    }
    let published = weights_of(name)?;
    let path = published.path(&args.folders.data);
    if !path.is_file() {
        download::file(&published.url(args.mirror.as_deref()), &path, &published.check())?;
    }
    if !args.output.is_text() {
        let got = Got { network: published.name, file: &path, tensors: None, notes: &[] };
        records::print(args.output.format(), &got, &[&got])?;
        return Ok(0);
    }
    print::line(&format!("{}", path.display()));
    print::line(
        "these weights have their authors' license; Res2Net's are for non-commercial use (CC BY-NC-SA 4.0)",
    );
    Ok(0)
}

/// `MODEL weights=FILE --out OUT`: only what the network has, in its order.
fn convert(words: &[String], out: &Path, args: &WeightsArgs) -> Result<u8, Error> {
    let data = &args.folders.data;
    let words = network::Words::split(words, &["weights"])?;
    let given = words.get("weights").ok_or_else(|| {
        Error::input(
            "no weights are given",
            "write: res2lab weights MODEL weights=FILE --out OUT.safetensors",
        )
    })?;
    let file = WeightsFile::open(&res2lab_lab::published::find_weights(given, data)?)
        .map_err(network::input)?;
    let mut net = network::build(
        &words.model()?.resolve()?.0,
        network::input_of(&words, &file, None)?,
        tch::Device::Cpu,
    )?;
    let loaded = weights::load(net.params_mut(), &file, Fit::Exact).map_err(network::input)?;
    let bytes = weights::to_bytes(net.params(), false, "").map_err(network::input)?;
    res2lab_store::atomic::write(out, &bytes)?;
    let tensors = net.params().entries().len();
    if !args.output.is_text() {
        let network = words.name().unwrap_or_default();
        let got = Got { network, file: out, tensors: Some(tensors), notes: &loaded.notes };
        records::print(args.output.format(), &got, &[&got])?;
        return Ok(0);
    }
    print::line(&format!("{}: {tensors} tensors", out.display()));
    loaded.notes.iter().for_each(|note| print::line(&format!("note: {note}")));
    Ok(0)
}

fn list(data: &Path, output: Output) -> Result<(), Error> {
    let known: Vec<Known> = WEIGHTS
        .iter()
        .map(|w| Known { network: w.name, here: w.path(data).is_file(), published_at: w.url(None) })
        .collect();
    if !output.is_text() {
        return records::print(output.format(), &known, &known);
    }
    let row = |w: &Known| {
        let here = if w.here { "yes" } else { "no" };
        vec![w.network.to_owned(), here.to_owned(), w.published_at.clone()]
    };
    print::table(&["network", "here", "published at"], 3, known.iter().map(row).collect());
    Ok(())
}
