//! Of `clean`.

use super::folders::Folders;
use super::output::Output;
use super::sweep::KeepWord;

/// Of `clean`.
#[derive(clap::Args, Debug)]
pub(crate) struct CleanArgs {
    /// The sweep's name or folder
    pub name: String,
    /// What each finished trial keeps: its best weights, its last state, or neither
    #[arg(long, value_enum, default_value_t = KeepWord::Best)]
    pub keep: KeepWord,
    /// Remove the files; without it they are only listed
    #[arg(long)]
    pub yes: bool,
    /// How the list is printed
    #[command(flatten)]
    pub output: Output,
    /// Where reports are
    #[command(flatten)]
    pub folders: Folders,
}
