//! Who runs the trials. What stands here never changes a result.

use crate::SpecError;
use crate::experiment::explain;
use crate::words;
use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};

/// `executor: local`, or `executor: {slurm: {partition: gpu, time: "4:00:00"}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(clippy::large_enum_variant, reason = "there is one of it per sweep")]
pub enum ExecutorSpec {
    /// Processes on this machine.
    #[default]
    Local,
    /// An array job of the cluster that this machine belongs to.
    Slurm(SlurmSpec),
}

/// What the cluster is asked for, in sbatch's words. Empty fields are the cluster's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlurmSpec {
    /// Partition.
    pub partition: String,
    /// Time limit of a job, e.g. `4:00:00`. A trial may take longer: it goes on in the same job,
    /// queued again.
    pub time: String,
    /// Generic resources of each node, e.g. `gpu:1`.
    pub gres: String,
    /// Cores of each process of a trial.
    pub cpus: usize,
    /// Memory of each node, e.g. `16G`.
    pub mem: String,
    /// Account.
    pub account: String,
    /// Quality of service.
    pub qos: String,
    /// Nodes of each job; with several, srun starts the processes of a trial on all of them.
    pub nodes: usize,
    /// Jobs of the array that run at the same time, at most; 0 is no limit.
    pub array_limit: usize,
    /// Trials that one job runs: short ones are not worth a job each.
    pub trials_per_job: usize,
    /// Trials that run side by side in a job.
    pub slots_per_job: usize,
    /// Running trials are asked to write a checkpoint so many seconds before the time limit.
    pub signal_s: usize,
    /// A shell line to run before, e.g. `module load cuda`.
    pub setup: String,
    /// Further options of sbatch, e.g. `--constraint=a100`.
    pub options: Vec<String>,
}

impl Default for SlurmSpec {
    fn default() -> SlurmSpec {
        SlurmSpec {
            partition: String::new(),
            time: String::new(),
            gres: String::new(),
            cpus: 1,
            mem: String::new(),
            account: String::new(),
            qos: String::new(),
            nodes: 1,
            array_limit: 0,
            trials_per_job: 1,
            slots_per_job: 1,
            signal_s: 120,
            setup: String::new(),
            options: vec![],
        }
    }
}

impl ExecutorSpec {
    /// As the command line says it: `local`, `slurm`, or `slurm:partition=gpu,time=4:00:00`, whose
    /// fields change those of the file.
    pub fn changed_by(&self, text: &str) -> Result<ExecutorSpec, SpecError> {
        let (kind, fields) = text.split_once(':').unwrap_or((text, ""));
        let slurm = match (kind, self) {
            ("local", _) if fields.is_empty() => return Ok(ExecutorSpec::Local),
            ("slurm", ExecutorSpec::Slurm(slurm)) => slurm.clone(),
            ("slurm", ExecutorSpec::Local) => SlurmSpec::default(),
            _ => {
                return Err(SpecError::new(
                    format!("--executor {text} is unknown"),
                    "give local, slurm, or slurm:partition=gpu,time=4:00:00",
                ));
            }
        };
        let mut tree = serde_yaml::to_value(&slurm).map_err(|e| explain(&e))?;
        let fields = words::split(fields, ',').map_err(|e| e.at("--executor"))?;
        for field in fields.into_iter().filter(|field| !field.is_empty()) {
            let Some((name, value)) = field.split_once('=') else {
                return Err(SpecError::new(
                    format!("\"{field}\" of --executor has no ="),
                    "write e.g. partition=gpu",
                ));
            };
            set(&mut tree, name.trim(), &words::piece(value).map_err(|e| e.at("--executor"))?.text);
        }
        let slurm: SlurmSpec =
            serde_yaml::from_value(tree).map_err(|e| explain(&e).at("--executor"))?;
        slurm.check()?;
        Ok(ExecutorSpec::Slurm(slurm))
    }
}

/// Numbers where the field has one, text elsewhere: a time such as 4:00:00 or 30 is text.
fn set(tree: &mut Value, name: &str, value: &str) {
    if !tree.is_mapping() {
        *tree = Value::Mapping(Mapping::new());
    }
    let Value::Mapping(map) = tree else { return };
    let is_number = map.get(name).is_some_and(Value::is_number);
    let new = value
        .parse::<u64>()
        .ok()
        .filter(|_| is_number)
        .map_or_else(|| Value::from(value), Value::from);
    map.insert(name.into(), new);
}

impl SlurmSpec {
    /// Refuses what no cluster can give.
    pub fn check(&self) -> Result<(), SpecError> {
        let counts = [
            ("cpus", self.cpus),
            ("nodes", self.nodes),
            ("trials_per_job", self.trials_per_job),
            ("slots_per_job", self.slots_per_job),
        ];
        if let Some((name, _)) = counts.into_iter().find(|&(_, n)| n == 0 || n > 100_000) {
            return Err(SpecError::new(
                format!("executor.slurm.{name} is impossible"),
                "give at least 1",
            ));
        }
        let texts = [
            &self.partition,
            &self.time,
            &self.gres,
            &self.mem,
            &self.account,
            &self.qos,
            &self.setup,
        ];
        if texts.iter().any(|text| text.contains('\n'))
            || self.options.iter().any(|text| text.contains('\n'))
        {
            return Err(SpecError::new(
                "a field of executor.slurm has a line break",
                "write it on one line",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_changes_the_fields_of_the_file() {
        let file: ExecutorSpec = serde_yaml::from_str("!slurm {partition: gpu, cpus: 8}").unwrap();
        let changed = file.changed_by("slurm:time=30,cpus=4").unwrap();
        let ExecutorSpec::Slurm(slurm) = &changed else { panic!("{changed:?}") };
        assert_eq!((slurm.partition.as_str(), slurm.time.as_str(), slurm.cpus), ("gpu", "30", 4));
        assert_eq!(file.changed_by("local").unwrap(), ExecutorSpec::Local);
        let quoted = file.changed_by("slurm:setup='module load a,b',cpus=2").unwrap();
        assert!(
            matches!(&quoted, ExecutorSpec::Slurm(slurm) if slurm.setup == "module load a,b" && slurm.cpus == 2)
        );
        for wrong in [
            "moon",
            "slurm:partition",
            "slurm:tiem=4",
            "slurm:cpus=0",
            "slurm:cpus=many",
            "local:x=1",
        ] {
            let e = file.changed_by(wrong).unwrap_err();
            assert!(!e.cause.is_empty() && !e.help.is_empty(), "{wrong}: {e:?}");
        }
    }
}
