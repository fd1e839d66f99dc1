//! The words of `sweep` and `plan`: one file and axes, and what to write where they are put another
//! way.

use crate::failure::Failure;
use res2lab_experiment::{Axis, fields, words};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

const DEFAULT_EXPERIMENT: &str = "experiments/quickstart.yaml";

/// At most one word without `=` names the file. `notes` are remarks for the user.
pub(crate) fn split(
    given: &[String],
    notes: &RefCell<Vec<String>>,
) -> Result<(PathBuf, Vec<Axis>), Failure> {
    if let Some((what, written)) = put_otherwise(given) {
        return Err(Failure::input(format!("\"{what}\" is no axis"), format!("write {written}")));
    }
    let is_axis =
        |word: &&String| word.contains('=') && !(is_yaml(word) && Path::new(word).is_file());
    let (axes, files): (Vec<&String>, Vec<&String>) = given.iter().partition(is_axis);
    let file = match files[..] {
        [] => DEFAULT_EXPERIMENT.into(),
        [file] if is_yaml(file) || (Path::new(file).exists() && !Path::new(file).is_dir()) => {
            file.into()
        }
        [word] => return Err(no_file(word)),
        [first, second, ..] => {
            return Err(Failure::input(
                format!("two experiment files are given: {first} and {second}"),
                "give one file; axes are written as name=values",
            ));
        }
    };
    let axes = axes
        .into_iter()
        .map(|word| Ok(Axis::parse(&whole_path(word, notes))?))
        .collect::<Result<_, Failure>>()?;
    Ok((file, axes))
}

fn is_yaml(word: &str) -> bool {
    word.ends_with(".yaml") || word.ends_with(".yml")
}

/// A word that is neither a file nor an axis.
fn no_file(word: &str) -> Failure {
    if res2lab_arch::zoo::find(word).is_ok() {
        return Failure::input(
            format!("\"{word}\" is a network, not a file"),
            format!("write zoo={word}"),
        );
    }
    let inside = Path::new(word).join("sweep.yaml");
    if inside.is_file() {
        let help = format!("the experiment in it is {}", inside.display());
        return Failure::input(format!("\"{word}\" is a folder, not an experiment file"), help);
    }
    let known = Path::new("experiments").join(format!("{word}.yaml"));
    let help = if known.is_file() {
        format!("did you mean {}? axes are written as name=values", known.display())
    } else {
        "write axes as name=values, e.g. scale=2,4,6,8, and give an existing experiment file"
            .to_owned()
    };
    Failure::input(format!("\"{word}\" is neither a file nor an axis"), help)
}

/// `scale 2 4`, `scale = 2,4`, `scale=2, 4` and `scale:2,4`: what was written, and as what it is to
/// be written.
fn put_otherwise(given: &[String]) -> Option<(String, String)> {
    for (i, word) in given.iter().enumerate() {
        let rest = &given[i + 1..];
        let loose = rest.iter().take_while(|next| is_value(next)).count();
        let values = || joined(rest[..loose].iter());
        let what = || given[i..=i + loose].join(" ");
        match word.split_once('=') {
            // The values come in words of their own.
            None if is_field(word) => {
                let values = values();
                let values = if values.is_empty() { example(word).to_owned() } else { values };
                return Some((what(), format!("{word}={values}")));
            }
            None => {
                let pair = word
                    .split_once(':')
                    .filter(|(name, values)| is_field(name) && !values.is_empty());
                if let Some((name, values)) = pair {
                    return Some((word.clone(), format!("{name}={values}")));
                }
            }
            // `scale=2, 4`: a value more, cut off by a blank.
            Some((name, first)) if loose > 0 && is_field(name.trim()) => {
                let all_numbers = rest[..loose].iter().all(|next| is_number(next));
                if first.is_empty() || first.ends_with(',') || all_numbers {
                    let values = joined([&first.to_owned()].into_iter().chain(&rest[..loose]));
                    return Some((what(), format!("{}={values}", name.trim())));
                }
            }
            Some(_) => {}
        }
    }
    None
}

/// What to write for `--scale 2`, where `scale` is a field. `unknown` is the flag as the command
/// line's reader names it.
pub(crate) fn flag_as_field(given: &[String], unknown: &str) -> Option<String> {
    // Of `-lr` only `-l` is named.
    let is_it = |word: &String| {
        word.split('=').next() == Some(unknown) || (unknown.len() == 2 && word.starts_with(unknown))
    };
    let at = given.iter().position(is_it)?;
    let flag = given[at].trim_start_matches('-');
    let (name, first) =
        flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
    let name = name.replace('-', "_");
    let name = if is_field(&name) {
        name
    } else {
        fields::suggestion(&name).filter(|found| !found.contains(' '))?
    };
    let rest = given[at + 1..].iter().take_while(|word| is_value(word));
    let values = joined(first.iter().chain(rest));
    let values = if values.is_empty() { example(&name).to_owned() } else { values };
    Some(format!("write {name}={values}"))
}

fn is_number(word: &str) -> bool {
    word.split(',').all(|part| part.is_empty() || part.parse::<f64>().is_ok())
}

fn is_field(name: &str) -> bool {
    fields::path_of(name).is_ok() && !Path::new(name).is_file()
}

/// Whether a word can only be a value of the word before it.
fn is_value(word: &str) -> bool {
    let is_other = word.starts_with('-') && word.parse::<f64>().is_err();
    let has_name = word.find('=').is_some_and(|at| at > 0);
    !(is_other || has_name || is_yaml(word) || is_field(word) || Path::new(word).is_file())
}

fn joined<'a>(parts: impl Iterator<Item = &'a String>) -> String {
    let parts = parts.map(|part| part.trim_start_matches('=').trim_matches(',').trim());
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",")
}

fn example(field: &str) -> &'static str {
    use res2lab_experiment::known::Kind;
    match fields::path_of(field).ok().and_then(|path| res2lab_experiment::known::kind(&path)) {
        Some(Kind::Real) => "0.1,0.2",
        Some(Kind::Flag) => "true,false",
        Some(Kind::Wholes) => "[2,2,2],[3,3,3]",
        Some(Kind::Whole) => "2,4",
        _ => "VALUE",
    }
}

/// A path that has commas in it and is there as a whole is one value.
fn whole_path(word: &str, notes: &RefCell<Vec<String>>) -> String {
    let Some((name, value)) = word.split_once('=') else { return word.to_owned() };
    let is_path = fields::path_of(name.trim())
        .is_ok_and(|path| ["init.weights", "data.name", "data.path"].contains(&path.as_str()));
    if !(is_path && value.contains(',') && Path::new(value).exists()) {
        return word.to_owned();
    }
    notes.borrow_mut().push(format!("{name}={value} is read as one path, since it is there"));
    format!("{name}={}", words::quote(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn axes_that_are_put_otherwise_are_understood() {
        for (line, written) in [
            ("scale 2 4", "scale=2,4"),
            ("scale 2,4", "scale=2,4"),
            ("scale = 2,4", "scale=2,4"),
            ("scale =2,4", "scale=2,4"),
            ("scale= 2", "scale=2"),
            ("scale=2, 4", "scale=2,4"),
            ("scale=2 4 seed=0", "scale=2,4"),
            ("scale", "scale=2,4"),
            ("seed=0 scale 2 4 lr=0.1", "scale=2,4"),
            ("scale:2,4", "scale=2,4"),
            ("train.ema 0.9", "train.ema=0.9"),
            ("x.yaml scale 2 4", "scale=2,4"),
        ] {
            assert_eq!(
                put_otherwise(&words(line)).map(|(_, written)| written).as_deref(),
                Some(written),
                "{line}"
            );
        }
        for line in [
            "scale=2,4",
            "x.yaml scale=2",
            "quickstart",
            "nowhere.yaml",
            "scale=2 more.yaml",
            "scale=2 quickstart",
        ] {
            assert_eq!(put_otherwise(&words(line)), None, "{line}");
        }
    }

    #[test]
    fn flags_that_are_fields_are_understood() {
        for (line, flag, written) in [
            ("sweep --scale 2", "--scale", "write scale=2"),
            ("sweep --name x --scale=2,4 seed=0", "--scale", "write scale=2,4"),
            ("plan --no-time --scale 2 4 lr=0.1", "--scale", "write scale=2,4"),
            ("sweep --label-smoothing 0.1", "--label-smoothing", "write train.label_smoothing=0.1"),
            ("sweep -lr 0.1", "-l", "write lr=0.1"),
            ("sweep --batch-size 64 --device cpu", "--batch-size", "write batch=64"),
            ("sweep --epoch=3", "--epoch", "write epochs=3"),
        ] {
            assert_eq!(flag_as_field(&words(line), flag).as_deref(), Some(written), "{line}");
        }
        assert_eq!(flag_as_field(&words("sweep --florb 3"), "--florb"), None);
    }

    #[test]
    fn a_path_with_a_comma_that_is_there_is_one_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a, b");
        std::fs::create_dir(&path).unwrap();
        let notes = RefCell::new(vec![]);
        let (_, axes) = split(&[format!("data={}", path.display())], &notes).unwrap();
        assert_eq!((axes[0].points.len(), notes.borrow().len()), (1, 1));
        let (_, axes) = split(&words("data=./a,./b"), &notes).unwrap();
        assert_eq!((axes[0].points.len(), notes.borrow().len()), (2, 1));
    }
}
