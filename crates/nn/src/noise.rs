//! The random factors of drop path and dropout. A factor is a function of the key, the node, and the
//! position of the image in the batch of all processes, so it depends neither on threads nor on how
//! a batch is divided.

use res2lab_arch::{Graph, Op, Per};
use res2lab_random::Key;
use tch::{Device, Kind, Tensor};

/// The random numbers of one training step.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    key: Key,
    /// The position of the first image in the batch of all processes.
    first: usize,
}

impl Default for Noise {
    fn default() -> Noise {
        Noise::new(Key::new(0), 0)
    }
}

impl Noise {
    /// Of the step with this key, for images from position `first` on.
    pub fn new(key: Key, first: usize) -> Noise {
        Noise { key: key.named("noise"), first }
    }

    /// A factor: 0, or what keeps the mean at 1.
    fn factor(self, node: &str, image: usize, index: usize, rate: f64) -> f64 {
        let image = (self.first + image) as u64;
        let draw = self.key.named(node).with(image).uniform(index as u64);
        if draw < rate { 0.0 } else { 1.0 / (1.0 - rate) }
    }

    /// The factors of a node as a tensor that `x`, the node's input, can be multiplied by.
    pub(crate) fn factors(self, node: &str, rate: f64, per: Per, x: &Tensor) -> Tensor {
        let mut shape = x.size();
        shape.resize(4, 1);
        match per {
            Per::Image => shape[1..].fill(1),
            Per::Channel => shape[2..].fill(1),
            Per::Value => {}
        }
        let each = shape[1..].iter().product::<i64>() as usize;
        let all = (0..shape[0] as usize)
            .flat_map(|image| (0..each).map(move |index| self.factor(node, image, index, rate)));
        let factors = on_device(&all.collect::<Vec<f64>>(), x.device());
        factors.to_kind(x.kind()).view(shape.as_slice())
    }

    /// Writes the factors of all nodes of a graph, of each those of all images and channels, or of
    /// all values.
    pub(crate) fn fill(self, graph: &Graph, images: usize, mut set: impl FnMut(usize, f64)) {
        let mut at = 0;
        for node in &graph.nodes {
            let Op::Noise { rate, per } = node.op else { continue };
            let each = per.factors(node.shape).elements();
            for image in 0..images {
                for index in 0..each {
                    let index = if per == Per::Image { 0 } else { index };
                    set(at, self.factor(&node.name, image, index, rate));
                    at += 1;
                }
            }
        }
    }
}

/// The values on a device. A GPU gets them from page-locked memory, for which the host does not
/// wait; without any, from ordinary memory.
fn on_device(values: &[f64], device: Device) -> Tensor {
    uploaded(values, device).unwrap_or_else(|| Tensor::from_slice(values).to_device(device))
}

fn uploaded(values: &[f64], device: Device) -> Option<Tensor> {
    if !device.is_cuda() {
        return None;
    }
    let mut bytes = res2lab_libtorch::device::pinned(size_of_val(values)).ok()?;
    let memory: &mut [u8] = res2lab_libtorch::values_mut(&mut bytes);
    for (place, value) in memory.chunks_exact_mut(size_of::<f64>()).zip(values) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
    let uploaded = res2lab_libtorch::device::upload(&bytes, device).ok()?;
    Some(uploaded.view_dtype(Kind::Double))
}
