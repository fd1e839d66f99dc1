//! One page from a study: values become strings here, the template only places them.
//!
//! Reading order:
//! - [`context`]: what the template gets
//! - [`tables`]: arms and trials
//! - [`effects`]: what each axis does
//! - [`provenance`]: what was run, where and when
//! - [`export`]: the tables as Markdown, LaTeX and embedded data
//! - page.html, page.css, page.js: the page itself; shared.html: what other pages have too

pub(crate) mod context;
mod effects;
mod export;
mod provenance;
mod tables;

use crate::findings::Kind;
use crate::format::listed;
use crate::study::Study;
use crate::{ReportError, figures, summary};
use context::Page;
pub(crate) use context::{FigureContext, TextTable};
use minijinja::Environment;
use res2lab_store::{Status, SweepRows};
use serde::Serialize;
use std::collections::BTreeSet;

const TEMPLATE: &str = include_str!("page.html");
const HEAD: &str = include_str!("head.html");
const SHARED: &str = include_str!("shared.html");
pub(crate) const STYLE: &str = include_str!("page.css");
pub(crate) const SCRIPT: &str = include_str!("page.js");

/// The whole page: one HTML file that asks no network for anything.
pub fn render(rows: &SweepRows) -> Result<String, ReportError> {
    Ok(fill(TEMPLATE, page(&Study::of(rows), None))?)
}

/// A page that is served while it is rebuilt: it asks its server for `version`, and loads itself
/// again when the answer is another number than its own.
pub fn render_live(rows: &SweepRows, version: u64) -> Result<String, ReportError> {
    Ok(fill(TEMPLATE, page(&Study::of(rows), Some(version)))?)
}

/// A template of this folder with its values; pages share their head, text tables and figures.
pub(crate) fn fill(template: &str, values: impl Serialize) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    // Names that end in .html are escaped; what is not, says so in the template.
    environment.add_template("head.html", HEAD)?;
    environment.add_template("shared.html", SHARED)?;
    environment.add_template("page.html", template)?;
    environment.get_template("page.html")?.render(values)
}

fn page(study: &Study, live: Option<u64>) -> Page {
    let plan = &study.rows.plan;
    let summary = summary::of(study);
    let figures = figures::all(study).into_iter().map(FigureContext::from).collect();
    Page {
        live,
        title: title(study),
        question: question_text(study),
        facts: facts(study),
        banner: summary.banner.iter().map(|s| tied(s)).collect(),
        findings: summary.verdict.iter().map(|s| tied(s)).collect(),
        cautions: summary.cautions.iter().map(|s| tied(s)).collect(),
        notes: plan.notes.clone(),
        has_second_family: study.findings.kind == Kind::Axes,
        arms: tables::arms(study),
        metrics: tables::metrics(study),
        effects: effects::table(study),
        changes: crate::changes::of(study).map(Into::into),
        figures,
        trials: tables::trials(study),
        columns: tables::meanings(),
        problems: tables::problems(study),
        waiting: waiting(study),
        provenance: provenance::facts(study),
        history: provenance::history(study),
        recipe: provenance::recipe(study),
        differences: provenance::differences(study),
        markdown: export::markdown(study),
        latex: export::latex(study),
        style: STYLE.to_owned(),
        script: SCRIPT.to_owned(),
        data: export::data(study, &summary),
    }
}

/// The sweep's name, which says what nobody may overlook.
fn title(study: &Study) -> String {
    let plan = &study.rows.plan;
    if plan.is_smoke { format!("{} (smoke test)", plan.name) } else { plan.name.clone() }
}

/// Numbers stay on one line with what belongs to them.
fn tied(text: &str) -> String {
    [" %", " = ", " < ", " ± "]
        .iter()
        .fold(text.to_owned(), |text, tie| text.replace(tie, &tie.replace(' ', "\u{a0}")))
}

/// The experiment's own sentence, or one made of its axes and its data.
fn question_text(study: &Study) -> String {
    let plan = &study.rows.plan;
    if plan.is_smoke {
        return "Does every arm of the experiment run?".into();
    }
    let written = plan.description.trim();
    if !written.is_empty() {
        return written.to_owned();
    }
    let data: BTreeSet<&str> =
        study.rows.trials.iter().map(|t| t.planned.spec.data.name.as_str()).collect();
    let on = if data.is_empty() {
        String::new()
    } else {
        format!(" on {}", Vec::from_iter(data).join(", "))
    };
    let axes: Vec<&str> = study.axes.iter().map(|axis| axis.label.as_str()).collect();
    let metric = &study.metric.name;
    match &axes[..] {
        [] => format!("What {metric} do these networks reach{on}?"),
        axes => format!("How does {metric} depend on {}{on}?", listed(axes)),
    }
}

/// The sweep in a few words.
fn facts(study: &Study) -> Vec<String> {
    let counts = summary::Counts::of(study.rows.trials.iter().map(|t| t.status));
    let seeds: BTreeSet<u64> = study.rows.trials.iter().map(|t| t.planned.spec.seed).collect();
    let plural = crate::format::plural;
    let mut facts = vec![
        if counts.done == counts.planned {
            format!("{}, all done", plural(counts.planned, "trial"))
        } else {
            format!("{}: {}", plural(counts.planned, "trial"), counts.in_words())
        },
        plural(study.arms.len(), "arm"),
        plural(seeds.len(), "seed"),
    ];
    facts.extend(provenance::images(study));
    facts
}

fn waiting(study: &Study) -> Option<TextTable> {
    let wanted = [Status::Running, Status::Pending];
    let rows: Vec<Vec<String>> = study
        .arms
        .iter()
        .filter(|arm| arm.count(&wanted) > 0)
        .map(|arm| {
            let count = |status| arm.count(&[status]).to_string();
            vec![
                arm.label.clone(),
                count(Status::Running),
                count(Status::Pending),
                arm.trials.len().to_string(),
            ]
        })
        .collect();
    let columns = ["arm", "running", "pending", "planned"].map(str::to_owned).to_vec();
    (!rows.is_empty()).then(|| TextTable::new(columns, rows))
}
