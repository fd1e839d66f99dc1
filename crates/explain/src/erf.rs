//! Measured effective receptive fields: the gradient of the middle unit of a node's feature map
//! with respect to each pixel (Luo et al. 2016; Ding et al. 2022, RepLKNet).

use crate::Map;
use res2lab_arch::NodeId;
use res2lab_error::Error;
use res2lab_nn::{Mode, Net};
use res2lab_rf::Field;
use tch::{Device, Kind, Tensor};

/// The treatment of the gradients' signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sign {
    /// Absolute value of each gradient.
    #[default]
    Absolute,
    /// Negative gradients become zero, as in RepLKNet.
    Positive,
    /// Signs are kept while images are averaged; then the absolute value of the mean.
    Signed,
}

/// The options of a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErfOptions {
    pub sign: Sign,
    /// Whether a ReLU is applied to the unit's channels before they are summed, as in RepLKNet.
    pub relu: bool,
}

/// The measured effective receptive field of one node.
#[derive(Clone, Debug)]
pub struct Erf {
    /// The measured unit: column and row of the node's feature map.
    pub unit: (usize, usize),
    /// Center of the unit's exact receptive field: column and row, pixels.
    pub center: (f64, f64),
    /// The exact receptive field, which contains all nonzero gradients.
    pub field: Field,
    /// Gradients at each pixel, summed over channels and averaged over images.
    pub mean: Map,
    /// Standard error of each pixel over images; zero for one image.
    pub error: Map,
    /// Number of averaged images.
    pub images: usize,
    /// Number of images left out because of a gradient that is not finite.
    pub skipped: usize,
}

impl Erf {
    /// Whether the exact receptive field exceeds the image, so that the measured one is cut off.
    pub fn is_saturated(&self) -> bool {
        let side = self.mean.width.min(self.mean.height()) as i64;
        self.field.max_px() > side || self.field.sees_all
    }

    /// The pixel of the image nearest to the center.
    pub fn center_pixel(&self) -> (usize, usize) {
        let within = |x: f64, n: usize| x.round().clamp(0.0, n as f64 - 1.0) as usize;
        (within(self.center.0, self.mean.width), within(self.center.1, self.mean.height()))
    }
}

/// Batch size of a measurement.
const BATCH: i64 = 16;

/// Measures the effective receptive field of each of `nodes` on `images` (N x C x H x W, normalized
/// for the net), in evaluation mode.
///
/// Fails if `images` has another shape or no image has a finite gradient.
pub fn erf(
    net: &Net,
    images: &Tensor,
    nodes: &[NodeId],
    options: ErfOptions,
) -> Result<Vec<Erf>, Error> {
    let (n, _, h, w) = images
        .size4()
        .map_err(|e| Error::machine(e.to_string(), "give images as N x C x H x W"))?;
    let fields = res2lab_rf::fields(net.graph());
    let mut sums: Vec<Sums> = nodes.iter().map(|_| Sums::new(h, w)).collect();
    for start in (0..n).step_by(BATCH as usize) {
        let batch = images.narrow(0, start, BATCH.min(n - start)).detach().set_requires_grad(true);
        let taps = net.forward(&batch, Mode::Eval, nodes).taps;
        for (i, tap) in taps.iter().enumerate() {
            let keep = i + 1 < taps.len();
            sums[i].add(&gradients(tap, &batch, options, keep), options.sign);
        }
    }
    let of_node = |(id, sums): (&NodeId, Sums)| {
        let shape = net.graph().node(*id).shape;
        let unit = (shape.width / 2, shape.height / 2);
        let field = fields[id.0];
        let center = (field.center(unit.0), field.center(unit.1));
        sums.finish(w as usize, options.sign).map(|(mean, error, images, skipped)| Erf {
            unit,
            center,
            field,
            mean,
            error,
            images,
            skipped,
        })
    };
    nodes.iter().zip(sums).map(of_node).collect()
}

/// Gradients of the middle unit's channel sum with respect to every pixel, N x C x H x W.
fn gradients(tap: &Tensor, images: &Tensor, options: ErfOptions, keep_graph: bool) -> Tensor {
    let v = tap.size()[2] / 2;
    let u = tap.size()[3] / 2;
    let unit = tap.select(3, u).select(2, v);
    let unit = if options.relu { unit.relu() } else { unit };
    // In evaluation mode images are independent, so one pass gives each image its own gradient.
    let score = unit.sum(Kind::Double);
    let gradient = Tensor::run_backward(&[score], &[images], keep_graph, false).pop();
    gradient.unwrap_or_else(|| images.zeros_like())
}

/// Sums over images, on the CPU in double precision.
struct Sums {
    sum: Tensor,
    squares: Tensor,
    images: usize,
    skipped: usize,
}

impl Sums {
    fn new(h: i64, w: i64) -> Sums {
        let zeros = || Tensor::zeros([h, w], (Kind::Double, Device::Cpu));
        Sums { sum: zeros(), squares: zeros(), images: 0, skipped: 0 }
    }

    fn add(&mut self, gradients: &Tensor, sign: Sign) {
        let gradients = gradients.to_device(Device::Cpu).to_kind(Kind::Double);
        let signed = match sign {
            Sign::Absolute => gradients.abs(),
            Sign::Positive => gradients.relu(),
            Sign::Signed => gradients,
        };
        let of_channels = signed.sum_dim_intlist([1_i64].as_slice(), false, Kind::Double);
        for i in 0..of_channels.size()[0] {
            let image = of_channels.select(0, i);
            if !image.sum(Kind::Double).double_value(&[]).is_finite() {
                self.skipped += 1;
                continue;
            }
            self.sum = &self.sum + &image;
            self.squares = &self.squares + image.square();
            self.images += 1;
        }
    }

    fn finish(self, width: usize, sign: Sign) -> Result<(Map, Map, usize, usize), Error> {
        if self.images == 0 {
            let help = "the network has diverged, or the images are not what it was trained on";
            return Err(Error::machine("no image has a finite gradient", help));
        }
        let n = self.images as f64;
        let mean = &self.sum / n;
        let variance = (&self.squares / n - mean.square()).clamp_min(0.0) / (n - 1.0).max(1.0);
        let mean = if sign == Sign::Signed { mean.abs() } else { mean };
        let map = |t: &Tensor| Map {
            width,
            values: Vec::try_from(t.contiguous().flatten(0, -1)).unwrap_or_default(),
        };
        Ok((map(&mean), map(&variance.sqrt()), self.images, self.skipped))
    }
}
