//! Evaluation: loss and accuracies on the test images.
use crate::confusion::MOST_CLASSES;
use crate::reduce::Reduce;
use res2lab_data::{EpochPlan, Shard, Source, Split, order};
use res2lab_error::Error;
use res2lab_nn::{FusedInference, Inference, Mode, Net, PlannedStep};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use tch::{Device, Kind, Reduction, Tensor};

/// The images of an evaluation batch.
pub(crate) const BATCH: usize = 250;

/// The result of an evaluation.
pub(crate) struct Evaluation {
    /// The mean cross-entropy (without label smoothing), and the top-1 accuracy in percent; with
    /// five classes or more, also the top-5 accuracy.
    pub metrics: BTreeMap<String, f64>,
    /// The confusion matrix, row by row: rows are true classes, columns guesses. Empty with many
    /// classes.
    pub confusion: Vec<f64>,
}

/// A network in evaluation: an [`Inference`] if the planned step trains the network, a
/// [`FusedInference`] on a GPU if it is on, else the network itself.
pub(crate) struct Evaluator<'a> {
    net: &'a Net,
    folded: Folded,
}

/// Weights in which batch norms are folded.
enum Folded {
    None,
    OnCpu(Box<Inference>),
    OnGpu(FusedInference),
}

impl Evaluator<'_> {
    /// An evaluator of the net's present weights, for `batch` images at a time.
    pub(crate) fn new(net: &Net, batch: usize) -> Evaluator<'_> {
        Evaluator::folded(net, batch, PlannedStep::fits(net))
    }

    /// An evaluator that uses an [`Inference`] if `fold` is true.
    pub(crate) fn folded(net: &Net, batch: usize, fold: bool) -> Evaluator<'_> {
        let folded = match fold {
            true => Folded::OnCpu(Box::new(Inference::new(net, batch))),
            false if net.fuses_evaluation() => Folded::OnGpu(FusedInference::new(net)),
            false => Folded::None,
        };
        Evaluator { net, folded }
    }

    /// The logits, N x classes.
    pub(crate) fn logits(&mut self, images: &Tensor) -> Tensor {
        match &mut self.folded {
            Folded::OnCpu(folded) => folded.logits(images),
            Folded::OnGpu(folded) => folded.logits(self.net, images),
            Folded::None => {
                let _guard = tch::no_grad_guard();
                self.net.logits(images, Mode::Eval)
            }
        }
    }
}

/// Groups of test images, whose accuracies are reported separately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    /// The name of each group's metric.
    pub names: Vec<String>,
    /// The group of each test image.
    pub of: Vec<i64>,
}

/// The counts of one process over its share of the test images.
#[derive(Default)]
struct Counts {
    images: usize,
    classes: i64,
    sums: Option<Tensor>,
    confusion: Option<Tensor>,
    by_group: Vec<f64>,
}

/// Evaluates on all test images, each process on its share. If memory does not suffice, evaluates
/// fewer images at a time, and calls `tell` with a warning.
pub(crate) fn evaluate(
    net: &Net,
    source: &mut dyn Source,
    shard: Shard,
    reduce: &mut dyn Reduce,
    groups: &Groups,
    tell: &mut dyn FnMut(&str),
) -> Result<Evaluation, Error> {
    let mut at_a_time = BATCH;
    let counts = loop {
        match catch_unwind(AssertUnwindSafe(|| count(net, source, shard, groups, at_a_time))) {
            Ok(counts) => break counts?,
            Err(panic) if at_a_time > 1 && res2lab_libtorch::is_out_of_memory(&*panic) => {
                let fewer = at_a_time / 2;
                tell(&format!(
                    "out of memory while evaluating {at_a_time} images at a time; goes on with {fewer}"
                ));
                at_a_time = fewer;
                res2lab_libtorch::return_memory();
            }
            Err(panic) => resume_unwind(panic),
        }
    };
    let Counts { images, classes, sums, confusion, by_group } = counts;
    let mut totals = vec![images as f64, 0.0, 0.0, 0.0];
    if let Some(sums) = sums {
        (0..3).for_each(|i| totals[i + 1] = sums.double_value(&[i as i64]));
    }
    let cells =
        confusion.map(|t| Vec::<f64>::try_from(t.to_device(Device::Cpu)).unwrap_or_default());
    totals.extend(&by_group);
    totals.extend(cells.unwrap_or_else(|| vec![0.0; cells_of(net)]));
    reduce.sums(&mut totals)?;
    let confusion = totals.split_off(4 + by_group.len());
    let by_group = totals.split_off(4);
    let [n, loss, first, five] = totals[..] else {
        return Ok(Evaluation { metrics: BTreeMap::new(), confusion });
    };
    if n == 0.0 {
        return Err(Error::input(
            "none of the test pictures can be read",
            "look at them with: res2lab data check FOLDER",
        ));
    }
    let mut metrics = BTreeMap::from([
        ("val/loss".to_owned(), loss / n),
        ("val/acc1".to_owned(), 100.0 * first / n),
    ]);
    // Accuracies leave out unreadable pictures; this metric counts them.
    let left_out = source.len(Split::Test) as f64 - n;
    if left_out > 0.0 {
        metrics.insert("val/left_out".to_owned(), left_out);
    }
    if classes >= 5 {
        metrics.insert("val/acc5".to_owned(), 100.0 * five / n);
    }
    for (name, sums) in groups.names.iter().zip(by_group.chunks_exact(2)) {
        if sums[0] > 0.0 {
            metrics.insert(name.clone(), 100.0 * sums[1] / sums[0]);
        }
    }
    Ok(Evaluation { metrics, confusion })
}

/// Adds the images and the hits of a batch to the sums of each group.
fn add_groups(
    sums: &mut [f64],
    groups: &Groups,
    logits: &Tensor,
    labels: &Tensor,
    indices: &[u32],
) {
    if sums.is_empty() {
        return;
    }
    let hits =
        logits.argmax(1, false).eq_tensor(labels).to_kind(Kind::Double).to_device(Device::Cpu);
    let hits = Vec::<f64>::try_from(hits).unwrap_or_default();
    for (index, hit) in indices.iter().zip(hits) {
        let group = groups.of[*index as usize] as usize;
        sums[2 * group] += 1.0;
        sums[2 * group + 1] += hit;
    }
}

/// The cells of the confusion matrix that processes add.
fn cells_of(net: &Net) -> usize {
    let classes = net.graph().node(net.graph().output()).shape.channels;
    if classes <= MOST_CLASSES { classes * classes } else { 0 }
}

/// The confusion matrix of a batch, row by row. Labels outside the network's classes are left out.
fn confusions(logits: &Tensor, labels: &Tensor) -> Tensor {
    let classes = logits.size()[1];
    let is_known = labels.ge(0).logical_and(&labels.lt(classes));
    let cells = labels * classes + logits.argmax(1, false);
    // One cell more, for the others: to select those that are known would wait for the device.
    let cells = cells.where_scalarother(&is_known, classes * classes);
    let kind = (Kind::Double, logits.device());
    Tensor::zeros([classes * classes + 1], kind)
        .index_add(0, &cells, &Tensor::ones(cells.size(), kind))
        .narrow(0, 0, classes * classes)
}

/// Counts this process's share of the test images.
fn count(
    net: &Net,
    source: &mut dyn Source,
    shard: Shard,
    groups: &Groups,
    at_a_time: usize,
) -> Result<Counts, Error> {
    let batches = order::evaluation_batches(source.len(Split::Test), at_a_time, shard);
    source.begin(EpochPlan { split: Split::Test, batches, augment: None })?;
    let mut evaluator = Evaluator::new(net, at_a_time);
    let mut counts = Counts { by_group: vec![0.0; 2 * groups.names.len()], ..Counts::default() };
    // A guard and not a closure: if libtorch panics, the guard still enables gradients again.
    let _guard = tch::no_grad_guard();
    while let Some(batch) = source.next_batch()? {
        let logits = evaluator.logits(&batch.images);
        counts.classes = logits.size()[1];
        counts.images += batch.labels.numel();
        let sums = loss_and_hits(&logits, &batch.labels);
        counts.sums =
            Some(counts.sums.take().map_or_else(|| sums.shallow_clone(), |so_far| so_far + &sums));
        add_groups(&mut counts.by_group, groups, &logits, &batch.labels, &batch.indices);
        if counts.classes <= MOST_CLASSES as i64 {
            let cells = confusions(&logits, &batch.labels);
            let so_far = counts.confusion.take();
            counts.confusion =
                Some(so_far.map_or_else(|| cells.shallow_clone(), |so_far| so_far + &cells));
        }
    }
    Ok(counts)
}

/// Three sums over a batch, on its device: the loss, the top-1 hits, and the top-5 hits.
fn loss_and_hits(logits: &Tensor, labels: &Tensor) -> Tensor {
    let loss = logits.cross_entropy_loss(labels, None::<&Tensor>, Reduction::Sum, -100, 0.0);
    let (_, guesses) = logits.topk(logits.size()[1].min(5), 1, true, true);
    let hits = guesses.eq_tensor(&labels.unsqueeze(1)).to_kind(Kind::Double);
    let first = hits.select(1, 0).sum(Kind::Double);
    Tensor::stack(&[loss.to_kind(Kind::Double), first, hits.sum(Kind::Double)], 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reduce::Local;
    use res2lab_data::{Batch, Images, Resident};
    use res2lab_nn::{Engine, Layout, Placement, init};

    /// A device with room for some images only.
    struct Small {
        images: Resident,
        most: usize,
    }

    impl Source for Small {
        fn begin(&mut self, pass: EpochPlan) -> Result<(), Error> {
            self.images.begin(pass)
        }

        fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
            let batch = self.images.next_batch()?;
            let fits = batch.as_ref().is_none_or(|batch| batch.labels.numel() <= self.most);
            assert!(fits, "Torch(\"CUDA out of memory. Tried to allocate 2.00 GiB\")");
            Ok(batch)
        }

        fn len(&self, split: Split) -> usize {
            self.images.len(split)
        }
    }

    #[test]
    fn an_evaluation_that_runs_out_of_memory_takes_fewer_images_at_a_time() {
        let pixels: Vec<u8> = (0..600 * 64).map(|i| (i * 31 % 251) as u8).collect();
        let labels = (0..600).map(|i| i % 10).collect();
        let images = Images { channels: 1, height: 8, width: 8, pixels: pixels.into(), labels };
        let words = r#"{"stem": "cifar", "depth": 11, "planes": 8, "width": 26, "scale": 2}"#;
        let words: res2lab_arch::ModelOverrides = serde_json::from_str(words).unwrap();
        let input = res2lab_arch::Input { channels: 1, height: 8, width: 8, classes: 10 };
        let graph = res2lab_arch::build(&words.resolve().unwrap().0, input).unwrap();
        let placement = Placement {
            device: Device::Cpu,
            kind: Kind::Float,
            layout: Layout::Contiguous,
            engine: Engine::Planned,
        };
        let mut net = Net::new(graph, placement).unwrap();
        init::init(net.params_mut(), 0);
        let evaluated = |most: usize| {
            let resident =
                Resident::new(&images, &images, &[(0.5, 0.25)], Device::Cpu, Kind::Float);
            let mut source = Small { images: resident, most };
            let mut told = Vec::new();
            let mut tell = |line: &str| told.push(line.to_owned());
            let groups = Groups::default();
            let found =
                evaluate(&net, &mut source, Shard::WHOLE, &mut Local, &groups, &mut tell).unwrap();
            (found.metrics, told)
        };
        let (whole, told) = evaluated(250);
        assert!(told.is_empty());
        let (parts, told) = evaluated(70);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].contains("125 images at a time; goes on with 62"), "{told:?}");
        assert_eq!(parts["val/acc1"], whole["val/acc1"]);
        // Sums of float32 over other batches.
        assert!(
            (parts["val/loss"] / whole["val/loss"] - 1.0).abs() < 1e-6,
            "{parts:?} and {whole:?}"
        );
        // Gradients are on again, whatever happened before.
        assert!(
            Tensor::ones([1], (Kind::Float, Device::Cpu))
                .set_requires_grad(true)
                .g_add_scalar(1.0)
                .requires_grad()
        );
    }

    #[test]
    fn confusions_are_counted_by_class_and_guess() {
        let logits = Tensor::from_slice(&[9.0, 1.0, 1.0, 9.0, 9.0, 1.0, 1.0, 9.0]).view([4, 2]);
        let cells = confusions(&logits, &Tensor::from_slice(&[0_i64, 0, 1, -1]));
        assert_eq!(Vec::<f64>::try_from(cells).unwrap(), [1.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn hits_are_counted_among_the_first_and_the_first_five() {
        let logits = Tensor::from_slice(&[
            9.0, 5.0, 4.0, 3.0, 2.0, 1.0, 9.0, 5.0, 4.0, 3.0, 2.0, 1.0, 9.0, 5.0, 4.0, 3.0, 2.0,
            1.0,
        ]);
        let sums = loss_and_hits(&logits.view([3, 6]), &Tensor::from_slice(&[0_i64, 4, 5]));
        assert_eq!((sums.double_value(&[1]), sums.double_value(&[2])), (1.0, 2.0));
    }
}
