//! Rows under headers. On a terminal a table is never wider than it: headers take several lines,
//! long names lose their middle, and then columns are left out, which a line below the table names.

use super::words::{one_line, shortened_to};
use crate::screen::{self, Stream, Tone};
use console::measure_text_width;

/// Blanks between columns.
const GAP: usize = 2;

/// A table before it is laid out.
pub(crate) struct Table<'a> {
    /// One per column.
    pub headers: &'a [&'a str],
    /// Columns of text, which stand to the left; the others are numbers.
    pub left: usize,
    pub rows: Vec<Vec<String>>,
    /// Columns that are left out first; the others follow from the right.
    pub spare: &'a [&'a str],
    /// A row that stands out.
    pub best: Option<usize>,
}

/// Lines of a table, and the headers of the columns that have no room.
pub(crate) struct Layout {
    pub lines: Vec<String>,
    pub missing: Vec<String>,
}

/// Lays a table out for `width` columns; without a width, for a file.
pub(crate) fn layout(table: &Table, width: Option<usize>) -> Layout {
    let mut rows: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let mut columns: Vec<usize> = (0..table.headers.len()).collect();
    let mut headers: Vec<Vec<&str>> = table.headers.iter().map(|header| vec![*header]).collect();
    let limit = width.unwrap_or(usize::MAX);
    if total(&columns, &headers, &rows) > limit {
        headers = table.headers.iter().map(|header| header.split(' ').collect()).collect();
    }
    if total(&columns, &headers, &rows) > limit {
        for row in &mut rows {
            for cell in row.iter_mut().take(table.left) {
                *cell = shortened_to(cell, (limit / 2).max(12));
            }
        }
    }
    let mut missing = Vec::new();
    while columns.len() > 1 && total(&columns, &headers, &rows) > limit {
        let spare = table.spare.iter().find_map(|name| {
            columns.iter().skip(1).position(|&i| table.headers[i] == *name).map(|at| at + 1)
        });
        missing.push(columns.remove(spare.unwrap_or(columns.len() - 1)));
    }
    missing.sort_unstable();
    let widths = widths(&columns, &headers, &rows);
    let bold = |line: String| screen::paint(Stream::Out, Tone::Strong, &line);
    let packed: Vec<Vec<String>> =
        columns.iter().zip(&widths).map(|(&i, &width)| pack(&headers[i], width)).collect();
    let height = packed.iter().map(Vec::len).max().unwrap_or(0);
    let part = |header: &Vec<String>, at: usize| {
        let blank = height - header.len();
        at.checked_sub(blank).map_or_else(String::new, |at| header[at].clone())
    };
    let mut lines: Vec<String> = (0..height)
        .map(|at| packed.iter().map(|header| part(header, at)).collect())
        .map(|cells: Vec<String>| bold(row_line(&cells, &columns, &widths, table.left)))
        .filter(|line| measure_text_width(line) > 0)
        .collect();
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<String> = columns.iter().map(|&i| row[i].clone()).collect();
        let line = row_line(&cells, &columns, &widths, table.left);
        lines.push(if table.best == Some(at) { bold(line) } else { line });
    }
    let missing = missing.into_iter().map(|i| table.headers[i].to_owned()).collect();
    Layout { lines, missing }
}

/// The words of a header on as few lines of its column as they need.
fn pack(words: &[&str], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 1 + measure_text_width(word) <= width => {
                *line += " ";
                *line += word;
            }
            _ => lines.push((*word).to_owned()),
        }
    }
    lines
}

fn widths(columns: &[usize], headers: &[Vec<&str>], rows: &[Vec<String>]) -> Vec<usize> {
    let widest = |i: usize| {
        let header = headers[i].iter().map(|word| measure_text_width(word)).max();
        let cell = rows.iter().map(|row| measure_text_width(&row[i])).max();
        header.max(cell).unwrap_or(0)
    };
    columns.iter().map(|&i| widest(i)).collect()
}

fn total(columns: &[usize], headers: &[Vec<&str>], rows: &[Vec<String>]) -> usize {
    let cells: usize = widths(columns, headers, rows).iter().sum();
    cells + GAP * columns.len().saturating_sub(1)
}

fn row_line(cells: &[String], columns: &[usize], widths: &[usize], left: usize) -> String {
    let cell = |(at, text): (usize, &String)| {
        let blanks = " ".repeat(widths[at] - measure_text_width(text));
        if columns[at] < left { format!("{text}{blanks}") } else { format!("{blanks}{text}") }
    };
    let cells: Vec<String> = cells.iter().enumerate().map(cell).collect();
    cells.join(&" ".repeat(GAP)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: [&str; 5] =
        ["arm", "network", "parameters", "receptive field", "time per trial"];

    fn table(label: &str) -> Table<'static> {
        let row = [label, "res2net20-16w-4s", "21.2 k", "1131", "12 s"].map(str::to_owned);
        let rows = vec![row.to_vec(), ["b", "c", "1", "2", "3 s"].map(str::to_owned).to_vec()];
        Table { headers: &HEADERS, left: 2, rows, spare: &["network"], best: None }
    }

    fn fits(layout: &Layout, width: usize) {
        for line in &layout.lines {
            assert!(measure_text_width(line) <= width, "{width}: {line}");
        }
    }

    #[test]
    fn a_file_gets_every_column_on_one_line_each() {
        let found = layout(&table("scale=2"), None);
        assert_eq!(found.lines.len(), 3);
        assert_eq!(
            found.lines[0],
            "arm      network           parameters  receptive field  time per trial"
        );
        assert_eq!(
            found.lines[2],
            "b        c                          1                2             3 s"
        );
        assert!(found.missing.is_empty());
    }

    #[test]
    fn headers_break_before_a_column_is_left_out() {
        let found = layout(&table("scale=2"), Some(60));
        fits(&found, 60);
        assert!(found.missing.is_empty(), "{:?}", found.missing);
        assert_eq!(found.lines.len(), 5, "three lines of headers: time, per, trial");
        assert!(found.lines[2].starts_with("arm "), "{:?}", found.lines);
    }

    #[test]
    fn words_of_a_header_share_a_line_where_cells_are_wide() {
        assert_eq!(pack(&["arm", "with", "the", "least"], 14), ["arm with the", "least"]);
        assert_eq!(pack(&["accuracy", "%"], 8), ["accuracy", "%"]);
        assert_eq!(pack(&["accuracy %"], 4), ["accuracy %"]);
    }

    #[test]
    fn spare_columns_go_first_then_those_on_the_right_and_all_are_named() {
        let found = layout(&table("scale=2"), Some(45));
        fits(&found, 45);
        assert_eq!(found.missing, ["network"]);
        let found = layout(&table("scale=2"), Some(20));
        fits(&found, 20);
        assert_eq!(found.missing, ["network", "receptive field", "time per trial"]);
    }

    #[test]
    fn a_long_name_loses_its_middle_at_any_width() {
        let long = "lr=0.05 scale=1 width=16 depth=11 train.label_smoothing=0.1";
        for width in [12, 20, 33, 40, 60, 79, 80, 200] {
            let found = layout(&table(long), Some(width));
            fits(&found, width.max(12));
            assert_eq!(found.lines.iter().any(|line| line.contains('…')), width < 110, "{width}");
        }
    }
}
