//! A download with its progress on standard error.

use crate::failure::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use res2lab_fetch::Check;
use std::path::Path;

/// Brings one file, telling how far it is.
pub(crate) fn file(url: &str, target: &Path, check: &Check) -> Result<(), Failure> {
    crate::print::told(&format!("downloading {url}"));
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {eta} left")
    {
        bar.set_style(style);
    }
    let mut tell = |so_far: u64, total: Option<u64>| {
        bar.set_length(total.unwrap_or(so_far));
        bar.set_position(so_far);
    };
    let ended = res2lab_fetch::download(url, target, check, &mut tell);
    bar.finish_and_clear();
    Ok(ended?)
}
