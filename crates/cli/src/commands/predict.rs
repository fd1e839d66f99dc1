//! `res2lab predict`: the likeliest classes of pictures.

use crate::args::PredictArgs;
use crate::{print, records};
use res2lab_data::folder::Sample;
use res2lab_data::{sniff, walk};
use res2lab_error::Error;
use res2lab_lab::predict::predict;
use res2lab_lab::trained::Trained;
use res2lab_lab::{classes, named, trained};
use res2lab_store::assessment::Prediction;
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

/// One guess as a row for other programs.
#[derive(Serialize)]
struct GuessRow<'a> {
    image: &'a str,
    rank: usize,
    #[serde(flatten)]
    guess: &'a Guess,
}

impl GuessRow<'_> {
    fn of(row: &Row) -> impl Iterator<Item = GuessRow<'_>> {
        let guesses = row.guesses.iter().enumerate();
        guesses.map(|(i, guess)| GuessRow { image: &row.image, rank: i + 1, guess })
    }
}

/// Looks at each picture. Exit status 1 if some cannot be read; the others are named all the same.
/// 2 if none can.
pub(crate) fn run(args: &PredictArgs) -> Result<u8, Error> {
    let named = named::runs(&args.words, &args.folders.reports)?;
    let device = res2lab_lab::gpus::device(&args.device)?;
    let (pictures, words): (Vec<String>, Vec<String>) =
        named.into_iter().partition(|word| is_picture(word));
    if let Some(tensor) =
        words.iter().find(|word| !word.contains('=') && word.ends_with(".safetensors"))
    {
        let words: Vec<String> = words.iter().filter(|word| *word != tensor).cloned().collect();
        return logits(&trained::load(&words, &args.folders.data, device)?, tensor);
    }
    if pictures.is_empty() {
        let help = format!("add files that end in .{}", walk::ENDINGS.join(", ."));
        return Err(Error::input("no picture is given", help));
    }
    if let Some(missing) = pictures.iter().find(|p| !Path::new(p).is_file()) {
        let what =
            if Path::new(missing).is_dir() { "is a folder" } else { "there is no such file" };
        return Err(Error::input(format!("{missing}: {what}"), "check the path"));
    }
    let trained = trained::load(&words, &args.folders.data, device)?;
    let names = classes::names(
        trained.classes.as_deref(),
        classes::of_run(&words)?,
        trained.input.classes,
    )?;
    let samples: Vec<Sample> =
        pictures.iter().map(|p| Sample { file: p.into(), label: 0 }).collect();
    res2lab_lab::vectors::choose(&args.folders.data)?;
    let (result, notes) = predict(&trained, samples, &args.folders.data)?;
    notes.iter().for_each(|note| print::told(&format!("note: {note}")));
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
    if !args.output.is_text() {
        trained.notes.iter().for_each(|note| print::told(&format!("note: {note}")));
        let guesses: Vec<GuessRow> = rows.iter().flat_map(GuessRow::of).collect();
        records::print(args.output.format(), &rows, &guesses)?
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
    Err(if rows.is_empty() { Error::input(cause, help) } else { Error::machine(cause, help) })
}

/// By its ending, or by its content where the name has another one.
fn is_picture(word: &str) -> bool {
    let path = Path::new(word);
    let is_free = !word.contains('=') || path.is_file();
    is_free
        && (walk::is_picture(OsStr::new(word))
            || sniff::of_file(path).is_some_and(sniff::Content::is_picture))
}

/// Logits of images that another program prepared, as JSON.
fn logits(trained: &Trained, path: &str) -> Result<u8, Error> {
    let images = trained.net.prepare(&super::pipeline::read_tensor(path)?);
    let logits = tch::no_grad(|| trained.net.logits(&images, res2lab_nn::Mode::Eval))
        .to_kind(tch::Kind::Double);
    let rows: Vec<Vec<f64>> = Vec::try_from(&logits)
        .map_err(|e| res2lab_lab::network::machine(&format!("logits: {e}")))?;
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
