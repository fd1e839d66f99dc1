//! What `sweep` and `plan` share: words to a plan.

use crate::line;
use crate::options::{Purpose, SweepOptions};
use res2lab_error::{Error, Kind};
use res2lab_experiment::{Arm, DataSpec, DatasetInfo, Expansion, Experiment, Quantity, TrialSpec};
use res2lab_store::{Plan, PlannedTrial, SweepDir};
use res2lab_sweep::World;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// A planned sweep that is not on the disk yet.
pub struct Request {
    /// The experiment as the file has it.
    pub experiment: Experiment,
    /// What it comes to with the command line's axes.
    pub plan: Plan,
    /// Where it goes.
    pub dir: SweepDir,
}

/// Reads the file and the axes, and plans. Nothing is written.
pub fn request(options: &SweepOptions, purpose: Purpose) -> Result<Request, Error> {
    let mut words = options.words.clone();
    words.extend(options.plain.then(|| "plain=true".to_owned()));
    if let Some(name) = &options.name {
        res2lab_experiment::experiment::check_name(name, "--name")?;
    }
    let notes = RefCell::new(vec![]);
    let (file, axes) = line::split(&words, &notes)?;
    let bytes = std::fs::read(&file).map_err(|e| {
        let help =
            "name an experiment file, e.g. experiments/quickstart.yaml, and axes as name=values";
        Error::input(format!("cannot read {}: {e}", absolute(&file).display()), help)
    })?;
    let experiment = res2lab_experiment::experiment::read(&bytes, &file.display().to_string())?;
    let mut expansion = res2lab_experiment::expand(&experiment, &axes)?;
    if options.smoke {
        res2lab_experiment::smoke(&mut expansion);
        let name = options.name.as_ref().unwrap_or(&expansion.name);
        let folder = options.folders.reports.join(name).join("weights");
        crate::smoke::point_to_weights(&mut expansion, &folder);
    }
    let data = options.folders.data.clone();
    if !(options.tolerance.is_finite() && options.tolerance >= 0.0) {
        return Err(Error::input(
            format!("--tolerance {} is impossible", options.tolerance),
            "give percent, e.g. 3",
        ));
    }
    // Networks in small have few channels, and so coarse steps.
    let tolerance = (!options.keep_going && !options.smoke).then_some(options.tolerance / 100.0);
    let describe = |spec: &DataSpec| facts(spec, &data, purpose, &notes);
    let name = options.name.as_ref().unwrap_or(&expansion.name);
    let frozen = frozen(&expansion, &SweepDir::new(options.folders.reports.join(name)))?;
    let devices =
        expansion.arms.iter().map(|arm| arm.spec.train.devices_per_trial).max().unwrap_or(1);
    let count = expansion.arms.len() * expansion.seeds.len();
    let step_us = |trial: &PlannedTrial| step_us(options, trial, count, devices);
    let world = World { describe: &describe, step_us: &step_us, frozen: &frozen };
    let mut plan = res2lab_sweep::plan(
        &expansion,
        &command_line(),
        crate::program::code(),
        tolerance,
        &world,
    )?;
    plan.notes.extend(notes.take());
    options.question.put_into(&mut plan)?;
    plan.keep = options.keep.unwrap_or(plan.keep);
    if !options.smoke {
        let notes = crate::given::check(&mut plan.trials, &data, purpose)?;
        plan.notes.extend(notes);
    }
    if let Some(name) = &options.name {
        plan.name = name.clone();
    }
    let dir = SweepDir::new(options.folders.reports.join(&plan.name));
    match crate::inputs::changed(&plan, &dir) {
        Some(changed) if purpose == Purpose::Train => return Err(changed),
        Some(changed) => plan.notes.push(format!("{}; {}", changed.cause, changed.help)),
        None => {}
    }
    Ok(Request { experiment, plan, dir })
}

/// Trials of the sweep's earlier plan, if this one has budgets of time.
fn frozen(expansion: &Expansion, dir: &SweepDir) -> Result<Vec<PlannedTrial>, Error> {
    let is_timed = |arm: &Arm| arm.budget.as_ref().is_some_and(|b| b.quantity == Quantity::Time);
    if !expansion.arms.iter().any(is_timed) {
        return Ok(vec![]);
    }
    let before: Option<Plan> = res2lab_store::atomic::read_json(&dir.plan())?;
    Ok(before.map(|plan| [plan.trials, plan.earlier].concat()).unwrap_or_default())
}

/// A step of a network that has to be as fast as another one.
fn step_us(
    options: &SweepOptions,
    trial: &PlannedTrial,
    count: usize,
    devices: usize,
) -> Result<u64, Error> {
    let as_sweep = |e: Error| e.of_kind(Kind::Input);
    let slots = crate::slots::of_trials(options, count, devices).map_err(as_sweep)?;
    let timing =
        crate::cost_estimate::timing(trial, &slots, &options.folders.data).map_err(as_sweep)?;
    Ok((timing.step_s * 1e6).round() as u64)
}

/// What a plan must know of a data set. Where the files are not here and need not be, what is known
/// of the name. What the user should know of it goes to the notes.
fn facts(
    spec: &DataSpec,
    data: &Path,
    purpose: Purpose,
    notes: &RefCell<Vec<String>>,
) -> Result<DatasetInfo, Error> {
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
        return Ok(known);
    }
    let described = described.map_err(|e| not_here(spec, &wanted.dir, data, e))?;
    for note in &described.notes {
        let note = format!("{}: {note}", spec.path.as_ref().unwrap_or(&spec.name));
        let mut notes = notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    Ok(described.facts)
}

/// What is wrong with a data set, with its whole path: a path that starts where the user stands is
/// easily another one.
fn not_here(spec: &DataSpec, dir: &Path, root: &Path, e: Error) -> Error {
    let Error { cause, help, .. } = e;
    let whole = absolute(dir);
    let shown = dir.display().to_string();
    let is_whole = dir.is_absolute() || cause.contains(&*whole.to_string_lossy());
    let cause = if is_whole { cause } else { cause.replacen(&shown, &whole.to_string_lossy(), 1) };
    let is_bare = spec.path.is_none() && !spec.name.contains('/');
    if is_bare && Path::new(&spec.name).join("train").is_dir() && !dir.exists() {
        return Error::input(
            cause,
            format!("for the folder that is here write data=./{}", spec.name),
        );
    }
    let is_looked_up = is_bare && !dir.exists() && cause.contains(&*whole.to_string_lossy());
    // Whoever names one data set with the flag for the folder of all.
    if is_looked_up && root.join("train").is_dir() {
        let here = root.display().to_string();
        let here = if here.contains('/') { here } else { format!("./{here}") };
        return Error::input(
            cause,
            format!("--data is the folder of all data sets; write data={here}"),
        );
    }
    let of_root = format!(
        "; data sets are looked for in {}: say with --data DIR where they are",
        absolute(root).display()
    );
    Error::input(cause, if is_looked_up { help + &of_root } else { help })
}

/// A path from the root on.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The file that a spec starts from: a path, or the name of a network whose weights were
/// downloaded.
pub fn weights(spec: &TrialSpec, data: &Path) -> Result<Option<PathBuf>, Error> {
    spec.init
        .weights
        .as_deref()
        .map(|given| crate::published::find_weights(given, data))
        .transpose()
}

/// The command as typed, for provenance.
fn command_line() -> String {
    let words: Vec<String> =
        std::env::args().skip(1).map(|word| res2lab_sweep::shell::quoted(&word)).collect();
    format!("just {}", words.join(" "))
}
