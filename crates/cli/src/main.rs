//! The binary: arguments, wiring, progress, exit codes. The only crate that prints and exits.
//!
//! Reading order:
//! - [`args`]: the command line as types
//! - [`commands`]: one file per command
//! - [`line`] and [`request`]: words to a plan
//! - [`named`]: what a bare word names: a sweep, a run
//! - [`network`]: words to a network with weights; [`published`] and [`download`]: what can be
//!   downloaded
//! - [`trained`]: a network with its weights, and how it wants its images
//! - [`smoke`]: what a smoke test needs beside its plan
//! - [`price`]: what a plan will cost on this machine
//! - [`progress`] and [`signals`]: while a sweep runs
//! - [`receptive`]: what stages see, as a picture for TensorBoard; [`effective`]: what trained
//!   networks look at
//! - [`inputs`]: whether finished trials were trained on what is here now
//! - [`vectors`]: the instruction set that the kernels use
//! - [`watch`]: a page that is served while it is rebuilt
//! - [`failure`]: how a command ends that cannot do what it was asked
//! - [`print`]: tables and JSON; [`select`]: rows and columns of a table

mod args;
mod classes;
mod cluster;
mod commands;
mod download;
mod effective;
mod failure;
mod fields;
mod given;
mod inputs;
mod line;
mod named;
mod network;
mod price;
mod print;
mod progress;
mod published;
mod ranks;
mod receptive;
mod request;
mod select;
mod signals;
mod smoke;
mod trained;
mod vectors;
mod watch;

use args::{Cli, Command};
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use failure::{Failure, WRONG_INPUT};
use std::process::ExitCode;

fn main() -> ExitCode {
    let ended = match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        Err(e) if !e.use_stderr() => {
            // --help and --version.
            print::note(e.print());
            Ok(0)
        }
        Err(e) => Err(usage(&e)),
    };
    let ended = match (ended, print::lost()) {
        (Ok(0), Some(why)) => Err(Failure::machine(
            format!("cannot write to standard output: {why}"),
            "free space, or write elsewhere",
        )),
        (ended, _) => ended,
    };
    match ended {
        Ok(status) => ExitCode::from(status),
        Err(Failure { status, cause, help }) => {
            print::told(&format!("error: {}", one_line(&cause)));
            print::told(&format!("help: {}", one_line(&help)));
            ExitCode::from(status)
        }
    }
}

fn run(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Sweep(args) => commands::sweep::run(&args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Trial(args) => commands::trial::run(&args),
        Command::Worker(args) => commands::worker::run(&args),
        Command::Time(args) => commands::time::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Rf(args) => commands::rf::run(&args),
        Command::Table(args) => commands::table::run(&args),
        Command::Model(args) => commands::model::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Predict(args) => commands::predict::run(&args),
        Command::Pipeline(args) => commands::pipeline::run(&args),
        Command::Weights(args) => commands::weights::run(&args),
        Command::Data(args) => commands::data::run(&args),
        Command::Speed(args) => commands::speed::run(&args),
        Command::Env(args) => commands::env::run(&args),
    }
}

/// clap's message as cause and remedy.
fn usage(e: &clap::Error) -> Failure {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let text = e.to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: ").map(str::to_owned));
    let command =
        words.first().filter(|word| !word.starts_with('-')).map(|word| word.to_owned() + " ");
    let help = format!("see res2lab {}--help", command.unwrap_or_default());
    // What is missing stands in the lines below the first.
    if e.kind() == ErrorKind::MissingRequiredArgument {
        let missing: Vec<&str> =
            text.lines().skip(1).take_while(|line| line.starts_with("  ")).map(str::trim).collect();
        let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
        let usage = usage.map(|usage| format!("write {usage}; ")).unwrap_or_default();
        return Failure {
            status: WRONG_INPUT,
            cause: format!("{first} {}", missing.join(" ")),
            help: usage + &help,
        };
    }
    // `--scale 2` is an axis in a flag's place.
    let unknown = match e.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if e.kind() == ErrorKind::UnknownArgument => Some(flag),
        _ => None,
    };
    let as_field = unknown.and_then(|flag| line::flag_as_field(&words, flag));
    let help = as_field.or(tip).unwrap_or(help);
    Failure { status: WRONG_INPUT, cause: first, help }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The program's id, for files.
fn code() -> res2lab_store::Code {
    res2lab_store::Code {
        version: env!("CARGO_PKG_VERSION").into(),
        commit: env!("RES2LAB_COMMIT").into(),
    }
}

/// This program's own file, which starts its trials.
fn own_exe() -> Result<std::path::PathBuf, Failure> {
    std::env::current_exe().map_err(|e| {
        Failure::machine(format!("cannot find this program's own file: {e}"), "call it by its path")
    })
}
