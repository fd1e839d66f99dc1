//! Which trial runs next, and in which slot. A pure state machine: trials and slots are numbers, there is no clock and
//! no process.

use crate::executor::End;
use std::collections::VecDeque;

/// Trials waiting, running, and over.
#[derive(Clone, Debug)]
pub struct Scheduler {
    pending: VecDeque<usize>,
    slots: Vec<Option<usize>>,
    /// Trials taken over from a runner with more slots; no slot is given away until they are over.
    surplus: Vec<usize>,
    ends: Vec<Option<End>>,
    is_stopping: bool,
}

impl Scheduler {
    /// `ends[i]` is the end that trial i had before, if any.
    pub fn new(ends: Vec<Option<End>>, slots: usize) -> Scheduler {
        let pending = (0..ends.len()).filter(|&i| ends[i].is_none()).collect();
        Scheduler { pending, slots: vec![None; slots], surplus: vec![], ends, is_stopping: false }
    }

    /// Takes over a trial that runs already, in `slot` if that is free, else in any other.
    pub fn adopt(&mut self, trial: usize, slot: Option<usize>) {
        self.pending.retain(|&i| i != trial);
        let wanted = slot.filter(|&s| self.slots.get(s) == Some(&None));
        match wanted.or_else(|| self.slots.iter().position(Option::is_none)) {
            Some(free) => self.slots[free] = Some(trial),
            None => self.surplus.push(trial),
        }
    }

    /// The next trial and its slot, which is taken from now on; None if nothing can start.
    pub fn start_next(&mut self) -> Option<(usize, usize)> {
        if self.is_stopping || !self.surplus.is_empty() {
            return None;
        }
        let slot = self.slots.iter().position(Option::is_none)?;
        let trial = self.pending.pop_front()?;
        self.slots[slot] = Some(trial);
        Some((trial, slot))
    }

    /// A running trial ended. A preempted one waits for its next turn, at the end of the line.
    pub fn end(&mut self, trial: usize, end: End) {
        self.slots.iter_mut().filter(|slot| **slot == Some(trial)).for_each(|slot| *slot = None);
        self.surplus.retain(|&i| i != trial);
        if end == End::Preempted {
            self.pending.push_back(trial);
        } else {
            self.ends[trial] = Some(end);
        }
    }

    /// Nothing starts any more.
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Whether nothing starts any more.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Trials with their slots; None for those beyond the slots.
    pub fn running(&self) -> Vec<(usize, Option<usize>)> {
        let in_slots = self.slots.iter().enumerate().filter_map(|(slot, trial)| Some(((*trial)?, Some(slot))));
        in_slots.chain(self.surplus.iter().map(|&trial| (trial, None))).collect()
    }

    /// Trials not started, or to be started again.
    pub fn pending(&self) -> impl Iterator<Item = usize> {
        self.pending.iter().copied()
    }

    /// How each trial ended, if it did.
    pub fn ends(&self) -> &[Option<End>] {
        &self.ends
    }

    /// Nothing runs, and nothing will.
    pub fn is_over(&self) -> bool {
        self.running().is_empty() && (self.pending.is_empty() || self.is_stopping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What may happen next, drawn at random.
    #[derive(Clone, Debug)]
    enum Happening {
        Start,
        End(usize, u8),
        /// The runner dies; running trials go on and are adopted by the next one, which has another number of slots.
        Crash(usize),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            4 => Just(Happening::Start),
            3 => (any::<usize>(), 0..4_u8).prop_map(|(which, how)| Happening::End(which, how)),
            1 => (1..5_usize).prop_map(Happening::Crash),
        ]
    }

    fn check(s: &Scheduler, trials: usize) -> Result<(), TestCaseError> {
        let running: Vec<usize> = s.running().into_iter().map(|(t, _)| t).collect();
        let mut everywhere: Vec<usize> = s.pending().chain(running.iter().copied()).collect();
        everywhere.extend((0..trials).filter(|&t| s.ends()[t].is_some()));
        everywhere.sort_unstable();
        // Each trial is in exactly one place: waiting, running or over.
        prop_assert!(everywhere.into_iter().eq(0..trials));
        Ok(())
    }

    proptest! {
        #[test]
        fn every_trial_ends_once_whatever_happens(
            trials in 0..30_usize, slots in 1..5_usize, happenings in prop::collection::vec(happening(), 0..120)
        ) {
            let mut s = Scheduler::new(vec![None; trials], slots);
            for happening in happenings {
                match happening {
                    Happening::Start => {
                        s.start_next();
                    }
                    Happening::End(which, how) => {
                        let running = s.running();
                        if running.is_empty() { continue }
                        let (trial, _) = running[which % running.len()];
                        let failed = End::Failed("why".into());
                        s.end(trial, [End::Done, End::Diverged, End::Preempted, failed][usize::from(how)].clone());
                    }
                    Happening::Crash(slots) => {
                        let running = s.running();
                        // The next runner knows results, not failures: those are tried again.
                        let ends = s.ends().iter().map(|e| e.clone().filter(End::is_final)).collect();
                        s = Scheduler::new(ends, slots);
                        running.into_iter().for_each(|(trial, slot)| s.adopt(trial, slot));
                    }
                }
                check(&s, trials)?;
            }
            // Left alone, it comes to an end.
            for _ in 0..2 * trials + 10 {
                while s.start_next().is_some() {}
                if let Some(&(trial, _)) = s.running().first() { s.end(trial, End::Done) }
            }
            prop_assert!(s.is_over());
            prop_assert!(s.ends().iter().all(Option::is_some));
        }
    }

    #[test]
    fn nothing_starts_after_a_stop_or_beside_surplus_trials() {
        let mut s = Scheduler::new(vec![None; 4], 1);
        s.adopt(3, Some(0));
        s.adopt(2, Some(0));
        assert_eq!(s.start_next(), None);
        s.end(3, End::Done);
        assert_eq!(s.start_next(), None, "trial 2 runs beyond the slots");
        s.end(2, End::Done);
        assert_eq!(s.start_next(), Some((0, 0)));
        s.stop();
        s.end(0, End::Preempted);
        assert!(s.is_over() && s.start_next().is_none());
    }
}
