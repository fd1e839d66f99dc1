//! What `sweep` and `plan` share: words to a plan.

use crate::args::SweepArgs;
use crate::failure::Failure;
use crate::line;
use res2lab_experiment::{Arm, DataSpec, Expansion, Experiment, Quantity, TrialSpec};
use res2lab_store::{Plan, PlannedTrial, SweepDir};
use res2lab_sweep::{DatasetInfo, SweepError, World};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// A planned sweep that is not on the disk yet.
pub(crate) struct Request {
    /// The experiment as the file has it.
    pub experiment: Experiment,
    /// What it comes to with the command line's axes.
    pub plan: Plan,
    /// Where it goes.
    pub dir: SweepDir,
}

/// What a plan is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Everything must be there.
    Train,
    /// Data and weights may be elsewhere.
    Look,
}

/// Reads the file and the axes, and plans. Nothing is written.
pub(crate) fn request(args: &SweepArgs, purpose: Purpose) -> Result<Request, Failure> {
    let mut words = args.words.clone();
    words.extend(args.plain.then(|| "plain=true".to_owned()));
    if let Some(name) = &args.name {
        res2lab_experiment::experiment::check_name(name, "--name")?;
    }
    let notes = RefCell::new(vec![]);
    let (file, axes) = line::split(&words, &notes)?;
    let bytes = std::fs::read(&file).map_err(|e| {
        let help =
            "name an experiment file, e.g. experiments/quickstart.yaml, and axes as name=values";
        Failure::input(format!("cannot read {}: {e}", absolute(&file).display()), help)
    })?;
    let experiment = res2lab_experiment::experiment::read(&bytes, &file.display().to_string())?;
    let mut expansion = res2lab_experiment::expand(&experiment, &axes)?;
    if args.smoke {
        res2lab_experiment::smoke(&mut expansion);
        let name = args.name.as_ref().unwrap_or(&expansion.name);
        let folder = args.folders.reports.join(name).join("weights");
        crate::smoke::point_to_weights(&mut expansion, &folder);
    }
    let data = args.folders.data.clone();
    if !(args.tolerance.is_finite() && args.tolerance >= 0.0) {
        return Err(Failure::input(
            format!("--tolerance {} is impossible", args.tolerance),
            "give percent, e.g. 3",
        ));
    }
    // Networks in small have few channels, and so coarse steps.
    let tolerance = (!args.keep_going && !args.smoke).then_some(args.tolerance / 100.0);
    let describe = |spec: &DataSpec| facts(spec, &data, purpose, &notes);
    let name = args.name.as_ref().unwrap_or(&expansion.name);
    let frozen = frozen(&expansion, &SweepDir::new(args.folders.reports.join(name)))?;
    let devices =
        expansion.arms.iter().map(|arm| arm.spec.train.devices_per_trial).max().unwrap_or(1);
    let count = expansion.arms.len() * expansion.seeds.len();
    let step_us = |trial: &PlannedTrial| step_us(args, trial, count, devices);
    let world = World { describe: &describe, step_us: &step_us, frozen: &frozen };
    let mut plan =
        res2lab_sweep::plan(&expansion, &command_line(), crate::code(), tolerance, &world)?;
    plan.notes.extend(notes.take());
    args.ask.put_into(&mut plan)?;
    if !args.smoke {
        let notes = crate::given::check(&mut plan.trials, &data, purpose)?;
        plan.notes.extend(notes);
    }
    if let Some(name) = &args.name {
        plan.name = name.clone();
    }
    let dir = SweepDir::new(args.folders.reports.join(&plan.name));
    match crate::inputs::changed(&plan, &dir) {
        Some(changed) if purpose == Purpose::Train => return Err(changed),
        Some(changed) => plan.notes.push(format!("{}; {}", changed.cause, changed.help)),
        None => {}
    }
    Ok(Request { experiment, plan, dir })
}

/// Trials of the sweep's earlier plan, if this one has budgets of time.
fn frozen(expansion: &Expansion, dir: &SweepDir) -> Result<Vec<PlannedTrial>, Failure> {
    let is_timed = |arm: &Arm| arm.budget.as_ref().is_some_and(|b| b.quantity == Quantity::Time);
    if !expansion.arms.iter().any(is_timed) {
        return Ok(vec![]);
    }
    let before: Option<Plan> = res2lab_store::atomic::read_json(&dir.plan())?;
    Ok(before.map(|plan| [plan.trials, plan.earlier].concat()).unwrap_or_default())
}

/// A step of a network that has to be as fast as another one.
fn step_us(
    args: &SweepArgs,
    trial: &PlannedTrial,
    count: usize,
    devices: usize,
) -> Result<u64, SweepError> {
    let as_sweep = |e: Failure| SweepError::input(e.cause, e.help);
    let slots = crate::commands::sweep::slots_for(args, count, devices).map_err(as_sweep)?;
    let timing = crate::price::timing(trial, &slots, &args.folders.data).map_err(as_sweep)?;
    Ok((timing.step_s * 1e6).round() as u64)
}

/// What a plan must know of a data set. Where the files are not here and need not be, what is known
/// of the name. What the user should know of it goes to the notes.
fn facts(
    spec: &DataSpec,
    data: &Path,
    purpose: Purpose,
    notes: &RefCell<Vec<String>>,
) -> Result<DatasetInfo, SweepError> {
    let wanted = res2lab_train::images::wanted(spec, data);
    let described = res2lab_data::describe(&wanted);
    if let (Err(_), Purpose::Look, Some(known)) =
        (&described, purpose, res2lab_data::published(&wanted))
        && !wanted.dir.exists()
    {
        notes.borrow_mut().push(format!(
            "{} is not here; planned for {} classes, {} training images and {} px",
            wanted.dir.display(),
            known.classes,
            known.train_images,
            known.width
        ));
        return Ok(as_facts(known));
    }
    let described = described.map_err(|e| not_here(spec, &wanted.dir, data, (e.cause, e.help)))?;
    for note in &described.notes {
        let note = format!("{}: {note}", spec.path.as_ref().unwrap_or(&spec.name));
        let mut notes = notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    Ok(as_facts(described.facts))
}

/// What is wrong with a data set, with its whole path: a path that starts where the user stands is
/// easily another one.
fn not_here(
    spec: &DataSpec,
    dir: &Path,
    root: &Path,
    (cause, help): (String, String),
) -> SweepError {
    let whole = absolute(dir);
    let shown = dir.display().to_string();
    let is_whole = dir.is_absolute() || cause.contains(&*whole.to_string_lossy());
    let cause = if is_whole { cause } else { cause.replacen(&shown, &whole.to_string_lossy(), 1) };
    let is_bare = spec.path.is_none() && !spec.name.contains('/');
    if is_bare && Path::new(&spec.name).join("train").is_dir() && !dir.exists() {
        return SweepError::input(
            cause,
            format!("for the folder that is here write data=./{}", spec.name),
        );
    }
    let is_looked_up = is_bare && !dir.exists() && cause.contains(&*whole.to_string_lossy());
    // Whoever names one data set with the flag for the folder of all.
    if is_looked_up && root.join("train").is_dir() {
        let here = root.display().to_string();
        let here = if here.contains('/') { here } else { format!("./{here}") };
        return SweepError::input(
            cause,
            format!("--data is the folder of all data sets; write data={here}"),
        );
    }
    let of_root = format!(
        "; data sets are looked for in {}: say with --data DIR where they are",
        absolute(root).display()
    );
    SweepError::input(cause, if is_looked_up { help + &of_root } else { help })
}

/// A path from the root on.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn as_facts(facts: res2lab_data::DatasetInfo) -> DatasetInfo {
    DatasetInfo {
        channels: facts.channels,
        height: facts.height,
        width: facts.width,
        classes: facts.classes,
        train_images: facts.train_images,
        test_images: facts.test_images,
        identity: facts.identity,
    }
}

/// The file that a spec starts from: a path, or the name of a network whose weights were
/// downloaded.
pub(crate) fn weights(spec: &TrialSpec, data: &Path) -> Result<Option<PathBuf>, Failure> {
    spec.init
        .weights
        .as_deref()
        .map(|given| crate::published::find_weights(given, data))
        .transpose()
}

/// The command as typed, for provenance.
fn command_line() -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=,+:@%~".contains(c);
    let quoted = |word: String| {
        if !word.is_empty() && word.chars().all(is_plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    let words: Vec<String> = std::env::args().skip(1).map(quoted).collect();
    format!("just {}", words.join(" "))
}
