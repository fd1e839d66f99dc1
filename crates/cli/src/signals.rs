//! Ctrl-C and TERM, counted: the first lets trials write a checkpoint, the second ends them.

use crate::failure::Failure;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts from now on.
pub fn count(counter: &Arc<AtomicUsize>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::no_signals)?;
    let counter = Arc::clone(counter);
    std::thread::spawn(move || {
        for _ in signals.forever() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    Ok(())
}
