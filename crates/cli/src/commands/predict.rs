//! `res2lab predict`: the likeliest classes of pictures.

use crate::args::PredictArgs;
use crate::failure::{FAILED, Failure};
use crate::{named, print, trained};
use data::folder::Sample;
use data::{DataSet, Pictures, Split};
use serde::Serialize;
use std::path::Path;
use store::assessment::Prediction;
use train::images::{Target, source};

/// ImageNet's classes in the order of published networks: WordNet's number and first word of each.
const IMAGENET: &str = include_str!("../imagenet_classes.txt");

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

/// Looks at each picture. Exit status 1 if one cannot be read; the others are named all the same.
pub fn run(args: &PredictArgs) -> Result<u8, Failure> {
    crate::vectors::choose(&args.folders.data)?;
    let is_picture = |word: &&String| {
        let ending = word.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        !word.contains('=') && ["jpg", "jpeg", "png"].contains(&ending.as_str())
    };
    let named = named::runs(&args.words, &args.folders.reports)?;
    let (pictures, words): (Vec<String>, Vec<String>) = named.into_iter().partition(|word| is_picture(&word));
    if let Some(tensor) = words.iter().find(|word| !word.contains('=') && word.ends_with(".safetensors")) {
        let words: Vec<String> = words.iter().filter(|word| *word != tensor).cloned().collect();
        return logits(&trained::load(&words, &args.folders.data)?, tensor);
    }
    if pictures.is_empty() {
        return Err(Failure::input("no picture is given", "add files that end in .jpg, .jpeg or .png"));
    }
    if let Some(missing) = pictures.iter().find(|p| !Path::new(p).is_file()) {
        return Err(Failure::input(format!("{missing}: there is no such file"), "check the path"));
    }
    let trained = trained::load(&words, &args.folders.data)?;
    if trained.input.channels != 3 {
        return Err(Failure::input(
            "this network takes grey images",
            "use a network for colour pictures, or res2lab eval",
        ));
    }
    let names = names(trained.classes.as_deref(), trained.input.classes)?;
    let samples: Vec<Sample> = pictures.iter().map(|p| Sample { file: p.into(), label: 0 }).collect();
    let set = DataSet { classes: vec![], train: Pictures::Files(vec![]), test: Pictures::Files(samples) };
    let placement = trained.net.placement();
    let threads = sweep::local::available_cores().len();
    let spec = spec::DataSpec { max_corrupt: pictures.len(), ..trained.data.clone() };
    let target = Target { device: placement.device, kind: placement.kind, threads };
    let mut source = source(&spec, set, trained.px, target)?;
    let result = train::assess::assess(&trained.net, &mut *source, Split::Test, 16)?;
    let row = |p: &Prediction| Row {
        image: pictures[p.index as usize].clone(),
        guesses: p.guesses.iter().zip(&p.shares).map(|(&class, &share)| guess(class, share, &names)).collect(),
    };
    let rows: Vec<Row> = result.predictions.iter().map(row).collect();
    if args.json {
        trained.notes.iter().for_each(|note| eprintln!("note: {note}"));
        print::json(&rows)
    } else {
        rows.iter().for_each(show);
        trained.notes.iter().for_each(|note| print::line(&format!("note: {note}")));
    }
    if result.left_out.is_empty() {
        return Ok(0);
    }
    let cause = result.left_out.join("; ");
    Err(Failure { status: FAILED, cause, help: "give whole JPEG or PNG files".into() })
}

/// Logits of images that another program prepared, as JSON.
fn logits(trained: &trained::Trained, path: &str) -> Result<u8, Failure> {
    let images = trained.net.prepare(&super::pipeline::read_tensor(path)?);
    let logits = tch::no_grad(|| trained.net.logits(&images, nn::Mode::Eval)).to_kind(tch::Kind::Double);
    let rows: Vec<Vec<f64>> = Vec::try_from(&logits).map_err(|e| crate::network::machine(&format!("logits: {e}")))?;
    print::json(&serde_json::json!({ "logits": rows }));
    Ok(0)
}

fn guess(class: u32, share: f64, names: &[String]) -> Guess {
    let name = names.get(class as usize).cloned().unwrap_or_else(|| format!("class {class}"));
    Guess { class, name, share }
}

fn names(file: Option<&str>, classes: usize) -> Result<Vec<String>, Failure> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::input(format!("{path}: {e}"), "give a file with one class name a line"))?;
        return Ok(text.lines().map(|line| line.trim().to_owned()).collect());
    }
    if classes != 1000 {
        return Ok(vec![]);
    }
    Ok(IMAGENET.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect())
}

fn show(row: &Row) {
    print::line(&row.image);
    for guess in &row.guesses {
        print::line(&format!("  {:5.1} %  {}", 100.0 * guess.share, guess.name));
    }
}
