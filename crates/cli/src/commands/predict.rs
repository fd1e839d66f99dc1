//! `res2lab predict`: the likeliest classes of pictures.

use crate::args::PredictArgs;
use crate::failure::Failure;
use crate::trained::Trained;
use crate::{classes, named, print, trained};
use res2lab_data::folder::Sample;
use res2lab_data::shaped::{Shaped, shaped};
use res2lab_data::{DataSet, Images, Pictures, Split, sniff, walk};
use res2lab_experiment::{DataSpec, Normalize};
use res2lab_store::assessment::{Assessment, Prediction};
use res2lab_train::images::{Target, source, wanted};
use serde::Serialize;
use std::ffi::OsStr;
use std::path::Path;

#[derive(Serialize)]
struct Row {
    image: String,
    guesses: Vec<Guess>,
}

#[derive(Serialize)]
struct Guess {
    class: u32,
    name: String,
    share: f64,
}

/// Looks at each picture. Exit status 1 if some cannot be read; the others are named all the same.
/// 2 if none can.
pub(crate) fn run(args: &PredictArgs) -> Result<u8, Failure> {
    let named = named::runs(&args.words, &args.folders.reports)?;
    let (pictures, words): (Vec<String>, Vec<String>) =
        named.into_iter().partition(|word| is_picture(word));
    if let Some(tensor) =
        words.iter().find(|word| !word.contains('=') && word.ends_with(".safetensors"))
    {
        let words: Vec<String> = words.iter().filter(|word| *word != tensor).cloned().collect();
        return logits(&trained::load(&words, &args.folders.data)?, tensor);
    }
    if pictures.is_empty() {
        let help = format!("add files that end in .{}", walk::ENDINGS.join(", ."));
        return Err(Failure::input("no picture is given", help));
    }
    if let Some(missing) = pictures.iter().find(|p| !Path::new(p).is_file()) {
        let what =
            if Path::new(missing).is_dir() { "is a folder" } else { "there is no such file" };
        return Err(Failure::input(format!("{missing}: {what}"), "check the path"));
    }
    let trained = trained::load(&words, &args.folders.data)?;
    let names = classes::names(
        trained.classes.as_deref(),
        classes::of_run(&words)?,
        trained.input.classes,
    )?;
    let samples: Vec<Sample> =
        pictures.iter().map(|p| Sample { file: p.into(), label: 0 }).collect();
    crate::vectors::choose(&args.folders.data)?;
    let result = guesses(&trained, samples, &args.folders.data)?;
    let row = |p: &Prediction| Row {
        image: pictures[p.index as usize].clone(),
        guesses: p
            .guesses
            .iter()
            .zip(&p.shares)
            .map(|(&class, &share)| guess(class, share, &names))
            .collect(),
    };
    let rows: Vec<Row> = result.predictions.iter().map(row).collect();
    if args.json {
        trained.notes.iter().for_each(|note| print::told(&format!("note: {note}")));
        print::json(&rows)
    } else {
        rows.iter().for_each(show);
        trained.notes.iter().for_each(|note| print::line(&format!("note: {note}")));
    }
    if result.left_out.is_empty() {
        return Ok(0);
    }
    let cause = result
        .left_out
        .iter()
        .map(|what| what.trim_start_matches("left out: "))
        .collect::<Vec<_>>()
        .join("; ");
    let help = "give whole pictures, such as JPEG or PNG files";
    Err(if rows.is_empty() { Failure::input(cause, help) } else { Failure::machine(cause, help) })
}

/// By its ending, or by its content where the name has another one.
fn is_picture(word: &str) -> bool {
    let path = Path::new(word);
    let is_free = !word.contains('=') || path.is_file();
    is_free
        && (walk::is_picture(OsStr::new(word))
            || sniff::of_file(path).is_some_and(sniff::Content::is_picture))
}

/// Pictures as the network's own test images were given to it.
fn guesses(trained: &Trained, samples: Vec<Sample>, root: &Path) -> Result<Assessment, Failure> {
    let count = samples.len();
    let placement = trained.net.placement();
    let target = Target {
        device: placement.device,
        kind: placement.kind,
        threads: res2lab_sweep::local::available_cores().len(),
    };
    let mut spec = DataSpec { max_corrupt: count, ..trained.data.clone() };
    let pictures = Pictures::Files(samples);
    let own = own_images(trained, root);
    let channels = trained.input.channels;
    if own.is_none() && channels == 3 {
        if spec.normalize == Normalize::Auto
            && !trained.data.name.is_empty()
            && is_small(trained, root)
        {
            print::told(
                "note: the training images are not here; pictures are normalized by ImageNet's statistics",
            );
        }
        let set = DataSet {
            classes: vec![],
            train: Pictures::Files(vec![]),
            test: pictures,
            identity: 0,
        };
        let mut source = source(&spec, set, trained.px, target)?;
        return Ok(res2lab_train::assess::assess(&trained.net, &mut *source, Split::Test, 16)?);
    }
    let train = own.unwrap_or_else(|| {
        print::told("note: the training images are not here; pictures are normalized by ImageNet's statistics");
        spec.normalize = Normalize::Imagenet;
        Images { channels, height: trained.px, width: trained.px, ..Images::default() }
    });
    let Shaped { images, places, unreadable } =
        shaped(&pictures, channels, train.height, train.width);
    let train = Pictures::Memory(train);
    let test = Pictures::Memory(images);
    let mut result = if places.is_empty() {
        Assessment::of(vec![], trained.input.classes, 0.0, vec![])
    } else {
        let set = DataSet { classes: vec![], train, test, identity: 0 };
        let mut source = source(&spec, set, trained.px, target)?;
        res2lab_train::assess::assess(&trained.net, &mut *source, Split::Test, 16)?
    };
    result.predictions.iter_mut().for_each(|p| p.index = places[p.index as usize] as u32);
    result.left_out.extend(unreadable);
    Ok(result)
}

/// The images that a network was trained on, if they are small ones of one size: pictures are
/// brought into their shape and normalized by their statistics.
fn own_images(trained: &Trained, root: &Path) -> Option<Images> {
    if trained.data.name.is_empty() {
        return None;
    }
    match res2lab_data::open(&wanted(&trained.data, root)).ok()?.train {
        Pictures::Memory(images) if images.channels == trained.input.channels => Some(images),
        _ => None,
    }
}

/// Whether a data set that is not here is one of small images.
fn is_small(trained: &Trained, root: &Path) -> bool {
    let wanted = wanted(&trained.data, root);
    res2lab_data::published(&wanted).is_some_and(|facts| facts.width < 64)
        && res2lab_data::describe(&wanted).is_err()
}

/// Logits of images that another program prepared, as JSON.
fn logits(trained: &Trained, path: &str) -> Result<u8, Failure> {
    let images = trained.net.prepare(&super::pipeline::read_tensor(path)?);
    let logits = tch::no_grad(|| trained.net.logits(&images, res2lab_nn::Mode::Eval))
        .to_kind(tch::Kind::Double);
    let rows: Vec<Vec<f64>> =
        Vec::try_from(&logits).map_err(|e| crate::network::machine(&format!("logits: {e}")))?;
    print::json(&serde_json::json!({ "logits": rows }));
    Ok(0)
}

fn guess(class: u32, share: f64, names: &[String]) -> Guess {
    let name = names.get(class as usize).cloned().unwrap_or_else(|| format!("class {class}"));
    Guess { class, name, share }
}

fn show(row: &Row) {
    print::line(&row.image);
    for guess in &row.guesses {
        print::line(&format!("  {:5.1} %  {}", 100.0 * guess.share, guess.name));
    }
}
