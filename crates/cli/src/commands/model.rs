//! `res2lab model`: a network's size, cost and stages.

use crate::args::{ModelArgs, Output};
use crate::{print, records};
use res2lab_arch::graph::Stage;
use res2lab_arch::{Cost, Graph, Input, ModelOverrides, ModelSpec, zoo};
use res2lab_error::Error;
use res2lab_lab::network::{Words, published_input};
use res2lab_nn::PlannedStep;
use serde::Serialize;

#[derive(Serialize)]
struct Description {
    name: String,
    model: ModelSpec,
    image_px: usize,
    image_channels: usize,
    classes: usize,
    #[serde(flatten)]
    costs: Costs,
    rf_min_px: u64,
    rf_max_px: u64,
    stages: Vec<StageRow>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Costs {
    parameters: u64,
    macs: u64,
    activations: u64,
}

#[derive(Serialize)]
struct StageRow {
    name: String,
    channels: usize,
    height: usize,
    width: usize,
}

/// A known network as a row for other programs.
#[derive(Serialize)]
struct Known<'a> {
    network: &'a str,
    also: String,
    parameters: u64,
    macs: u64,
    activations: u64,
    image_px: usize,
    rf_min_px: u64,
    rf_max_px: u64,
}

impl Known<'_> {
    fn of(d: &Description) -> Known<'_> {
        let aliases: Vec<_> =
            d.notes.iter().map(|n| n.trim_start_matches("also called ")).collect();
        Known {
            network: &d.name,
            also: aliases.join(" "),
            parameters: d.costs.parameters,
            macs: d.costs.macs,
            activations: d.costs.activations,
            image_px: d.image_px,
            rf_min_px: d.rf_min_px,
            rf_max_px: d.rf_max_px,
        }
    }
}

/// Prints a network, or the list of known ones.
pub(crate) fn run(args: &ModelArgs) -> Result<u8, Error> {
    if args.list {
        list(args.output)?;
        return Ok(0);
    }
    let (name, words) = words(&args.words)?;
    if args.program {
        return program(args, &words);
    }
    let description = describe(&name, &words, input(args, &words)?)?;
    if args.output.is_text() {
        show(&description)
    } else {
        records::print(args.output.format(), &description, &description.stages)?
    }
    Ok(0)
}

/// Prints the planned training step of a network.
fn program(args: &ModelArgs, words: &ModelOverrides) -> Result<u8, Error> {
    if [args.batch, args.threads].iter().any(|&n| n == 0 || n > 100_000) {
        return Err(Error::input(
            "batch or threads are impossible",
            "give whole numbers of at least 1",
        ));
    }
    let (model, _) = words.resolve()?;
    let graph = res2lab_arch::build(&model, input(args, words)?)?;
    let text = PlannedStep::describe(&graph, args.batch, args.threads);
    text.lines().for_each(print::line);
    Ok(0)
}

/// A bare name and `field=value` words, as one.
fn words(words: &[String]) -> Result<(String, ModelOverrides), Error> {
    let split = Words::split(words, &[])?;
    let words = split.model()?;
    let (model, _) = words.resolve()?;
    Ok((
        split.name().map_or_else(|| res2lab_experiment::id::readable(&model), str::to_owned),
        words,
    ))
}

/// The published size and classes, the stem's usual ones otherwise, then the flags.
fn input(args: &ModelArgs, words: &ModelOverrides) -> Result<Input, Error> {
    let published = published_input(words)?;
    let size = args.size.unwrap_or(published.height);
    let channels = args.channels.unwrap_or(published.channels);
    let classes = args.classes.unwrap_or(published.classes);
    if [size, channels, classes].iter().any(|&n| n == 0 || n > 1_000_000) {
        return Err(Error::input(
            "size, classes or channels are impossible",
            "give whole numbers of at least 1",
        ));
    }
    Ok(Input { channels, height: size, width: size, classes })
}

fn describe(name: &str, words: &ModelOverrides, input: Input) -> Result<Description, Error> {
    let (model, notes) = words.resolve()?;
    let graph = res2lab_arch::build(&model, input)?;
    let Cost { parameters, macs, activations, .. } = res2lab_arch::cost(&graph);
    let extent = res2lab_rf::extent(&graph);
    Ok(Description {
        name: name.to_owned(),
        model,
        image_px: input.height,
        image_channels: input.channels,
        classes: input.classes,
        costs: Costs { parameters, macs, activations },
        rf_min_px: extent.min_px,
        rf_max_px: extent.max_px,
        stages: stages(&graph),
        notes,
    })
}

/// The stages, and the output if it is a map.
fn stages(graph: &Graph) -> Vec<StageRow> {
    let row = |stage: &Stage| {
        let shape = graph.node(stage.node).shape;
        StageRow {
            name: stage.name.clone(),
            channels: shape.channels,
            height: shape.height,
            width: shape.width,
        }
    };
    let map = Stage { name: "map".into(), node: graph.output() };
    let map = Some(&map).filter(|_| graph.is_dense());
    graph.stages.iter().chain(map).map(row).collect()
}

fn show(d: &Description) {
    print::line(&format!("{}, {} classes, {}x{} px", d.name, d.classes, d.image_px, d.image_px));
    for (what, n) in [
        ("parameters", d.costs.parameters),
        ("multiply-adds", d.costs.macs),
        ("activations", d.costs.activations),
    ] {
        print::line(&format!("  {what:15} {:>10}  {n}", print::short(n)));
    }
    print::line(&format!(
        "  {:15} {} to {} px a side",
        "receptive field", d.rf_min_px, d.rf_max_px
    ));
    let rows = d
        .stages
        .iter()
        .map(|s| vec![s.name.clone(), s.channels.to_string(), format!("{}x{}", s.height, s.width)]);
    print::table(&["stage", "channels", "map"], 1, rows.collect());
    d.notes.iter().for_each(|note| print::line(&format!("note: {note}")));
}

fn list(output: Output) -> Result<(), Error> {
    let mut all = Vec::new();
    for entry in zoo::entries() {
        let mut description = describe(entry.name, &entry.words, entry.input)?;
        description.notes =
            entry.aliases.iter().map(|alias| format!("also called {alias}")).collect();
        all.push(description);
    }
    if !output.is_text() {
        return records::print(
            output.format(),
            &all,
            &all.iter().map(Known::of).collect::<Vec<_>>(),
        );
    }
    let row = |d: &Description| {
        let known = Known::of(d);
        vec![
            d.name.clone(),
            known.also,
            print::short(known.parameters),
            print::short(known.macs),
            known.image_px.to_string(),
            known.rf_max_px.to_string(),
        ]
    };
    let headers = ["network", "also", "parameters", "multiply-adds", "px", "receptive field"];
    let rows = all.iter().map(row).collect();
    print::table_of(&print::Table {
        headers: &headers,
        left: 2,
        rows,
        spare: &["also"],
        best: None,
    });
    Ok(())
}
