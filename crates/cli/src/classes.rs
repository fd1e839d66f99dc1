//! Names of classes: those of a trial, of published networks, of a file; and how the classes of a
//! data set meet the outputs of a network.

use crate::failure::Failure;
use res2lab_data::DataSet;
use res2lab_store::RunDir;
use std::path::Path;

/// ImageNet's classes in the order of published networks: WordNet's number and first word of each.
const IMAGENET: &str = include_str!("imagenet_classes.txt");
const IMAGENET_CLASSES: usize = 1000;

/// Names that the trial among these words keeps, in the order of its outputs; empty where there is
/// none.
pub(crate) fn of_run(words: &[String]) -> Result<Vec<String>, Failure> {
    let is_run =
        |word: &&String| !word.contains('=') && Path::new(word).join("spec.yaml").is_file();
    let Some(folder) = words.iter().find(is_run) else { return Ok(vec![]) };
    Ok(res2lab_store::atomic::read_json(&RunDir::new(folder).classes())?.unwrap_or_default())
}

/// Names for a network's outputs: from a file with a name a line, from its trial, or ImageNet's.
pub(crate) fn names(
    file: Option<&str>,
    of_run: Vec<String>,
    outputs: usize,
) -> Result<Vec<String>, Failure> {
    let Some(path) = file else {
        let imagenet = || {
            IMAGENET.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect()
        };
        return Ok(if of_run.is_empty() && outputs == IMAGENET_CLASSES {
            imagenet()
        } else {
            of_run
        });
    };
    let help = "give a file with one class name a line, in the order of the network's outputs";
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::input(format!("{path}: {e}"), help))?;
    let names: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    if names.len() == outputs && !text.trim().is_empty() {
        return Ok(names);
    }
    let given = if text.trim().is_empty() { 0 } else { names.len() };
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    Err(Failure::input(format!("{path} has {} for {outputs} classes", count(given, "name")), help))
}

/// Gives the test images of a set the labels that the network has for their classes, where both
/// have names. The names of the network's outputs, as far as they are known, and what the user
/// should know.
pub(crate) fn matched(
    set: &mut DataSet,
    own: Vec<String>,
    outputs: usize,
) -> Result<(Vec<String>, Vec<String>), Failure> {
    let ids: Vec<String> =
        IMAGENET.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect();
    let are_ids = outputs == IMAGENET_CLASSES
        && !set.classes.is_empty()
        && set.classes.iter().all(|c| ids.contains(c));
    let own = if own.is_empty() && are_ids { ids } else { own };
    let classes = set.classes.clone();
    if own.is_empty() || classes.is_empty() {
        let labels = (0..set.test.len()).map(|i| set.test.label(i) as usize + 1).max().unwrap_or(0);
        return by_number(if classes.is_empty() { own } else { classes }, labels, outputs);
    }
    if own == classes {
        return Ok((own, vec![]));
    }
    let place = |class: &String| {
        own.iter().position(|name| name == class).map(|place| place as u32).ok_or_else(|| {
            let few = own.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            let more = if own.len() > 5 { ", ..." } else { "" };
            let help = "evaluate it on pictures of its own classes, with the same names";
            Failure::input(format!("class {class} is none of the network's: {few}{more}"), help)
        })
    };
    let places = classes.iter().map(place).collect::<Result<Vec<u32>, _>>()?;
    set.test.relabel(&|label| places.get(label as usize).copied().unwrap_or(label));
    let note =
        format!("classes are matched by name: {} of the network's {}", classes.len(), own.len());
    Ok((own, vec![note]))
}

/// Without names on both sides a label means the output of its number.
fn by_number(
    classes: Vec<String>,
    labels: usize,
    outputs: usize,
) -> Result<(Vec<String>, Vec<String>), Failure> {
    let count = classes.len().max(labels);
    if count > outputs {
        return Err(Failure::input(
            format!("the data have {count} classes, the network {outputs} outputs"),
            "evaluate it on images like those it was trained on",
        ));
    }
    let note = format!(
        "the network has {outputs} outputs, the data {count} classes: class n is taken for output n, which is right only if \
         they are counted alike"
    );
    Ok((classes, if count < outputs { vec![note] } else { vec![] }))
}
