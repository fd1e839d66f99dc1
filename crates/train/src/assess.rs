//! Assessment of a trained network: its predictions for a whole split, and their summary.
use crate::evaluate::Evaluator;
use res2lab_data::{EpochPlan, Shard, Source, Split, order};
use res2lab_error::Error;
use res2lab_nn::{Inference, Net};
use res2lab_store::assessment::{Assessment, Prediction, TOP};
use std::time::Instant;
use tch::{Kind, Tensor};

/// Runs the network over `split`, `batch_size` images at a time. The caller adds the names of
/// classes and files.
pub fn assess(
    net: &Net,
    source: &mut dyn Source,
    split: Split,
    batch_size: usize,
) -> Result<Assessment, Error> {
    let batches = order::evaluation_batches(source.len(split), batch_size, Shard::WHOLE);
    source.begin(EpochPlan { split, batches, augment: None })?;
    let mut evaluator = Evaluator::folded(net, batch_size, Inference::fits(net));
    let mut predictions = Vec::new();
    let mut classes = 0;
    let started = Instant::now();
    let _guard = tch::no_grad_guard();
    while let Some(batch) = source.next_batch()? {
        let logits = evaluator.logits(&batch.images).to_kind(Kind::Double);
        classes = logits.size()[1] as usize;
        predictions.extend(of_batch(&logits, &batch.labels, &batch.indices));
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(Assessment::of(predictions, classes, seconds, source.warnings()))
}

fn of_batch(logits: &Tensor, labels: &Tensor, indices: &[u32]) -> Vec<Prediction> {
    let log_shares = logits.log_softmax(1, Kind::Double);
    let kept = TOP.min(logits.size()[1] as usize) as i64;
    let (top, guesses) = log_shares.topk(kept, 1, true, true);
    // A label beyond the network's classes (-1 in test sets without labels) costs nothing and is
    // never hit.
    let known = labels.clamp(0, logits.size()[1] - 1);
    let losses = -log_shares.gather(1, &known.unsqueeze(1), false).squeeze_dim(1);
    let numbers = |t: &Tensor| {
        Vec::<f64>::try_from(&t.flatten(0, -1).to_device(tch::Device::Cpu)).unwrap_or_default()
    };
    let top = numbers(&top.exp());
    let guesses = numbers(&guesses.to_kind(Kind::Double));
    let losses = numbers(&losses);
    let labels = numbers(&labels.to_kind(Kind::Double));
    let one = |(i, &index): (usize, &u32)| {
        let row = i * kept as usize..(i + 1) * kept as usize;
        Prediction {
            index,
            label: labels[i] as i64,
            guesses: guesses[row.clone()].iter().map(|&g| g as u32).collect(),
            shares: top[row].to_vec(),
            loss: losses[i],
        }
    };
    indices.iter().enumerate().map(one).collect()
}
