//! What `speed --profile` prints: what one thread's time goes to.

use crate::args::{SpeedArgs, SpeedOf};
use crate::print;
use res2lab_error::Error;
use res2lab_nn::{Engine, Inference, Net, PlannedStep};
use serde::Serialize;
use tch::Tensor;

/// The instructions of one kind.
#[derive(Serialize)]
pub(crate) struct Row {
    /// `conv 3x3`
    instruction: String,
    /// Instructions of this kind in a step.
    per_step: usize,
    /// Their time in a step.
    ms: f64,
    /// Their share of the step.
    share: f64,
    /// GFLOP/s of this thread while they ran; for convolutions.
    #[serde(skip_serializing_if = "Option::is_none")]
    gflops: Option<f64>,
}

/// Times the instructions of the first of several threads.
pub(crate) fn of(args: &SpeedArgs, net: &mut Net, images: &Tensor) -> Result<Vec<Row>, Error> {
    let trains = args.what == SpeedOf::Train;
    let is_planned = match trains {
        true => net.placement().engine == Engine::Planned,
        false => Inference::fits(net),
    };
    if !is_planned {
        return Err(Error::input(
            "--profile is for a CPU, in f32 or bf16",
            "add --device cpu, and leave out --precision fp16",
        ));
    }
    let profile = match trains {
        true => PlannedStep::profile(net, images, args.steps),
        false => Inference::new(net, args.batch).profile(images, args.steps),
    };
    let rows = profile.rows();
    let all: f64 = rows.iter().map(|row| row.seconds).sum();
    let row = |row: res2lab_nn::ProfileRow| Row {
        instruction: row.name,
        per_step: row.count / args.steps,
        ms: 1000.0 * row.seconds / args.steps as f64,
        share: row.seconds / all,
        gflops: (row.multiply_adds > 0).then(|| 2e-9 * row.multiply_adds as f64 / row.seconds),
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Prints the rows as a table.
pub(crate) fn show(rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    let row = |row: &Row| {
        vec![
            row.instruction.clone(),
            row.per_step.to_string(),
            format!("{:.3}", row.ms),
            format!("{:.1}", 100.0 * row.share),
            row.gflops.map_or("-".into(), |gflops| format!("{gflops:.0}")),
        ]
    };
    let heads = ["one thread's time", "a step", "ms", "%", "GFLOP/s"];
    print::table(&heads, 1, rows.iter().map(row).collect());
}
