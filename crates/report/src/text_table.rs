//! Tables as text: Markdown and LaTeX.

/// Formats a Markdown table. The first `left` columns are text; all others are right-aligned
/// numbers.
pub fn markdown(columns: &[String], rows: &[Vec<String>], left: usize) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> =
            cells.iter().map(|c| one_line(c).replace('\\', "\\\\").replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<&str> =
        (0..columns.len()).map(|i| if i < left { ":--" } else { "--:" }).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    format!("{}| {} |\n{body}", line(columns), rule.join(" | "))
}

/// Replaces control characters, so that each row stays on one line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Formats a LaTeX table for the booktabs package. The first `left` columns are text, as in
/// [`markdown`].
pub fn latex(columns: &[String], rows: &[Vec<String>], left: usize) -> String {
    let line = |cells: &[String]| {
        format!("  {} \\\\\n", cells.iter().map(|c| latex_text(c)).collect::<Vec<_>>().join(" & "))
    };
    let body: String = rows.iter().map(|row| line(row)).collect();
    let left = left.min(columns.len());
    let align = "l".repeat(left) + &"r".repeat(columns.len() - left);
    format!(
        "\\begin{{tabular}}{{{align}}}\n  \\toprule\n{}  \\midrule\n{body}  \\bottomrule\n\\end{{tabular}}\n",
        line(columns)
    )
}

/// Text with the characters that LaTeX reserves written as text.
pub(crate) fn latex_text(text: &str) -> String {
    let mut written = String::new();
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                written.push('\\');
                written.push(c);
            }
            '\\' => written += "\\textbackslash{}",
            '~' => written += "\\textasciitilde{}",
            '^' => written += "\\textasciicircum{}",
            '<' => written += "\\textless{}",
            '>' => written += "\\textgreater{}",
            '±' => written += "$\\pm$",
            '−' => written += "$-$",
            '–' => written += "--",
            '×' => written += "$\\times$",
            '∞' => written += "$\\infty$",
            '✓' => written += "$\\surd$",
            '✗' => written += "$\\times$",
            '…' => written += "\\ldots{}",
            '\u{a0}' => written.push('~'),
            c if c.is_control() => written.push(' '),
            c => written.push(c),
        }
    }
    written
}
