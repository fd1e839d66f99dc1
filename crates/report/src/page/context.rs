//! The values of the HTML template, as strings ready to be placed.

use super::export::inert;
use super::figures::{FigureContext, GroupContext, KeyContext};
use crate::figures::Table;
use serde::Serialize;

/// The values of a sweep's page.
#[derive(Serialize)]
pub(crate) struct Page {
    /// Version of the page while it is served and rebuilt; `None` for a standalone page.
    pub live: Option<u64>,
    /// Whether parts of the page are laid out only where they are seen.
    pub is_large: bool,
    pub title: String,
    pub question: String,
    pub facts: Vec<String>,
    /// Defects of the sweep.
    pub banner: Vec<String>,
    /// The answer in one sentence.
    pub headline: String,
    /// The other findings.
    pub findings: Vec<String>,
    pub cautions: Vec<String>,
    pub notes: Vec<String>,
    /// The author's text before all sections, and its sections that are none of the page's.
    pub introduction: Vec<OwnPart>,
    pub own: Vec<OwnSection>,
    /// Whether the best arms come first in their table.
    pub are_sorted: bool,
    /// Whether the verdicts of the arms form a second family.
    pub has_second_family: bool,
    pub arms: DataTable,
    pub metrics: Option<TextTable>,
    pub effects: Option<Effects>,
    pub changes: Option<Changes>,
    /// The first figure of the page.
    pub answer: Option<FigureContext>,
    pub key: Vec<KeyContext>,
    /// An example of a selection.
    pub example: String,
    pub groups: Vec<GroupContext>,
    pub trials: DataTable,
    pub columns: TextTable,
    pub problems: Option<DataTable>,
    pub waiting: Option<TextTable>,
    pub provenance: Vec<Fact>,
    pub history: Vec<String>,
    pub recipe: Vec<Fact>,
    pub differences: Option<TextTable>,
    /// In place of `differences` where arms differ in many fields.
    pub recipes: Option<Recipes>,
    pub markdown: String,
    pub latex: String,
    pub style: String,
    pub script: String,
    /// JSON that is safe within a script element.
    pub data: String,
}

/// Arms that are whole recipes: each with the fields in which it differs from the baseline.
#[derive(Serialize)]
pub(crate) struct Recipes {
    pub baseline: String,
    pub arms: Vec<Fact>,
    /// The number of arms that are not listed.
    pub more: usize,
}

/// A section of the author's.
#[derive(Serialize)]
pub(crate) struct OwnSection {
    /// Anchor on the page.
    pub id: String,
    pub heading: String,
    pub parts: Vec<OwnPart>,
}

/// A piece of the author's text: HTML, or a figure that stands there.
#[derive(Serialize)]
pub(crate) struct OwnPart {
    pub html: String,
    pub figure: Option<FigureContext>,
}

/// An HTML table that can be sorted and filtered.
#[derive(Serialize)]
pub(crate) struct DataTable {
    pub id: &'static str,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// Rows that the page's script inserts on request, as JSON; empty if there are none. Reading
    /// and laying out thousands takes seconds.
    pub later: String,
    pub later_rows: usize,
}

/// The rows of one arm that the page's script inserts.
#[derive(Serialize)]
struct LaterRows<'r> {
    arm: &'r str,
    color: &'r str,
    /// For each row the trial's id and the cells.
    rows: Vec<(&'r str, Vec<LaterCell<'r>>)>,
}

/// A cell: its text, or its text, sort key, status and small print.
#[derive(Serialize)]
#[serde(untagged)]
enum LaterCell<'r> {
    Text(&'r str),
    Whole([&'r str; 4]),
}

impl DataTable {
    /// A table of which the first `shown` rows are in the page if there are more than `most`.
    pub(crate) fn new(
        id: &'static str,
        columns: Vec<Column>,
        mut rows: Vec<Row>,
        (most, shown): (usize, usize),
    ) -> DataTable {
        let later = if rows.len() > most { rows.split_off(shown) } else { Vec::new() };
        let text = if later.is_empty() { String::new() } else { later_rows(&later) };
        DataTable { id, columns, rows, later: text, later_rows: later.len() }
    }
}

fn later_rows(rows: &[Row]) -> String {
    let mut arms: Vec<LaterRows> = Vec::new();
    let cell = |cell| match cell {
        &Cell { ref text, ref value, ref note, status }
            if !(value.is_empty() && note.is_empty() && status.is_empty()) =>
        {
            LaterCell::Whole([text, value, status, note])
        }
        Cell { text, .. } => LaterCell::Text(text),
    };
    for row in rows {
        let cells = (&row.trial[..], row.cells.iter().map(cell).collect());
        match arms.last_mut().filter(|arm| arm.arm == row.arm) {
            Some(arm) => arm.rows.push(cells),
            None => arms.push(LaterRows { arm: &row.arm, color: &row.color, rows: vec![cells] }),
        }
    }
    // Plain strings and lists always serialize.
    inert(&serde_json::to_string(&arms).unwrap_or_default())
}

#[derive(Serialize)]
pub(crate) struct Column {
    pub name: String,
    /// Explanation of the column; empty if the name suffices.
    pub help: &'static str,
    pub is_number: bool,
}

#[derive(Serialize)]
pub(crate) struct Row {
    pub arm: String,
    pub trial: String,
    /// Whether the row is hidden when the page opens.
    pub is_hidden: bool,
    /// CSS classes of the arm's color and shape.
    pub color: String,
    pub cells: Vec<Cell>,
}

#[derive(Clone, Default, Serialize)]
pub(crate) struct Cell {
    pub text: String,
    /// Sort key; empty if the text is the sort key.
    pub value: String,
    /// Small print under the text.
    pub note: String,
    /// CSS class of a status.
    pub status: &'static str,
}

/// An HTML table that cannot be sorted.
#[derive(Serialize)]
pub(crate) struct TextTable {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// Rows that the page's script inserts when the table is opened, for a page that opens fast.
    pub later: Vec<Vec<String>>,
    /// The remark if rows were left out.
    pub cut: String,
}

/// Maximum number of rows of a text table; the downloads have every trial.
const MOST_ROWS: usize = 300;

/// Number of rows in the page when it opens.
const AT_ONCE: usize = 40;

impl TextTable {
    /// Creates a table of at most [`MOST_ROWS`] rows.
    pub(crate) fn new(columns: Vec<String>, mut rows: Vec<Vec<String>>) -> TextTable {
        let all = rows.len();
        rows.truncate(MOST_ROWS);
        let cut = if all > MOST_ROWS {
            format!("The first {MOST_ROWS} of {all} rows.")
        } else {
            String::new()
        };
        let later = rows.split_off(rows.len().min(AT_ONCE));
        TextTable { columns, rows, later, cut }
    }
}

/// The table of effects with its reading instructions.
#[derive(Serialize)]
pub(crate) struct Effects {
    pub how_to_read: String,
    pub table: TextTable,
}

/// Changes since an earlier run.
#[derive(Serialize)]
pub(crate) struct Changes {
    pub title: String,
    pub sentence: String,
    pub table: TextTable,
}

/// A name with its values.
#[derive(Serialize)]
pub(crate) struct Fact {
    pub name: String,
    pub values: Vec<String>,
}

impl Cell {
    /// A cell that sorts as text. Control characters, which occur in reasons from logs, become
    /// spaces.
    pub(crate) fn text(text: impl Into<String>) -> Cell {
        Cell { text: text.into().replace(char::is_control, " "), ..Cell::default() }
    }

    /// A cell with a formatted number that sorts by its value; a dash if there is none.
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
