//! The manifest of a Kubernetes Job that runs a sweep. The manifest is JSON, which kubectl accepts
//! in place of YAML.
//!
//! One Indexed Job holds all trials. With P pods per trial, index i is pod i % P of trial i / P.
//! Each pod runs `res2lab trial`, which starts one process per device of the pod. The pods of a
//! trial meet at the first of them, whose host name (JOB-INDEX.SERVICE) a headless Service makes
//! known. Kubernetes starts indices in ascending order, so a parallelism that is a multiple of P
//! starts trials as a whole.

use crate::shell::quoted;
use res2lab_error::Error;
use res2lab_store::Plan;
use serde_json::{Value, json};

/// Port of the first process of a trial on several pods. Each pod has ports of its own.
const PORT: u16 = 29_500;
/// Trials that run at the same time, where each has one pod.
const PARALLEL: usize = 8;
/// Memory of each process of a trial, with its part of /dev/shm.
const MEMORY_GIB: usize = 16;

/// What the pods of a sweep are like.
#[derive(Clone, Debug)]
pub struct Pods {
    /// The sweep's folder as mounted in the pods.
    pub folder: String,
    /// Name of the container image.
    pub image: String,
    /// Pods that train one trial together.
    pub per_trial: usize,
    /// Cores of each process of a trial.
    pub cpus: usize,
    /// Whether each process of a trial gets a GPU.
    pub on_gpu: bool,
}

/// Builds the Job (batch/v1), and a List of it and its Service if trials have several pods.
///
/// # Errors
/// Trials that cannot be divided among so many pods.
pub fn manifest(plan: &Plan, pods: &Pods) -> Result<Value, Error> {
    let devices = plan.devices();
    let per_trial = pods.per_trial;
    if per_trial == 0 || !devices.is_multiple_of(per_trial) {
        return Err(Error::input(
            format!("--pods-per-trial {per_trial} does not divide devices_per_trial {devices}"),
            "each pod runs as many processes of a trial; give a divisor",
        ));
    }
    let is_alike = plan.trials.iter().all(|t| t.spec.train.devices_per_trial == devices);
    if per_trial > 1 && !is_alike {
        return Err(Error::input(
            "trials on several pods need as many devices each, and devices_per_trial varies",
            "make a sweep for each value of devices_per_trial",
        ));
    }
    Ok(objects(&plan.name, plan.trials.len(), devices, pods))
}

fn objects(sweep: &str, trials: usize, devices: usize, pods: &Pods) -> Value {
    let name = object_name(sweep);
    let job = job(&name, trials, devices, pods);
    if pods.per_trial == 1 {
        return job;
    }
    json!({"apiVersion": "v1", "kind": "List", "items": [service(&name), job]})
}

/// Exit statuses select the pod failure policy: a trial that stopped with a checkpoint is restarted
/// without counting against the limit; invalid input, divergence and lack of memory are final; any
/// other failure is retried twice. Where one pod of a trial fails, its others fail too, so all of
/// them are restarted.
fn job(name: &str, trials: usize, devices: usize, pods: &Pods) -> Value {
    let indices = trials * pods.per_trial;
    let on_exit = |action: &str, values: &[u8]| {
        json!({
            "action": action,
            "onExitCodes": {"containerName": "trial", "operator": "In", "values": values},
        })
    };
    let disruption = json!([{"type": "DisruptionTarget", "status": "True"}]);
    let mut pod = json!({
        "restartPolicy": "Never",
        // Time to write a checkpoint.
        "terminationGracePeriodSeconds": 120,
        "containers": [container(name, devices, pods)],
        "volumes": [
            {"name": "work", "persistentVolumeClaim": {"claimName": "res2lab"}},
            // The default of 64 MiB is too little for NCCL.
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
        ],
    });
    if pods.per_trial > 1 {
        pod["subdomain"] = json!(name);
    }
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"app": "res2lab"}},
        "spec": {
            "completionMode": "Indexed",
            "completions": indices,
            // Half a trial would hold its GPUs and wait for the other half, so trials on several
            // pods run one at a time until somebody who knows the cluster raises this.
            "parallelism": if pods.per_trial > 1 { pods.per_trial } else { trials.min(PARALLEL) },
            "backoffLimitPerIndex": 2,
            "maxFailedIndexes": indices,
            "podFailurePolicy": {"rules": [
                // Preempted: the checkpoint is written, and the next pod resumes from it.
                on_exit("Ignore", &[75]),
                json!({"action": "Ignore", "onPodConditions": disruption}),
                // Invalid input, divergence, lack of memory: another pod would fail alike.
                on_exit("FailIndex", &[2, 3, 4]),
            ]},
            "template": {"metadata": {"labels": {"app": "res2lab"}}, "spec": pod},
        },
    })
}

fn container(job: &str, devices: usize, pods: &Pods) -> Value {
    let processes = devices / pods.per_trial;
    let cpus = (pods.cpus * processes).to_string();
    let mut limits = json!({"cpu": cpus, "memory": format!("{}Gi", MEMORY_GIB * processes)});
    // The script computes the threads from the limit, so that whoever edits it edits both.
    let cpu_limit = json!({"resourceFieldRef": {"resource": "limits.cpu"}});
    let mut variables = vec![json!({"name": "CPUS", "valueFrom": cpu_limit})];
    if pods.on_gpu {
        limits["nvidia.com/gpu"] = json!(processes.to_string());
        variables.push(json!({"name": "RES2LAB_DEVICE", "value": "cuda"}));
    }
    json!({
        "name": "trial",
        "image": pods.image,
        "command": ["sh", "-c", script(job, processes, pods)],
        "env": variables,
        "resources": {"limits": limits, "requests": {"cpu": cpus}},
        "volumeMounts": [
            {"name": "work", "mountPath": "/work"},
            {"name": "shm", "mountPath": "/dev/shm"},
        ],
        "workingDir": "/work",
    })
}

/// What a pod runs: `res2lab trial` in place of the shell, so that signals reach it.
fn script(job: &str, processes: usize, pods: &Pods) -> String {
    let folder = quoted(&pods.folder);
    let threads = format!("export RES2LAB_THREADS=$((CPUS / {processes}))");
    let n = pods.per_trial;
    if n == 1 {
        return format!("{threads}; exec res2lab trial {folder} --index $JOB_COMPLETION_INDEX");
    }
    format!(
        "{threads} RES2LAB_NODES={n} RES2LAB_NODE=$((JOB_COMPLETION_INDEX % {n})) \
         MASTER_ADDR={job}-$((JOB_COMPLETION_INDEX / {n} * {n})).{job} MASTER_PORT={PORT}; \
         exec res2lab trial {folder} --index $((JOB_COMPLETION_INDEX / {n}))"
    )
}

/// Gives each pod of the Job a host name. The first pod of a trial has to be found before it is
/// ready, since it waits for the others.
fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {"app": "res2lab"}},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": {"batch.kubernetes.io/job-name": name},
        },
    })
}

/// A valid object name: lower case, digits and hyphens, at most 52 characters so that pod names
/// fit.
fn object_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = format!("res2lab-{name}").chars().map(plain).take(52).collect();
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn pods(per_trial: usize, on_gpu: bool) -> Pods {
        Pods {
            folder: "/work/reports/two words".into(),
            image: "images/res2lab:1".into(),
            per_trial,
            cpus: 4,
            on_gpu,
        }
    }

    #[test]
    fn names_become_names_of_objects() {
        assert_eq!(object_name("My_sweep.2"), "res2lab-my-sweep-2");
        assert!(object_name(&"x".repeat(100)).len() <= 52);
    }

    #[test]
    fn a_pod_asks_for_a_gpu_and_four_cores_per_process() {
        let job = objects("wide", 12, 2, &pods(1, true));
        assert_eq!(job["kind"], "Job");
        assert_eq!(job["spec"]["completions"], 12);
        assert_eq!(job["spec"]["parallelism"], 8);
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["volumes"][1]["emptyDir"]["medium"], "Memory");
        let container = &pod["containers"][0];
        assert_eq!(container["image"], "images/res2lab:1");
        let limits = json!({"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2"});
        assert_eq!(container["resources"]["limits"], limits);
        assert_eq!(container["resources"]["requests"]["cpu"], "8");
        let on_cpu = objects("wide", 12, 2, &pods(1, false));
        let container = &on_cpu["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["resources"]["limits"], json!({"cpu": "8", "memory": "32Gi"}));
        assert_eq!(container["env"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn several_pods_of_a_trial_have_a_service_and_run_one_trial_at_a_time() {
        let list = objects("wide", 3, 16, &pods(2, true));
        let (service, job) = (&list["items"][0], &list["items"][1]);
        assert_eq!(service["metadata"]["name"], "res2lab-wide");
        assert_eq!(service["spec"]["selector"]["batch.kubernetes.io/job-name"], "res2lab-wide");
        assert_eq!(job["spec"]["completions"], 6);
        assert_eq!(job["spec"]["parallelism"], 2);
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["subdomain"], "res2lab-wide");
        assert_eq!(pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"], "8");
    }

    /// What the script passes to a program called res2lab in the pod of this index.
    fn said(index: &str, devices: usize, pods: &Pods) -> String {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("res2lab");
        let names = ["THREADS", "NODES", "NODE"].map(|name| format!("$RES2LAB_{name}"));
        let names = names.join(" ");
        std::fs::write(&program, format!("#!/bin/sh\necho \"{names} $MASTER_ADDR|$@\"\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        let output = Command::new("/bin/sh")
            .args(["-c", &script("res2lab-wide", devices / pods.per_trial, pods)])
            .env_clear()
            .env("PATH", folder.path())
            .env("CPUS", "32")
            .env("JOB_COMPLETION_INDEX", index)
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    #[test]
    fn the_pods_of_a_trial_meet_at_its_first() {
        assert_eq!(said("5", 2, &pods(1, true)), "16   |trial /work/reports/two words --index 5\n");
        assert_eq!(
            said("5", 16, &pods(2, true)),
            "4 2 1 res2lab-wide-4.res2lab-wide|trial /work/reports/two words --index 2\n"
        );
        assert_eq!(
            said("4", 16, &pods(2, true)),
            "4 2 0 res2lab-wide-4.res2lab-wide|trial /work/reports/two words --index 2\n"
        );
    }
}
