//! The page of `rf`: what it prints, as a page of figures that others can open.

use crate::rf::analysis::{Analysis, HEADERS, SplitRow, cells, node_asked, sentences, weighting};
use crate::rf::networks::{Asked, RfOptions};
use res2lab_error::Error;
use res2lab_report::axis::Axis;
use res2lab_report::encoding::SHAPES;
use res2lab_report::fields::{Fields, render};
use res2lab_report::figures::Table;
use res2lab_report::network::Network;
use res2lab_report::study::COLORS;
use res2lab_store::atomic;
use std::path::PathBuf;

/// Writes the page and returns where it is.
pub fn write(
    options: &RfOptions,
    asked: &[Asked],
    analyses: &[Analysis],
) -> Result<PathBuf, Error> {
    let path = match &options.page {
        Some(path) => path.clone(),
        None => {
            let folder = options.folders.reports.join("rf");
            atomic::create_dir(&folder)?;
            folder.join(file_name(options))
        }
    };
    let page = render(&fields(options, asked, analyses)?)?;
    atomic::write(&path, page.as_bytes())?;
    Ok(path)
}

/// What was asked, in letters that every file system takes: other questions give other pages.
fn file_name(options: &RfOptions) -> String {
    const MOST: usize = 120;
    let mut words = options.words.clone();
    words.extend(options.size.map(|px| format!("size-{px}")));
    words.extend(options.at.as_ref().map(|node| format!("at-{node}")));
    words.extend(options.branch_equal.then(|| "branch-equal".to_owned()));
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' };
    let name: String = words.join("__").chars().map(plain).take(MOST).collect();
    format!("{}.html", name.trim_start_matches('.'))
}

fn fields(options: &RfOptions, asked: &[Asked], analyses: &[Analysis]) -> Result<Fields, Error> {
    let axes = axes(asked);
    let network = |(i, asked): (usize, &Asked)| {
        let value = |axis: &Axis| {
            asked.coordinates.iter().find(|(label, _)| *label == axis.label).map(|c| c.1.clone())
        };
        Ok(Network {
            label: asked.name.clone(),
            id: asked.name.clone(),
            color: (i < COLORS).then_some(i),
            shape: i % SHAPES,
            node: node_asked(options, asked)?,
            graph: asked.graph.clone(),
            image_px: asked.graph.nodes[0].shape.width,
            places: vec![axes.iter().map(value).collect()],
            variant: String::new(),
        })
    };
    let networks = asked.iter().enumerate().map(network).collect::<Result<_, Error>>()?;
    Ok(Fields {
        title: options.words.join(" "),
        command: command(options),
        asked: options.at.clone().unwrap_or_else(|| "the last stage".to_owned()),
        weighting: weighting(options),
        networks,
        axes,
        table: table(
            "network",
            analyses.iter().map(|a| [vec![a.name.clone()], cells(&a.seen)].concat()),
        ),
        stages: stages(analyses),
        splits: splits(analyses),
        notes: sentences(analyses, options),
    })
}

fn command(options: &RfOptions) -> String {
    let mut words = vec!["just rf".to_owned(), options.words.join(" ")];
    words.extend(options.size.map(|px| format!("--size {px}")));
    words.extend(options.at.as_ref().map(|node| format!("--at {node}")));
    words.extend(options.branch_equal.then(|| "--branch-equal".to_owned()));
    words.join(" ")
}

/// What differs between the networks, in the order in which it was asked.
fn axes(asked: &[Asked]) -> Vec<Axis> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for (label, value) in asked.iter().flat_map(|asked| &asked.coordinates) {
        match found.iter_mut().find(|(known, _)| known == label) {
            Some((_, values)) if values.contains(value) => {}
            Some((_, values)) => values.push(value.clone()),
            None => found.push((label.clone(), vec![value.clone()])),
        }
    }
    found
        .into_iter()
        .filter(|(_, values)| values.len() > 1)
        .map(|(label, values)| Axis::new(&label, values))
        .collect()
}

fn table(first: &str, rows: impl Iterator<Item = Vec<String>>) -> Table {
    let columns = std::iter::once(first).chain(HEADERS).map(str::to_owned).collect();
    Table { columns, rows: rows.collect() }
}

fn stages(analyses: &[Analysis]) -> Table {
    let rows = analyses.iter().flat_map(|a| {
        a.stages
            .iter()
            .map(|stage| [vec![a.name.clone(), stage.node.clone()], cells(stage)].concat())
    });
    let mut table = table("network", rows);
    table.columns.insert(1, "stage".to_owned());
    table
}

/// A line for each block; its splits side by side, so that scales can be compared between networks.
fn splits(analyses: &[Analysis]) -> Table {
    let rows = analyses.iter().flat_map(|a| {
        a.splits.chunk_by(|one, next| one.block == next.block).map(|block| {
            let list = |px: fn(&SplitRow) -> i64| {
                block.iter().map(|s| px(s).to_string()).collect::<Vec<_>>().join(", ")
            };
            vec![
                a.name.clone(),
                block[0].block.clone(),
                list(|s| s.rf_min_px),
                list(|s| s.rf_max_px),
            ]
        })
    });
    Table {
        columns: ["network", "block", "shortest px", "longest px"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}
