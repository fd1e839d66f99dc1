//! Which arms a report compares, and which difference matters: asked for in the experiment file,
//! found among the arms.

use crate::axes::show;
use crate::expand::Arm;
use crate::experiment::Experiment;
use crate::{SpecError, Value, fields, words};
use serde::{Deserialize, Serialize};

/// What the report is to compare. Labels are those of arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contrasts {
    /// Arms, each with the one that it is compared with; empty if none are named.
    pub pairs: Vec<(String, String)>,
    /// The arm that all others are compared with, where no pairs are named; None for the first.
    pub baseline: Option<String>,
    /// Arms that differ by less than this are equal: percentage points of accuracy.
    pub margin: f64,
}

/// Half a point of accuracy: less than most papers claim as progress.
const MARGIN: f64 = 0.5;

impl Default for Contrasts {
    fn default() -> Contrasts {
        Contrasts { pairs: Vec::new(), baseline: None, margin: MARGIN }
    }
}

impl Contrasts {
    /// What the file asks for, found among `arms`. Where the command line varies other things than
    /// the file (`is_own` is false), what the file asks of arms that are not there gives way, with
    /// a note.
    pub fn find(
        experiment: &Experiment,
        arms: &[Arm],
        is_own: bool,
        notes: &mut Vec<String>,
    ) -> Result<Contrasts, SpecError> {
        let mut found = Contrasts {
            margin: margin(experiment.margin.unwrap_or(MARGIN))?,
            ..Contrasts::default()
        };
        let named = names(arms);
        let mut missing = Vec::new();
        let mut give_way = |e: SpecError| {
            if is_own {
                return Err(e);
            }
            missing.push(e.cause);
            Ok(())
        };
        for asked in &experiment.compare {
            match pair(asked, &named) {
                Ok(pair) => found.pairs.push(pair),
                Err(e) => give_way(e)?,
            }
        }
        if !experiment.against.is_empty() {
            match partners(experiment, arms, notes) {
                Ok(pairs) => found.pairs.extend(pairs),
                Err(e) => give_way(e)?,
            }
        }
        if let Some(baseline) = &experiment.baseline {
            match arm(&show(baseline), &named, "baseline") {
                Ok(label) => found.baseline = Some(label),
                Err(e) => give_way(e)?,
            }
        }
        if let Some(first) = missing.first() {
            let more = if missing.len() > 1 {
                format!(" (and {} more)", missing.len() - 1)
            } else {
                String::new()
            };
            notes.push(format!(
                "{first}{more}; the command line varies other things than the file, so that is left out"
            ));
        }
        let mut seen = std::collections::HashSet::new();
        found.pairs.retain(|pair| seen.insert(pair.clone()));
        Ok(found)
    }

    /// With what a command asks for in place of the file's: the baseline, the margin, and pairs of
    /// names one after the other.
    pub fn asked<'a>(
        mut self,
        baseline: Option<&str>,
        smallest: Option<f64>,
        pairs: &[String],
        arms: impl Iterator<Item = Name<'a>>,
    ) -> Result<Contrasts, SpecError> {
        // Trials of an arm share its name.
        let mut seen = std::collections::HashSet::new();
        let arms: Vec<Name> = arms.filter(|(label, _)| seen.insert(*label)).collect();
        if let Some(word) = baseline {
            self.baseline = Some(arm(word, &arms, "--baseline")?);
            // Whoever names a baseline wants all arms compared with it.
            self.pairs.clear();
        }
        if let Some(value) = smallest {
            self.margin = margin(value)?;
        }
        if !pairs.is_empty() {
            let one = |pair: &[String]| two_arms(&pair[0], &pair[1], &arms, "--compare");
            self.pairs = pairs.chunks_exact(2).map(one).collect::<Result<_, SpecError>>()?;
        }
        Ok(self)
    }
}

/// An arm's label and its place on the axes.
pub type Name<'a> = (&'a str, &'a [(String, String)]);

fn names(arms: &[Arm]) -> Vec<Name<'_>> {
    arms.iter().map(|arm| (arm.label.as_str(), &arm.coordinates[..])).collect()
}

fn margin(value: f64) -> Result<f64, SpecError> {
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    Err(SpecError::new(
        format!("margin {value} is impossible"),
        "give the smallest difference that matters, in percentage points, e.g. 0.5",
    ))
}

fn pair(asked: &[Value], arms: &[Name]) -> Result<(String, String), SpecError> {
    let [first, second] = asked else {
        let cause = format!("compare has {} names where two arms should stand", asked.len());
        return Err(SpecError::new(cause, "write pairs: compare: [[res2net50_26w_4s, resnet50]]"));
    };
    two_arms(&show(first), &show(second), arms, "compare")
}

fn two_arms(
    first: &str,
    second: &str,
    arms: &[Name],
    place: &str,
) -> Result<(String, String), SpecError> {
    let pair = (arm(first, arms, place)?, arm(second, arms, place)?);
    if pair.0 == pair.1 {
        return Err(SpecError::new(
            format!("{place} sets {} against itself", pair.0),
            "name two arms",
        ));
    }
    Ok(pair)
}

/// The label of the arm that a word names: all of its label, or the only value of an axis.
fn arm(word: &str, arms: &[Name], place: &str) -> Result<String, SpecError> {
    if let Some((label, _)) = arms.iter().find(|(label, _)| *label == word) {
        return Ok((*label).to_owned());
    }
    let has = |arm: &&Name| arm.1.iter().any(|(_, value)| value == word);
    let found: Vec<&str> = arms.iter().filter(has).map(|(label, _)| *label).collect();
    match &found[..] {
        [one] => Ok((*one).to_owned()),
        [] => {
            let values = arms
                .iter()
                .flat_map(|(_, coordinates)| coordinates.iter().map(|(_, value)| value.as_str()));
            let known = arms.iter().map(|(label, _)| *label).chain(values);
            let close = words::nearest(word, known).map(|name| format!("did you mean {name}? "));
            let some: Vec<&str> = arms.iter().take(4).map(|(label, _)| *label).collect();
            let help = format!("{}arms are called {}", close.unwrap_or_default(), some.join(", "));
            Err(SpecError::new(
                format!("{place} names {word}, which is no arm of this sweep"),
                help,
            ))
        }
        several => {
            let cause = format!("{place} names {word}, which {} arms have", several.len());
            let some: Vec<&str> = several.iter().take(3).copied().collect();
            Err(SpecError::new(cause, format!("write the whole label, e.g. {}", some.join(" or "))))
        }
    }
}

/// Each arm with the one that has the values of `against` and is like it in everything else.
fn partners(
    experiment: &Experiment,
    arms: &[Arm],
    notes: &mut Vec<String>,
) -> Result<Vec<(String, String)>, SpecError> {
    let mut wanted = Vec::new();
    for (key, value) in &experiment.against {
        let name = show(key);
        let path = fields::path_of(&name).map_err(|e| e.at("against"))?;
        wanted.push((name, path, show(value)));
    }
    let shown: Vec<String> =
        wanted.iter().map(|(name, _, value)| format!("{name}={value}")).collect();
    let shown = shown.join(" ");
    let has_all = |arm: &&Arm| {
        wanted.iter().all(|(name, path, v)| value_of(arm, name, path).as_ref() == Some(v))
    };
    let (references, others): (Vec<&Arm>, Vec<&Arm>) = arms.iter().partition(has_all);
    if references.is_empty() || others.is_empty() {
        let none = if references.is_empty() { "no arm has" } else { "all arms have" };
        return Err(SpecError::new(
            format!("against: {none} {shown}"),
            "name a value that some of the arms have, e.g. against: {block: bottleneck}",
        ));
    }
    let is_key = |axis: &str| wanted.iter().any(|(name, ..)| name == axis);
    let mut pairs = Vec::new();
    for arm in others {
        let nearest =
            references.iter().map(|other| (unlike(arm, other, is_key), *other)).collect::<Vec<_>>();
        let least = nearest.iter().map(|(unlike, _)| *unlike).min().unwrap_or_default();
        let best: Vec<&Arm> = nearest
            .iter()
            .filter(|(unlike, _)| *unlike == least)
            .map(|(_, other)| *other)
            .collect();
        match &best[..] {
            [one] => pairs.push((arm.label.clone(), one.label.clone())),
            _ => notes.push(format!(
                "{} has no single partner with {shown}; it is compared with none",
                arm.label
            )),
        }
    }
    Ok(pairs)
}

/// How many axes, then how many fields, tell two arms apart beside the named ones.
fn unlike(a: &Arm, b: &Arm, is_key: impl Fn(&str) -> bool) -> (usize, usize) {
    let of = |arm: &Arm, axis: &str| {
        arm.coordinates.iter().find(|(name, _)| name == axis).map(|(_, v)| v.clone())
    };
    let axes = a
        .coordinates
        .iter()
        .filter(|(axis, value)| !is_key(axis) && of(b, axis).as_ref() != Some(value));
    let tree = |arm: &Arm| serde_yaml::to_value(&arm.spec).unwrap_or_default();
    (axes.count(), differing(&tree(a), &tree(b)))
}

/// Leaves in which two trees differ.
fn differing(a: &Value, b: &Value) -> usize {
    match (a, b) {
        (Value::Mapping(a), Value::Mapping(b)) => {
            let of_a =
                a.iter().map(|(key, value)| b.get(key).map_or(1, |other| differing(value, other)));
            of_a.sum::<usize>() + b.keys().filter(|key| !a.contains_key(key)).count()
        }
        _ => usize::from(a != b),
    }
}

/// What an arm has on an axis or in a field.
fn value_of(arm: &Arm, name: &str, path: &str) -> Option<String> {
    if let Some((_, value)) = arm.coordinates.iter().find(|(axis, _)| axis == name) {
        return Some(value.clone());
    }
    if name == "depth" {
        return arm.spec.model.depth().map(|depth| depth.to_string());
    }
    let tree = serde_yaml::to_value(&arm.spec).ok()?;
    fields::get(&tree, path).map(show)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expansion, axes, experiment};

    fn expand(text: &str, words: &[&str]) -> Result<Expansion, SpecError> {
        let axes: Vec<_> = words.iter().map(|word| axes::Axis::parse(word).unwrap()).collect();
        crate::expand(&experiment::parse(text, "e.yaml")?, &axes)
    }

    const GRID: &str = "name: e\nmodel: {block: res2, depth: 50, scale: 4}\naxes: {scale: [1, 4], depth: [50, 101]}\n";

    #[test]
    fn each_arm_finds_its_own_partner() {
        let pairs = expand(&format!("{GRID}against: {{scale: 1}}\n"), &[]).unwrap().contrasts.pairs;
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            pairs,
            [
                pair("scale=4 depth=50", "scale=1 depth=50"),
                pair("scale=4 depth=101", "scale=1 depth=101")
            ]
        );
        let zoo =
            "name: e\naxes: {zoo: [resnet50, res2net50_26w_4s, seresnet50, seres2net50_26w_4s]}\n";
        let pairs =
            expand(&format!("{zoo}against: {{block: bottleneck}}\n"), &[]).unwrap().contrasts.pairs;
        let expected = [("res2net50_26w_4s", "resnet50"), ("seres2net50_26w_4s", "seresnet50")];
        assert_eq!(pairs, expected.map(|(a, b)| pair(&format!("zoo={a}"), &format!("zoo={b}"))));
    }

    #[test]
    fn arms_are_named_by_labels_or_by_values() {
        let zoo = "name: e\naxes: {zoo: [resnet50, res2net50_26w_4s]}\n";
        let of = |line: &str| expand(&format!("{zoo}{line}\n"), &[]).map(|e| e.contrasts);
        let found =
            of("compare: [[res2net50_26w_4s, zoo=resnet50]]\nbaseline: resnet50\nmargin: 0.3")
                .unwrap();
        assert_eq!(found.pairs, [("zoo=res2net50_26w_4s".to_owned(), "zoo=resnet50".to_owned())]);
        assert_eq!((found.baseline.as_deref(), found.margin), (Some("zoo=resnet50"), 0.3));
        let wrong = of("compare: [[resnet5, resnet50]]").unwrap_err();
        assert!(wrong.cause.contains("compare names resnet5, which is no arm"), "{wrong}");
        assert!(wrong.help.contains("did you mean resnet50?"), "{}", wrong.help);
        assert!(of("compare: [[resnet50]]").unwrap_err().help.contains("write pairs"));
        assert!(of("margin: -1").unwrap_err().cause.contains("margin -1 is impossible"));
        let twice = expand(&format!("{GRID}baseline: 50\n"), &[]).unwrap_err();
        assert!(twice.cause.contains("which 2 arms have"), "{twice}");
    }

    #[test]
    fn what_the_file_asks_gives_way_to_other_axes() {
        let found = expand(
            &format!("{GRID}compare: [[scale=4 depth=50, scale=1 depth=50]]\n"),
            &["width=14,26"],
        )
        .unwrap();
        assert!(found.contrasts.pairs.is_empty());
        assert!(
            found.notes.iter().any(|note| note.contains("that is left out")),
            "{:?}",
            found.notes
        );
    }
}
