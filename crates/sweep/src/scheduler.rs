//! Which trial runs next, and in which slot. A pure state machine: trials and slots are numbers,
//! the time is told, and there is no process.

use crate::executor::End;
use std::collections::VecDeque;

/// What happens after failures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RetryPolicy {
    /// A trial is tried again so many times.
    pub retries: u32,
    /// The first retry waits so long, each further one twice as long, seconds.
    pub back_off_s: f64,
}

/// A slot that fails so many trials in a row is set aside, unless it is the last one.
const MOST_IN_A_ROW: u32 = 3;

/// Trials waiting, running, and over.
#[derive(Clone, Debug)]
pub struct Scheduler {
    retry_policy: RetryPolicy,
    pending: VecDeque<usize>,
    /// Failed trials that wait for another try: when it may start, and which.
    delayed: Vec<(f64, usize)>,
    slots: Vec<SlotState>,
    /// Trials taken over from a runner with more slots; no slot is given away until they are over.
    surplus: Vec<usize>,
    tries: Vec<u32>,
    ends: Vec<Option<End>>,
    is_stopping: bool,
}

#[derive(Clone, Debug, Default)]
struct SlotState {
    trial: Option<usize>,
    failed_in_a_row: u32,
    is_aside: bool,
}

impl Scheduler {
    /// `ends[i]` is the end that trial i had before, if any.
    pub fn new(ends: Vec<Option<End>>, slots: usize, retry_policy: RetryPolicy) -> Scheduler {
        let pending = (0..ends.len()).filter(|&i| ends[i].is_none()).collect();
        Scheduler {
            retry_policy,
            pending,
            delayed: vec![],
            slots: vec![SlotState::default(); slots],
            surplus: vec![],
            tries: vec![0; ends.len()],
            ends,
            is_stopping: false,
        }
    }

    /// Takes over a trial that runs already, in `slot` if that is free, else in any other.
    pub fn adopt(&mut self, trial: usize, slot: Option<usize>) {
        self.pending.retain(|&i| i != trial);
        self.delayed.retain(|&(_, i)| i != trial);
        let is_free = |s: &SlotState| s.trial.is_none() && !s.is_aside;
        let wanted = slot.filter(|&s| self.slots.get(s).is_some_and(is_free));
        match wanted.or_else(|| self.slots.iter().position(is_free)) {
            Some(free) => self.slots[free].trial = Some(trial),
            None => self.surplus.push(trial),
        }
    }

    /// The next trial and its slot, which is taken from now on; None if nothing can start. A failed
    /// trial whose wait is over goes first.
    pub fn start_next(&mut self, now_s: f64) -> Option<(usize, usize)> {
        if self.is_stopping || !self.surplus.is_empty() {
            return None;
        }
        let slot = self.slots.iter().position(|s| s.trial.is_none() && !s.is_aside)?;
        let due = self.delayed.iter().position(|&(at_s, _)| at_s <= now_s);
        let trial = match due {
            Some(i) => self.delayed.remove(i).1,
            None => self.pending.pop_front()?,
        };
        self.slots[slot].trial = Some(trial);
        Some((trial, slot))
    }

    /// A running trial ended. A preempted one waits for its next turn, at the end of the line; a
    /// failed one is tried again if it may be. Returns the slot that is set aside from now on, if
    /// one is.
    pub fn end(&mut self, trial: usize, end: End, now_s: f64) -> Option<usize> {
        let slot = self.slots.iter().position(|s| s.trial == Some(trial));
        self.surplus.retain(|&i| i != trial);
        let mut aside = None;
        if let Some(slot) = slot {
            self.slots[slot].trial = None;
            let failed = matches!(end, End::Failed(_));
            self.slots[slot].failed_in_a_row =
                if failed { self.slots[slot].failed_in_a_row + 1 } else { 0 };
            let others = self.slots.iter().enumerate().any(|(i, s)| i != slot && !s.is_aside);
            if self.slots[slot].failed_in_a_row >= MOST_IN_A_ROW && others {
                self.slots[slot].is_aside = true;
                aside = Some(slot);
            }
        }
        match end {
            End::Preempted | End::Interrupted => self.pending.push_back(trial),
            End::Failed(_)
                if self.tries[trial] < self.retry_policy.retries && !self.is_stopping =>
            {
                let wait_s =
                    self.retry_policy.back_off_s * f64::from(1_u32 << self.tries[trial].min(16));
                self.tries[trial] += 1;
                self.delayed.push((now_s + wait_s, trial));
            }
            end => self.ends[trial] = Some(end),
        }
        aside
    }

    /// Whether this trial waits for another try.
    pub fn is_delayed(&self, trial: usize) -> bool {
        self.delayed.iter().any(|&(_, i)| i == trial)
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
        let in_slots =
            self.slots.iter().enumerate().filter_map(|(slot, s)| Some((s.trial?, Some(slot))));
        in_slots.chain(self.surplus.iter().map(|&trial| (trial, None))).collect()
    }

    /// Trials not started, or to be started again.
    pub fn pending(&self) -> impl Iterator<Item = usize> {
        self.pending.iter().copied().chain(self.delayed.iter().map(|&(_, trial)| trial))
    }

    /// How each trial ended, if it did.
    pub fn ends(&self) -> &[Option<End>] {
        &self.ends
    }

    /// Nothing runs, and nothing will.
    pub fn is_over(&self) -> bool {
        let is_idle = self.surplus.is_empty() && self.slots.iter().all(|s| s.trial.is_none());
        is_idle && (self.is_stopping || (self.pending.is_empty() && self.delayed.is_empty()))
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
        /// The runner dies; running trials go on and are adopted by the next one, which has another
        /// number of slots.
        Crash(usize),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            4 => Just(Happening::Start),
            3 => (any::<usize>(), 0..5_u8).prop_map(|(which, how)| Happening::End(which, how)),
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
            let retry_policy = RetryPolicy { retries: 2, back_off_s: 3.0 };
            let mut s = Scheduler::new(vec![None; trials], slots, retry_policy);
            let mut now_s = 0.0;
            for happening in happenings {
                now_s += 1.0;
                match happening {
                    Happening::Start => {
                        s.start_next(now_s);
                    }
                    Happening::End(which, how) => {
                        let running = s.running();
                        if running.is_empty() { continue }
                        let (trial, _) = running[which % running.len()];
                        let failed = End::Failed("why".into());
                        let refused = End::Refused("why".into());
                        let ends = [End::Done, End::Diverged, End::Preempted, failed, refused];
                        s.end(trial, ends[usize::from(how)].clone(), now_s);
                    }
                    Happening::Crash(slots) => {
                        let running = s.running();
                        // The next runner knows results, not failures: those are tried again.
                        let ends = s.ends().iter().map(|e| e.clone().filter(End::is_final)).collect();
                        s = Scheduler::new(ends, slots, retry_policy);
                        running.into_iter().for_each(|(trial, slot)| s.adopt(trial, slot));
                    }
                }
                check(&s, trials)?;
            }
            // Left alone, it comes to an end.
            for _ in 0..2 * trials + 10 {
                now_s += 100.0;
                while s.start_next(now_s).is_some() {}
                if let Some(&(trial, _)) = s.running().first() {
                    s.end(trial, End::Done, now_s);
                }
            }
            prop_assert!(s.is_over());
            prop_assert!(s.ends().iter().all(Option::is_some));
        }
    }

    #[test]
    fn nothing_starts_after_a_stop_or_beside_surplus_trials() {
        let mut s = Scheduler::new(vec![None; 4], 1, RetryPolicy::default());
        s.adopt(3, Some(0));
        s.adopt(2, Some(0));
        assert_eq!(s.start_next(0.0), None);
        s.end(3, End::Done, 0.0);
        assert_eq!(s.start_next(0.0), None, "trial 2 runs beyond the slots");
        s.end(2, End::Done, 0.0);
        assert_eq!(s.start_next(0.0), Some((0, 0)));
        s.stop();
        s.end(0, End::Preempted, 0.0);
        assert!(s.is_over() && s.start_next(0.0).is_none());
    }

    #[test]
    fn a_failed_trial_is_tried_again_after_a_growing_wait() {
        let failed = || End::Failed("why".into());
        let mut s = Scheduler::new(vec![None; 1], 1, RetryPolicy { retries: 2, back_off_s: 5.0 });
        for (now_s, wait_s) in [(0.0, 5.0), (100.0, 10.0)] {
            assert_eq!(s.start_next(now_s), Some((0, 0)));
            s.end(0, failed(), now_s);
            assert!(s.is_delayed(0) && !s.is_over());
            assert_eq!(s.start_next(now_s + wait_s - 0.1), None);
        }
        assert_eq!(s.start_next(110.0), Some((0, 0)));
        s.end(0, failed(), 111.0);
        assert!(s.is_over() && s.ends()[0] == Some(failed()));
        // What would fail alike is not tried again.
        let mut s = Scheduler::new(vec![None; 1], 1, RetryPolicy { retries: 2, back_off_s: 5.0 });
        s.start_next(0.0);
        s.end(0, End::Refused("bad data".into()), 0.0);
        assert!(s.is_over());
    }

    #[test]
    fn a_slot_that_fails_three_in_a_row_is_set_aside_but_never_the_last() {
        let failed = || End::Failed("why".into());
        let mut s = Scheduler::new(vec![None; 20], 2, RetryPolicy::default());
        assert_eq!((s.start_next(0.0), s.start_next(0.0)), (Some((0, 0)), Some((1, 1))));
        // Slot 0 is broken; slot 1 works, and keeps its trial meanwhile.
        let mut aside = vec![];
        aside.extend(s.end(0, failed(), 0.0));
        while let Some((trial, slot)) = s.start_next(0.0) {
            assert_eq!(slot, 0);
            aside.extend(s.end(trial, failed(), 0.0));
        }
        assert_eq!(aside, [0]);
        let running = s.running();
        assert_eq!(running, [(1, Some(1))]);
        s.end(1, End::Done, 0.0);
        for _ in 0..5 {
            let (trial, slot) = s.start_next(0.0).unwrap();
            assert_eq!((slot, s.end(trial, failed(), 0.0)), (1, None));
        }
    }
}
