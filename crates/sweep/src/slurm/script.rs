//! The batch script for sbatch.

use crate::shell::quoted;
use res2lab_experiment::SlurmSpec;
use res2lab_store::SweepDir;
use std::path::{Path, PathBuf};

/// Settings that all submissions share.
#[derive(Clone, Debug)]
pub struct Jobs {
    /// Requested resources.
    pub spec: SlurmSpec,
    /// Path of this program.
    pub exe: PathBuf,
    /// Base folder of relative paths.
    pub folder: PathBuf,
    pub name: String,
    /// Processes per trial.
    pub devices: usize,
    /// Arguments that every job passes on to its trials.
    pub arguments: Vec<String>,
}

/// The script of submission `number` with `tasks` jobs. The script replaces itself by `res2lab
/// worker`, so that SLURM's signals reach the worker.
pub fn script(jobs: &Jobs, dir: &SweepDir, number: usize, tasks: usize) -> String {
    let s = &jobs.spec;
    let limit = if s.array_limit > 0 { format!("%{}", s.array_limit) } else { String::new() };
    let per_node = jobs.devices.div_ceil(s.nodes) * s.slots_per_job;
    let output = dir.slurm().join(format!("submission-{number}-%a.out"));
    let mut lines = vec![
        "#!/bin/bash".to_owned(),
        option("job-name", &format!("res2lab-{}", jobs.name)),
        option("array", &format!("0-{}{limit}", tasks.max(1) - 1)),
        option("output", &output.display().to_string()),
        option("open-mode", "append"),
        "#SBATCH --requeue".to_owned(),
        option("nodes", &s.nodes.to_string()),
        option("ntasks-per-node", &per_node.to_string()),
        option("cpus-per-task", &s.cpus.to_string()),
        // Sent to the job's first process only, which notifies its trials.
        option("signal", &format!("B:USR2@{}", s.signal_s)),
    ];
    let given = [
        ("partition", &s.partition),
        ("time", &s.time),
        ("gres", &s.gres),
        ("mem", &s.mem),
        ("account", &s.account),
        ("qos", &s.qos),
    ];
    lines.extend(
        given
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| option(name, value)),
    );
    lines.extend(s.options.iter().map(|option| format!("#SBATCH {option}")));
    // SLURM may send the signal up to a minute early, before the worker handles it, so the shell
    // records it.
    lines.push("signaled=".to_owned());
    lines.push("trap 'signaled=--signaled' USR2".to_owned());
    lines.push("set -e".to_owned());
    lines.push(format!("cd {}", path(&jobs.folder)));
    lines.extend((!s.setup.is_empty()).then(|| s.setup.clone()));
    let arguments: Vec<String> = jobs.arguments.iter().map(|a| quoted(a)).collect();
    // An ignored signal stays ignored in the worker until it installs a handler; the default action
    // would kill it.
    lines.push("trap '' USR2".to_owned());
    lines.push(format!(
        "exec {} worker {} {number} \"$SLURM_ARRAY_TASK_ID\" $signaled {}",
        path(&jobs.exe),
        path(dir.path()),
        arguments.join(" ")
    ));
    lines.join("\n") + "\n"
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn option(name: &str, value: &str) -> String {
    // sbatch splits its lines like a shell.
    if value.chars().any(char::is_whitespace) {
        format!("#SBATCH --{name}=\"{value}\"")
    } else {
        format!("#SBATCH --{name}={value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_asks_for_what_the_spec_says() {
        let spec = SlurmSpec {
            partition: "gpu".into(),
            time: "4:00:00".into(),
            gres: "gpu:2".into(),
            array_limit: 8,
            cpus: 4,
            setup: "module load cuda".into(),
            options: vec!["--constraint=a100".into()],
            ..SlurmSpec::default()
        };
        let jobs = Jobs {
            spec,
            exe: "/opt/res2lab/target/release/res2lab".into(),
            folder: "/home/me/my work".into(),
            name: "quickstart".into(),
            devices: 2,
            arguments: vec!["--data".into(), "data".into()],
        };
        let text = script(&jobs, &SweepDir::new("/home/me/my work/reports/quickstart"), 1, 12);
        insta::assert_snapshot!(text, @r#"
        #!/bin/bash
        #SBATCH --job-name=res2lab-quickstart
        #SBATCH --array=0-11%8
        #SBATCH --output="/home/me/my work/reports/quickstart/slurm/submission-1-%a.out"
        #SBATCH --open-mode=append
        #SBATCH --requeue
        #SBATCH --nodes=1
        #SBATCH --ntasks-per-node=2
        #SBATCH --cpus-per-task=4
        #SBATCH --signal=B:USR2@120
        #SBATCH --partition=gpu
        #SBATCH --time=4:00:00
        #SBATCH --gres=gpu:2
        #SBATCH --constraint=a100
        signaled=
        trap 'signaled=--signaled' USR2
        set -e
        cd '/home/me/my work'
        module load cuda
        trap '' USR2
        exec /opt/res2lab/target/release/res2lab worker '/home/me/my work/reports/quickstart' 1 "$SLURM_ARRAY_TASK_ID" $signaled --data data
        "#);
    }

    #[test]
    fn a_signal_before_the_worker_runs_is_passed_on_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let run = |setup: &str, exe: &str| {
            let spec = SlurmSpec { setup: setup.into(), ..SlurmSpec::default() };
            let jobs = Jobs {
                spec,
                exe: exe.into(),
                folder: folder.path().to_path_buf(),
                name: "early".into(),
                devices: 1,
                arguments: vec![],
            };
            let path = folder.path().join("script");
            std::fs::write(&path, script(&jobs, &SweepDir::new("sweep"), 1, 1)).unwrap();
            let output = std::process::Command::new("bash")
                .arg(path)
                .env("SLURM_ARRAY_TASK_ID", "0")
                .output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        assert_eq!(run("", "/bin/echo"), "worker sweep 1 0\n");
        assert_eq!(run("kill -USR2 $$", "/bin/echo"), "worker sweep 1 0 --signaled\n");
        // The signal does not kill a program that has no handler yet.
        let slow = folder.path().join("slow");
        std::fs::write(&slow, "#!/bin/sh\nkill -USR2 $$; echo still here\n").unwrap();
        std::fs::set_permissions(&slow, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        let path = slow.display().to_string();
        assert_eq!(run("", &path), "still here\n");
    }
}
