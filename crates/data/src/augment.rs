//! Augmentation of training images, on the device and for whole batches. The draws of an image are
//! functions of the seed, the epoch and its index, independent of its batch.

use crate::crop::CropRange;
use res2lab_random::Key;
use tch::{Device, Kind, Tensor};

/// The augmentations in use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augment {
    /// Pads by this many black pixels on each side, then crops the original size at a random
    /// position.
    pub crop_pad: usize,
    /// Mirrors left to right with probability 1/2.
    pub flip: bool,
    /// Crops a random part and resizes it, while pictures are decoded (see [`crate::stream`]).
    pub crop: Option<CropRange>,
    /// The strength of color jitter, which is applied while pictures are decoded.
    pub jitter: f64,
}

/// The augmentation of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The offset of the crop in rows, 0 to 2 * crop_pad.
    pub down: i64,
    /// Columns.
    pub right: i64,
    /// Mirrored.
    pub mirrored: bool,
}

impl Augment {
    /// Whether there is nothing to do.
    pub fn is_none(self) -> bool {
        self == Augment::default()
    }

    /// The draws of image `index` in the epoch whose stream is `epoch`.
    pub fn draw(self, epoch: Key, index: u32) -> Draw {
        let key = epoch.named("augment").with(u64::from(index));
        let places = 2 * self.crop_pad as u64 + 1;
        Draw {
            down: key.below(0, places) as i64,
            right: key.below(1, places) as i64,
            mirrored: self.flip && key.bits(2) >> 63 == 1,
        }
    }

    /// Applies one draw per image to `images` (N x C x H x W, bytes).
    pub fn apply(self, images: &Tensor, draws: &[Draw]) -> Tensor {
        let (n, _, height, width) = images.size4().unwrap_or((0, 0, 0, 0));
        let device = images.device();
        let pad = self.crop_pad as i64;
        let padded = images.constant_pad_nd([pad, pad, pad, pad]);
        let column = |f: &dyn Fn(&Draw) -> i64| {
            Tensor::from_slice(&draws.iter().map(f).collect::<Vec<_>>())
                .to_device(device)
                .unsqueeze(1)
        };
        let places = |size: i64| Tensor::arange(size, (Kind::Int64, device)).unsqueeze(0);
        let rows = column(&|d| d.down) + places(height);
        // A mirrored image reads its columns from the right: (width - 1 - x).
        let mirrored = column(&|d| i64::from(d.mirrored));
        let columns = places(width);
        let columns: Tensor = &columns + &mirrored * ((width - 1) - 2 * &columns);
        let columns = columns + column(&|d| d.right);
        let image = Tensor::arange(n, (Kind::Int64, device)).view([n, 1, 1]);
        // Indexing around the channel axis moves that axis to the end: N x H x W x C.
        let picked =
            padded.index(&[Some(image), None, Some(rows.unsqueeze(2)), Some(columns.unsqueeze(1))]);
        picked.permute([0, 3, 1, 2])
    }

    /// Draws for `indices`.
    pub fn draws(self, epoch: Key, indices: &[u32]) -> Vec<Draw> {
        indices.iter().map(|&i| self.draw(epoch, i)).collect()
    }
}

/// Host pixels as a tensor on `device`.
pub(crate) fn to_device(bytes: &[u8], shape: [i64; 4], device: Device) -> Tensor {
    Tensor::from_slice(bytes).view(shape).to_device(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One image at a time, as a person would write it.
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
        let draws = augment.draws(Key::new(3), &[10, 11, 12, 13, 14]);
        assert!(draws.iter().any(|d| d.mirrored) && draws.iter().any(|d| !d.mirrored));
        let together = augment.apply(&images, &draws);
        for (i, &draw) in draws.iter().enumerate() {
            assert_eq!(together.get(i as i64), by_hand(&images.get(i as i64), 2, draw), "{i}");
        }
    }

    #[test]
    fn draws_cover_all_places_evenly() {
        let augment = Augment { crop_pad: 1, flip: true, ..Augment::default() };
        let draws = augment.draws(Key::new(0), &(0..9000).collect::<Vec<_>>());
        for down in 0..3 {
            let share = draws.iter().filter(|d| d.down == down).count();
            assert!((2850..3150).contains(&share), "{share}");
        }
        assert!((4300..4700).contains(&draws.iter().filter(|d| d.mirrored).count()));
    }
}
