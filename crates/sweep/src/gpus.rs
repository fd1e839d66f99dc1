//! The names of the GPUs that trials are given.

use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The entries of CUDA_VISIBLE_DEVICES; without it, the names of MIG instances if there are some.
/// Empty if GPUs go by their numbers.
pub fn named() -> &'static [String] {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    NAMES.get_or_init(|| match std::env::var("CUDA_VISIBLE_DEVICES") {
        Ok(names) => entries(&names),
        Err(_) => with_instances(&nvidia_smi(&["-L"]).unwrap_or_default()),
    })
}

/// The name of GPU `index` among those that this process may use.
pub fn name(index: usize) -> String {
    named().get(index).cloned().unwrap_or_else(|| index.to_string())
}

/// The number of a GPU that admits one process only (compute mode EXCLUSIVE_PROCESS), or none
/// (PROHIBITED), with the name of the mode; None if there is none or nvidia-smi does not say.
pub fn exclusive() -> Option<(usize, String)> {
    let text = nvidia_smi(&["--query-gpu=compute_mode", "--format=csv,noheader"])?;
    let modes = text.lines().map(str::trim).enumerate();
    let mut limited = modes.filter(|(_, mode)| matches!(*mode, "Exclusive_Process" | "Prohibited"));
    limited.next().map(|(index, mode)| (index, mode.to_owned()))
}

/// The output of nvidia-smi; None if it fails. It can hang where a GPU is ill, so it gets 20
/// seconds.
pub fn nvidia_smi(arguments: &[&str]) -> Option<String> {
    let mut child = Command::new("nvidia-smi")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if begun.elapsed() > Duration::from_secs(20) {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The entries of a list in CUDA_VISIBLE_DEVICES' notation.
pub fn entries(names: &str) -> Vec<String> {
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The MIG instances in what `nvidia-smi -L` prints. Empty if there are none, or if some GPUs are
/// whole: CUDA then uses these.
fn with_instances(text: &str) -> Vec<String> {
    let instances: Vec<String> = text
        .lines()
        .filter(|line| line.trim_start().starts_with("MIG "))
        .filter_map(|line| Some(line.split_once("UUID: ")?.1.trim_end_matches(')').to_owned()))
        .collect();
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let is_gpu = |line: &&str| line.starts_with("GPU ");
    let whole = lines.windows(2).any(|pair| is_gpu(&pair[0]) && is_gpu(&pair[1]))
        || lines.last().is_some_and(is_gpu);
    if whole { vec![] } else { instances }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_variable_are_names_of_any_kind() {
        assert_eq!(entries("3,1"), ["3", "1"]);
        assert_eq!(entries("GPU-a, MIG-b"), ["GPU-a", "MIG-b"]);
        assert!(entries("").is_empty());
    }

    #[test]
    fn instances_count_where_no_gpu_is_whole() {
        let text = "GPU 0: NVIDIA A100 (UUID: GPU-1)\n  \
                    MIG 3g.20gb     Device  0: (UUID: MIG-a)\n  \
                    MIG 3g.20gb     Device  1: (UUID: MIG-b)\n";
        assert_eq!(with_instances(text), ["MIG-a", "MIG-b"]);
        assert!(with_instances(&format!("{text}GPU 1: NVIDIA A100 (UUID: GPU-2)\n")).is_empty());
        assert!(with_instances("GPU 0: NVIDIA H100 (UUID: GPU-1)\n").is_empty());
    }
}
