//! The machine on which a trial runs, for env.json and the provenance section of a report.

use res2lab_store::{Code, Environment};
use std::fs;
use tch::Device;

/// Describes the machine. Fields that cannot be determined are empty.
pub fn environment(device: Device, threads: usize, code: Code) -> Environment {
    Environment {
        host: read_line("/proc/sys/kernel/hostname"),
        os: field("/etc/os-release", "PRETTY_NAME", '=').trim_matches('"').to_owned(),
        cpu: processor(),
        cores: cores(),
        memory_gib: memory_gib(),
        gpus: gpus(),
        device: device_name(device),
        threads,
        libtorch: res2lab_libtorch::version(),
        cuda: if tch::utils::has_cuda() { "available".into() } else { String::new() },
        code,
        process: std::process::id(),
        started_s: now_s(),
    }
}

/// The name of the processor.
pub fn processor() -> String {
    field("/proc/cpuinfo", "model name", ':')
}

/// The name of a device: `cpu` or `cuda:0`.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".into(),
    }
}

/// The Unix time in seconds.
pub fn now_s() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

/// The peak resident memory of this process in MiB.
pub fn peak_memory_mib() -> f64 {
    let kib = field("/proc/self/status", "VmHWM", ':');
    kib.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// The peak memory of this process's tensors on a GPU in MiB; None for the CPU.
pub fn gpu_memory_mib(device: Device) -> Option<f64> {
    let peak = res2lab_libtorch::device::peak_memory(device)?;
    Some(peak.tensors as f64 / f64::from(1 << 20))
}

/// The seconds since this process began, to a hundredth; None if /proc is not readable.
pub fn process_age_s() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in brackets, may have blanks; the start, in ticks since boot, is the twentieth word
    // after it.
    let ticks: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let uptime: f64 = read_line("/proc/uptime").split_whitespace().next()?.parse().ok()?;
    // Linux has a hundred ticks per second on every architecture that libtorch supports.
    const TICKS: f64 = 100.0;
    Some((uptime - ticks / TICKS).max(0.0))
}

/// The cores of the machine, not only those that this process may use.
fn cores() -> usize {
    fs::read_to_string("/proc/cpuinfo")
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count()
}

fn memory_gib() -> f64 {
    let kib = field("/proc/meminfo", "MemTotal", ':');
    let kib = kib.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    (kib / 1024.0 / 1024.0 * 10.0).round() / 10.0
}

fn read_line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn field(path: &str, name: &str, separator: char) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(separator).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// The names of the GPUs that this process sees, in CUDA's order.
fn gpus() -> Vec<String> {
    let count = tch::Cuda::device_count().max(0) as usize;
    (0..count).filter_map(|index| res2lab_libtorch::device::name(Device::Cuda(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_grows_older() {
        let first = process_age_s().expect("/proc is there");
        std::thread::sleep(std::time::Duration::from_millis(50));
        let later = process_age_s().expect("/proc is there");
        assert!(later > first && first < 3600.0, "{first} s, then {later} s");
    }
}
