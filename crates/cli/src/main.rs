//! The binary: arguments, wiring, progress, exit codes. The only crate that prints and exits.
//!
//! Reading order:
//! - [`args`]: the command line as types
//! - [`commands`]: one file per command
//! - [`progress`], [`standing`], [`live`] and [`signals`]: while a sweep runs
//! - [`download`]: a download with its progress
//! - [`ranks`]: the processes of a trial on several devices
//! - [`watch`]: a page that is served while it is rebuilt
//! - [`failure`]: the exit status of a command that failed
//! - [`environment`]: every environment variable, for the reference
//! - [`mod@print`]: tables and words; [`select`]: rows and columns of a table; [`mod@records`]: the
//!   formats for other programs
//! - [`screen`]: the terminal, its width and its colors

mod args;
mod commands;
mod download;
mod environment;
mod failure;
mod live;
mod print;
mod progress;
mod ranks;
mod records;
mod screen;
mod select;
mod signals;
mod standing;
mod watch;

use args::{Cli, Command};
use clap::FromArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use res2lab_error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    screen::choose(screen::asked(&words));
    let parsed = args::line::command().try_get_matches();
    let ended = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => res2lab_lab::program::is_this().and_then(|()| run(cli.command)),
        Err(e) if !e.use_stderr() => {
            // --help and --version.
            print::note(e.print());
            Ok(0)
        }
        Err(e) => Err(usage(&e, &words)),
    };
    let ended = match (ended, print::lost()) {
        (Ok(0), Some(why)) => Err(Error::machine(
            format!("cannot write to standard output: {why}"),
            "free space, or write elsewhere",
        )),
        (ended, _) => ended,
    };
    match ended {
        Ok(status) => ExitCode::from(status),
        Err(e) => {
            print::told(&format!("error: {}", one_line(&e.cause)));
            print::told(&format!("help: {}", one_line(&e.help)));
            ExitCode::from(failure::status(&e))
        }
    }
}

fn run(command: Command) -> Result<u8, Error> {
    match command {
        Command::Sweep(args) => commands::sweep::run(&args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Trial(args) => commands::trial::run(&args),
        Command::Worker(args) => commands::worker::run(&args),
        Command::Time(args) => commands::time::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Figure(args) => commands::figure::run(&args),
        Command::Rf(args) => commands::rf::run(&args),
        Command::Clean(args) => commands::clean::run(&args),
        Command::Table(args) => commands::table::run(&args),
        Command::Model(args) => commands::model::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Predict(args) => commands::predict::run(&args),
        Command::Pipeline(args) => commands::pipeline::run(&args),
        Command::Weights(args) => commands::weights::run(&args),
        Command::Data(args) => commands::data::run(&args),
        Command::Speed(args) => commands::speed::run(&args),
        Command::Env(args) => commands::env::run(&args),
        Command::Completions(args) => commands::manual::completions(&args),
        Command::Man(args) => commands::manual::run(&args),
        Command::Reference => commands::reference::run(),
    }
}

/// clap's message as cause and remedy.
fn usage(e: &clap::Error, words: &[String]) -> Error {
    let text = e.to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: ").map(str::to_owned));
    let is_command = |word: &&String| args::line::whole(0).find_subcommand(word.as_str()).is_some();
    let command = words.first().filter(is_command).map(|word| word.to_owned() + " ");
    let help = format!("see res2lab {}--help", command.unwrap_or_default());
    if e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Error::input("no command is given", help);
    }
    if let Some(ContextValue::Strings(values)) = e.get(ContextKind::ValidValue)
        && tip.is_none()
        && !values.is_empty()
    {
        return Error::input(first, format!("give {}; {help}", values.join(", ")));
    }
    // What is missing stands in the lines below the first.
    if e.kind() == ErrorKind::MissingRequiredArgument {
        let missing: Vec<&str> =
            text.lines().skip(1).take_while(|line| line.starts_with("  ")).map(str::trim).collect();
        let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
        let usage = usage.map(|usage| format!("write {usage}; ")).unwrap_or_default();
        return Error::input(format!("{first} {}", missing.join(" ")), usage + &help);
    }
    // `--scale 2` is an axis in a flag's place.
    let unknown = match e.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if e.kind() == ErrorKind::UnknownArgument => Some(flag),
        _ => None,
    };
    let of_plan = unknown.filter(|flag| is_of_plan_alone(flag));
    if let (Some(flag), Some("sweep")) = (of_plan, words.first().map(String::as_str)) {
        return Error::input(first, format!("{flag} is an option of res2lab plan"));
    }
    let as_field = unknown.and_then(|flag| res2lab_lab::line::flag_as_field(words, flag));
    let help = as_field.or(tip).unwrap_or(help);
    Error::input(first, help)
}

/// Earlier versions took these options for `sweep`, where they did nothing.
fn is_of_plan_alone(flag: &str) -> bool {
    let is_taken_by = |command: &str| {
        let program = args::line::whole(0);
        let found = program.find_subcommand(command);
        found.is_some_and(|c| c.get_opts().any(|o| o.get_long() == flag.strip_prefix("--")))
    };
    is_taken_by("plan") && !is_taken_by("sweep")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
