//! All images of a data set as one tensor of bytes on the device. Batches are gathered and
//! normalized on the device.

use crate::augment::to_device;
use crate::normalize::Normalize;
use crate::{Augment, Batch, EpochPlan, Images, Source, Split};
use res2lab_error::Error;
use tch::{Device, Kind, Tensor};

/// A data set that fits into the device's memory.
pub struct Resident {
    train: Part,
    test: Part,
    normalize: Normalize,
    pass: Option<Pass>,
}

/// A pass over a split. What is drawn for its images is on the device before its first batch, so
/// that no batch waits for a copy.
struct Pass {
    split: Split,
    /// The remaining batches.
    batches: std::vec::IntoIter<Vec<u32>>,
    /// The indices of all images of the pass, int64, on the device.
    indices: Tensor,
    /// The side of images, if they are resized.
    side: Option<usize>,
    /// With augmentation: its draws for these images.
    draws: Option<(Augment, Tensor)>,
    /// How many images the batches before had.
    done: i64,
}

struct Part {
    pixels: Tensor,
    labels: Tensor,
}

impl Part {
    fn new(images: &Images, device: Device) -> Part {
        let shape = [images.len(), images.channels, images.height, images.width].map(|n| n as i64);
        let labels: Vec<i64> = images.labels.iter().map(|&l| i64::from(l)).collect();
        // On the CPU, the tensor shares the memory of the images, which may be a file mapped by
        // other trials.
        let pixels = match device {
            Device::Cpu => res2lab_libtorch::tensor_of_bytes(images.pixels.clone()).view(shape),
            _ => to_device(&images.pixels, shape, device),
        };
        Part { pixels, labels: Tensor::from_slice(&labels).to_device(device) }
    }
}

impl Resident {
    /// Moves images to `device`. Both splits are normalized by `statistics` (mean and standard
    /// deviation of each channel, in units of a byte).
    pub fn new(
        train: &Images,
        test: &Images,
        statistics: &[(f64, f64)],
        device: Device,
        kind: Kind,
    ) -> Resident {
        Resident {
            train: Part::new(train, device),
            test: Part::new(test, device),
            normalize: Normalize::new(statistics, device, kind),
            pass: None,
        }
    }

    fn part(&self, split: Split) -> &Part {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

/// Images resized to a side, bilinearly; each pixel of a smaller image is a mean of those that it
/// covers (antialiasing), as of decoded pictures.
fn resized(images: &Tensor, side: i64) -> Tensor {
    if images.size()[2..] == [side, side] {
        return images.shallow_clone();
    }
    images.internal_upsample_bilinear2d_aa([side, side], false, None, None)
}

impl Source for Resident {
    fn begin(&mut self, plan: EpochPlan) -> Result<(), Error> {
        let device = self.train.pixels.device();
        let all: Vec<u32> = plan.batches.concat();
        let images = self.len(plan.split).max(1) as i64;
        let wide: Vec<i64> = all.iter().map(|&i| i64::from(i) % images).collect();
        let side = plan.augment.and_then(|(augment, _)| augment.side);
        let augment = plan.augment.map(|(augment, key)| (Augment { side: None, ..augment }, key));
        let augment = augment.filter(|(augment, _)| !augment.is_none());
        let draws =
            |(augment, key): (Augment, _)| (augment, augment.table(key, &all).to_device(device));
        self.pass = Some(Pass {
            split: plan.split,
            batches: plan.batches.into_iter(),
            indices: Tensor::from_slice(&wide).to_device(device),
            side,
            draws: augment.map(draws),
            done: 0,
        });
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let Some(pass) = &mut self.pass else { return Ok(None) };
        let Some(indices) = pass.batches.next() else { return Ok(None) };
        let n = indices.len() as i64;
        let index = pass.indices.narrow(0, pass.done, n);
        let draws = pass.draws.as_ref().map(|(how, all)| (*how, all.narrow(0, pass.done, n)));
        pass.done += n;
        let side = pass.side;
        let split = pass.split;
        let part = self.part(split);
        let mut pixels = part.pixels.index_select(0, &index);
        if let Some((augment, draws)) = draws {
            pixels = augment.apply(&pixels, &draws);
        }
        let mut images = self.normalize.apply(&pixels);
        if let Some(side) = side {
            images = resized(&images, side as i64);
        }
        Ok(Some(Batch { images, labels: part.labels.index_select(0, &index), indices }))
    }

    fn len(&self, split: Split) -> usize {
        self.part(split).labels.numel()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Augment, order};

    fn source() -> Resident {
        let images = |n: usize| Images {
            channels: 1,
            height: 2,
            width: 2,
            pixels: (0..4 * n).map(|i| (37 * i % 251) as u8).collect::<Vec<u8>>().into(),
            labels: (0..n).map(|i| (i % 10) as u32).collect(),
        };
        let train = images(50);
        Resident::new(&train, &images(7), &train.statistics(), Device::Cpu, Kind::Double)
    }

    #[test]
    fn training_images_have_mean_zero_and_deviation_one() {
        let mut source = source();
        let all = vec![(0..50).collect()];
        source.begin(EpochPlan { split: Split::Train, batches: all, augment: None }).unwrap();
        let images = source.next_batch().unwrap().unwrap().images;
        assert!(images.mean(Kind::Double).double_value(&[]).abs() < 1e-12);
        assert!((images.std(false).double_value(&[]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_image_is_changed_alike_in_any_batch() {
        let mut source = source();
        let augment = Some((
            Augment { crop_pad: 1, flip: true, ..Augment::default() },
            order::epoch_key(5, 1),
        ));
        let mut first = |batches: Vec<Vec<u32>>| {
            source.begin(EpochPlan { split: Split::Train, batches, augment }).unwrap();
            source.next_batch().unwrap().unwrap().images
        };
        assert_eq!(first(vec![vec![3, 9]]).get(1), first(vec![vec![9]]).get(0));
    }

    #[test]
    fn training_images_of_half_the_side_are_weighted_means_and_evaluation_keeps_the_side() {
        let images = Images {
            channels: 1,
            height: 8,
            width: 8,
            pixels: (0..64).map(|i| 4 * i as u8).collect::<Vec<u8>>().into(),
            labels: vec![0],
        };
        let plain = [(0.0, 1.0)];
        let mut source = Resident::new(&images, &images, &plain, Device::Cpu, Kind::Double);
        let mut first = |augment| {
            let plan = EpochPlan { split: Split::Train, batches: vec![vec![0]], augment };
            source.begin(plan).unwrap();
            source.next_batch().unwrap().unwrap().images
        };
        let augment = Augment { side: Some(4), ..Augment::default() };
        let small = first(Some((augment, order::epoch_key(0, 0))));
        assert_eq!(small.size(), [1, 1, 4, 4]);
        // Inside, a ramp stays a ramp: its pixel lies between four of the large image.
        let at = |y: i64, x: i64| small.double_value(&[0, 0, y, x]);
        assert!((at(1, 1) - 4.0 * (2.5 * 8.0 + 2.5)).abs() < 1e-9, "{}", at(1, 1));
        assert!((at(2, 1) - 4.0 * (4.5 * 8.0 + 2.5)).abs() < 1e-9, "{}", at(2, 1));
        assert_eq!(first(None).size(), [1, 1, 8, 8]);
    }

    #[test]
    fn a_pass_ends_with_a_partial_batch() {
        let mut source = source();
        let batches = order::evaluation_batches(source.len(Split::Test), 3, order::Shard::WHOLE);
        source.begin(EpochPlan { split: Split::Test, batches, augment: None }).unwrap();
        let mut sizes = vec![];
        while let Some(batch) = source.next_batch().unwrap() {
            sizes.push(batch.labels.numel());
        }
        assert_eq!(sizes, [3, 3, 1]);
    }
}
