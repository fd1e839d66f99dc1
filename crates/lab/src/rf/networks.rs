//! The networks that words or a sweep name.

use crate::named;
use crate::network::published_input;
use crate::options::Folders;
use res2lab_arch::{Graph, Input, ModelOverrides};
use res2lab_error::Error;
use res2lab_experiment::axes::{self, Axis};
use res2lab_experiment::product;
use res2lab_store::{Plan, PlannedTrial};
use serde_yaml::{Mapping, Value};
use std::collections::HashSet;
use std::path::PathBuf;

/// Which networks are analyzed, and how.
#[derive(Clone, Debug, Default)]
pub struct RfOptions {
    /// The name of a network or a sweep, fields and axes: `depth=50`, `scale=2,4`.
    pub words: Vec<String>,
    /// Image size in pixels; the size that the network was published for if none.
    pub size: Option<usize>,
    /// The node or module whose units are asked; the last stage if none.
    pub at: Option<String>,
    /// Whether paths weigh by equal shares at every branch, instead of one each.
    pub branch_equal: bool,
    /// Whether every size is listed with the share of paths that have it.
    pub distribution: bool,
    /// Where the page goes; `rf/` in the folder of reports if none.
    pub page: Option<PathBuf>,
    pub folders: Folders,
}

/// A network to look at.
pub struct Asked {
    pub name: String,
    pub graph: Graph,
    /// Axes and where it stands on them.
    pub coordinates: Vec<(String, String)>,
}

/// The arms of a sweep of this name, or the networks that the words describe.
///
/// # Errors
/// Unknown names, fields that are not about a network, impossible networks.
pub fn networks(options: &RfOptions) -> Result<Vec<Asked>, Error> {
    let reports = &options.folders.reports;
    if let [word] = &options.words[..]
        && !word.contains('=')
        && let Ok(dir) = named::sweep(reports, word)
    {
        return arms(&Plan::read(&dir)?);
    }
    let bare = options.words.iter().find(|word| !word.contains('='));
    if let Some(unknown) = bare.and_then(|word| named::unknown(reports, word)) {
        return Err(unknown);
    }
    let mut varied = Vec::new();
    for word in &options.words {
        let axis =
            Axis::parse(&if word.contains('=') { word.clone() } else { format!("zoo={word}") })?;
        if let Some(path) = axis.paths.iter().find(|path| !path.starts_with("model.")) {
            let help = "receptive fields follow from the network; vary depth, width, cardinality, scale, zoo, ...";
            return Err(Error::input(format!("{path} is no field of a network"), help));
        }
        varied.push(axis);
    }
    let line =
        |axis: &Axis| axis.points.iter().map(|point| vec![(axis.clone(), point.clone())]).collect();
    product(&varied.iter().map(line).collect::<Vec<_>>())
        .iter()
        .map(|points| network(options, points))
        .collect()
}

/// The network at a point on each axis.
fn network(options: &RfOptions, points: &[(Axis, Vec<Value>)]) -> Result<Asked, Error> {
    let mut map = Mapping::new();
    let mut coordinates = Vec::new();
    for (axis, point) in points {
        for (path, value) in axis.paths.iter().zip(point) {
            map.insert(path.trim_start_matches("model.").into(), value.clone());
        }
        let shown = point.iter().map(axes::show).collect::<Vec<_>>().join("+");
        coordinates.push((axis.label.clone(), shown));
    }
    let words_of_model: ModelOverrides = serde_yaml::from_value(Value::Mapping(map))
        .map_err(|e| res2lab_experiment::experiment::explain(&e))?;
    let (model, _) = words_of_model.resolve()?;
    let published = published_input(&words_of_model)?;
    let px = options.size.unwrap_or(published.height);
    let graph = res2lab_arch::build(&model, Input { height: px, width: px, ..published })?;
    let words: Vec<String> =
        coordinates.iter().map(|(axis, value)| format!("{axis}={value}")).collect();
    let name = match &words[..] {
        [] => res2lab_experiment::id::readable(&model),
        words => words.join(" ").replace("zoo=", ""),
    };
    Ok(Asked { name, graph, coordinates })
}

fn arms(plan: &Plan) -> Result<Vec<Asked>, Error> {
    let mut seen = HashSet::new();
    let firsts = plan.trials.iter().filter(|trial| seen.insert(trial.arm.clone()));
    let asked = |trial: &PlannedTrial| {
        let coordinates = trial.coordinates.clone();
        Ok(Asked { name: trial.label.clone(), graph: trial.graph()?, coordinates })
    };
    firsts.map(asked).collect()
}
