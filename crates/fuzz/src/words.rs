//! Experiment files and the words of a command, as far as the trials that they mean.

use crate::check_error;
use res2lab_experiment::{Axis, Expansion, Experiment, SpecError, TrialSpec};
use std::sync::LazyLock;

/// More arms than this only take time.
const MOST_ARMS: usize = 300;

/// What words are tried on.
static BASE: LazyLock<Experiment> = LazyLock::new(|| {
    let text = "{name: base, model: {block: res2, stem: cifar, depth: 11}, train: {epochs: 2}}";
    res2lab_experiment::experiment::parse(text, "base.yaml").expect("an experiment")
});

/// An experiment file.
pub fn yaml(bytes: &[u8]) {
    let Some(experiment) = expected(res2lab_experiment::experiment::read(bytes, "x.yaml")) else {
        return;
    };
    let axes = experiment.axes.iter().chain(&experiment.one_at_a_time);
    let axis = |(label, value): (&res2lab_experiment::Value, &res2lab_experiment::Value)| {
        expected(Axis::from_yaml(label.as_str()?, value))
    };
    let axes: Vec<Axis> = axes.filter_map(axis).collect();
    expand(&experiment, &axes, &[]);
}

/// The words of a command, one a line.
pub fn axes(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut axes = Vec::new();
    for word in text.lines() {
        axes.extend(expected(Axis::parse(word)));
        expected(res2lab_experiment::words::pieces(word));
        expected(res2lab_experiment::ExecutorSpec::default().changed_by(word));
        // What is quoted comes back as it was.
        let quoted = res2lab_experiment::words::quote(word);
        assert_eq!(
            res2lab_experiment::words::piece(&quoted).map(|piece| piece.text),
            Ok(word.to_owned())
        );
        assert_eq!(res2lab_experiment::words::split(&quoted, ','), Ok(vec![&*quoted]));
    }
    expand(&BASE, &[], &axes);
}

fn expected<T>(result: Result<T, SpecError>) -> Option<T> {
    result.map_err(|e| check_error(&e.cause, &e.help)).ok()
}

fn expand(experiment: &Experiment, of_file: &[Axis], given: &[Axis]) {
    let arms: f64 = of_file.iter().chain(given).map(|axis| axis.points.len() as f64).product();
    if arms > MOST_ARMS as f64 || experiment.arms.len() > 10 {
        return;
    }
    let Some(mut expansion) = expected(res2lab_experiment::expand(experiment, given)) else {
        return;
    };
    written_and_read(&expansion);
    res2lab_experiment::smoke(&mut expansion);
    written_and_read(&expansion);
}

/// A trial's process reads what the plan wrote.
fn written_and_read(expansion: &Expansion) {
    for arm in expansion.arms.iter().take(10) {
        let text = serde_yaml::to_string(&arm.spec).expect("a trial can be written");
        let read: TrialSpec = serde_yaml::from_str(&text).expect("what was written can be read");
        assert_eq!(read, arm.spec);
    }
}
