//! NVIDIA's Multi-Process Service (MPS). Without it, processes that share a GPU take turns; with it
//! their kernels run side by side.

use res2lab_error::Error;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CONTROL: &str = "nvidia-cuda-mps-control";
const PIPES: &str = "CUDA_MPS_PIPE_DIRECTORY";
const LOGS: &str = "CUDA_MPS_LOG_DIRECTORY";

/// A running service. It ends when this value is dropped.
pub struct Mps {
    folder: PathBuf,
    control: OsString,
}

impl Mps {
    /// Starts the service for the trials of the sweep in `sweep`; none if the user has started one
    /// (CUDA_MPS_PIPE_DIRECTORY is set), which trials then use.
    ///
    /// # Errors
    /// The service's program is not installed, or refuses.
    pub fn start(sweep: &Path) -> Result<Option<Mps>, Error> {
        if std::env::var_os(PIPES).is_some() {
            return Ok(None);
        }
        // The service's sockets must have short paths. Its folder depends on the sweep alone, so
        // that a runner which starts after another was killed finds the service that still runs.
        let sweep = std::fs::canonicalize(sweep).unwrap_or_else(|_| sweep.to_owned());
        let mut id = DefaultHasher::new();
        sweep.hash(&mut id);
        let folder = std::env::temp_dir().join(format!("res2lab-mps-{:016x}", id.finish()));
        Mps::start_in(folder, CONTROL.into()).map(Some)
    }

    fn start_in(folder: PathBuf, control: OsString) -> Result<Mps, Error> {
        let failed = |why: String| {
            Error::machine(
                format!("{CONTROL} does not start: {why}"),
                "install NVIDIA's driver tools, or give --mps off",
            )
        };
        for part in ["pipe", "log"] {
            std::fs::create_dir_all(folder.join(part)).map_err(|e| failed(e.to_string()))?;
        }
        let mps = Mps { folder, control };
        let output = mps.command().arg("-d").output().map_err(|e| failed(e.to_string()))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if output.status.success() || said.contains("already running") {
            return Ok(mps);
        }
        Err(failed(said.lines().next().unwrap_or("no message").to_owned()))
    }

    /// The service sees all GPUs and numbers them as trials do.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.control);
        self.introduce(&mut command);
        command.env_remove("CUDA_VISIBLE_DEVICES").env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
        command
    }

    /// Tells a process where the service is.
    pub(crate) fn introduce(&self, command: &mut Command) {
        command.env(PIPES, self.folder.join("pipe")).env(LOGS, self.folder.join("log"));
    }
}

impl Drop for Mps {
    fn drop(&mut self) {
        // A service that is gone already needs no end.
        let quiet = || Stdio::null();
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(quiet()).stderr(quiet());
        if let Ok(mut control) = command.spawn() {
            if let Some(mut stdin) = control.stdin.take() {
                let _ = stdin.write_all(b"quit\n");
            }
            let _ = control.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program in place of the service's, which notes how it was called.
    fn control(folder: &Path, answer: &str) -> OsString {
        let path = folder.join("control");
        let log = folder.join("calls").display().to_string();
        let text = format!(
            "#!/bin/sh\n\
             [ \"$1\" = -d ] || read word\n\
             echo \"$1$word $CUDA_MPS_PIPE_DIRECTORY ${{CUDA_VISIBLE_DEVICES-all}}\" >> {log}\n\
             {answer}\n"
        );
        // Another process writes the file: a process that another test starts meanwhile would
        // inherit this one's open file, and a file that is open for writing cannot be run.
        let written = folder.join("control.txt");
        std::fs::write(&written, text).unwrap();
        let copied = Command::new("install").arg("-m755").args([&written, &path]).status();
        assert!(copied.unwrap().success());
        path.into()
    }

    #[test]
    fn the_service_starts_and_quits_in_its_own_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("mps");
        let mps = Mps::start_in(folder.clone(), control(dir.path(), "exit 0")).unwrap();
        let mut trial = Command::new("res2lab");
        mps.introduce(&mut trial);
        let pipe = folder.join("pipe");
        assert!(trial.get_envs().any(|(name, to)| name == PIPES && to == Some(pipe.as_os_str())));
        drop(mps);
        let calls = std::fs::read_to_string(dir.path().join("calls")).unwrap();
        let pipe = pipe.display();
        assert_eq!(calls, format!("-d {pipe} all\nquit {pipe} all\n"));
        assert!(!folder.exists());
    }

    #[test]
    fn a_service_that_runs_already_is_used_and_a_refusal_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let answer = "echo 'An instance of this daemon is already running'; exit 1";
        let start = |answer: &str| Mps::start_in(dir.path().join("m"), control(dir.path(), answer));
        assert!(start(answer).is_ok());
        let e = start("echo 'Cannot find MPS control daemon process'; exit 1").err().unwrap();
        assert!(e.cause.ends_with("Cannot find MPS control daemon process"), "{}", e.cause);
        let e = Mps::start_in(dir.path().join("m"), "no-such-program".into()).err().unwrap();
        assert!(e.help.contains("--mps off"), "{}", e.help);
    }
}
