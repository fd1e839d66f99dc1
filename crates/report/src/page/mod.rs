//! The HTML page of a study. Values become strings here; the template only places them.
//!
//! Reading order:
//! - [`context`]: the values of the template
//! - [`tables`]: arms and trials
//! - [`effects`]: the effect of each axis
//! - [`provenance`]: commands, versions, machines and times
//! - [`figures`]: the figures in groups, and the legend
//! - [`export`]: the tables as Markdown, LaTeX and embedded data
//! - page.html, page.css, figure.css, page.js and its parts: the page itself; shared.html: parts shared with other pages

pub(crate) mod context;
mod effects;
mod export;
mod figures;
mod provenance;
mod tables;

use crate::figures::{Figure, Group};
use crate::findings::Kind;
use crate::format::listed;
use crate::notes::{Notes, Part};
use crate::study::Study;
use crate::summary;
pub(crate) use context::TextTable;
use context::{OwnPart, OwnSection, Page};
pub(crate) use export::of_figures;
pub(crate) use figures::FigureContext;
use figures::GroupContext;
use minijinja::Environment;
use res2lab_error::Error;
use res2lab_store::{Status, SweepRows};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

const TEMPLATE: &str = include_str!("page.html");
const HEAD: &str = include_str!("head.html");
const SHARED: &str = include_str!("shared.html");
pub(crate) const FIGURES: &str = include_str!("figure.css");
pub(crate) const STYLE: &str = concat!(include_str!("page.css"), include_str!("figure.css"));
pub(crate) const SCRIPT: &str =
    concat!(include_str!("page.js"), include_str!("figures.js"), include_str!("selection.js"));

/// Renders the page of a sweep as one HTML file that loads nothing from the network.
pub fn render(rows: &SweepRows) -> Result<String, Error> {
    fill(TEMPLATE, page(&Study::of(rows), None))
}

/// Renders a page for a server that rebuilds it. The page polls the server for its version and
/// reloads when the server's number differs from `version`.
pub fn render_live(rows: &SweepRows, version: u64) -> Result<String, Error> {
    fill(TEMPLATE, page(&Study::of(rows), Some(version)))
}

/// Fills a template of this folder. All pages share the head, text tables and figures.
pub(crate) fn fill(template: &str, values: impl Serialize) -> Result<String, Error> {
    filled(template, values).map_err(|e| {
        Error::machine(
            format!("the page's template failed: {e:#}"),
            "this is a bug of res2lab; the tables beside the page hold the same numbers",
        )
        .caused_by(e)
    })
}

fn filled(template: &str, values: impl Serialize) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    // Templates named *.html are escaped; exceptions are marked in the template.
    environment.add_template("head.html", HEAD)?;
    environment.add_template("shared.html", SHARED)?;
    environment.add_template("page.html", template)?;
    environment.get_template("page.html")?.render(values)
}

fn page(study: &Study, live: Option<u64>) -> Page {
    let plan = &study.rows.plan;
    let summary = summary::of(study);
    let own = Notes::parse(&study.rows.author_notes);
    let mut drawn = crate::figures::all(study);
    let mistakes = own.mistakes(drawn.iter().map(|figure| &figure.id[..]));
    let is_placed = |figure: &mut Figure| {
        figure.group() != Group::Answer && own.placed().any(|id| *id == figure.id)
    };
    let placed = drawn.extract_if(.., is_placed).map(|f| (f.id.clone(), f.into())).collect();
    drawn.retain(|figure| figure.group() == Group::Answer || own.place(&figure.id).is_some());
    drawn.sort_by_key(|figure| (figure.group(), own.place(&figure.id)));
    let is_answer = drawn.first().is_some_and(|figure| figure.group() == Group::Answer);
    let answer = is_answer.then(|| drawn.remove(0).into());
    let mut groups = figures::groups(drawn);
    let is_large = study.arms.len() > MOST_LAID_OUT;
    if is_large {
        let stacks = groups.iter_mut().flat_map(|group| &mut group.stacks);
        stacks.flat_map(|stack| &mut stack.figures).for_each(FigureContext::draw_later);
    }
    let (introduction, own_sections) = woven(&own, placed, &mut groups);
    let mut findings = summary.verdict.iter().map(|s| tied(s));
    Page {
        live,
        is_large,
        title: title(study, own.title.as_deref()),
        question: own.question.clone().unwrap_or_else(|| question_text(study)),
        facts: facts(study),
        banner: summary.banner.iter().map(|s| tied(s)).collect(),
        headline: findings.next().unwrap_or_default(),
        findings: findings.collect(),
        cautions: summary.cautions.iter().map(|s| tied(s)).chain(mistakes).collect(),
        introduction,
        own: own_sections,
        notes: plan.notes.clone(),
        are_sorted: study.arms.len() > tables::MOST_IN_ORDER,
        has_second_family: study.findings.kind == Kind::Axes,
        arms: tables::arms(study),
        metrics: tables::metrics(study),
        effects: effects::table(study),
        changes: crate::changes::of(study).map(Into::into),
        answer,
        key: figures::key(study),
        example: example(study),
        groups,
        trials: tables::trials(study),
        columns: tables::meanings(),
        problems: tables::problems(study),
        waiting: waiting(study),
        provenance: provenance::facts(study),
        history: provenance::history(study),
        recipe: provenance::recipe(study),
        differences: provenance::differences(study),
        recipes: provenance::recipes(study),
        markdown: export::markdown(study),
        latex: crate::paper::latex(study, |_| true),
        style: STYLE.to_owned(),
        script: SCRIPT.to_owned(),
        data: export::data(study, &summary),
    }
}

/// Pages of more arms than this are drawn and laid out part by part, where they are seen.
const MOST_LAID_OUT: usize = 100;

/// Puts the author's sections into the parts of the page of the same name. The text before all
/// sections and the sections without such a part are returned. `figures` are those that stand in
/// the text, by id.
fn woven(
    own: &Notes,
    mut figures: BTreeMap<String, FigureContext>,
    groups: &mut [GroupContext],
) -> (Vec<OwnPart>, Vec<OwnSection>) {
    let mut introduction = Vec::new();
    let mut others = Vec::new();
    for section in &own.sections {
        let part = |part: &Part| match part {
            Part::Html(html) => OwnPart { html: html.clone(), figure: None },
            Part::Figure(id) => OwnPart { html: String::new(), figure: figures.remove(id) },
        };
        let parts: Vec<OwnPart> = section.parts.iter().map(part).collect();
        let is_of = |group: &&mut GroupContext| group.title.eq_ignore_ascii_case(&section.heading);
        match groups.iter_mut().find(is_of) {
            _ if section.heading.is_empty() => introduction.extend(parts),
            Some(group) => group.words.extend(parts),
            None => others.push(OwnSection {
                id: format!("own-{}", others.len()),
                heading: section.heading.clone(),
                parts,
            }),
        }
    }
    (introduction, others)
}

/// The author's title or the sweep's name, marked if the sweep is a smoke test.
fn title(study: &Study, own: Option<&str>) -> String {
    let plan = &study.rows.plan;
    let name = own.unwrap_or(&plan.name);
    if plan.is_smoke { format!("{name} (smoke test)") } else { name.to_owned() }
}

/// Replaces spaces with no-break spaces where a number must stay with its unit or sign.
fn tied(text: &str) -> String {
    [" %", " = ", " < ", " ± "]
        .iter()
        .fold(text.to_owned(), |text, tie| text.replace(tie, &tie.replace(' ', "\u{a0}")))
}

/// The experiment's own question, or one composed of its axes and its data.
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

/// An example of a selection: a condition on an axis, or on the seed.
fn example(study: &Study) -> String {
    let axis = study.axes.iter().rfind(|axis| axis.values.iter().all(|v| v.len() < 12));
    let condition =
        axis.and_then(|axis| Some(format!("{}={}", axis.column(), axis.values.last()?)));
    condition.unwrap_or_else(|| "seed=0".to_owned())
}

/// The sweep's key facts.
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
    (!rows.is_empty()).then(|| tables::of_arms(study, columns, rows))
}
