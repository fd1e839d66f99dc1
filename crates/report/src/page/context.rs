//! What the template gets: strings, ready to be placed.

use crate::figures::{Figure, Legend, Table};
use serde::Serialize;

/// The page.
#[derive(Serialize)]
pub(crate) struct Page {
    /// The page's number while it is served and rebuilt; None for a page that stands for itself.
    pub live: Option<u64>,
    pub title: String,
    pub question: String,
    pub facts: Vec<String>,
    /// What is wrong with the sweep.
    pub banner: Vec<String>,
    pub findings: Vec<String>,
    pub cautions: Vec<String>,
    pub notes: Vec<String>,
    /// Whether the verdicts of the arms are another family than the findings.
    pub has_second_family: bool,
    pub arms: DataTable,
    pub metrics: Option<TextTable>,
    pub effects: Option<Effects>,
    pub changes: Option<Changes>,
    pub figures: Vec<FigureContext>,
    pub trials: DataTable,
    pub columns: TextTable,
    pub problems: Option<DataTable>,
    pub waiting: Option<TextTable>,
    pub provenance: Vec<Fact>,
    pub history: Vec<String>,
    pub recipe: Vec<Fact>,
    pub differences: Option<TextTable>,
    pub markdown: String,
    pub latex: String,
    pub style: String,
    pub script: String,
    /// JSON that is safe within a script element.
    pub data: String,
}

/// A table that can be sorted and filtered.
#[derive(Serialize)]
pub(crate) struct DataTable {
    pub id: &'static str,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// Rows that the page's script puts into the table once somebody asks for them: thousands take
    /// seconds to lay out.
    pub later: Vec<Row>,
}

#[derive(Serialize)]
pub(crate) struct Column {
    pub name: String,
    /// What the column means; empty if its name says it.
    pub help: &'static str,
    pub is_number: bool,
}

#[derive(Serialize)]
pub(crate) struct Row {
    pub arm: String,
    pub trial: String,
    /// Whether the page opens without it.
    pub is_hidden: bool,
    /// Class of the arm's color.
    pub color: String,
    pub cells: Vec<Cell>,
}

#[derive(Clone, Default, Serialize)]
pub(crate) struct Cell {
    pub text: String,
    /// What it is sorted by; empty if the text will do.
    pub value: String,
    /// In small letters under the text.
    pub note: String,
    /// A status's class.
    pub status: &'static str,
}

/// A table that is only read.
#[derive(Serialize)]
pub(crate) struct TextTable {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// Said where rows had to be left out.
    pub cut: String,
}

/// Nobody reads on; the downloads have every trial.
const MOST_ROWS: usize = 300;

impl TextTable {
    /// A table of at most [`MOST_ROWS`].
    pub(crate) fn new(columns: Vec<String>, mut rows: Vec<Vec<String>>) -> TextTable {
        let all = rows.len();
        rows.truncate(MOST_ROWS);
        let cut = if all > MOST_ROWS {
            format!("The first {MOST_ROWS} of {all} rows.")
        } else {
            String::new()
        };
        TextTable { columns, rows, cut }
    }
}

/// What each axis does, and how to read it.
#[derive(Serialize)]
pub(crate) struct Effects {
    pub how_to_read: String,
    pub table: TextTable,
}

/// What has changed since an earlier run.
#[derive(Serialize)]
pub(crate) struct Changes {
    pub title: String,
    pub sentence: String,
    pub table: TextTable,
}

/// A name and what there is to say about it.
#[derive(Serialize)]
pub(crate) struct Fact {
    pub name: String,
    pub values: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct FigureContext {
    pub id: String,
    pub title: String,
    pub svg: String,
    pub how_to_read: String,
    pub legend: Vec<LegendContext>,
    pub table: TextTable,
}

#[derive(Serialize)]
pub(crate) struct LegendContext {
    pub text: String,
    pub color: String,
    pub arm: String,
}

/// Class of a color.
pub(crate) fn color_class(color: Option<usize>) -> String {
    color.map_or("muted".into(), |c| format!("s{c}"))
}

impl Cell {
    /// Text that sorts as text. Reasons come from logs, whose control characters mean nothing here.
    pub(crate) fn text(text: impl Into<String>) -> Cell {
        Cell { text: text.into().replace(char::is_control, " "), ..Cell::default() }
    }

    /// A number as shown and as sorted; a dash if there is none.
    pub(crate) fn number(value: Option<f64>, show: impl Fn(f64) -> String) -> Cell {
        match value {
            Some(v) => Cell { text: show(v), value: v.to_string(), ..Cell::default() },
            None => Cell::text("–"),
        }
    }
}

impl Column {
    /// A column of text.
    pub(crate) fn text(name: impl Into<String>, help: &'static str) -> Column {
        Column { name: name.into(), help, is_number: false }
    }

    /// A column of numbers.
    pub(crate) fn number(name: impl Into<String>, help: &'static str) -> Column {
        Column { name: name.into(), help, is_number: true }
    }
}

impl From<Figure> for FigureContext {
    fn from(f: Figure) -> FigureContext {
        let legend =
            |l: Legend| LegendContext { text: l.text, color: color_class(l.color), arm: l.arm };
        FigureContext {
            id: f.id,
            title: f.title,
            svg: f.svg,
            how_to_read: f.how_to_read,
            legend: f.legend.into_iter().map(legend).collect(),
            table: f.table.into(),
        }
    }
}

impl From<crate::changes::Changes> for Changes {
    fn from(c: crate::changes::Changes) -> Changes {
        let title = format!("Changes from {}", c.before);
        Changes { title, sentence: c.sentence, table: TextTable::new(c.columns, c.rows) }
    }
}

impl From<Table> for TextTable {
    fn from(t: Table) -> TextTable {
        TextTable::new(t.columns, t.rows)
    }
}
