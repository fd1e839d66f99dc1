//! `res2lab completions` and `res2lab man`: what shells and `man` are told of the command line.

use crate::args::line::whole;
use crate::args::{CompletionsArgs, ManArgs};
use crate::print;
use clap::Command;
use clap_mangen::Man;
use res2lab_error::Error;
use std::path::Path;

/// Columns of the text in a manual page, which `man` wraps itself.
const NO_LIMIT: usize = 0;

/// Prints the completions of a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<u8, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut whole(NO_LIMIT), "res2lab", &mut script);
    print::raw(String::from_utf8_lossy(&script).trim_end());
    Ok(0)
}

/// Prints one manual page, or writes all.
pub(crate) fn run(args: &ManArgs) -> Result<u8, Error> {
    let mut program = whole(NO_LIMIT);
    program.build();
    if let Some(folder) = &args.out {
        write_all(&program, folder)?;
        return Ok(0);
    }
    let found = match &args.command {
        None => Some(&program),
        Some(name) => program.find_subcommand(name).filter(|command| !command.is_hide_set()),
    };
    let Some(command) = found else {
        let names: Vec<&str> = visible(&program).map(Command::get_name).collect();
        let name = args.command.as_deref().unwrap_or_default();
        return Err(Error::input(
            format!("there is no command `{name}`"),
            format!("give one of {}", names.join(", ")),
        ));
    };
    let page = page(command)?;
    print::raw(String::from_utf8_lossy(&page).trim_end());
    Ok(0)
}

fn visible(program: &Command) -> impl Iterator<Item = &Command> {
    program.get_subcommands().filter(|command| !command.is_hide_set())
}

/// `res2lab.1` and `res2lab-COMMAND.1`.
fn write_all(program: &Command, folder: &Path) -> Result<(), Error> {
    res2lab_store::atomic::create_dir(folder)?;
    let mut pages = vec![("res2lab.1".to_owned(), page(program)?)];
    for command in visible(program) {
        pages.push((format!("res2lab-{}.1", command.get_name()), page(command)?));
    }
    for (name, page) in &pages {
        res2lab_store::atomic::write(&folder.join(name), page)?;
    }
    print::line(&format!("{} pages in {}", pages.len(), folder.display()));
    Ok(())
}

fn page(command: &Command) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    // A page has sections of its own in place of the template of --help.
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let man = Man::new(command.clone().help_template("")).title(name);
    man.render(&mut text).map_err(|e| {
        Error::machine(format!("cannot make the manual page: {e}"), "report this").caused_by(e)
    })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_manual_page_with_its_options_and_examples() {
        let folder = tempfile::tempdir().unwrap();
        let mut program = whole(NO_LIMIT);
        program.build();
        write_all(&program, folder.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let sweep = read("res2lab-sweep.1");
        for part in [".TH res2lab-sweep", "Examples", "retries", "NO_COLOR"] {
            assert!(sweep.contains(part), "{part} is not in {sweep}");
        }
        assert!(!sweep.contains("k8s") && read("res2lab-plan.1").contains("k8s"));
        assert!(read("res2lab.1").contains("res2lab\\-sweep(1)"));
        let pages = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(pages, 1 + visible(&program).count());
    }

    #[test]
    fn each_shell_gets_completions_of_commands_and_options() {
        use clap::ValueEnum;
        for shell in clap_complete::Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut whole(NO_LIMIT), "res2lab", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["sweep", "completions", "retries", "per-device"] {
                assert!(script.contains(word), "{word} for {shell}");
            }
        }
    }
}
