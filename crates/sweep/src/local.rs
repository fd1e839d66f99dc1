//! Trials on this machine: each trial is a process in a process group of its own, on one GPU or on
//! a set of cores.
use crate::executor::{End, Executor, Stop, wall_clock_s};
use crate::mps::Mps;
use crate::slots::Slot;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use res2lab_error::Error;
use res2lab_store::{PlannedTrial, RunDir, SweepDir, TrialResult, atomic, lock};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The command `exe` with the environment of a slot: threads and visible GPUs.
pub fn command(exe: &Path, slot: &Slot) -> Command {
    let threads = slot.threads.to_string();
    let mut command = Command::new(exe);
    command
        .env("RES2LAB_THREADS", &threads)
        .env("OMP_NUM_THREADS", &threads)
        .env("MKL_NUM_THREADS", &threads);
    if slot.sharing > 1 {
        command.env("PYTORCH_ALLOC_CONF", allocator(slot.sharing));
    }
    // GPU indices count within the GPUs that are visible to this process, in the order of the PCI
    // bus, as nvidia-smi counts. By itself CUDA counts the fastest one first.
    let gpus: Vec<String> = slot.gpus.iter().map(|&gpu| crate::gpus::name(gpu)).collect();
    command.env("CUDA_VISIBLE_DEVICES", gpus.join(",")).env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    crate::launched::forget(&mut command);
    command
}

/// Settings of libtorch's allocator for one of several trials that share a GPU, so that no trial
/// takes the memory of another: its part, after those that the user gave. A tenth of the memory is
/// left for what each process needs beside its tensors.
fn allocator(sharing: usize) -> String {
    let part = format!("per_process_memory_fraction:{:.3}", 0.9 / sharing as f64);
    match std::env::var("PYTORCH_ALLOC_CONF") {
        Ok(given) if !given.is_empty() => format!("{given},{part}"),
        _ => part,
    }
}

/// Restricts a newly started process to `cores`, if there are any. This happens before libtorch
/// starts its threads, which inherit the affinity. An error is ignored: the process is only slower.
pub fn pin(child: &Child, cores: &[usize]) {
    if cores.is_empty() {
        return;
    }
    let mut set = CpuSet::new();
    for &core in cores {
        let _ = set.set(core);
    }
    let _ = sched_setaffinity(Pid::from_raw(child.id() as i32), &set);
}

/// The environment variable with the signal that a trial's process receives from the kernel when
/// its parent ends. If it is unset, the process outlives its parent.
pub const DIE_WITH_PARENT: &str = "RES2LAB_DIE_WITH_PARENT";

/// Starts `exe trial SWEEP ID` for each trial.
pub struct Local {
    exe: PathBuf,
    sweep: SweepDir,
    /// Further arguments of every trial.
    arguments: Vec<String>,
    /// A command that starts the trial's processes, e.g. srun with its arguments; empty for none.
    launcher: Vec<String>,
    dies_with_runner: bool,
    /// The service through which trials share GPUs, which ends with this value.
    mps: Option<Mps>,
    slots: Vec<Slot>,
    children: Vec<Running>,
    adopted: Vec<Adopted>,
}

struct Running {
    id: String,
    run: RunDir,
    child: Child,
    /// Offset of this attempt's output in console.txt.
    console_start: u64,
    /// Standard output in memory. It holds the error message if the disk of console.txt is full.
    output: File,
}

struct Adopted {
    id: String,
    run: RunDir,
    process: u32,
}

impl Local {
    /// Creates an executor on which nothing runs yet.
    pub fn new(exe: PathBuf, sweep: SweepDir, arguments: Vec<String>, slots: Vec<Slot>) -> Local {
        Local {
            exe,
            sweep,
            arguments,
            launcher: vec![],
            dies_with_runner: false,
            mps: None,
            slots,
            children: vec![],
            adopted: vec![],
        }
    }

    /// Starts trials through `launcher`, which receives the trial's own command as its arguments.
    pub fn launched_by(self, launcher: Vec<String>) -> Local {
        Local { launcher, ..self }
    }

    /// Ends trials, with a checkpoint, when this process ends, because its cores may then be
    /// assigned to another job.
    pub fn dying_with_runner(self) -> Local {
        Local { dies_with_runner: true, ..self }
    }

    /// Lets trials that share a GPU use this service.
    pub fn sharing_through(self, mps: Option<Mps>) -> Local {
        Local { mps, ..self }
    }

    fn spawn(&self, run: &RunDir, id: &str, slot: &Slot) -> std::io::Result<Running> {
        let console = File::options().create(true).append(true).open(run.console())?;
        let console_start = console.metadata()?.len();
        let output = File::from(memfd_create("trial", MFdFlags::MFD_CLOEXEC)?);
        let exe = self.launcher.first().map_or(self.exe.as_path(), Path::new);
        let mut command = command(exe, slot);
        if !self.launcher.is_empty() {
            // Nodes may number their GPUs differently, so the launcher says which ones there are.
            command.env_remove("CUDA_VISIBLE_DEVICES");
            command.args(&self.launcher[1..]).arg(&self.exe);
        }
        command.arg("trial").arg(self.sweep.path()).arg(id).args(&self.arguments);
        if let Some(mps) = &self.mps {
            mps.introduce(&mut command);
        }
        if self.dies_with_runner {
            command.env(DIE_WITH_PARENT, "TERM");
        }
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(console).process_group(0);
        let child = command.spawn()?;
        pin(&child, &slot.cores);
        Ok(Running { id: id.to_owned(), run: run.clone(), child, console_start, output })
    }

    fn collect(&mut self) -> Vec<(String, End)> {
        let mut ended = Vec::new();
        self.children.retain_mut(|running| match running.child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                let said = take_output(running);
                let end = end_of(&running.run, || {
                    reason(status, &running.run, running.console_start, &said)
                });
                let end = match (end, status.code()) {
                    (End::Failed(_), Some(75)) => End::Preempted,
                    // Exit status 2: invalid spec or data.
                    (End::Failed(why), Some(2)) => End::Refused(why),
                    (End::Failed(why), Some(4)) => End::OutOfMemory(why),
                    (end, _) => end,
                };
                ended.push((running.id.clone(), end));
                false
            }
            Err(e) => {
                ended.push((
                    running.id.clone(),
                    End::Failed(format!("cannot wait for its process: {e}")),
                ));
                false
            }
        });
        self.adopted.retain(|adopted| {
            if lock::is_held(&adopted.run.lock()) {
                return true;
            }
            // The exit status of an adopted process is unknown. Without a result, the trial stopped
            // at a checkpoint and is resumed.
            let end = end_of(&adopted.run, String::new);
            ended.push((adopted.id.clone(), if end.is_final() { end } else { End::Preempted }));
            false
        });
        ended
    }

    fn signal_adopted(&self, signal: Signal) {
        for adopted in &self.adopted {
            // The process id may have been reused; the lock identifies the trial's process.
            if let Ok(lock::Attempt::HeldBy(process)) = lock::try_lock(&adopted.run.lock())
                && process == adopted.process
            {
                let _ = kill(Pid::from_raw(process as i32), signal);
            }
        }
    }
}

impl Executor for Local {
    fn slots(&self) -> Vec<String> {
        self.slots.iter().map(|slot| slot.name.clone()).collect()
    }

    fn start(&mut self, trial: &PlannedTrial, slot: usize) -> Result<u32, Error> {
        let run = self.sweep.run(&trial.id);
        run.create(&trial.spec)?;
        let running = self
            .spawn(&run, &trial.id, &self.slots[slot])
            .map_err(|e| res2lab_store::error::io("start a trial with", &self.exe, e))?;
        let process = running.child.id();
        self.children.push(running);
        Ok(process)
    }

    fn adopt(&mut self, trial: &PlannedTrial, process: u32) {
        self.adopted.push(Adopted {
            id: trial.id.clone(),
            run: self.sweep.run(&trial.id),
            process,
        });
    }

    fn wait(&mut self, timeout: Duration) -> Result<Vec<(String, End)>, Error> {
        const LOOK_EVERY: Duration = Duration::from_millis(20);
        let started = Instant::now();
        loop {
            let ended = self.collect();
            if !ended.is_empty() || started.elapsed() >= timeout {
                return Ok(ended);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn ask_to_stop(&mut self, _: Stop) {
        for running in &self.children {
            let _ = kill(Pid::from_raw(running.child.id() as i32), Signal::SIGTERM);
        }
        self.signal_adopted(Signal::SIGTERM);
    }

    fn kill(&mut self) {
        for running in &self.children {
            let _ = killpg(Pid::from_raw(running.child.id() as i32), Signal::SIGKILL);
        }
        self.signal_adopted(Signal::SIGKILL);
    }

    fn kill_one(&mut self, id: &str) {
        for running in self.children.iter().filter(|running| running.id == id) {
            let _ = killpg(Pid::from_raw(running.child.id() as i32), Signal::SIGKILL);
        }
    }

    fn now_s(&self) -> f64 {
        wall_clock_s()
    }
}

/// The end according to result.json, otherwise a failure for `reason`.
fn end_of(run: &RunDir, reason: impl FnOnce() -> String) -> End {
    match atomic::read_json::<TrialResult>(&run.result()) {
        Ok(Some(result)) => End::of(result.status),
        Ok(None) => End::Failed(reason()),
        Err(e) => End::Failed(e.cause),
    }
}

/// Reads the trial's standard output and appends it to console.txt, ignoring a full disk.
fn take_output(running: &mut Running) -> String {
    let mut bytes = Vec::new();
    let _ = running.output.rewind().and_then(|()| running.output.read_to_end(&mut bytes));
    if !bytes.is_empty() {
        let console = File::options().append(true).open(running.run.console());
        let _ = console.and_then(|mut console| console.write_all(&bytes));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The reason of a failure: the trial's last error message, and how its process ended.
fn reason(status: ExitStatus, run: &RunDir, console_start: u64, output: &str) -> String {
    let how = match (status.signal(), status.code()) {
        (Some(number), _) => {
            let name = Signal::try_from(number).map_or("unknown", Signal::as_str);
            let hint =
                if number == 9 { "; when memory is short, the system does that" } else { "" };
            format!("killed by signal {number} ({name}){hint}")
        }
        (None, Some(4)) => "out of memory".to_owned(),
        (None, code) => format!("exit status {}", code.unwrap_or(-1)),
    };
    // Standard output has the error only if standard error could not be written.
    let on_output = output.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let said = on_output.map_or_else(|| said_last(run, console_start), str::to_owned);
    if said.is_empty() { how } else { format!("{said} ({how})") }
}

/// The last `error:` line of this attempt's output, otherwise its last line.
fn said_last(run: &RunDir, start: u64) -> String {
    let mut text = String::new();
    let read = File::open(run.console()).and_then(|mut file| {
        let length = file.metadata()?.len();
        // The last 20 kB suffice.
        file.seek(SeekFrom::Start(start.max(length.saturating_sub(20_000))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(())
    });
    if read.is_err() {
        return String::new();
    }
    let error = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    error
        .or_else(|| text.lines().rev().find(|line| !line.trim().is_empty()))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_sets_its_gpu_and_its_part_of_the_memory() {
        let name = "gpu 1 (2 of 2)".to_owned();
        let slot = Slot { name, gpus: vec![1], cores: vec![], threads: 4, sharing: 2 };
        let command = command(Path::new("res2lab"), &slot);
        let set = |name: &str| {
            let value = command.get_envs().find(|(n, _)| *n == name).and_then(|(_, value)| value);
            value.map(|v| v.to_string_lossy().into_owned())
        };
        assert_eq!(set("PYTORCH_ALLOC_CONF").as_deref(), Some("per_process_memory_fraction:0.450"));
        assert_eq!(set("CUDA_VISIBLE_DEVICES").as_deref(), Some("1"));
    }
}
