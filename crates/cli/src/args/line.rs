//! The command line as clap takes it: the types of [`super::Cli`] with what follows from the
//! terminal, and the list of commands in groups.

use super::Cli;
use crate::print::words::wrapped;
use crate::screen::{self, Stream};
use clap::{ColorChoice, Command, CommandFactory};

/// Commands as `res2lab --help` lists them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Sweeps", &["sweep", "plan", "report", "figure", "table", "clean", "trial"]),
    ("Networks", &["model", "rf", "speed", "eval", "predict"]),
    ("Files", &["weights", "data", "pipeline"]),
    ("This program", &["env", "completions", "man"]),
];

/// Options of `sweep` that do nothing in a plan. `plan` takes them, so that the same line serves
/// both, and its help leaves them out.
const NOT_OF_PLAN: [&str; 5] = ["detach", "retries", "retry_failed", "fail_fast", "trial_minutes"];

/// Columns of help that is read in a file.
const FILE_WIDTH: usize = 100;

/// The command with help for this terminal.
pub(crate) fn command() -> Command {
    let color =
        if screen::has_color(Stream::Out) { ColorChoice::Always } else { ColorChoice::Never };
    let width = screen::width(Stream::Out).unwrap_or(FILE_WIDTH).min(FILE_WIDTH);
    whole(width).color(color).term_width(width)
}

/// The command with its help for so many columns.
pub(crate) fn whole(width: usize) -> Command {
    let hidden = |plan: Command| {
        NOT_OF_PLAN.iter().fold(plan, |plan, name| plan.mut_arg(name, |arg| arg.hide(true)))
    };
    let cli = Cli::command().mut_subcommand("plan", hidden);
    let list = groups(&cli, width);
    cli.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}\n\n\
         {HEADING}Options:{PLAIN}\n{{options}}\n\n\
         `res2lab COMMAND --help` lists a command's options, with examples."
    ))
}

/// The style of clap's own headings; clap removes it where there are no colors.
const HEADING: &str = "\x1b[1m\x1b[4m";
const PLAIN: &str = "\x1b[0m";

fn groups(cli: &Command, width: usize) -> String {
    let named = |name: &&str| {
        let about = cli.find_subcommand(*name).and_then(Command::get_about);
        let about = about.map(ToString::to_string).unwrap_or_default();
        let indent = " ".repeat(15);
        let lines = wrapped(&about, width.saturating_sub(15).max(20));
        let lines = lines.iter().map(|line| line.trim()).collect::<Vec<_>>();
        format!("  \x1b[1m{name:<12}{PLAIN} {}", lines.join(&format!("\n{indent}")))
    };
    let group = |(title, names): &(&str, &[&str])| {
        let lines: Vec<String> = names.iter().map(named).collect();
        format!("{HEADING}{title}:{PLAIN}\n{}", lines.join("\n"))
    };
    GROUPS.iter().map(group).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_command_line_is_consistent() {
        whole(80).debug_assert();
    }

    #[test]
    fn every_visible_command_is_in_one_group() {
        let cli = Cli::command();
        let visible = cli.get_subcommands().filter(|command| !command.is_hide_set());
        let visible: BTreeSet<&str> = visible.map(Command::get_name).collect();
        let listed: Vec<&str> =
            GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!(listed.len(), visible.len(), "{listed:?}");
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), visible);
    }

    #[test]
    fn commands_with_arguments_have_examples_that_they_accept() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            let Some(examples) = command.get_after_help() else {
                // A sweep starts `trial`; without arguments there is nothing to show.
                let is_plain = command.get_positionals().next().is_none();
                assert!(is_plain || name == "trial", "{name} has no example");
                continue;
            };
            for line in examples.to_string().lines().skip(1) {
                // What a shell would do with the rest is no matter of clap.
                let line = line.split(['>', '|']).next().unwrap_or_default().replace('\'', "");
                let words = line.split_whitespace().collect::<Vec<_>>();
                assert_eq!(words[..2], ["res2lab", name], "{line}");
                let parsed = Cli::command().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
    }
}
