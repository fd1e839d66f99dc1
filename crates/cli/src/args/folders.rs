//! Of most commands.

use clap::Args;
use std::path::PathBuf;

/// Where files are, relative to the current folder.
#[derive(Args, Debug, Clone)]
pub(crate) struct Folders {
    /// Folder of data sets
    #[arg(long, env = "RES2LAB_DATA", default_value = "data", value_name = "DIR")]
    pub data: PathBuf,
    /// Folder of reports
    #[arg(long, env = "RES2LAB_REPORTS", default_value = "reports", value_name = "DIR")]
    pub reports: PathBuf,
}
