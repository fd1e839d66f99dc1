//! Ctrl-C, TERM and a closed terminal, counted: the first lets trials write a checkpoint, the
//! second ends them.

use crate::failure::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Signals that come together are one wish: `timeout` signals a process and then its group, a
/// closing terminal too.
const ONE_WISH: Duration = Duration::from_millis(500);

/// Counts from now on.
pub(crate) fn count(counter: &Arc<AtomicUsize>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(Failure::no_signals)?;
    let counter = Arc::clone(counter);
    std::thread::spawn(move || {
        let mut last: Option<Instant> = None;
        for _ in signals.forever() {
            if last.is_none_or(|at| at.elapsed() >= ONE_WISH) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            last = Some(Instant::now());
        }
    });
    Ok(())
}
