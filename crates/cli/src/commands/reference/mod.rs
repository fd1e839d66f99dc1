//! `res2lab reference`: docs/reference.md. All of it follows from the code: commands from clap,
//! fields and columns from the lists that the program itself uses.

mod usage;

use crate::{environment, failure, print};
use res2lab_error::Error;
use res2lab_experiment::budget::{Open, Quantity};
use res2lab_experiment::defaults::{self, DefaultValue};
use res2lab_experiment::known::{FIELDS, Kind};
use res2lab_experiment::{Value, axes, fields, forms, meanings};
use res2lab_store::tables::{METRIC_COLUMNS, TRIAL_COLUMNS};

const HEAD: &str = "\
<!-- `just reference` generates this file from the code (`res2lab reference`). Do not edit it. -->

# Reference

This page lists every command, field, environment variable, column and exit status. The code
generates it: `just reference` writes it anew, and a test compares it with the program.
[guide.md](guide.md) describes how to use them.

- [Commands](#commands)
- [Internal commands](#internal-commands)
- [Fields](#fields)
- [Short names](#short-names)
- [Axes](#axes)
- [Equal budgets](#equal-budgets)
- [Environment variables](#environment-variables)
- [Columns of the tables](#columns-of-the-tables)
- [Exit statuses](#exit-statuses)";

const FIELDS_INTRO: &str = "\
A field is given in an experiment file, or by its path in a word `field=value` of the command line.
Fields under `model`, `init`, `data` and `train`, and `seed`, can be axes. Fields of a type with
\"or `none`\" can be left unset.

The defaults of `model.` are those of the network that has no field set. With `zoo` they are those
of the named network; others follow from `family`, `block` and `stem`. Where a file gives part of a
section, the section's other fields may have other defaults; both are listed.";

const SHORT_INTRO: &str = "\
Fields of a network are written without `model.`: `scale` is `model.scale`. These fields have a
short name, too:";

const AXES_INTRO: &str = "\
An axis is a word `field=values` of the command line, or an entry of `axes:` or `one_at_a_time:`
with the same text or a YAML list. A word with one value changes the base instead.";

const COLUMNS_INTRO: &str = "\
`trials.parquet` and `trials.csv` have one row per trial. The columns below are followed by one for
each axis of the sweep that is none of them, e.g. `batch`, and by one per final metric, e.g.
`val_acc1`, `val_loss`, `best_acc1`; accuracies are in percent.";

/// Prints the page.
pub(crate) fn run() -> Result<u8, Error> {
    let parts = [
        HEAD.to_owned(),
        usage::commands(),
        fields()?,
        short_names(),
        axes(),
        budgets(),
        variables(),
        columns(),
        statuses(),
    ];
    print::raw(&parts.join("\n\n"));
    Ok(0)
}

/// A Markdown table. Bars in cells are escaped, as GitHub requires even within code.
fn table(headers: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let header = headers.iter().map(|&header| header.to_owned()).collect::<Vec<_>>();
    let mut lines = vec![line(&header), format!("|{}", "---|".repeat(headers.len()))];
    lines.extend(
        rows.map(|row| line(&row.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>())),
    );
    lines.join("\n")
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

fn fields() -> Result<String, Error> {
    let mut text = format!("## Fields\n\n{FIELDS_INTRO}");
    for (title, part) in meanings::PARTS {
        let rows = part.iter().map(|(path, meaning)| field(path, meaning));
        let rows = rows.collect::<Result<Vec<_>, Error>>()?;
        let headers = ["field", "type", "default", "meaning"];
        text += &format!("\n\n### {title}\n\n{}", table(&headers, rows.into_iter()));
    }
    Ok(text)
}

fn field(path: &str, meaning: &str) -> Result<Vec<String>, Error> {
    let known = FIELDS.iter().find(|(known, ..)| *known == path);
    let (_, kind, can_be_none) = known.copied().unwrap_or(("", Kind::Other, false));
    let kind = kind.name().to_owned() + if can_be_none { " or `none`" } else { "" };
    Ok(vec![code(path), kind, default(path)?, meaning.to_owned()])
}

fn default(path: &str) -> Result<String, Error> {
    let section = path.rsplit_once('.').map_or(path, |(section, _)| section);
    Ok(match defaults::of(path)? {
        [Some(file), Some(part)] if file != part => {
            format!("{}; {} within a given `{section}`", shown(&file), shown(&part))
        }
        [Some(value), _] | [None, Some(value)] => shown(&value),
        [None, None] => String::new(),
    })
}

fn shown(default: &DefaultValue) -> String {
    match default {
        DefaultValue::Required => "required".into(),
        DefaultValue::Unset => "unset".into(),
        // The fields of a map have lines of their own.
        DefaultValue::Value(Value::Mapping(_)) => String::new(),
        DefaultValue::Value(value) => match axes::show(value) {
            text if text.is_empty() => "empty".into(),
            text => code(&text),
        },
    }
}

fn short_names() -> String {
    let rows = fields::SHORT.iter().filter(|(short, path)| short != path);
    let rows = rows.map(|(short, path)| vec![code(short), code(path)]);
    format!("## Short names\n\n{SHORT_INTRO}\n\n{}", table(&["short name", "field"], rows))
}

fn axes() -> String {
    let rows = forms::FORMS
        .iter()
        .map(|(meaning, word, points)| vec![(*meaning).to_owned(), code(word), code(points)]);
    format!("## Axes\n\n{AXES_INTRO}\n\n{}", table(&["form", "example", "its points"], rows))
}

fn budgets() -> String {
    let open = Open::ALL.map(|open| code(open.name())).join(", ");
    let rows = Quantity::ALL.iter().map(|quantity| {
        let word = format!("width=match:{}@resnet50", quantity.name());
        vec![code(&format!("match:{}", quantity.name())), quantity.meaning().into(), code(&word)]
    });
    format!(
        "## Equal budgets\n\nOne of the fields {open} can be left open. The plan searches \
         for the\nvalue at which the arm's cost is nearest to that of the network behind `@`, or \
         of the base network\nwithout `@`.\n\n{}",
        table(&["value", "what is matched", "example"], rows)
    )
}

fn variables() -> String {
    let mut text = "## Environment variables".to_owned();
    for (title, variables) in environment::GROUPS {
        let rows = variables.iter().map(|(name, set_by, meaning)| {
            vec![code(name), (*set_by).to_owned(), (*meaning).to_owned()]
        });
        let headers = ["variable", "set by", "meaning"];
        text += &format!("\n\n### {title}\n\n{}", table(&headers, rows));
    }
    text
}

fn columns() -> String {
    let row = |name: &str, meaning: &str| vec![code(name), meaning.to_owned()];
    let headers = ["column", "meaning"];
    format!(
        "## Columns of the tables\n\n### Trials\n\n{COLUMNS_INTRO}\n\n{}\n\n### Metrics\n\n\
         `metrics.parquet` has one row per logged value. The columns below are followed by one for \
         each axis.\n\n{}",
        table(&headers, TRIAL_COLUMNS.iter().map(|(name, meaning, _)| row(name, meaning))),
        table(&headers, METRIC_COLUMNS.iter().map(|(name, meaning)| row(name, meaning)))
    )
}

fn statuses() -> String {
    let rows =
        failure::STATUSES.iter().map(|(status, text)| vec![status.to_string(), (*text).into()]);
    format!("## Exit statuses\n\n{}", table(&["status", "meaning"], rows))
}
