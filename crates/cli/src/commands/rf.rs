//! `res2lab rf`: exact receptive fields of a network, of several along axes, or of the arms of a
//! sweep.

use crate::args::{MeasureArgs, RfArgs, SignOf};
use crate::commands::report;
use crate::effective::Ask;
use crate::failure::Failure;
use crate::network::published_input;
use crate::print;
use crate::{effective, fields, named};
use res2lab_arch::{Graph, Input, ModelOverrides, NodeId};
use res2lab_experiment::axes::{self, Axis};
use res2lab_explain::{Options, Sign};
use res2lab_rf::paths::share_within;
use res2lab_rf::productive::{Productivity, layers};
use res2lab_rf::{Paths, Weighting};
use res2lab_store::effective::Effective;
use res2lab_store::{Plan, PlannedTrial};
use serde::Serialize;
use serde_yaml::{Mapping, Value};
use std::collections::HashSet;

/// One network and what its units see.
#[derive(Serialize)]
pub(crate) struct Analysis {
    pub name: String,
    pub image_px: usize,
    /// Of the node that was asked for, the last stage's end as a rule.
    #[serde(flatten)]
    pub seen: Seen,
    pub stages: Vec<Seen>,
    pub splits: Vec<SplitRow>,
    /// Layers with a window that add nothing for images of this size.
    pub unproductive: Vec<String>,
    /// Sizes in pixels with the share of paths that have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Vec<(u64, f64)>>,
}

/// What the units of one node see, along one axis.
#[derive(Serialize)]
pub(crate) struct Seen {
    pub node: String,
    /// Pixels from one unit to the next.
    pub jump_px: i64,
    /// First pixel that unit 0 sees; negative numbers lie in the padding.
    pub low_px: i64,
    pub rf_min_px: i64,
    pub rf_max_px: i64,
    pub rf_mean_px: Option<f64>,
    pub rf_sd_px: Option<f64>,
    pub rf_p05_px: Option<u64>,
    pub rf_p50_px: Option<u64>,
    pub rf_p95_px: Option<u64>,
    pub distinct: usize,
    pub log10_paths: f64,
    /// Share of paths that see no more than the image is wide.
    pub share_within_image: f64,
    /// Share of paths through a pool over the whole image.
    pub share_global: f64,
    pub misalignment_px: f64,
    /// Standard deviation of the analytic effective field.
    pub erf_sigma_px: f64,
}

#[derive(Serialize)]
pub(crate) struct SplitRow {
    pub block: String,
    pub split: usize,
    pub rf_min_px: i64,
    pub rf_max_px: i64,
}

/// Prints them.
pub(crate) fn run(args: &RfArgs) -> Result<u8, Failure> {
    if args.measure {
        return measure(args);
    }
    let asked = networks(args)?;
    let analyses: Vec<Analysis> =
        asked.iter().map(|asked| analyze(args, asked)).collect::<Result<_, _>>()?;
    match &analyses[..] {
        all if args.json && all.len() == 1 => print::json(&all[0]),
        all if args.json => print::json(&all),
        [one] => show(one, args),
        all => compare(all, args),
    }
    if args.json && args.page.is_none() {
        return Ok(0);
    }
    match fields::write(args, &asked, &analyses) {
        Ok(path) if !args.json => print::line(&format!("page: {}", path.display())),
        Ok(_) => {}
        // Nobody asked for a page; what was asked for is printed.
        Err(e) if args.page.is_none() => {
            print::line(&format!("note: there is no page: {}", e.cause))
        }
        Err(e) => return Err(e),
    }
    Ok(0)
}

/// Measures a sweep's trained networks, and rebuilds its report with what was found.
fn measure(args: &RfArgs) -> Result<u8, Failure> {
    let [name] = &args.words[..] else {
        return Err(Failure::input(
            "--measure wants the name of one sweep",
            "e.g. just rf quickstart --measure",
        ));
    };
    if args.how.images == 0 || args.how.images > 100_000 {
        return Err(Failure::input(
            format!("--images {} is impossible", args.how.images),
            "give at least 1",
        ));
    }
    let dir = named::sweep(&args.folders.reports, name)?;
    let plan = Plan::read(&dir).map_err(|e| Failure::input(e.cause, e.help))?;
    tch::set_num_threads(res2lab_sweep::local::available_cores().len() as i32);
    let found = effective::measure(&dir, &plan, &ask(&args.how), &args.folders.data)?;
    res2lab_store::effective::write(&dir, &found)?;
    report::rebuild(&dir, false)?;
    if args.json {
        print::json(&found);
        return Ok(0);
    }
    show_measured(&found);
    print::line(&format!("report: {}", dir.page().display()));
    Ok(0)
}

fn ask(how: &MeasureArgs) -> Ask {
    let sign = match how.sign {
        SignOf::Absolute => Sign::Absolute,
        SignOf::Positive => Sign::Positive,
        SignOf::Signed => Sign::Signed,
    };
    let options = Options { sign, relu: how.relu };
    Ask {
        images: how.images,
        noise: how.noise,
        float64: how.float64,
        options,
        one_per_arm: how.one_per_arm,
    }
}

/// A line for each stage of each arm.
fn show_measured(found: &Effective) {
    let headers = [
        "arm",
        "node",
        "exact max px",
        "sigma init px",
        "sigma trained px",
        "2 sigma size px",
        "50 % area",
        "cut off",
    ];
    let mut rows = Vec::new();
    for arm in &found.arms {
        let [init, trained] = &arm.states[..] else { continue };
        for (before, after) in init.nodes.iter().zip(&trained.nodes) {
            rows.push(vec![
                arm.label.clone(),
                after.node.clone(),
                after.rf_max_px.to_string(),
                format!("{:.1}", before.sigma_px()),
                format!("{:.1}", after.sigma_px()),
                format!("{:.1}", after.size_px),
                format!("{:.1} %", 100.0 * after.area_ratios[2]),
                if after.is_saturated { "yes".into() } else { String::new() },
            ]);
        }
    }
    print::table(&headers, 2, rows);
}

/// A network to look at.
pub(crate) struct Asked {
    pub name: String,
    pub graph: Graph,
    /// Axes and where it stands on them.
    pub coordinates: Vec<(String, String)>,
}

/// The arms of a sweep of this name, or the networks that the words describe.
fn networks(args: &RfArgs) -> Result<Vec<Asked>, Failure> {
    let reports = &args.folders.reports;
    if let [word] = &args.words[..]
        && !word.contains('=')
        && let Ok(dir) = named::sweep(reports, word)
    {
        return arms(&Plan::read(&dir)?);
    }
    let bare = args.words.iter().find(|word| !word.contains('='));
    if let Some(unknown) = bare.and_then(|word| named::unknown(reports, word)) {
        return Err(unknown);
    }
    let mut varied = Vec::new();
    for word in &args.words {
        let axis =
            Axis::parse(&if word.contains('=') { word.clone() } else { format!("zoo={word}") })?;
        if let Some(path) = axis.paths.iter().find(|path| !path.starts_with("model.")) {
            let help = "receptive fields follow from the network; vary depth, width, cardinality, scale, zoo, ...";
            return Err(Failure::input(format!("{path} is no field of a network"), help));
        }
        varied.push(axis);
    }
    let mut points: Vec<(Vec<(String, String)>, Mapping)> = vec![(vec![], Mapping::new())];
    for axis in &varied {
        let longer = |(at, map): &(Vec<(String, String)>, Mapping)| {
            let at = at.clone();
            let map = map.clone();
            axis.points
                .iter()
                .map(move |point| with(at.clone(), map.clone(), axis, point))
                .collect::<Vec<_>>()
        };
        points = points.iter().flat_map(longer).collect();
    }
    points.into_iter().map(|(at, map)| network(args, at, map)).collect()
}

fn with(
    mut at: Vec<(String, String)>,
    mut map: Mapping,
    axis: &Axis,
    point: &[Value],
) -> (Vec<(String, String)>, Mapping) {
    for (path, value) in axis.paths.iter().zip(point) {
        map.insert(path.trim_start_matches("model.").into(), value.clone());
    }
    at.push((axis.label.clone(), point.iter().map(axes::show).collect::<Vec<_>>().join("+")));
    (at, map)
}

fn network(
    args: &RfArgs,
    coordinates: Vec<(String, String)>,
    map: Mapping,
) -> Result<Asked, Failure> {
    let words_of_model: ModelOverrides = serde_yaml::from_value(Value::Mapping(map))
        .map_err(|e| Failure::from(res2lab_experiment::experiment::explain(&e)))?;
    let (model, _) = words_of_model.resolve()?;
    let published = published_input(&words_of_model)?;
    let px = args.size.unwrap_or(published.height);
    let graph = res2lab_arch::build(&model, Input { height: px, width: px, ..published })?;
    let words: Vec<String> =
        coordinates.iter().map(|(axis, value)| format!("{axis}={value}")).collect();
    let name = match &words[..] {
        [] => res2lab_experiment::id::readable(&model),
        words => words.join(" ").replace("zoo=", ""),
    };
    Ok(Asked { name, graph, coordinates })
}

fn arms(plan: &Plan) -> Result<Vec<Asked>, Failure> {
    let mut seen = HashSet::new();
    let firsts = plan.trials.iter().filter(|trial| seen.insert(trial.arm.clone()));
    let asked = |trial: &PlannedTrial| {
        let coordinates = trial.coordinates.clone();
        Ok(Asked { name: trial.label.clone(), graph: trial.graph()?, coordinates })
    };
    firsts.map(asked).collect()
}

/// The node that is asked.
pub(crate) fn node_asked(args: &RfArgs, of: &Asked) -> Result<NodeId, Failure> {
    match &args.at {
        None => Ok(res2lab_rf::last_stage(&of.graph)),
        Some(node) => of.graph.find(node).ok_or_else(|| {
            let help = "name a node or a module as weights do, e.g. layer2, layer1.0.convs.2, layer3.1.concat";
            Failure::input(format!("{} has no node {node}", of.name), help)
        }),
    }
}

/// What a path counts, as asked.
pub(crate) fn weighting(args: &RfArgs) -> Weighting {
    if args.branch_equal { Weighting::BranchEqual } else { Weighting::Structural }
}

fn analyze(args: &RfArgs, of: &Asked) -> Result<Analysis, Failure> {
    let at = node_asked(args, of)?;
    let graph = &of.graph;
    let weighting = weighting(args);
    let nodes: Vec<NodeId> =
        std::iter::once(at).chain(graph.stages.iter().map(|stage| stage.node)).collect();
    let paths = res2lab_rf::paths(graph, weighting, &nodes);
    let sigmas = res2lab_rf::spread::sigmas(graph, weighting);
    let fields = res2lab_rf::fields(graph);
    let image_px = graph.nodes[0].shape.width;
    let names = std::iter::once(args.at.as_deref().unwrap_or("the last stage").to_owned())
        .chain(graph.stages.iter().map(|stage| stage.name.clone()));
    let mut seen: Vec<Seen> = names
        .zip(nodes.iter().zip(&paths))
        .map(|(name, (id, paths))| of_node(name, &fields[id.0], paths, sigmas[id.0], image_px))
        .collect();
    let splits = res2lab_rf::splits::splits(graph).into_iter().map(|s| SplitRow {
        block: s.block.trim_end_matches(".concat").to_owned(),
        split: s.index,
        rf_min_px: s.min_px,
        rf_max_px: s.max_px,
    });
    let idle =
        layers(graph, image_px).into_iter().filter(|(_, what)| *what == Productivity::Unproductive);
    let total: f64 = paths[0].sizes().iter().map(|(_, weight)| weight).sum();
    let shares = || paths[0].sizes().into_iter().map(|(px, weight)| (px, weight / total)).collect();
    Ok(Analysis {
        name: of.name.clone(),
        image_px,
        distribution: args.distribution.then(shares),
        seen: seen.remove(0),
        stages: seen,
        splits: splits.collect(),
        unproductive: idle.map(|(id, _)| graph.node(id).name.clone()).collect(),
    })
}

fn of_node(
    node: String,
    field: &res2lab_rf::Field,
    paths: &Paths,
    sigma: f64,
    image_px: usize,
) -> Seen {
    let summary = paths.summary();
    let sizes = paths.sizes();
    Seen {
        node,
        jump_px: field.jump,
        low_px: field.low,
        rf_min_px: field.min_px(),
        rf_max_px: field.max_px(),
        rf_mean_px: summary.as_ref().map(|s| s.mean_px),
        rf_sd_px: summary.as_ref().map(|s| s.sd_px),
        rf_p05_px: summary.as_ref().map(|s| s.p05_px),
        rf_p50_px: summary.as_ref().map(|s| s.p50_px),
        rf_p95_px: summary.as_ref().map(|s| s.p95_px),
        distinct: summary.as_ref().map_or(0, |s| s.distinct),
        log10_paths: paths.log10_count(),
        share_within_image: if sizes.is_empty() {
            0.0
        } else {
            share_within(&sizes, image_px as u64)
        },
        share_global: paths.whole_share(),
        misalignment_px: field.misalignment_px(),
        erf_sigma_px: sigma,
    }
}

pub(crate) const HEADERS: [&str; 8] =
    ["min px", "max px", "mean ± sd", "5–95 %", "sizes", "paths", "within image", "ERF sigma"];

/// In the order of [`HEADERS`].
pub(crate) fn cells(seen: &Seen) -> Vec<String> {
    let mean = seen
        .rf_mean_px
        .zip(seen.rf_sd_px)
        .map_or("–".into(), |(mean, sd)| format!("{mean:.1} ± {sd:.1}"));
    let range = seen
        .rf_p05_px
        .zip(seen.rf_p95_px)
        .map_or("–".into(), |(low, high)| format!("{low}–{high}"));
    let paths = match seen.log10_paths {
        log if log < 6.0 => format!("{:.0}", 10f64.powf(log)),
        log => format!("{:.2}e{}", 10f64.powf(log.fract()), log.trunc()),
    };
    vec![
        seen.rf_min_px.to_string(),
        seen.rf_max_px.to_string(),
        mean,
        range,
        seen.distinct.to_string(),
        paths,
        format!("{:.1} %", 100.0 * seen.share_within_image),
        format!("{:.1}", seen.erf_sigma_px),
    ]
}

fn show(analysis: &Analysis, args: &RfArgs) {
    print::line(&format!("{}, images of {1} x {1} px", analysis.name, analysis.image_px));
    let headers: Vec<&str> = std::iter::once("stage").chain(HEADERS).collect();
    let row = |seen: &Seen| std::iter::once(seen.node.clone()).chain(cells(seen)).collect();
    let asked = args.at.is_some().then_some(&analysis.seen);
    print::table(&headers, 1, analysis.stages.iter().chain(asked).map(row).collect());
    if args.splits {
        let row = |s: &SplitRow| {
            vec![
                s.block.clone(),
                s.split.to_string(),
                s.rf_min_px.to_string(),
                s.rf_max_px.to_string(),
            ]
        };
        print::table(
            &["block", "split", "min px", "max px"],
            1,
            analysis.splits.iter().map(row).collect(),
        );
    }
    notes(std::slice::from_ref(analysis), args);
}

fn compare(all: &[Analysis], args: &RfArgs) {
    let headers: Vec<&str> = std::iter::once("network").chain(HEADERS).collect();
    let row = |a: &Analysis| std::iter::once(a.name.clone()).chain(cells(&a.seen)).collect();
    print::table(&headers, 1, all.iter().map(row).collect());
    notes(all, args);
}

fn notes(all: &[Analysis], args: &RfArgs) {
    sentences(all, args).iter().for_each(|sentence| print::line(sentence));
}

/// What has to be known beside the numbers.
pub(crate) fn sentences(all: &[Analysis], args: &RfArgs) -> Vec<String> {
    let weighting =
        if args.branch_equal { "branches weigh alike" } else { "every path counts one" };
    let mut said = vec![format!(
        "A path is a choice of one route through every block; {weighting}. Sizes are pixels along a side."
    )];
    for Analysis { name, seen, unproductive, .. } in all {
        if seen.misalignment_px > 0.0 {
            said.push(format!(
                "note: {name}: centers of paths are up to {} px apart",
                seen.misalignment_px
            ));
        }
        if seen.share_global > 0.0 {
            let share = 100.0 * seen.share_global;
            said.push(format!(
                "note: {name}: {share:.1} % of paths lead through a pool over the whole image, and are in no mean"
            ));
        }
        if !unproductive.is_empty() {
            let n = unproductive.len();
            said.push(format!(
                "note: {name}: {n} layers read only what has seen the whole image by every path"
            ));
        }
    }
    said
}
