//! Effective receptive fields, measured: how much each pixel moves the unit in the middle of a
//! node's map (Luo et al. 2016; Ding et al. 2022, RepLKNet).

use crate::{ExplainError, Map};
use res2lab_arch::NodeId;
use res2lab_nn::{Mode, Net};
use res2lab_rf::Field;
use tch::{Device, Kind, Tensor};

/// What becomes of the gradients' signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sign {
    /// Absolute values.
    #[default]
    Absolute,
    /// Negative ones are dropped, as RepLKNet does.
    Positive,
    /// Kept while images are averaged; absolute values of the mean.
    Signed,
}

/// How a field is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub sign: Sign,
    /// The unit's channels go through a ReLU before they are summed, as RepLKNet does.
    pub relu: bool,
}

/// One node's effective receptive field.
#[derive(Clone, Debug)]
pub struct Erf {
    /// The unit that was asked, column and row of the node's map.
    pub unit: (usize, usize),
    /// Where the middle of its field lies, pixels, column and row.
    pub center: (f64, f64),
    /// Its exact field, which no gradient can leave.
    pub field: Field,
    /// Gradients over the image, channels summed, mean over images.
    pub mean: Map,
    /// Standard error of each pixel over images; zero for one image.
    pub error: Map,
    /// Images that were averaged.
    pub images: usize,
    /// Images left out because some gradient was not finite.
    pub skipped: usize,
}

impl Erf {
    /// Whether the exact field is larger than the image, so that the measured one is cut off.
    pub fn is_saturated(&self) -> bool {
        let side = self.mean.width.min(self.mean.height()) as i64;
        self.field.max_px() > side || self.field.sees_all
    }

    /// The pixel nearest to the center, within the image.
    pub fn center_pixel(&self) -> (usize, usize) {
        let within = |x: f64, n: usize| x.round().clamp(0.0, n as f64 - 1.0) as usize;
        (within(self.center.0, self.mean.width), within(self.center.1, self.mean.height()))
    }
}

/// Images at a time.
const BATCH: i64 = 16;

/// Measures the effective field of each of `nodes` on `images` (N x C x H x W, prepared for the
/// net), in evaluation mode.
pub fn erf(
    net: &Net,
    images: &Tensor,
    nodes: &[NodeId],
    options: Options,
) -> Result<Vec<Erf>, ExplainError> {
    let (n, _, h, w) = images
        .size4()
        .map_err(|e| ExplainError::new(e.to_string(), "give images as N x C x H x W"))?;
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

/// Gradients of the middle unit's channels with respect to every pixel, N x C x H x W.
fn gradients(tap: &Tensor, images: &Tensor, options: Options, keep_graph: bool) -> Tensor {
    let v = tap.size()[2] / 2;
    let u = tap.size()[3] / 2;
    let unit = tap.select(3, u).select(2, v);
    let unit = if options.relu { unit.relu() } else { unit };
    // Images do not see each other in evaluation, so one pass gives each its own gradient.
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

    fn finish(self, width: usize, sign: Sign) -> Result<(Map, Map, usize, usize), ExplainError> {
        if self.images == 0 {
            let help = "the network has diverged, or the images are not what it was trained on";
            return Err(ExplainError::new("no image has a finite gradient", help));
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
