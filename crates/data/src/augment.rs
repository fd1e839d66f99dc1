//! Data augmentation of training images, on whole batches and on the device. The draws of an image
//! depend on (seed, epoch, index) only, not on its batch.

use crate::auto::{Auto, Interpolation};
use crate::crop::CropRange;
use res2lab_random::Key;
use tch::{Device, Kind, Tensor};

/// The enabled augmentations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augment {
    /// Pad by this many black pixels on each side, then crop the original size at a random
    /// position.
    pub crop_pad: usize,
    /// Flip horizontally with probability 1/2.
    pub flip: bool,
    /// Resize a random crop; done while pictures are decoded (see [`crate::stream`]).
    pub crop: Option<CropRange>,
    /// Strength of color jitter, 0 for none; done while pictures are decoded.
    pub jitter: f64,
    /// Operations on a picture of three channels; done while pictures are decoded.
    pub auto: Option<Auto>,
    /// Probability that a picture becomes gray; done while pictures are decoded.
    pub grayscale: f64,
    /// Side of the images of this pass, if it is not that of the data set.
    pub side: Option<usize>,
    /// Interpolation of the random crop, and of geometric operations.
    pub interpolation: Interpolation,
}

/// The random draws for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Vertical offset of the crop in pixels, 0 to 2 * crop_pad.
    pub down: i64,
    /// Horizontal offset of the crop in pixels, 0 to 2 * crop_pad.
    pub right: i64,
    /// Whether the image is flipped horizontally.
    pub mirrored: bool,
}

impl Augment {
    /// Whether no augmentation is enabled.
    pub fn is_none(self) -> bool {
        self == Augment::default()
    }

    /// The draws for image `index` in the epoch with the random stream `epoch`.
    pub fn draw(self, epoch: Key, index: u32) -> Draw {
        let key = epoch.named("augment").with(u64::from(index));
        let places = 2 * self.crop_pad as u64 + 1;
        Draw {
            down: key.below(0, places) as i64,
            right: key.below(1, places) as i64,
            mirrored: self.flip && key.bits(2) >> 63 == 1,
        }
    }

    /// Applies one draw per image to `images` (N x C x H x W, bytes). `draws` is the part of a
    /// [`Augment::table`] for these images, on their device.
    pub fn apply(self, images: &Tensor, draws: &Tensor) -> Tensor {
        let (n, _, height, width) = images.size4().unwrap_or((0, 0, 0, 0));
        let device = images.device();
        let pad = self.crop_pad as i64;
        let padded = images.constant_pad_nd([pad, pad, pad, pad]);
        let column = |i: i64| draws.narrow(1, i, 1);
        let places = |size: i64| Tensor::arange(size, (Kind::Int64, device)).unsqueeze(0);
        let rows = column(0) + places(height);
        // A flipped image reads its columns from the right: (width - 1 - x).
        let mirrored = column(2);
        let columns = places(width);
        let columns: Tensor = &columns + &mirrored * ((width - 1) - 2 * &columns);
        let columns = columns + column(1);
        let image = Tensor::arange(n, (Kind::Int64, device)).view([n, 1, 1]);
        // Indexing around the channel axis moves this axis to the end: N x H x W x C.
        let picked =
            padded.index(&[Some(image), None, Some(rows.unsqueeze(2)), Some(columns.unsqueeze(1))]);
        picked.permute([0, 3, 1, 2])
    }

    /// The draws for the images `indices`: N x 3 (down, right, mirrored), int64, on the CPU.
    pub fn table(self, epoch: Key, indices: &[u32]) -> Tensor {
        let row = |&index: &u32| {
            let draw = self.draw(epoch, index);
            [draw.down, draw.right, i64::from(draw.mirrored)]
        };
        let values: Vec<i64> = indices.iter().flat_map(row).collect();
        Tensor::from_slice(&values).view([-1, 3])
    }
}

/// Copies pixels from host memory to a tensor on `device`.
pub(crate) fn to_device(bytes: &[u8], shape: [i64; 4], device: Device) -> Tensor {
    Tensor::from_slice(bytes).view(shape).to_device(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Straightforward reference implementation for one image.
    fn by_hand(image: &Tensor, pad: i64, draw: Draw) -> Tensor {
        let (_, height, width) = image.size3().unwrap();
        let padded = image.constant_pad_nd([pad, pad, pad, pad]);
        let crop = padded.narrow(1, draw.down, height).narrow(2, draw.right, width);
        if draw.mirrored { crop.flip([2]) } else { crop }
    }

    #[test]
    fn a_batch_is_changed_as_each_image_would_be() {
        let images = Tensor::arange(5 * 2 * 4 * 3, (Kind::Int64, Device::Cpu))
            .to_kind(Kind::Uint8)
            .view([5, 2, 4, 3]);
        let augment = Augment { crop_pad: 2, flip: true, ..Augment::default() };
        let indices = [10, 11, 12, 13, 14];
        let draws = indices.map(|index| augment.draw(Key::new(3), index));
        assert!(draws.iter().any(|d| d.mirrored) && draws.iter().any(|d| !d.mirrored));
        let together = augment.apply(&images, &augment.table(Key::new(3), &indices));
        for (i, &draw) in draws.iter().enumerate() {
            assert_eq!(together.get(i as i64), by_hand(&images.get(i as i64), 2, draw), "{i}");
        }
    }

    #[test]
    fn draws_cover_all_places_evenly() {
        let augment = Augment { crop_pad: 1, flip: true, ..Augment::default() };
        let draws: Vec<Draw> = (0..9000).map(|index| augment.draw(Key::new(0), index)).collect();
        for down in 0..3 {
            let share = draws.iter().filter(|d| d.down == down).count();
            assert!((2850..3150).contains(&share), "{share}");
        }
        assert!((4300..4700).contains(&draws.iter().filter(|d| d.mirrored).count()));
    }
}
