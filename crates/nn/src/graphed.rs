//! The autograd step recorded as a CUDA graph. On a GPU, the time of small networks is dominated by
//! kernel launches, and a graph is launched as a whole. This has not run on a GPU yet; a test
//! compares the recorded step with the step that it records.

use crate::step::{AutogradStep, GradScale, Loss, Step, Targets};
use crate::{Net, Objective};
use res2lab_error::Error;
use res2lab_libtorch::{CudaGraph, Reducer};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use tch::Tensor;

/// Records work, and replays it on the same memory.
pub trait Recorder {
    /// Runs `work` in the environment in which it will be recorded.
    fn warm_up(&mut self, work: &mut dyn FnMut());
    /// Records `work`. Its results may stay unwritten until the first replay.
    fn record(&mut self, work: &mut dyn FnMut());
    /// Replays the recorded work. `again` does the same work without the recording, for tests.
    fn replay(&mut self, again: &mut dyn FnMut());
}

impl Recorder for CudaGraph {
    // As all operations of tch, these panic if libtorch fails.
    fn warm_up(&mut self, work: &mut dyn FnMut()) {
        CudaGraph::warm_up(self, work).unwrap_or_else(|e| panic!("{e}"));
    }

    fn record(&mut self, work: &mut dyn FnMut()) {
        CudaGraph::record(self, work).unwrap_or_else(|e| panic!("{e}"));
    }

    fn replay(&mut self, _: &mut dyn FnMut()) {
        CudaGraph::replay(self).unwrap_or_else(|e| panic!("{e}"));
    }
}

/// Steps before the recording, in which cuDNN chooses its kernels and cuBLAS allocates its memory.
pub const WARM_UP: usize = 3;

/// A step like [`AutogradStep`] that runs as a CUDA graph from the fourth batch on. Batches of
/// another size, mixed batches, and batches of another scale run without the graph.
pub struct GraphedStep<R = CudaGraph> {
    plain: AutogradStep,
    /// What sums gradients over processes, as a part of the step.
    reducer: Option<Rc<RefCell<Reducer>>>,
    recorder: R,
    steps: usize,
    recorded: Option<Recorded>,
    failure: Failure,
}

/// Whether the recording failed.
#[derive(Default)]
enum Failure {
    #[default]
    None,
    /// The reason, which nobody has been told yet.
    New(String),
    Told,
}

/// The tensors that the graph reads and writes.
struct Recorded {
    images: Tensor,
    labels: Tensor,
    batch_share: f64,
    is_scaled: bool,
    out: Loss,
}

impl GraphedStep<CudaGraph> {
    /// A step without a recording. Fails in builds without CUDA.
    pub fn new(objective: Objective) -> Result<GraphedStep, Error> {
        Ok(GraphedStep::with(CudaGraph::new()?, objective))
    }
}

impl<R: Recorder> GraphedStep<R> {
    fn with(recorder: R, objective: Objective) -> GraphedStep<R> {
        GraphedStep {
            plain: AutogradStep::new(objective),
            reducer: None,
            recorder,
            steps: 0,
            recorded: None,
            failure: Failure::None,
        }
    }

    /// The step without a recording, with the sum over processes.
    fn plain_step(&self) -> impl Fn(&mut Net, &Tensor, &Targets, GradScale) -> Loss + use<R> {
        let plain = self.plain.clone();
        let reducer = self.reducer.clone();
        move |net, images, targets, scale| {
            let mut plain = plain.clone();
            // As all operations of tch, these panic if libtorch fails.
            let Some(reducer) = &reducer else {
                return plain.forward_backward(net, images, targets, scale);
            };
            let mut reducer = reducer.borrow_mut();
            reducer.arm(scale.accumulates, false).unwrap_or_else(|e| panic!("{e}"));
            let out = plain.forward_backward(net, images, targets, scale);
            reducer.finish().unwrap_or_else(|e| panic!("{e}"));
            out
        }
    }

    /// Records the step. If that fails, all steps are plain ones from then on.
    fn record(&mut self, net: &mut Net, images: &Tensor, targets: &Targets, scale: GradScale) {
        let tried = AssertUnwindSafe(|| self.try_to_record(&mut *net, images, targets, scale));
        if let Err(panic) = catch_unwind(tried) {
            let text = res2lab_libtorch::panic_message(&*panic).unwrap_or("no message");
            net.params_mut().discard_grads();
            self.failure = Failure::New(first_line(text));
        }
    }

    fn try_to_record(
        &mut self,
        net: &mut Net,
        images: &Tensor,
        targets: &Targets,
        scale: GradScale,
    ) {
        let images = images.copy();
        let labels = targets.labels.copy();
        let plain = self.plain_step();
        let mut out = None;
        let targets = Targets::plain(labels.shallow_clone());
        self.recorder.record(&mut || out = Some(plain(net, &images, &targets, scale)));
        let out = out.unwrap_or_else(|| panic!("nothing was recorded"));
        let batch_share = scale.batch_share;
        let is_scaled = scale.loss_scale.is_some();
        self.recorded = Some(Recorded { images, labels, batch_share, is_scaled, out });
    }
}

impl<R: Recorder> Step for GraphedStep<R> {
    fn reducer(
        &mut self,
        make: &mut dyn FnMut() -> Result<Reducer, Error>,
    ) -> Result<(Rc<RefCell<Reducer>>, bool), Error> {
        // Autograd's nodes for gradients, which a reducer keeps, stay on the stream on which they
        // are made. That must be the one that is recorded.
        let mut made = None;
        self.recorder.warm_up(&mut || made = Some(make()));
        let reducer = made.unwrap_or_else(|| panic!("a reducer was not made"))?;
        let reducer = Rc::new(RefCell::new(reducer));
        self.reducer = Some(Rc::clone(&reducer));
        Ok((reducer, true))
    }

    fn forward_backward(
        &mut self,
        net: &mut Net,
        images: &Tensor,
        targets: &Targets,
        scale: GradScale,
    ) -> Loss {
        let plain = self.plain_step();
        // Gradients are zeroed outside the graph, which is the same for every batch of an optimizer
        // step.
        if !scale.accumulates {
            net.params_mut().zero_grads();
        }
        let scale = GradScale { accumulates: true, ..scale };
        if targets.mixed.is_some() {
            return plain(net, images, targets, scale);
        }
        self.steps += 1;
        if self.steps <= WARM_UP {
            let mut out = None;
            self.recorder.warm_up(&mut || out = Some(plain(net, images, targets, scale)));
            return out.unwrap_or_else(|| panic!("a step did not run"));
        }
        if self.recorded.is_none() && matches!(self.failure, Failure::None) {
            self.record(net, images, targets, scale);
        }
        let fits = |r: &&mut Recorded| {
            r.images.size() == images.size()
                && r.batch_share == scale.batch_share
                && r.is_scaled == scale.loss_scale.is_some()
        };
        let Some(recorded) = self.recorded.as_mut().filter(fits) else {
            return plain(net, images, targets, scale);
        };
        recorded.images.copy_(images);
        recorded.labels.copy_(&targets.labels);
        let Recorded { images, labels, out, .. } = recorded;
        let targets = Targets::plain(labels.shallow_clone());
        self.recorder.replay(&mut || {
            let again = plain(net, images, &targets, scale);
            out.loss.copy_(&again.loss);
            out.logits.copy_(&again.logits);
            out.hits.copy_(&again.hits);
        });
        let [loss, logits, hits] = [&out.loss, &out.logits, &out.hits].map(Tensor::shallow_clone);
        Loss { loss, logits, hits }
    }

    fn gave_up(&mut self) -> Option<String> {
        match std::mem::replace(&mut self.failure, Failure::Told) {
            Failure::New(reason) => Some(reason),
            before => {
                self.failure = before;
                None
            }
        }
    }
}

/// The first line of what libtorch said.
fn first_line(message: &str) -> String {
    let said = res2lab_libtorch::without_trace(message);
    said.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Layout, Placement, init};
    use tch::Device;
    use tch::Kind;

    /// A recorder for tests. Recording does the work, in place of the first replay; each later
    /// replay does it again.
    #[derive(Default)]
    struct Again {
        is_done: bool,
        replays: usize,
    }

    impl Recorder for Again {
        fn warm_up(&mut self, work: &mut dyn FnMut()) {
            work();
        }

        fn record(&mut self, work: &mut dyn FnMut()) {
            work();
            self.is_done = true;
        }

        fn replay(&mut self, again: &mut dyn FnMut()) {
            self.replays += 1;
            if !std::mem::take(&mut self.is_done) {
                again();
            }
        }
    }

    #[test]
    fn a_failure_is_told_by_its_first_line() {
        let unwrapped =
            "called `Result::unwrap()` on an `Err` value: Torch(\"not now\\nframe #0\")";
        assert_eq!(first_line(unwrapped), "not now");
        assert_eq!(first_line("CUDA error: no\nframe #0"), "CUDA error: no");
        assert_eq!(first_line("a step did not run"), "a step did not run");
    }

    #[test]
    fn recorded_steps_are_the_plain_ones_on_whatever_batch_comes() {
        let words = res2lab_arch::ModelOverrides {
            blocks: Some(vec![1]),
            stem: Some(res2lab_arch::Stem::Cifar),
            ..Default::default()
        };
        let graph =
            res2lab_arch::build(&words.resolve().unwrap().0, res2lab_arch::Input::square(12, 5))
                .unwrap();
        let placement = Placement {
            device: Device::Cpu,
            kind: Kind::Double,
            layout: Layout::Contiguous,
            engine: Engine::Planned,
        };
        let net = || {
            let mut net = Net::new(graph.clone(), placement).unwrap();
            init::init(net.params_mut(), 1);
            net
        };
        let mut ours = net();
        let mut theirs = net();
        let mut graphed = GraphedStep::with(Again::default(), Objective::cross_entropy(0.1));
        let mut plain = AutogradStep::new(Objective::cross_entropy(0.1));
        for step in 0..8_i64 {
            // The sixth batch is smaller and goes the plain way.
            let n = if step == 5 { 2 } else { 4 };
            let images = (Tensor::arange(n * 3 * 144, (Kind::Double, Device::Cpu))
                * (0.1 + step as f64))
                .sin();
            let images = images.view([n, 3, 12, 12]);
            let labels = Tensor::arange(n, (Kind::Int64, Device::Cpu));
            let targets = Targets::plain(labels);
            let a = graphed.forward_backward(&mut ours, &images, &targets, GradScale::ONE);
            let b = plain.forward_backward(&mut theirs, &images, &targets, GradScale::ONE);
            assert_eq!((a.loss, a.logits, a.hits), (b.loss, b.logits, b.hits), "step {step}");
        }
        assert_eq!(graphed.recorder.replays, 4);
        for i in 0..graph.state.len() {
            assert_eq!(ours.params().tensor(i), theirs.params().tensor(i));
            assert_eq!(ours.params().grad(i), theirs.params().grad(i));
        }
    }
}
