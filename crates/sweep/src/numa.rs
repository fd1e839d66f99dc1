//! Cores near GPUs. On a machine with several sockets, a process whose cores are at another socket
//! than its GPU sends every batch through the link between them.

use std::path::Path;
use std::sync::OnceLock;

/// The cores near the GPU called `name`, without those for the other GPUs there. Empty if they are
/// not known: for UUIDs, and where NVIDIA's driver tells nothing.
pub fn cores_of(name: &str) -> Vec<usize> {
    static SHARES: OnceLock<Vec<Vec<usize>>> = OnceLock::new();
    let shares = SHARES.get_or_init(|| {
        let lists = lists(Path::new("/proc/driver/nvidia/gpus"), Path::new("/sys/bus/pci/devices"));
        let allowed = crate::slots::available_cores();
        shares(&lists).into_iter().map(|own| only(own, &allowed)).collect()
    });
    let index: Option<usize> = name.parse().ok();
    index.and_then(|index| shares.get(index)).cloned().unwrap_or_default()
}

fn only(mut own: Vec<usize>, allowed: &[usize]) -> Vec<usize> {
    own.retain(|core| allowed.contains(core));
    own
}

/// For each GPU, in the order of the PCI bus, the list of cores near it, such as `0-15,32-47`.
fn lists(gpus: &Path, pci: &Path) -> Vec<String> {
    let names = std::fs::read_dir(gpus).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().to_ascii_lowercase()).collect();
    names.sort();
    let list = |name: &String| std::fs::read_to_string(pci.join(name).join("local_cpulist"));
    names.iter().map(|name| list(name).unwrap_or_default().trim().to_owned()).collect()
}

/// Divides cores among the GPUs with the same list. Of each range of a list a GPU gets one part, so
/// that it gets both threads of a core: these are in ranges of their own.
fn shares(lists: &[String]) -> Vec<Vec<usize>> {
    let share = |(i, list): (usize, &String)| {
        let place = lists[..i].iter().filter(|other| *other == list).count();
        let count = lists.iter().filter(|other| *other == list).count();
        let part = |(first, last): (usize, usize)| {
            let length = last + 1 - first;
            first + place * length / count..first + (place + 1) * length / count
        };
        ranges(list).into_iter().flat_map(part).collect()
    };
    lists.iter().enumerate().map(share).collect()
}

fn ranges(list: &str) -> Vec<(usize, usize)> {
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (range.0 <= range.1).then_some(range)
    };
    list.split(',').filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_of_a_socket_divide_its_cores_and_their_second_threads() {
        let lists = ["0-3,8-11", "0-3,8-11", "4-7,12-15", "4-7,12-15"].map(str::to_owned);
        let found = shares(&lists);
        assert_eq!(found[0], [0, 1, 8, 9]);
        assert_eq!(found[1], [2, 3, 10, 11]);
        assert_eq!(found[3], [6, 7, 14, 15]);
        assert_eq!(only(found[0].clone(), &[0, 8, 2]), [0, 8]);
        assert!(shares(&[String::new()])[0].is_empty());
    }

    #[test]
    fn the_order_is_that_of_the_bus() {
        let dir = tempfile::tempdir().unwrap();
        let (gpus, pci) = (dir.path().join("gpus"), dir.path().join("pci"));
        for (name, list) in [("0000:C1:00.0", "4-7\n"), ("0000:01:00.0", "0-3\n")] {
            std::fs::create_dir_all(gpus.join(name)).unwrap();
            std::fs::create_dir_all(pci.join(name.to_ascii_lowercase())).unwrap();
            let file = pci.join(name.to_ascii_lowercase()).join("local_cpulist");
            std::fs::write(file, list).unwrap();
        }
        assert_eq!(lists(&gpus, &pci), ["0-3", "4-7"]);
    }
}
