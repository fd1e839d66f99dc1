//! `res2lab sweep`: plan, train, tabulate, report.

use crate::args::SweepArgs;
use crate::commands::{plan, report as report_command};
use crate::failure::FAILED;
use crate::progress::Watcher;
use crate::{print, records};
use res2lab_error::Error;
use res2lab_lab::program;
use res2lab_lab::sweep::{self, Ended, Event};
use res2lab_lab::text::count;
use res2lab_store::SweepDir;
use res2lab_sweep::{Finish, Slot};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Runs what is not done yet. Exit status 0 only if every trial is done.
pub(crate) fn run(args: &SweepArgs) -> Result<u8, Error> {
    let options = args.options();
    let prepared = sweep::prepare(&options)?;
    if args.output.is_text() {
        plan::show(&prepared.plan, &prepared.slots, &args.folders.data, args.rows);
        show_slots(&prepared.slots);
    }
    prepared.warnings.iter().for_each(|text| print::told(&format!("warning: {text}")));
    // From here on Ctrl-C lets trials write checkpoints; before, it ends the program.
    let stop = Arc::new(AtomicUsize::new(0));
    crate::signals::count(&stop)?;
    let mut watcher: Option<Watcher> = None;
    let mut on_event = |event: Event| match event {
        Event::MoreTrials(added) => {
            if args.output.is_text() {
                print::line(&format!("{} more by the rule for seeds", count(added, "trial")));
            }
        }
        Event::Started { plan, dir, is_local } => watcher = Some(Watcher::new(plan, dir, is_local)),
        Event::Progress(snapshot) => {
            if let Some(watcher) = &mut watcher {
                watcher.look(snapshot);
            }
        }
        Event::Ended => {
            if let Some(mut watcher) = watcher.take() {
                watcher.end();
            }
        }
    };
    let ended = prepared.run(&program::find()?, &stop, &mut on_event)?;
    let Ended { finish, dir, summary } = ended;
    let Some(summary) = summary else {
        print::line("submitted; the same command without --detach follows and collects");
        return Ok(0);
    };
    if !args.output.is_text() {
        records::print(args.output.format(), &summary, &summary.arms)?;
    } else {
        report_command::show(&summary, args.rows);
        print::line(&format!("report: {}", dir.page().display()));
    }
    judge(&finish, &dir, !args.output.is_text())
}

fn show_slots(slots: &[Slot]) {
    let Some(first) = slots.first() else { return };
    let names: Vec<_> = slots.iter().map(|s| s.name.as_str()).collect();
    let threads = count(first.threads, "thread");
    print::line(&format!("running on {} ({threads} each)", names.join(", ")));
}

fn judge(finish: &Finish, dir: &SweepDir, is_quiet: bool) -> Result<u8, Error> {
    // Trials that the rule stopped early are as the user wanted it.
    let Finish { done, diverged, failed, left, .. } = *finish;
    if failed + diverged + left == 0 {
        return Ok(0);
    }
    let mut parts = vec![format!("{done} done")];
    for (count, what) in [(failed, "failed"), (diverged, "diverged"), (left, "not finished")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let help = if failed + left > 0 {
        "the same command goes on with what is not done; reasons are in the report and in each run's console.txt"
    } else {
        "lower the learning rate of the arms that diverged; the report names them"
    };
    if is_quiet {
        return Ok(FAILED);
    }
    Err(Error::machine(format!("{} in {}", parts.join(", "), dir.path().display()), help))
}
