//! `res2lab weights`: published weights by name, or any file of weights as clean safetensors.

use crate::args::WeightsArgs;
use crate::{download, print};
use res2lab_error::Error;
use res2lab_lab::network;
use res2lab_lab::published::{WEIGHTS, weights_of};
use res2lab_nn::weights::{self, Fit, WeightsFile};
use std::path::Path;

/// Downloads, converts, or lists.
pub(crate) fn run(args: &WeightsArgs) -> Result<u8, Error> {
    let Some((name, rest)) = args.words.split_first() else {
        list(&args.folders.data);
        return Ok(0);
    };
    if let Some(out) = &args.out {
        return convert(&args.words, out, &args.folders.data);
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
    print::line(&format!("{}", path.display()));
    print::line(
        "these weights have their authors' license; Res2Net's are for non-commercial use (CC BY-NC-SA 4.0)",
    );
    Ok(0)
}

/// `MODEL weights=FILE --out OUT`: only what the network has, in its order.
fn convert(words: &[String], out: &Path, data: &Path) -> Result<u8, Error> {
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
    print::line(&format!("{}: {} tensors", out.display(), net.params().entries().len()));
    loaded.notes.iter().for_each(|note| print::line(&format!("note: {note}")));
    Ok(0)
}

fn list(data: &Path) {
    let row = |w: &res2lab_lab::published::Weights| {
        let here = if w.path(data).is_file() { "yes" } else { "no" };
        vec![w.name.to_owned(), here.to_owned(), w.url(None)]
    };
    print::table(&["network", "here", "published at"], 3, WEIGHTS.iter().map(row).collect());
}
