//! Commands with their arguments and options, as clap knows them.

use super::{code, table};
use crate::args::line;
use clap::{Arg, Command};

/// All commands; those that the program itself starts have a section of their own.
pub(super) fn commands() -> String {
    let mut cli = line::whole(0);
    cli.build();
    let of = |is_hidden: bool, cli: &mut Command| {
        let chosen = cli.get_subcommands_mut().filter(|command| command.is_hide_set() == is_hidden);
        chosen.map(command).collect::<Vec<_>>().join("\n\n")
    };
    format!(
        "## Commands\n\n`just COMMAND ARGUMENTS` is `res2lab COMMAND ARGUMENTS`, built where \
         necessary. `--help` prints the\noptions of a command with examples, `--color \
         auto|always|never` says where colors are, and\n`res2lab --version` prints the \
         version.\n\n{}\n\n## Internal commands\n\nOther commands, clusters and recipes \
         start these.\n\n{}",
        of(false, &mut cli),
        of(true, &mut cli)
    )
}

fn command(command: &mut Command) -> String {
    let usage = command.render_usage().to_string();
    let usage = usage.trim().trim_start_matches("Usage: ").to_owned();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut text = format!("### `{}`\n\n{about}.\n\n```text\n{usage}\n```", command.get_name());
    let of_all = ["help", "version", "color"];
    let is_own = |arg: &&Arg| !of_all.contains(&arg.get_id().as_str()) && !arg.is_hide_set();
    let rows: Vec<_> = command.get_arguments().filter(is_own).map(argument).collect();
    if !rows.is_empty() {
        let headers = ["argument", "default", "meaning"];
        text += &format!("\n\n{}", table(&headers, rows.into_iter()));
    }
    text
}

fn argument(arg: &Arg) -> Vec<String> {
    let values = arg.get_default_values().iter().map(|value| value.to_string_lossy());
    let default = values.collect::<Vec<_>>().join(" ");
    // A flag that is not given is false.
    let default = if arg.get_action().takes_values() { code(&default) } else { String::new() };
    let mut meaning = vec![sentence(&arg.get_help().map(ToString::to_string).unwrap_or_default())];
    let choices: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|choice| match choice.get_help() {
            Some(help) => format!("`{}` ({help})", choice.get_name()),
            None => code(choice.get_name()),
        })
        .collect();
    meaning.extend((!choices.is_empty()).then(|| format!("Choices: {}.", choices.join(", "))));
    let variable = arg.get_env().map(|name| name.to_string_lossy());
    meaning.extend(variable.map(|name| format!("Environment: `{name}`.")));
    vec![code(&arg.to_string()), default, meaning.join(" ")]
}

/// The text with a full stop, where it has no other end.
fn sentence(text: &str) -> String {
    let is_ended = text.is_empty() || text.ends_with(['.', '?', '!', '…']);
    if is_ended { text.to_owned() } else { format!("{text}.") }
}
