//! The GPUs that a SLURM job asks for, compared with what its trials can use.

use res2lab_error::Error;
use res2lab_experiment::SlurmSpec;

/// Refuses jobs that would hold GPUs and train on the CPU, or whose trials need more GPUs than a
/// node has; returns a note where GPUs would stay idle. `has_cuda` tells whether this program can
/// use GPUs.
pub(crate) fn check(
    spec: &SlurmSpec,
    devices: usize,
    has_cuda: bool,
) -> Result<Option<String>, Error> {
    if !requests(spec).any(|(_, value)| is_gpu(value)) {
        return Ok(None);
    }
    if !has_cuda {
        return Err(Error::input(
            "the jobs ask for GPUs, and this build of res2lab has no CUDA",
            "run RES2LAB_CUDA=1 just setup, then build again",
        ));
    }
    let Some(gpus) = per_node(spec) else { return Ok(None) };
    let needed = devices.div_ceil(spec.nodes);
    if needed > gpus {
        return Err(Error::input(
            format!("a trial needs {needed} GPUs of a node, and its job asks for {gpus}"),
            format!(
                "set executor.slurm.gres: gpu:{needed}, more nodes, or fewer devices_per_trial"
            ),
        ));
    }
    let used = (spec.slots_per_job * needed).min(gpus);
    Ok((used < gpus).then(|| {
        format!(
            "each job asks for {gpus} GPUs of a node, and its trials use {used}; ask for fewer \
             (gres), or set trials_per_job and slots_per_job to {}",
            gpus / needed
        )
    }))
}

/// Every request for resources that may name GPUs, as option and value; an option that counts GPUs
/// alone has its value after `gpu:`.
fn requests(spec: &SlurmSpec) -> impl Iterator<Item = (&str, String)> {
    let gres = spec.gres.split(',').map(|value| ("gres", value.to_owned()));
    let options = spec.options.iter().filter_map(|option| {
        let (name, value) = option.split_once(['=', ' '])?;
        let name = name.trim_start_matches('-');
        let is_count = matches!(name, "G" | "gpus" | "gpus-per-node" | "gpus-per-task");
        is_count.then(|| (name, format!("gpu:{value}")))
    });
    let listed = spec.options.iter().filter_map(|option| option.strip_prefix("--gres"));
    let listed = listed.flat_map(|list| list.trim_start_matches(['=', ' ']).split(','));
    let listed = listed.map(|value| ("gres", value.to_owned()));
    gres.chain(listed).chain(options)
}

/// Whether a request such as `gpu:a100:2` names GPUs.
fn is_gpu(value: impl AsRef<str>) -> bool {
    value.as_ref().trim().split(':').next() == Some("gpu")
}

/// GPUs of each node, where the requests say that.
fn per_node(spec: &SlurmSpec) -> Option<usize> {
    let by_node = |name: &str| matches!(name, "gres" | "gpus-per-node");
    let (_, value) = requests(spec).find(|(name, value)| by_node(name) && is_gpu(value))?;
    // `gpu`, `gpu:2`, `gpu:a100:2` or `gpu:a100:2(S:0-1)`.
    let value = value.split('(').next().unwrap_or_default();
    match value.trim().rsplit(':').next().unwrap_or_default() {
        last if last.chars().all(|c| c.is_ascii_digit()) => last.parse().ok(),
        _ => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(gres: &str, options: &[&str]) -> SlurmSpec {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        SlurmSpec { gres: gres.into(), options, ..SlurmSpec::default() }
    }

    #[test]
    fn requests_for_gpus_are_recognized_and_counted() {
        let read = |gres: &str, options: &[&str]| {
            let spec = spec(gres, options);
            (check(&spec, 1, false).is_err(), per_node(&spec))
        };
        assert_eq!(read("", &[]), (false, None));
        assert_eq!(read("tmpfs:10G", &["--constraint=a100"]), (false, None));
        assert_eq!(read("gpu", &[]), (true, Some(1)));
        assert_eq!(read("gpu:a100", &[]), (true, Some(1)));
        assert_eq!(read("tmpfs:10G,gpu:a100:8(S:0-1)", &[]), (true, Some(8)));
        assert_eq!(read("", &["--gres=gpu:2"]), (true, Some(2)));
        assert_eq!(read("", &["--gres gpu:2"]), (true, Some(2)));
        assert_eq!(read("", &["--gres-flags=enforce-binding"]), (false, None));
        assert_eq!(read("", &["--gpus-per-node=h100:4"]), (true, Some(4)));
        assert_eq!(read("", &["--gpus=4"]), (true, None));
        assert_eq!(read("", &["-G 4"]), (true, None));
    }

    #[test]
    fn too_few_gpus_are_refused_and_idle_ones_are_told() {
        let asked = |gres: &str, devices: usize| check(&spec(gres, &[]), devices, true);
        assert_eq!(asked("gpu:2", 2).unwrap(), None);
        let note = asked("gpu:8", 1).unwrap().unwrap();
        assert!(note.contains("8 GPUs of a node, and its trials use 1"), "{note}");
        assert!(asked("gpu:2", 4).is_err());
        let two_nodes = SlurmSpec { nodes: 2, ..spec("gpu:2", &[]) };
        assert_eq!(check(&two_nodes, 4, true).unwrap(), None);
    }
}
