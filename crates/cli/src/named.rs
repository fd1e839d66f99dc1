//! What a bare word can name: a sweep under the reports' folder, one of its runs, or a file of a
//! run's weights.

use crate::failure::Failure;
use res2lab_experiment::words;
use res2lab_store::{Plan, SweepDir};
use std::path::{Component, Path, PathBuf};

/// Trials that a message names.
const MOST_NAMED: usize = 3;

/// The folder of a sweep, by its name or by a path that leads into the reports' folder.
pub(crate) fn sweep(reports: &Path, name: &str) -> Result<SweepDir, Failure> {
    let inside = inside(reports, name).ok_or_else(|| {
        Failure::input(
            format!("\"{name}\" is not in the folder of reports, {}", reports.display()),
            "name a sweep that is there, or say with --reports DIR where reports are",
        )
    })?;
    let dir = SweepDir::new(reports.join(inside));
    if dir.plan().is_file() {
        return Ok(dir);
    }
    let known = sweeps(reports);
    let near = words::nearest(name, known.iter().map(String::as_str));
    let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
    Err(Failure::input(
        format!("there is no sweep in {}", dir.path().display()),
        format!("{near}name a folder under reports/, or start one with: just sweep"),
    ))
}

/// The part of the path below the reports' folder: a name has no other, and none leads out of it.
fn inside(reports: &Path, name: &str) -> Option<PathBuf> {
    let given = Path::new(name);
    if let (Ok(given), Ok(reports)) = (given.canonicalize(), reports.canonicalize())
        && let Ok(below) = given.strip_prefix(&reports)
        && below.components().next().is_some()
    {
        return Some(below.to_owned());
    }
    let is_name = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    (given.components().all(is_name) && given.components().any(|part| part != Component::CurDir))
        .then(|| given.into())
}

/// The names of the sweeps that there are, in order.
fn sweeps(reports: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(reports) else { return vec![] };
    let with_plan = entries.flatten().filter(|entry| SweepDir::new(entry.path()).plan().is_file());
    let mut names: Vec<String> =
        with_plan.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The words of `eval` and `predict` with the folder of a run where a part of it, its id or a file
/// of its weights is named. A sweep has several runs, so it is refused with their names.
pub(crate) fn runs(given: &[String], reports: &Path) -> Result<Vec<String>, Failure> {
    let has_weights =
        given.iter().any(|word| word.starts_with("weights=") || word.starts_with("init.weights="));
    let mut found = Vec::new();
    for word in given {
        let path = Path::new(word);
        if word.contains('=') || is_run(path) || res2lab_arch::zoo::find(word).is_ok() {
            found.push(word.clone());
        } else if let Some(run) = run_of(path) {
            found.push(run.display().to_string());
            let is_best = path.file_name().is_some_and(|name| name == "best.safetensors");
            if word.ends_with(".safetensors") && !is_best && !has_weights {
                found.push(format!("weights={}", words::quote(word)));
            }
        } else if let Some(run) = run_by_id(reports, word) {
            found.push(run.display().to_string());
        } else if let Some(dir) = sweep_named(reports, path) {
            return Err(is_a_sweep(word, &dir));
        } else {
            let unknown = if path.exists() { None } else { unknown(reports, word) };
            if let Some(unknown) = unknown {
                return Err(unknown);
            }
            found.push(word.clone());
        }
    }
    Ok(found)
}

fn is_run(folder: &Path) -> bool {
    folder.join("spec.yaml").is_file()
}

/// The run that a file of weights, or another part of its folder, belongs to.
fn run_of(part: &Path) -> Option<PathBuf> {
    let name = part.file_name()?.to_string_lossy();
    let above = part.parent()?;
    let folder = match &*name {
        "checkpoints" | "spec.yaml" | "result.json" | "metrics.jsonl" => above,
        name if name.ends_with(".safetensors") && above.ends_with("checkpoints") => {
            above.parent()?
        }
        _ => return None,
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    (part.exists() && is_run(folder)).then(|| folder.to_owned())
}

fn run_by_id(reports: &Path, id: &str) -> Option<PathBuf> {
    let runs = sweeps(reports)
        .into_iter()
        .map(|name| SweepDir::new(reports.join(name)).run(id).path().to_owned());
    runs.into_iter().find(|run| !id.contains('/') && !id.is_empty() && is_run(run))
}

fn sweep_named(reports: &Path, path: &Path) -> Option<SweepDir> {
    let here = SweepDir::new(path);
    let there = || sweep(reports, &path.to_string_lossy()).ok();
    if here.plan().is_file() { Some(here) } else { there() }
}

fn is_a_sweep(word: &str, dir: &SweepDir) -> Failure {
    let ids: Vec<String> = Plan::read(dir)
        .map(|plan| plan.trials.into_iter().map(|t| t.id).collect())
        .unwrap_or_default();
    let there: Vec<String> = ids
        .iter()
        .map(|id| dir.run(id))
        .filter(|run| is_run(run.path()))
        .map(|run| run.path().display().to_string())
        .collect();
    let more = there.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(" or one of {more} more") } else { String::new() };
    let help = match &there[..] {
        [] => "none of its trials has been started; start it with: just sweep".to_owned(),
        some => format!(
            "name one of its trials: {}{more}",
            some.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ")
        ),
    };
    Failure::input(
        format!("{word} is a sweep of {}", crate::commands::plan::count(ids.len(), "trial")),
        help,
    )
}

/// What to say of a word that names no network: the sweep that may have been meant, or else the
/// networks.
pub(crate) fn unknown(reports: &Path, word: &str) -> Option<Failure> {
    let of_networks = res2lab_arch::zoo::find(word).err()?;
    let known = sweeps(reports);
    let near = words::nearest(word, known.iter().map(String::as_str))?;
    let networks = res2lab_arch::zoo::entries();
    let names = networks.iter().flat_map(|entry| entry.aliases.iter().copied().chain([entry.name]));
    if words::nearest(word, names).is_some() {
        return Some(Failure::from(of_networks));
    }
    let cause = format!("no network and no sweep is called \"{word}\"");
    Some(Failure::input(
        cause,
        format!("did you mean the sweep {near}? `res2lab model --list` shows all networks"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_the_reports_is_a_sweep() {
        let folder = tempfile::tempdir().unwrap();
        let reports = folder.path().join("reports");
        for name in ["reports/quick", "elsewhere"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("plan.json"), "{}").unwrap();
        }
        let found = |name: &str| {
            sweep(&reports, name).map(|dir| dir.path().file_name().unwrap().to_owned())
        };
        let absolute = reports.join("quick").display().to_string();
        for name in ["quick", "quick/", "./quick", &absolute] {
            assert_eq!(found(name).unwrap(), "quick", "{name}");
        }
        let outside = folder.path().join("elsewhere").display().to_string();
        for name in ["..", ".", "", "../elsewhere", "quick/../../elsewhere", &outside] {
            let e = found(name).unwrap_err();
            assert!(
                e.cause.contains("is not in the folder of reports") && e.help.contains("--reports"),
                "{name}: {e:?}"
            );
        }
        assert!(found("quikc").unwrap_err().help.contains("did you mean quick?"));
        assert!(unknown(&reports, "quickk").unwrap().help.contains("the sweep quick?"));
    }
}
