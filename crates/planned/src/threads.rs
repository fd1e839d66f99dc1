//! A team of threads with a barrier. All threads run the same program, each on its own images.
//!
//! Threads are started for each pass. Starting them takes some ten microseconds, a pass takes
//! milliseconds. A pass has about a hundred barriers with short waits, so a waiting thread spins
//! and does not sleep.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A spin barrier: every thread waits until all threads of the team have arrived.
pub struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    /// Whether a thread has panicked and will not arrive.
    broken: AtomicBool,
}

/// Spins before a waiting thread yields its core. With more threads than free cores, a thread that
/// only spins would delay the thread that it waits for.
const SPINS: usize = 2000;

impl Barrier {
    /// A barrier for a team of this many threads.
    pub fn new(threads: usize) -> Barrier {
        Barrier {
            threads,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Returns once all threads have called it. Writes of any thread before the call are visible to
    /// all threads after it.
    ///
    /// # Panics
    /// If another thread has panicked.
    pub fn wait(&self) {
        if self.threads == 1 {
            return;
        }
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round + 1, Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.round.load(Ordering::Acquire) == round {
            assert!(
                !self.broken.load(Ordering::Relaxed),
                "another thread of this pass has panicked"
            );
            spins += 1;
            if spins < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }
}

/// Breaks the barrier if its thread panics, so that the other threads do not wait forever.
struct Guard<'a>(&'a Barrier);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs `work` once for each of `members`, each on a thread of its own. The calling thread runs the
/// first.
pub fn run<M: Send>(barrier: &Barrier, members: Vec<M>, work: impl Fn(M) + Sync) {
    let work = |member| {
        let _guard = Guard(barrier);
        work(member);
    };
    std::thread::scope(|scope| {
        let mut members = members.into_iter();
        let first = members.next();
        for member in members {
            scope.spawn(|| work(member));
        }
        if let Some(first) = first {
            work(first);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_before_the_barrier_is_seen_after_it() {
        let barrier = Barrier::new(3);
        let slots: Vec<AtomicUsize> = (0..3).map(|_| AtomicUsize::new(0)).collect();
        run(&barrier, vec![0, 1, 2], |member: usize| {
            for round in 1..=500 {
                slots[member].store(round, Ordering::Relaxed);
                barrier.wait();
                assert!(slots.iter().all(|slot| slot.load(Ordering::Relaxed) == round));
                barrier.wait();
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_ends_the_other_threads() {
        let barrier = Barrier::new(2);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run(&barrier, vec![0, 1], |member: usize| {
                assert!(member == 0, "on purpose");
                barrier.wait();
            });
        }));
        assert!(result.is_err());
    }
}
