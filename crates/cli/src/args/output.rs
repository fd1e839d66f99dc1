//! How results are printed: of every command that prints one.

use clap::Args;

/// How results are printed.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// How the result is printed: as text for people, as rows for other programs, or as JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl Output {
    /// The format that either flag asks for.
    pub(crate) fn format(self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    pub(crate) fn is_text(self) -> bool {
        self.format() == Format::Text
    }
}

/// Of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns
    Text,
    /// Comma-separated, with a header
    Csv,
    /// Markdown
    Md,
    /// LaTeX, for the booktabs package
    Latex,
    /// Objects
    Json,
}

/// Arms that text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowLimit {
    All,
    Most(usize),
}

/// Of the commands that print a row per arm.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct RowArgs {
    /// Arms in the tables of text, the best first: a number, or all (default: all, and on a
    /// terminal 10 of more than 12)
    #[arg(long = "rows", value_name = "N|all", value_parser = row_limit)]
    pub limit: Option<RowLimit>,
}

/// More arms than these are shown in part on a terminal.
const MANY: usize = 12;
/// This part.
const SOME: usize = 10;

impl RowArgs {
    /// How many of `arms` are shown; None for all in their own order.
    pub(crate) fn most(self, arms: usize, is_terminal: bool) -> Option<usize> {
        match self.limit {
            Some(RowLimit::All) => None,
            Some(RowLimit::Most(n)) => (arms > n).then_some(n),
            None => (is_terminal && arms > MANY).then_some(SOME),
        }
    }
}

fn row_limit(word: &str) -> Result<RowLimit, String> {
    match word.parse() {
        Ok(0) => Err("give at least 1, or: all".into()),
        Ok(n) => Ok(RowLimit::Most(n)),
        Err(_) if word == "all" => Ok(RowLimit::All),
        Err(_) => Err("give a whole number, or: all".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_ten_of_many_arms_and_a_file_all() {
        let of = |limit, arms, is_terminal| RowArgs { limit }.most(arms, is_terminal);
        assert_eq!(of(None, 48, true), Some(10));
        assert_eq!((of(None, 48, false), of(None, 12, true)), (None, None));
        assert_eq!(of(Some(RowLimit::All), 48, true), None);
        assert_eq!(of(Some(RowLimit::Most(5)), 48, false), Some(5));
        assert_eq!(of(Some(RowLimit::Most(48)), 48, true), None);
        assert_eq!(row_limit("7"), Ok(RowLimit::Most(7)));
        assert_eq!(row_limit("all"), Ok(RowLimit::All));
        assert!(row_limit("0").is_err() && row_limit("some").is_err());
    }
}
