//! Class activation maps: the evidence for a class at each position of a node's feature map.
//! Grad-CAM (Selvaraju et al. 2017) weights channels by their mean gradient, HiResCAM (Draelos and
//! Carin 2020) weights each position by its own gradient.

use crate::Map;
use res2lab_arch::NodeId;
use res2lab_error::Error;
use res2lab_nn::{Mode, Net};
use tch::{Device, Kind, Tensor};

/// The method that computes the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    GradCam,
    HiResCam,
}

/// The class activation map of one image at one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Cam {
    /// Evidence for the class at each position of the node's feature map, clipped at zero.
    pub raw: Map,
    /// Maximum of `raw`; zero if no position supports the class.
    pub max: f64,
    /// Sum of `raw`.
    pub sum: f64,
    /// `raw` scaled to 0..1 and resized to the image's size (bilinear), for display; zero if `max`
    /// is zero.
    pub shown: Map,
}

/// Computes the maps of one image (1 x C x H x W, normalized for the net) at each of `nodes`, for
/// `class` or for the predicted class.
///
/// Fails if `image` is not a single image or `class` does not exist.
pub fn cam(
    net: &Net,
    image: &Tensor,
    class: Option<i64>,
    nodes: &[NodeId],
    method: Method,
) -> Result<Vec<Cam>, Error> {
    let (n, _, h, w) = image
        .size4()
        .map_err(|e| Error::machine(e.to_string(), "give an image as 1 x C x H x W"))?;
    if n != 1 {
        return Err(Error::machine(format!("{n} images at once"), "give one image"));
    }
    // The image requires a gradient, so that nodes before the first parameter have one too.
    let image = image.detach().set_requires_grad(true);
    let out = net.forward(&image, Mode::Eval, nodes);
    let classes = out.logits.size()[1];
    let class = class.unwrap_or_else(|| out.logits.argmax(1, false).int64_value(&[0]));
    if !(0..classes).contains(&class) {
        return Err(Error::machine(
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
    // As in pytorch-grad-cam: scaled to 0..1, resized, and scaled again.
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
