//! What the trials of a plan will cost on this machine: a few steps of each distinct network are
//! timed once, in as many processes side by side as there are slots, and kept for the device and
//! the build.

use res2lab_error::Error;
use res2lab_store::{CostEstimate, Plan, PlannedTrial, Timing, Work, atomic};
use res2lab_sweep::{Slot, local};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

/// What `res2lab time` prints.
#[derive(Serialize, Deserialize)]
pub struct Timed {
    /// Without the time to start.
    pub timing: Timing,
    /// How long the timing itself took, seconds.
    pub busy_s: f64,
}

/// Timings by what they depend on, on this machine's `device`.
struct Kept {
    path: PathBuf,
    timings: BTreeMap<String, Timing>,
    device: String,
}

impl Kept {
    fn open(slots: &[Slot], data: &Path) -> Result<Kept, Error> {
        let path = data.join(".cache").join("step-times.json");
        // A damaged file of timings only costs the time to make them again.
        let timings = atomic::read_json(&path).ok().flatten().unwrap_or_default();
        // Looking at the machine reads files and may start nvidia-smi: once, not for every trial.
        Ok(Kept { path, timings, device: device(slots, data)? })
    }

    fn key(&self, trial: &PlannedTrial) -> String {
        key(trial, &self.device)
    }

    /// Timings that cannot be kept are made again next time.
    fn save(&self) {
        let _ = self.path.parent().map(std::fs::create_dir_all);
        let _ = atomic::write_json(&self.path, &self.timings);
    }
}

/// More processes than this say nothing new.
const MOST_PROCESSES: usize = 8;

/// Gives every trial its cost estimate. Networks that were never timed here are timed if there is an
/// `on_timed`, which is called with how many are done of how many, and
/// left without an estimate if not, or if their timing failed (the reason becomes a note).
pub fn add(
    plan: &mut Plan,
    slots: &[Slot],
    data: &Path,
    on_timed: Option<&mut dyn FnMut(usize, usize)>,
) -> Result<(), Error> {
    let mut kept = Kept::open(slots, data)?;
    let keys: Vec<String> = plan.trials.iter().map(|trial| kept.key(trial)).collect();
    if let Some(on_timed) = on_timed {
        let mut new: Vec<(&String, &PlannedTrial)> = Vec::new();
        for (key, trial) in keys.iter().zip(&plan.trials) {
            if !kept.timings.contains_key(key) && !new.iter().any(|(other, _)| *other == key) {
                new.push((key, trial));
            }
        }
        let trials: Vec<&PlannedTrial> = new.iter().map(|(_, trial)| *trial).collect();
        let timings = measure_all(&trials, slots, data, on_timed);
        let mut notes = Vec::new();
        for ((key, trial), timing) in new.into_iter().zip(timings) {
            match timing {
                Ok(timing) => drop(kept.timings.insert(key.clone(), timing)),
                Err(e) => notes.push(format!("{} could not be timed: {}", trial.label, e.cause)),
            }
        }
        plan.notes.extend(notes);
        kept.save();
    }
    for (trial, key) in plan.trials.iter_mut().zip(&keys) {
        let Some(timing) = kept.timings.get(key) else { continue };
        let wall_s = timing.wall_s(work(trial));
        trial.cost_estimate =
            Some(CostEstimate { timing: timing.clone(), device: kept.device.clone(), wall_s });
    }
    plan.notes.extend(note_on_slots(plan));
    Ok(())
}

/// The timing of one network, kept or made now.
pub fn timing(trial: &PlannedTrial, slots: &[Slot], data: &Path) -> Result<Timing, Error> {
    let mut kept = Kept::open(slots, data)?;
    let key = kept.key(trial);
    if let Some(timing) = kept.timings.get(&key) {
        return Ok(timing.clone());
    }
    let timing = measure(trial, slots, data)?;
    kept.timings.insert(key, timing.clone());
    kept.save();
    Ok(timing)
}

/// When everything would be done, seconds from now, if each trial of the plan has an estimate.
pub fn finish_s(plan: &Plan, slots: &[Slot]) -> Option<f64> {
    let walls: Option<Vec<f64>> =
        plan.trials.iter().map(|t| t.cost_estimate.as_ref().map(|p| p.wall_s)).collect();
    walls
        .filter(|w| !w.is_empty())
        .map(|walls| res2lab_store::cost_estimate::finish_s(walls.into_iter(), slots.len()))
}

fn work(trial: &PlannedTrial) -> Work {
    let train = &trial.spec.train;
    Work {
        epochs: train.epochs,
        steps_per_epoch: trial.train_images / train.batch_size.max(1),
        eval_every: train.eval_every,
        test_images: trial.test_images,
        limit_s: 60.0 * train.max_minutes,
    }
}

/// Everything that a step's time depends on, as text.
fn key(trial: &PlannedTrial, device: &str) -> String {
    let mut spec = json!(trial.spec);
    for gone in [
        "/seed",
        "/init",
        "/train/epochs",
        "/train/schedule",
        "/train/eval_every",
        "/train/max_minutes",
    ] {
        if let Some(value) = spec.pointer_mut(gone) {
            *value = Value::Null;
        }
    }
    let code = crate::program::code();
    json!([device, code.version, code.commit, trial.image_px, trial.classes, spec]).to_string()
}

fn device(slots: &[Slot], data: &Path) -> Result<String, Error> {
    let kind =
        slots.first().map_or(String::new(), |s| format!("{} x {} threads", slots.len(), s.threads));
    let here = res2lab_train::environment::environment(tch::Device::Cpu, 1, crate::program::code());
    let on_gpu = slots.first().is_some_and(|s| !s.gpus.is_empty());
    if on_gpu {
        return Ok(format!("{}, {kind}", here.gpus.join(", ")));
    }
    // Trials that start side by side would measure it all at once, and disturb each other.
    let vectors = crate::vectors::choose(data)?.set.name();
    Ok(format!("{}, {kind}, {vectors} vectors", here.cpu))
}

/// The timing of each trial. All slots work all the time, as in a sweep. Slots of one kind measure
/// different networks; where they differ, as GPUs may, each network is measured in all of them.
fn measure_all(
    trials: &[&PlannedTrial],
    slots: &[Slot],
    data: &Path,
    on_timed: &mut dyn FnMut(usize, usize),
) -> Vec<Result<Timing, Error>> {
    let total = trials.len();
    on_timed(0, total);
    let slots = &slots[..slots.len().min(MOST_PROCESSES)];
    if slots.iter().any(|slot| !slot.gpus.is_empty()) || total < slots.len() {
        let measured = |(done, trial): (usize, &&PlannedTrial)| {
            let timing = measure(trial, slots, data);
            on_timed(done + 1, total);
            timing
        };
        return trials.iter().enumerate().map(measured).collect();
    }
    let next = AtomicUsize::new(0);
    let missing = AtomicUsize::new(total);
    let (send, receive) = channel();
    let work = |slot: &Slot, send: Sender<(usize, Result<Timing, Error>)>| {
        while missing.load(Ordering::Relaxed) > 0 {
            let index = next.fetch_add(1, Ordering::Relaxed);
            // Once all networks are taken, the last one is measured again for the load alone, while
            // other slots still measure.
            let timing = measure(trials[index.min(total - 1)], std::slice::from_ref(slot), data);
            if index < total {
                missing.fetch_sub(1, Ordering::Relaxed);
                // The receiver lives until all are there.
                let _ = send.send((index, timing));
            }
        }
    };
    let mut timings: Vec<Option<Result<Timing, Error>>> = (0..total).map(|_| None).collect();
    std::thread::scope(|scope| {
        for slot in slots {
            let send = send.clone();
            scope.spawn(|| work(slot, send));
        }
        drop(send);
        for (done, (index, timing)) in receive.iter().enumerate() {
            timings[index] = Some(timing);
            on_timed(done + 1, total);
        }
    });
    timings.into_iter().flatten().collect()
}

/// The mean over one process in every slot.
fn measure(trial: &PlannedTrial, slots: &[Slot], data: &Path) -> Result<Timing, Error> {
    let failed = |cause: String| Error::machine(cause, "see res2lab env");
    let exe = crate::program::find()?;
    let input = serde_json::to_vec(trial).map_err(|e| failed(e.to_string()))?;
    let started = Instant::now();
    let start = |slot: &Slot| start(&exe, slot, data, &input);
    let children: Vec<Child> = slots
        .iter()
        .take(MOST_PROCESSES)
        .map(start)
        .collect::<Result<_, _>>()
        .map_err(|e| failed(e.to_string()))?;
    let mut timings = Vec::new();
    for child in children {
        let output = child.wait_with_output().map_err(|e| failed(e.to_string()))?;
        let wall_s = started.elapsed().as_secs_f64();
        let timed: Timed = serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            failed(
                said.lines().next().unwrap_or("no answer").trim_start_matches("error: ").to_owned(),
            )
        })?;
        timings.push(Timing { startup_s: (wall_s - timed.busy_s).max(0.0), ..timed.timing });
    }
    Ok(of_slots(&timings))
}

/// The ratio of two slots' times from which on a plan says that its times are means.
const DIFFERENT: f64 = 1.25;

/// One timing for all slots. Times are harmonic means: slots that take `t_i` seconds for a trial
/// together end as many trials per second as slots that all take the harmonic mean.
fn of_slots(timings: &[Timing]) -> Timing {
    let mean = |f: &dyn Fn(&Timing) -> f64| {
        timings.len() as f64 / timings.iter().map(|t| 1.0 / f(t)).sum::<f64>()
    };
    let steps = || timings.iter().map(|t| t.step_s);
    let ratio = steps().fold(0.0, f64::max) / steps().fold(f64::INFINITY, f64::min);
    // Cores of a machine are equal; what differs between them is the load of the moment.
    let are_gpus = timings.iter().all(|t| t.gpu_memory_mib.is_some());
    Timing {
        step_s: mean(&|t| t.step_s),
        evaluation_s: mean(&|t| t.evaluation_s),
        save_s: mean(&|t| t.save_s),
        // The first to end was waited for first, so its start is the one that was seen best.
        startup_s: timings.iter().map(|t| t.startup_s).fold(f64::INFINITY, f64::min),
        memory_mib: timings.iter().map(|t| t.memory_mib).fold(0.0, f64::max),
        gpu_memory_mib: timings.iter().filter_map(|t| t.gpu_memory_mib).reduce(f64::max),
        slot_ratio: (are_gpus && ratio > DIFFERENT).then_some(ratio),
    }
}

/// What to say about times of slots that differ.
fn note_on_slots(plan: &Plan) -> Option<String> {
    let ratios = plan.trials.iter().filter_map(|t| t.cost_estimate.as_ref()?.timing.slot_ratio);
    let ratio = ratios.reduce(f64::max)?;
    Some(format!(
        "a step takes up to {ratio:.1} times as long in one slot as in another; times are means \
         over the slots, and a trial takes longer in a slow one"
    ))
}

fn start(exe: &Path, slot: &Slot, data: &Path, input: &[u8]) -> std::io::Result<Child> {
    let mut command = local::command(exe, slot);
    command.arg("time").arg("--data").arg(data);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    local::pin(&child, &slot.cores);
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input)?;
    }
    Ok(child)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(step_s: f64, gpu_memory_mib: Option<f64>) -> Timing {
        Timing {
            step_s,
            evaluation_s: step_s,
            save_s: 0.0,
            startup_s: 1.0,
            memory_mib: 100.0,
            gpu_memory_mib,
            slot_ratio: None,
        }
    }

    #[test]
    fn slots_of_unequal_gpus_have_the_time_of_their_throughput() {
        let gpu = Some(500.0);
        // In 6 s the two slots do 6 and 2 steps: as many as two slots of 1.5 s.
        let both = of_slots(&[timing(1.0, gpu), timing(3.0, gpu)]);
        assert_eq!((both.step_s, both.slot_ratio), (1.5, Some(3.0)));
        assert_eq!(both.save_s, 0.0);
        assert_eq!(of_slots(&[timing(1.0, gpu), timing(1.1, gpu)]).slot_ratio, None);
        // On a CPU a slow slot has only been disturbed.
        assert_eq!(of_slots(&[timing(1.0, None), timing(3.0, None)]).slot_ratio, None);
    }
}
