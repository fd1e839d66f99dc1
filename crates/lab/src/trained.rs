//! A network with its weights, and how it wants its images: from words, or from the folder of a
//! finished trial.
use crate::network::{self, Words};
use res2lab_arch::Input;
use res2lab_error::Error;
use res2lab_experiment::{DataSpec, Normalize, TrialSpec};
use res2lab_nn::Net;
use res2lab_nn::weights::{self, Fit, WeightsFile};
use res2lab_store::{Plan, RunDir, SweepDir};
use std::path::Path;
use tch::Device;

/// Keys that are not fields of a network.
const KEYS: [&str; 8] =
    ["weights", "data", "size", "resize", "crop", "normalize", "pad_to", "classes"];

/// Ready to look at images.
pub struct Trained {
    /// In words, for titles.
    pub title: String,
    pub net: Net,
    /// Side of an image in pixels.
    pub px: usize,
    pub input: Input,
    /// Which images, and how they are prepared; the name is empty where none was given.
    pub data: DataSpec,
    /// A file of class names, a line each.
    pub classes: Option<String>,
    /// What is to be told of the weights: what was chosen among several, taken off, or left out.
    pub notes: Vec<String>,
}

/// From `MODEL weights=FILE ...` or `TRIAL-FOLDER ...`, on `device`.
pub fn load(words: &[String], data: &Path, device: Device) -> Result<Trained, Error> {
    let is_run =
        |word: &&String| !word.contains('=') && Path::new(word).join("spec.yaml").is_file();
    match words.iter().find(is_run) {
        Some(folder) => {
            let rest: Vec<String> = words.iter().filter(|word| *word != folder).cloned().collect();
            of_trial(Path::new(folder), &Words::split(&rest, &KEYS)?, data, device)
        }
        None => of_words(&Words::split(words, &KEYS)?, data, device),
    }
}

fn of_words(words: &Words, data: &Path, device: Device) -> Result<Trained, Error> {
    network::classifier(&words.model()?)?;
    let given = words.get("weights").ok_or_else(|| {
        Error::input(
            "no weights are given",
            "add weights=FILE or weights=NAME, or name the folder of a finished trial",
        )
    })?;
    let file =
        WeightsFile::open(&crate::published::find_weights(given, data)?).map_err(network::input)?;
    let spec =
        DataSpec { name: String::new(), normalize: Normalize::Imagenet, ..DataSpec::default() };
    let data = data_words(spec, words)?;
    let input = network::input_of(words, &file, data.pad_to.or(data.size))?;
    let (model, _) = words.model()?.resolve()?;
    let title = format!(
        "{} with {given}",
        words.name().map_or_else(|| res2lab_experiment::id::readable(&model), str::to_owned)
    );
    finish(
        title,
        network::build(&model, input, device)?,
        input,
        with_size(data, input.height),
        words,
        &file,
    )
}

fn of_trial(
    folder: &Path,
    words: &Words,
    data_folder: &Path,
    device: Device,
) -> Result<Trained, Error> {
    let run = RunDir::new(folder);
    let help = "give the folder of a finished trial, e.g. reports/quickstart/runs/ID";
    let text = std::fs::read_to_string(folder.join("spec.yaml"))
        .map_err(|e| Error::input(format!("{}: {e}", folder.display()), help))?;
    let spec: TrialSpec = serde_yaml::from_str(&text)
        .map_err(|e| Error::input(format!("{}/spec.yaml: {e}", folder.display()), help))?;
    let id = folder
        .canonicalize()
        .ok()
        .and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_default();
    let sweep = folder.canonicalize().ok().and_then(|p| Some(SweepDir::new(p.parent()?.parent()?)));
    let plan = sweep.and_then(|dir| Plan::read(&dir).ok());
    let trial =
        plan.as_ref().and_then(|plan| plan.trials.iter().chain(&plan.earlier).find(|t| t.id == id));
    let trial = trial.ok_or_else(|| {
        Error::input(format!("{} is not in its sweep's plan", folder.display()), help)
    })?;
    let path = match words.get("weights") {
        Some(given) => crate::published::find_weights(given, data_folder)?,
        None if run.result().is_file() && !run.best_weights().is_file() => {
            return Err(Error::input(
                format!("the checkpoints of {} were removed", folder.display()),
                "give weights=FILE, or remove the folder and run the sweep again to train it anew",
            ));
        }
        None => run.best_weights(),
    };
    let file = WeightsFile::open(&path).map_err(network::input)?;
    let data = data_words(spec.data.clone(), words)?;
    let side = data.pad_to.or(data.size).unwrap_or(trial.image_px);
    let input =
        Input { channels: trial.image_channels, height: side, width: side, classes: trial.classes };
    finish(id, network::build(&spec.model, input, device)?, input, data, words, &file)
}

fn finish(
    title: String,
    mut net: Net,
    input: Input,
    data: DataSpec,
    words: &Words,
    file: &WeightsFile,
) -> Result<Trained, Error> {
    let notes = weights::load(net.params_mut(), file, Fit::Exact).map_err(network::input)?.notes;
    let classes = words.get("classes").map(str::to_owned);
    Ok(Trained { title, net, px: input.height, input, data, classes, notes })
}

fn with_size(data: DataSpec, px: usize) -> DataSpec {
    DataSpec { size: data.size.or(Some(px)), ..data }
}

/// The words about images, over what is there.
fn data_words(mut data: DataSpec, words: &Words) -> Result<DataSpec, Error> {
    let number = |key: &str| -> Result<Option<usize>, Error> {
        let parse = |text: &str| {
            text.parse::<usize>().ok().filter(|n| (1..100_000).contains(n)).ok_or_else(|| {
                Error::input(format!("{key}={text} is impossible"), "give a whole number of pixels")
            })
        };
        words.get(key).map(parse).transpose()
    };
    if let Some(name) = words.get("data") {
        data = data.renamed(name);
        // A folder that is meant by its bare name.
        if !name.contains('/') && Path::new(name).join("val").is_dir() {
            data.name = format!("./{name}");
        }
    }
    data = words.over_data(data)?;
    data.size = number("size")?.or(data.size);
    data.pad_to = number("pad_to")?.or(data.pad_to);
    data.resize = number("resize")?.or(data.resize);
    if let Some(text) = words.get("crop") {
        let share =
            text.parse::<f64>().ok().filter(|c| *c > 0.1 && *c <= 1.0).ok_or_else(|| {
                Error::input(
                    format!("crop={text} is impossible"),
                    "give a share from 0.1 to 1, e.g. crop=0.95",
                )
            })?;
        let size = data.size.unwrap_or(224) as f64;
        data.resize = Some((size / share).floor() as usize);
    }
    match words.get("normalize") {
        None => {}
        Some("imagenet") => data.normalize = Normalize::Imagenet,
        Some("auto") => data.normalize = Normalize::Auto,
        Some(other) => {
            return Err(Error::input(
                format!("normalize={other} is not known"),
                "use imagenet or auto",
            ));
        }
    }
    data.check()?;
    Ok(data)
}
