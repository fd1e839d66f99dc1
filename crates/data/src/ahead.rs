//! Read-ahead for pictures in tar files. The pictures of several batches are read at once in file
//! order, because a disk delivers only a fraction of its throughput for random reads. The order of
//! the batches is unchanged.

use crate::Pictures;
use crate::tars::Tars;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Size of a read window in bytes; a window holds at least one batch. Two windows are in memory.
const WINDOW: usize = 32 << 20;

/// The bytes of the pictures of some batches, by index. Unreadable pictures are missing.
pub type Window = HashMap<u32, Vec<u8>>;

/// The read windows of an epoch plan, with the range of batches for each window.
pub struct Ahead {
    ranges: Vec<Range<usize>>,
    windows: Receiver<Window>,
    next: usize,
    now: Window,
}

impl Ahead {
    /// Starts a thread that reads the windows of these batches. `None` for pictures outside of tar
    /// files; each of those is read when it is decoded.
    pub fn start(pictures: &Arc<Pictures>, batches: &Arc<Vec<Vec<u32>>>) -> Option<Ahead> {
        let Pictures::Tars(tars) = &**pictures else { return None };
        let ranges = ranges(tars, batches);
        let (sender, windows) = sync_channel(1);
        let pictures = Arc::clone(pictures);
        let batches = Arc::clone(batches);
        let wanted = ranges.clone();
        std::thread::spawn(move || {
            let Pictures::Tars(tars) = &*pictures else { return };
            for range in wanted {
                // After the receiver is dropped, the thread ends at its next window.
                if sender.send(read(tars, &batches[range])).is_err() {
                    return;
                }
            }
        });
        Some(Ahead { ranges, windows, next: 0, now: Window::new() })
    }

    /// The window with the bytes of batch `batch`. Batches must be requested in order.
    pub fn window(&mut self, batch: usize) -> &Window {
        if self.ranges.get(self.next).is_some_and(|range| range.start == batch) {
            self.next += 1;
            self.now = self.windows.recv().unwrap_or_default();
        }
        &self.now
    }
}

/// Groups consecutive batches into windows.
fn ranges(tars: &Tars, batches: &[Vec<u32>]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut bytes = WINDOW;
    for (i, batch) in batches.iter().enumerate() {
        let of_batch: usize =
            batch.iter().map(|&index| tars.members[image(tars, index)].length as usize).sum();
        match ranges.last_mut().filter(|_| bytes + of_batch <= WINDOW) {
            Some(range) => range.end = i + 1,
            None => {
                ranges.push(i..i + 1);
                bytes = 0;
            }
        }
        bytes += of_batch;
    }
    ranges
}

/// The image of an index, which may be a further copy of it.
fn image(tars: &Tars, index: u32) -> usize {
    index as usize % tars.members.len().max(1)
}

fn read(tars: &Tars, batches: &[Vec<u32>]) -> Window {
    let mut order: Vec<u32> =
        batches.iter().flatten().map(|&index| image(tars, index) as u32).collect();
    order.sort_unstable_by_key(|&index| tars.place(index as usize));
    order.dedup();
    let one = |index: u32| {
        let mut bytes = Vec::new();
        tars.read(index as usize, &mut bytes).ok()?;
        Some((index, bytes))
    };
    order.into_iter().filter_map(one).collect()
}
