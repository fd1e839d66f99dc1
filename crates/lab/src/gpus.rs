//! The GPUs that this process may use, and why it may see none.

use res2lab_error::Error;
use res2lab_sweep::gpus;
use std::path::Path;
use std::sync::OnceLock;
use tch::Device;

/// How many GPUs trials can use. A process sees one MIG instance only, and each trial is a process
/// of its own, so instances are counted by their names.
pub fn count() -> usize {
    let seen = tch::Cuda::device_count().max(0) as usize;
    if seen == 0 {
        return 0;
    }
    let names = gpus::named();
    let are_instances = !names.is_empty() && names.iter().all(|name| name.starts_with("MIG-"));
    if are_instances { names.len() } else { seen }
}

/// Whether a trial runs on GPUs: `device` is `auto`, `cpu` or `cuda`.
///
/// # Errors
/// The word is another one, or there is no GPU where one is asked for. So it is if `auto` is given
/// on a machine with GPUs that libtorch cannot use: nobody wants to train on the CPU there without
/// knowing.
pub fn is_wanted(device: &str) -> Result<bool, Error> {
    match device {
        "cpu" => Ok(false),
        "cuda" | "auto" if count() > 0 => Ok(true),
        "auto" => check_unused().map(|()| false),
        "cuda" => {
            check_unused()?;
            let hidden = if are_hidden() {
                "CUDA_VISIBLE_DEVICES hides all GPUs"
            } else {
                "this machine has no NVIDIA GPU that answers"
            };
            Err(Error::input(hidden, "give --device cpu, or see what `just env` says"))
        }
        other => Err(Error::input(format!("no device is called {other}"), "use auto, cpu or cuda")),
    }
}

/// The device of a command that works in this process: GPU 0 if GPUs are wanted, else the CPU.
///
/// # Errors
/// As [`is_wanted`].
pub fn device(word: &str) -> Result<Device, Error> {
    let device = if is_wanted(word)? { Device::Cuda(0) } else { Device::Cpu };
    res2lab_libtorch::device::set_current(device)?;
    Ok(device)
}

/// Refuses to go on without GPUs where there are some that were not hidden on purpose. To be called
/// if libtorch sees none.
pub fn check_unused() -> Result<(), Error> {
    static CHECKED: OnceLock<Option<(String, String)>> = OnceLock::new();
    let checked = CHECKED.get_or_init(|| {
        if are_hidden() {
            return None;
        }
        let there = found_by_nvidia_smi().or_else(|| found_by_kernel(Path::new(PROC)))?;
        Some(reason(&there, tch::utils::has_cudart()))
    });
    match checked {
        None => Ok(()),
        Some((cause, help)) => Err(Error::input(cause.clone(), help.clone())),
    }
}

/// Where NVIDIA's driver tells of itself.
const PROC: &str = "/proc/driver/nvidia";

/// GPUs of this machine, as the driver tells of them.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    count: usize,
    /// E.g. `580.65`; empty if unknown.
    driver: String,
}

/// Whether CUDA_VISIBLE_DEVICES names no GPU.
fn are_hidden() -> bool {
    std::env::var("CUDA_VISIBLE_DEVICES").is_ok_and(|names| names.is_empty() || names == "-1")
}

/// Cause and remedy.
fn reason(there: &Found, has_cuda: bool) -> (String, String) {
    let Found { count, driver } = there;
    let gpus = if *count == 1 { "a GPU".to_owned() } else { format!("{count} GPUs") };
    if !has_cuda {
        return (
            format!("this machine has {gpus}, but this build has no CUDA"),
            "run RES2LAB_CUDA=1 just setup and build again, or give --device cpu".into(),
        );
    }
    /// The oldest driver that CUDA 13 works with.
    const OLDEST: u32 = 580;
    let major = driver.split('.').next().and_then(|n| n.parse::<u32>().ok());
    if let Some(major) = major.filter(|major| *major < OLDEST) {
        return (
            format!("this machine has {gpus}, but its driver {driver} is too old for CUDA 13"),
            format!(
                "update the driver from {major} to {OLDEST}, or run RES2LAB_CUDA=12.6 just setup \
                 and build again, or give --device cpu"
            ),
        );
    }
    (
        format!("this machine has {gpus}, but libtorch sees none (driver {driver})"),
        "see what nvidia-smi says and that this process may open /dev/nvidia*, or give --device cpu"
            .into(),
    )
}

/// What nvidia-smi says, if it is there and answers in time.
fn found_by_nvidia_smi() -> Option<Found> {
    let text = gpus::nvidia_smi(&["--query-gpu=driver_version", "--format=csv,noheader"])?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let driver = lines.first()?.to_string();
    Some(Found { count: lines.len(), driver })
}

/// What the driver's folder says, for machines without nvidia-smi.
fn found_by_kernel(folder: &Path) -> Option<Found> {
    let count = std::fs::read_dir(folder.join("gpus")).ok()?.count();
    let version = std::fs::read_to_string(folder.join("version")).unwrap_or_default();
    // NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:02:40 UTC 2025
    let is_version =
        |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    let driver = version.split_whitespace().find(is_version).unwrap_or_default().to_owned();
    (count > 0).then_some(Found { count, driver })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_folder_tells_the_gpus_and_the_version() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(found_by_kernel(dir.path()), None);
        std::fs::create_dir_all(dir.path().join("gpus/0000:01:00.0")).unwrap();
        std::fs::create_dir_all(dir.path().join("gpus/0000:02:00.0")).unwrap();
        let version =
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 UTC 2024\n";
        std::fs::write(dir.path().join("version"), version).unwrap();
        let found = found_by_kernel(dir.path()).unwrap();
        assert_eq!(found, Found { count: 2, driver: "535.183.01".into() });
    }

    #[test]
    fn each_reason_names_its_remedy() {
        let there = |driver: &str| Found { count: 2, driver: driver.into() };
        let (cause, help) = reason(&there("580.65"), false);
        assert!(cause.contains("2 GPUs") && cause.contains("no CUDA"), "{cause}");
        assert!(help.contains("just setup") && help.contains("--device cpu"), "{help}");
        let (cause, help) = reason(&there("535.183.01"), true);
        assert!(cause.contains("535.183.01 is too old"), "{cause}");
        assert!(help.contains("580") && help.contains("12.6"), "{help}");
        let (cause, _) = reason(&there("580.65"), true);
        assert!(cause.contains("libtorch sees none"), "{cause}");
    }
}
