//! Why there is no report.

use std::fmt;

/// A cause and a remedy, one line each.
#[derive(Debug)]
pub struct ReportError {
    /// What failed.
    pub cause: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for ReportError {}

impl From<res2lab_store::StoreError> for ReportError {
    fn from(e: res2lab_store::StoreError) -> ReportError {
        ReportError { cause: e.cause, help: e.help }
    }
}

impl From<minijinja::Error> for ReportError {
    fn from(e: minijinja::Error) -> ReportError {
        ReportError {
            cause: format!("the page's template failed: {e:#}"),
            help: "this is a bug of res2lab; the tables beside the page hold the same numbers"
                .into(),
        }
    }
}
