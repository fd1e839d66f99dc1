//! The timeline of one step of several processes. It shows whether gradients are sent while the
//! backward pass still runs.
use res2lab_error::Error;
use res2lab_libtorch::Trace;
use res2lab_store::atomic;
use serde_json::{Value, json};
use std::path::Path;

/// A sentence about the timeline for the log.
pub(crate) fn sentence(trace: &Trace) -> String {
    let ends: Vec<String> = trace.buckets_ms.iter().map(|(_, end)| format!("{end:.1}")).collect();
    format!(
        "gradients summed in {} parts, after {} ms; backward pass {:.1} ms",
        ends.len(),
        ends.join(", "),
        trace.backward_ms
    )
}

/// Writes the timeline in the trace event format, which Perfetto and chrome://tracing open.
pub(crate) fn write(path: &Path, trace: &Trace) -> Result<(), Error> {
    let event = |name: String, thread: usize, start_ms: f64, end_ms: f64| {
        let start_us = start_ms * 1e3;
        let length_us = (end_ms - start_ms) * 1e3;
        json!({"name": name, "ph": "X", "pid": 0, "tid": thread, "ts": start_us, "dur": length_us})
    };
    let buckets = trace
        .buckets_ms
        .iter()
        .enumerate()
        .map(|(i, &(s, e))| event(format!("bucket {i}"), 1 + i, s, e));
    let mut events: Vec<Value> =
        vec![event("forward and backward".into(), 0, 0.0, trace.backward_ms)];
    events.extend(buckets);
    atomic::write_json(path, &json!({ "traceEvents": events }))
}
