//! Of most commands.

use clap::Args;
use std::path::PathBuf;

/// Where files are, relative to the current folder.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Folders")]
pub(crate) struct Folders {
    /// Folder of data sets
    #[arg(long, env = "RES2LAB_DATA", hide_env_values = true)]
    #[arg(default_value = "data", value_name = "DIR")]
    pub data: PathBuf,
    /// Folder of reports
    #[arg(long, env = "RES2LAB_REPORTS", hide_env_values = true)]
    #[arg(default_value = "reports", value_name = "DIR")]
    pub reports: PathBuf,
}
