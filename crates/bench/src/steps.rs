//! Comparison of training steps and evaluation of single networks: the table of `just bench`.

use crate::against;
use crate::history::{self, Line};
use crate::run::{median, timed};
use crate::sweep;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of `steps`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A Python with torch, timm, joblib, numpy, onnx, onnxruntime and openvino
    #[arg(long, env = "RES2LAB_PYTHON", default_value = "python3")]
    python: PathBuf,
    /// Times each is run, ours and theirs in turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only rows with this in their name
    #[arg(long, default_value = "")]
    only: String,
    /// An older binary of ours: compares the two instead, without PyTorch
    #[arg(long, value_name = "OLD_BINARY")]
    against: Option<PathBuf>,
    /// With --against: how many pairs
    #[arg(long, default_value_t = 9)]
    pairs: usize,
    /// Where measurements are appended
    #[arg(long, default_value = "crates/bench/history.csv")]
    history: PathBuf,
}

/// The figure that a row compares.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Figure {
    /// Images per second.
    Speed,
    /// Peak memory, with PyTorch in channels_last.
    Memory,
}

pub(crate) struct Row {
    /// Display name.
    pub name: String,
    what: &'static str,
    /// Name in bench.py.
    model: String,
    px: usize,
    batch: usize,
    threads: usize,
    pub peer: Peer,
    pub figure: Figure,
    /// The precision of ours, and that of theirs.
    pub precision: [&'static str; 2],
    /// The required ratio on an Intel Xeon with AMX, and on an AMD EPYC of Zen 4.
    at_least: [f64; 2],
}

/// The program that ours is compared with.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Peer {
    /// PyTorch, operator by operator.
    Eager,
    /// PyTorch's compiler with freezing.
    Compiled,
    OnnxRuntime,
    OpenVino,
}

impl Peer {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Peer::Eager => &[],
            Peer::Compiled => &["--compile"],
            Peer::OnnxRuntime => &["--engine", "onnxruntime"],
            Peer::OpenVino => &["--engine", "openvino"],
        }
    }
}

/// The current binary of this program.
pub(crate) const OURS: &str = "target/release/res2lab";

const DIGITS: &str = "cifar:depth=11,planes=8,width=26,scale=4,in_channels=1,stem_stride=2";

fn rows() -> Vec<Row> {
    let row = |name: &str, what, model: &str, [px, batch, threads]: [usize; 3], at_least| Row {
        name: name.to_owned(),
        what,
        model: model.to_owned(),
        px,
        batch,
        threads,
        peer: Peer::Eager,
        figure: Figure::Speed,
        precision: ["f32", "f32"],
        at_least,
    };
    let small = "cifar:depth=11,planes=8,width=26,scale=4";
    let middle = "cifar:depth=20,planes=16,width=26,scale=4";
    let large = "res2net50_26w_4s";
    let train = |name: &str, batch, at_least| {
        row(&format!("train, {name}"), "train", name, [224, batch, 2], at_least)
    };
    let mut rows = vec![
        row("train, cifar d11 p8 26w4s", "train", small, [32, 64, 1], [3.5, 3.0]),
        row("train, cifar d20 p16 26w4s", "train", middle, [32, 64, 2], [3.5, 3.0]),
        row("train, the digits net", "train", DIGITS, [28, 32, 1], [3.5, 3.0]),
        train(large, 8, [1.6, 1.3]),
        train("resnet50", 4, [1.2, 1.2]),
        train("res2next50", 4, [1.5, 1.4]),
        train("dla60_res2net", 4, [1.5, 1.4]),
        train("res2net50_14w_8s", 4, [1.5, 1.4]),
        Row {
            name: format!("train in bf16, {large}"),
            precision: ["bf16", "bf16"],
            ..train(large, 8, [1.5, 1.3])
        },
    ];
    rows.extend(RANDOM.iter().enumerate().map(|(i, model)| {
        let model = format!("cifar:{model}");
        row(&format!("train, random {}", i + 1), "train", &model, [32, 64, 1], RANDOM_AT_LEAST)
    }));
    rows.extend(evaluations(large, row));
    for (name, precision, at_least) in [
        ("memory, train res2net50_26w_4s", ["f32", "f32"], 1.0 / 0.58),
        ("memory in bf16, train res2net50_26w_4s", ["bf16", "f32"], 1.0 / 0.4),
    ] {
        rows.push(Row {
            name: name.to_owned(),
            figure: Figure::Memory,
            precision,
            ..train(large, 8, [at_least; 2])
        });
    }
    rows
}

/// The rows of evaluations of a network.
fn evaluations(
    network: &str,
    row: impl Fn(&str, &'static str, &str, [usize; 3], [f64; 2]) -> Row,
) -> Vec<Row> {
    let peers = [
        (Peer::Eager, "PyTorch", [1.3, 1.3]),
        (Peer::Compiled, "compiled PyTorch", [1.0, 1.0]),
        (Peer::OnnxRuntime, "ONNX Runtime", [1.0, 0.9]),
        (Peer::OpenVino, "OpenVINO", [1.0, 0.9]),
    ];
    let mut rows = Vec::new();
    for (what, batch) in [("evaluate", 8), ("evaluate one image", 1)] {
        for (peer, name, at_least) in peers {
            let name = format!("{what}, {network} / {name}");
            rows.push(Row { peer, ..row(&name, "infer", network, [224, batch, 2], at_least) });
        }
    }
    let bf16 = [(Peer::Eager, "PyTorch", [1.5, 1.3]), (Peer::OpenVino, "OpenVINO", [0.45, 0.45])];
    for (peer, name, at_least) in bf16 {
        let name = format!("evaluate in bf16, {network} / {name}");
        let of_row = row(&name, "infer", network, [224, 8, 2], at_least);
        rows.push(Row { peer, precision: ["bf16", "bf16"], ..of_row });
    }
    rows
}

/// What the median of the random networks must reach, on an Intel Xeon and on an AMD EPYC.
const RANDOM_AT_LEAST: [f64; 2] = [2.5, 2.3];

/// Randomly chosen networks (scale 1 to 8, cardinality 1 to 4, widths that are no multiples of 8).
/// Depth and planes are chosen so that a step takes some ten milliseconds.
const RANDOM: [&str; 8] = [
    "depth=11,planes=16,width=37,scale=3,cardinality=2",
    "depth=20,planes=8,width=29,scale=5,cardinality=1",
    "depth=11,planes=16,width=21,scale=7,cardinality=1",
    "depth=20,planes=8,width=45,scale=1,cardinality=4",
    "depth=11,planes=32,width=13,scale=8,cardinality=1",
    "depth=20,planes=16,width=19,scale=2,cardinality=3",
    "depth=11,planes=24,width=27,scale=4,cardinality=4",
    "depth=20,planes=16,width=11,scale=6,cardinality=2",
];

/// Measures all rows and prints them as a table.
pub(crate) fn run(args: &Args) -> Result<()> {
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.name.contains(&args.only)).collect();
    if let Some(old) = &args.against {
        return against::run(&rows, old, args.pairs);
    }
    println!(
        "{}; medians of {} rounds: the peer (PyTorch in its better layout) between two measurements of ours, of which the better counts",
        history::processor(),
        args.rounds
    );
    let required = |at_least: [f64; 2]| at_least[usize::from(history::processor().contains("AMD"))];
    ensure_peer(&args.python)?;
    println!(
        "{:52} {:>8} {:>8} {:>6} {:>9} {:>7}",
        "", "res2lab", "the peer", "ratio", "at least", "of peak"
    );
    let mut random = Vec::new();
    for row in rows {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        let mut shares = Vec::new();
        for _ in 0..args.rounds {
            // PyTorch's figure is the better of two measurements, one per memory layout. This
            // program's figure is the better of two as well, one before and one after PyTorch's.
            let ours_now = || timed(our_command(Path::new(OURS), &row));
            let first = ours_now()?.1;
            shares.extend(first["peak_share"].as_f64());
            let before = figure(&row, &first)?;
            theirs.push(figure(&row, &timed(their_command(args, &row))?.1)?);
            let after = match row.figure {
                Figure::Speed => figure(&row, &ours_now()?.1)?,
                Figure::Memory => before,
            };
            ours.push(before.max(after));
        }
        let better =
            |(a, b): (&f64, &f64)| if row.figure == Figure::Memory { b / a } else { a / b };
        let ratio = median(ours.iter().zip(&theirs).map(better).collect());
        let a = median(ours);
        let b = median(theirs);
        let unit = if row.figure == Figure::Memory { "MiB" } else { "images/s" };
        let share = match shares.is_empty() || row.figure == Figure::Memory {
            true => String::new(),
            false => format!("{:.0} %", 100.0 * median(shares)),
        };
        println!(
            "{:52} {a:>8.1} {b:>8.1} {ratio:>6.2} {:>9.2} {share:>7}  {unit}",
            row.name,
            required(row.at_least)
        );
        let what =
            format!("{}, {} px, batch {}, {} threads", row.name, row.px, row.batch, row.threads);
        history::append(
            &args.history,
            &Line { what: &what, unit, ours: a, theirs: b, ratio, rounds: args.rounds },
        )?;
        if row.name.contains("random") {
            random.push(ratio);
        }
    }
    const SWEEP: &str = "the digits sweep, 12 trials";
    if SWEEP.contains(&args.only) {
        let [a, b, ratio] =
            sweep::measure(&sweep::Args::digits(&args.python, args.rounds, &args.history))?;
        println!("{SWEEP:52} {a:>8.1} {b:>8.1} {ratio:>6.2} {:>9.2}  s", required([3.2, 2.6]));
    }
    if !random.is_empty() {
        let required = required(RANDOM_AT_LEAST);
        println!(
            "{:52} {:>24.2} {required:>9.2}",
            "train, median of the random ones",
            median(random)
        );
    }
    Ok(())
}

/// Checks that PyTorch is installed. Otherwise a missing package would only show as an exit status.
fn ensure_peer(python: &Path) -> Result<()> {
    let found = Command::new(python)
        .args(["-c", "import torch, timm, joblib, numpy, onnxruntime, openvino"])
        .output();
    let found = found.with_context(|| format!("cannot run {}", python.display()))?;
    ensure!(
        found.status.success(),
        "{} lacks one of torch, timm, joblib, numpy, onnx, onnxruntime, openvino; set RES2LAB_PYTHON to a Python that has them",
        python.display()
    );
    Ok(())
}

/// The row's figure in a program's output.
pub(crate) fn figure(row: &Row, output: &Value) -> Result<f64> {
    let field = if row.figure == Figure::Memory { "peak_rss_mib" } else { "images_per_s" };
    output[field].as_f64().with_context(|| format!("{}: no {field} was printed", row.name))
}

/// The command that measures the row with a binary of this program.
pub(crate) fn our_command(binary: &Path, row: &Row) -> Command {
    let mut command = Command::new(binary);
    command.args(["speed", row.what, "--json"]);
    match row.model.strip_prefix("cifar:") {
        None => {
            command.arg(&row.model);
        }
        Some(fields) => {
            command.args(["block=res2", "stem=cifar", "--classes", "10"]);
            for field in fields.split(',') {
                match field.strip_prefix("in_channels=") {
                    Some(channels) => command.args(["--channels", channels]),
                    None => command.arg(field),
                };
            }
        }
    }
    numbers(&mut command, row);
    command.args(["--precision", row.precision[0]]);
    command
}

fn their_command(args: &Args, row: &Row) -> Command {
    let mut command = Command::new(&args.python);
    command.args(["crates/bench/peers/bench.py", row.what, "--model", &row.model]);
    numbers(&mut command, row);
    command.args(row.peer.arguments()).args(["--precision", row.precision[1]]);
    if row.figure == Figure::Memory {
        command.args(["--layout", "channels_last"]);
    }
    command
}

fn numbers(command: &mut Command, row: &Row) {
    for (name, number) in [("--size", row.px), ("--batch", row.batch), ("--threads", row.threads)] {
        command.args([name, &number.to_string()]);
    }
}
