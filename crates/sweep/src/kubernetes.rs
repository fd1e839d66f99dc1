//! The manifest of a Kubernetes Job that runs a sweep, one index per trial. The manifest is JSON,
//! which kubectl accepts in place of YAML.

use res2lab_store::Plan;
use serde_json::{Value, json};

/// Builds an Indexed Job (batch/v1) whose pods run `res2lab trial FOLDER --index N`. `folder` is
/// the sweep's folder as mounted in the pods.
///
/// Exit statuses select the pod failure policy: a trial that stopped with a checkpoint is restarted
/// without counting against the limit; invalid input, divergence and lack of memory are final; any
/// other failure is retried twice.
pub fn manifest(plan: &Plan, folder: &str) -> Value {
    let trials = plan.trials.len();
    let devices = plan.devices();
    let on_exit = |action: &str, values: &[u8]| {
        json!({
            "action": action,
            "onExitCodes": {"containerName": "trial", "operator": "In", "values": values},
        })
    };
    let on_disruption = json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]});
    let container = json!({
        "name": "trial",
        "image": "res2lab",
        "command": ["sh", "-c", format!("exec res2lab trial '{folder}' --index \"$JOB_COMPLETION_INDEX\"")],
        "resources": {"limits": {"nvidia.com/gpu": devices.to_string(), "memory": "16Gi"}, "requests": {"cpu": "4"}},
        "volumeMounts": [{"name": "work", "mountPath": "/work"}],
        "workingDir": "/work",
    });
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": object_name(&plan.name), "labels": {"app": "res2lab"}},
        "spec": {
            "completionMode": "Indexed",
            "completions": trials,
            "parallelism": trials.min(8),
            "backoffLimitPerIndex": 2,
            "maxFailedIndexes": trials,
            "podFailurePolicy": {"rules": [
                // Preempted: the checkpoint is written, and the next pod resumes from it.
                on_exit("Ignore", &[75]),
                on_disruption,
                // Invalid input, divergence, lack of memory: another pod would fail alike.
                on_exit("FailIndex", &[2, 3, 4]),
            ]},
            "template": {"metadata": {"labels": {"app": "res2lab"}}, "spec": {
                "restartPolicy": "Never",
                // Time to write a checkpoint.
                "terminationGracePeriodSeconds": 120,
                "containers": [container],
                "volumes": [{"name": "work", "persistentVolumeClaim": {"claimName": "res2lab"}}],
            }},
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

    #[test]
    fn names_become_names_of_objects() {
        assert_eq!(object_name("My_sweep.2"), "res2lab-my-sweep-2");
        assert!(object_name(&"x".repeat(100)).len() <= 52);
    }
}
