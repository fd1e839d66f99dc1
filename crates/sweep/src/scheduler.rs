//! Decides which trial runs next, and in which slot. A pure state machine: trials and slots are
//! indices, the time is an argument, and no process is involved.

use crate::executor::End;
use std::collections::VecDeque;

/// The retry policy after failures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RetryPolicy {
    /// Maximum number of retries of a trial.
    pub retries: u32,
    /// Delay before the first retry in seconds; doubled for each further retry.
    pub back_off_s: f64,
}

/// Number of consecutive failures after which a slot is set aside, unless it is the last slot.
const MOST_IN_A_ROW: u32 = 3;

/// The state of all trials and slots.
#[derive(Clone, Debug)]
pub struct Scheduler {
    retry_policy: RetryPolicy,
    pending: VecDeque<usize>,
    /// Failed trials that wait for a retry: earliest time, and trial.
    delayed: Vec<(f64, usize)>,
    slots: Vec<SlotState>,
    /// Adopted trials beyond the number of slots. Nothing starts until they have ended.
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
    /// Creates a scheduler. `ends[i]` is the earlier end of trial i, if any.
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

    /// Adopts a running trial into `slot` if the slot is free, otherwise into any other slot.
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

    /// Starts the next trial and returns it with its slot, which becomes occupied; `None` if
    /// nothing can start. Failed trials whose delay is over go first.
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

    /// Records the end of a running trial. A preempted trial is queued again at the end; a failed
    /// trial is retried as the policy allows. Returns the slot that was set aside because of this
    /// end, if any: after three failures in a row, or at once if its device failed.
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
            let is_broken =
                end.is_device_fault() || self.slots[slot].failed_in_a_row >= MOST_IN_A_ROW;
            if is_broken && others {
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

    /// Whether the trial waits for a retry.
    pub fn is_delayed(&self, trial: usize) -> bool {
        self.delayed.iter().any(|&(_, i)| i == trial)
    }

    /// Stops the start of further trials.
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Whether the start of further trials is stopped.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Running trials with their slots; `None` for adopted trials beyond the number of slots.
    pub fn running(&self) -> Vec<(usize, Option<usize>)> {
        let in_slots =
            self.slots.iter().enumerate().filter_map(|(slot, s)| Some((s.trial?, Some(slot))));
        in_slots.chain(self.surplus.iter().map(|&trial| (trial, None))).collect()
    }

    /// Trials that have not started or will be started again.
    pub fn pending(&self) -> impl Iterator<Item = usize> {
        self.pending.iter().copied().chain(self.delayed.iter().map(|&(_, trial)| trial))
    }

    /// The end of each trial; `None` before it has ended.
    pub fn ends(&self) -> &[Option<End>] {
        &self.ends
    }

    /// Whether no trial is running and none will start.
    pub fn is_over(&self) -> bool {
        let is_idle = self.surplus.is_empty() && self.slots.iter().all(|s| s.trial.is_none());
        is_idle && (self.is_stopping || (self.pending.is_empty() && self.delayed.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A random event.
    #[derive(Clone, Debug)]
    enum Happening {
        Start,
        End(usize, u8),
        /// The runner dies. Running trials go on, and the next runner, which has another number of
        /// slots, adopts them.
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
        // Each trial is in exactly one place: waiting, running or ended.
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
                        // The next runner knows results but no failures, so failed trials are
                        // retried.
                        let ends = s.ends().iter().map(|e| e.clone().filter(End::is_final)).collect();
                        s = Scheduler::new(ends, slots, retry_policy);
                        running.into_iter().for_each(|(trial, slot)| s.adopt(trial, slot));
                    }
                }
                check(&s, trials)?;
            }
            // Without further crashes the scheduler terminates.
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
        // A refused trial is not retried.
        let mut s = Scheduler::new(vec![None; 1], 1, RetryPolicy { retries: 2, back_off_s: 5.0 });
        s.start_next(0.0);
        s.end(0, End::Refused("bad data".into()), 0.0);
        assert!(s.is_over());
    }

    #[test]
    fn a_slot_whose_device_failed_is_set_aside_at_once() {
        let fault = "CUDA error: uncorrectable ECC error encountered";
        for (reason, expected) in [(fault, Some(0)), ("CUDA error: invalid argument", None)] {
            let mut s = Scheduler::new(vec![None; 4], 2, RetryPolicy::default());
            assert_eq!((s.start_next(0.0), s.start_next(0.0)), (Some((0, 0)), Some((1, 1))));
            assert_eq!(s.end(0, End::Failed(reason.into()), 0.0), expected, "{reason}");
        }
        // The last slot stays, whatever its device does.
        let mut s = Scheduler::new(vec![None; 4], 1, RetryPolicy::default());
        s.start_next(0.0);
        assert_eq!(s.end(0, End::Failed(fault.into()), 0.0), None);
    }

    #[test]
    fn a_slot_that_fails_three_in_a_row_is_set_aside_but_never_the_last() {
        let failed = || End::Failed("why".into());
        let mut s = Scheduler::new(vec![None; 20], 2, RetryPolicy::default());
        assert_eq!((s.start_next(0.0), s.start_next(0.0)), (Some((0, 0)), Some((1, 1))));
        // Slot 0 is broken. Slot 1 works, and keeps its trial meanwhile.
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
