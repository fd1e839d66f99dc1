//! How much of a gradient flows through each split of a block, measured: which scale the network
//! leans on.

use crate::ExplainError;
use res2lab_arch::NodeId;
use res2lab_nn::{Mode, Net};
use tch::{Kind, Tensor};

/// One split's part.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The block's concatenation and the split's number.
    pub split: res2lab_rf::splits::Split,
    /// Norm of the gradient at the split over that of all splits of its block, squared norms being
    /// what adds up.
    pub share: f64,
}

/// The shares of every split of the net, for the sum of the likeliest classes' logits over
/// `images`.
pub fn shares(net: &Net, images: &Tensor) -> Result<Vec<Share>, ExplainError> {
    let splits = res2lab_rf::splits::splits(net.graph());
    if splits.is_empty() {
        return Ok(Vec::new());
    }
    let nodes: Vec<NodeId> = splits.iter().map(|split| split.node).collect();
    let images = images.detach().set_requires_grad(true);
    let out = net.forward(&images, Mode::Eval, &nodes);
    let (best, _) = out.logits.max_dim(1, false);
    let gradients = Tensor::run_backward(&[best.sum(Kind::Double)], &out.taps, false, false);
    let squares: Vec<f64> = gradients
        .iter()
        .map(|g| g.to_kind(Kind::Double).square().sum(Kind::Double).double_value(&[]))
        .collect();
    let of_block = |block: &str| {
        splits
            .iter()
            .zip(&squares)
            .filter(|(split, _)| split.block == block)
            .map(|(_, square)| square)
            .sum::<f64>()
    };
    let totals: Vec<f64> = splits.iter().map(|split| of_block(&split.block)).collect();
    if totals.iter().any(|total| !total.is_finite() || *total == 0.0) {
        return Err(ExplainError::new(
            "no gradient reaches some block",
            "the network may have diverged",
        ));
    }
    let share = |i: usize| Share { split: splits[i].clone(), share: squares[i] / totals[i] };
    Ok((0..splits.len()).map(share).collect())
}
