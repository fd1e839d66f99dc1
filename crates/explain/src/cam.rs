//! Class activation maps: which places of a node's map speak for a class. Grad-CAM (Selvaraju et
//! al. 2017) weighs channels by their mean gradient, HiResCAM (Draelos and Carin 2020) each place
//! by its own.

use crate::{ExplainError, Map};
use res2lab_arch::NodeId;
use res2lab_nn::{Mode, Net};
use tch::{Device, Kind, Tensor};

/// Which map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    GradCam,
    HiResCam,
}

/// One image's map at one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Cam {
    /// Evidence for the class at each place of the node's map, none below zero.
    pub raw: Map,
    /// The greatest of it. Zero where all evidence speaks against the class.
    pub max: f64,
    /// All of it.
    pub sum: f64,
    /// From 0 to 1 and as large as the image (bilinear), as pictures show it; all zero where `max`
    /// is.
    pub shown: Map,
}

/// Maps of one image (1 x C x H x W, prepared for the net) at each of `nodes` for `class`, or for
/// the likeliest.
pub fn cam(
    net: &Net,
    image: &Tensor,
    class: Option<i64>,
    nodes: &[NodeId],
    method: Method,
) -> Result<Vec<Cam>, ExplainError> {
    let (n, _, h, w) = image
        .size4()
        .map_err(|e| ExplainError::new(e.to_string(), "give an image as 1 x C x H x W"))?;
    if n != 1 {
        return Err(ExplainError::new(format!("{n} images at once"), "give one image"));
    }
    // Without it nothing before the first parameter would carry a gradient.
    let image = image.detach().set_requires_grad(true);
    let out = net.forward(&image, Mode::Eval, nodes);
    let classes = out.logits.size()[1];
    let class = class.unwrap_or_else(|| out.logits.argmax(1, false).int64_value(&[0]));
    if !(0..classes).contains(&class) {
        return Err(ExplainError::new(
            format!("there is no class {class}"),
            format!("classes are 0 to {}", classes - 1),
        ));
    }
    let score = out.logits.select(1, class).sum(Kind::Double);
    let gradients = Tensor::run_backward(&[score], &out.taps, false, false);
    Ok(out
        .taps
        .iter()
        .zip(&gradients)
        .map(|(tap, gradient)| of_node(tap, gradient, method, (h, w)))
        .collect())
}

fn of_node(tap: &Tensor, gradient: &Tensor, method: Method, size: (i64, i64)) -> Cam {
    let double = |t: &Tensor| t.detach().to_device(Device::Cpu).to_kind(Kind::Double);
    let tap = double(tap);
    let gradient = double(gradient);
    let weights = match method {
        Method::GradCam => gradient.mean_dim([2_i64, 3].as_slice(), true, None),
        Method::HiResCam => gradient,
    };
    let evidence = (weights * tap).sum_dim_intlist([1_i64].as_slice(), true, Kind::Double).relu();
    let max = evidence.max().double_value(&[]);
    let sum = evidence.sum(Kind::Double).double_value(&[]);
    // As pytorch-grad-cam: from the least to the greatest of the map, enlarged, and once more.
    let stretched = |t: &Tensor| {
        let above = t - t.min();
        &above / (above.max() + 1e-7)
    };
    let large =
        stretched(&evidence).upsample_bilinear2d([size.0, size.1].as_slice(), false, None, None);
    let shown = stretched(&large);
    let map = |t: &Tensor| Map {
        width: t.size()[3] as usize,
        values: Vec::try_from(t.contiguous().flatten(0, -1)).unwrap_or_default(),
    };
    Cam { raw: map(&evidence), max, sum, shown: map(&shown) }
}
