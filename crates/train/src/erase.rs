//! Random erasing (Zhong et al. 2020) as timm's: boxes of normalized images are overwritten. The
//! draws of an image depend on the seed, the step and its position in the batch of all processes.

use res2lab_experiment::{Augment, EraseMode};
use res2lab_random::Key;
use tch::{Kind, Tensor};

/// Shares of the image's area that are erased.
const AREA: [f64; 2] = [0.02, 1.0 / 3.0];
/// Smallest ratio of height to width; the largest is its inverse.
const RATIO: f64 = 0.3;

/// Erases boxes of these images in place. `first` is the position of the first one in the batch.
pub(crate) fn erase(augment: &Augment, images: &Tensor, key: Key, first: usize) {
    if augment.erase == 0.0 {
        return;
    }
    let _guard = tch::no_grad_guard();
    let size = images.size();
    for i in 0..size[0] {
        let key = key.with((first + i as usize) as u64);
        for (n, [top, left, height, width]) in boxes(augment, key, size[2], size[3]) {
            let part = images.get(i).narrow(1, top, height).narrow(2, left, width);
            fill(augment.erase_mode, &part, key.named("pixels").with(n));
        }
    }
}

/// The boxes of an image: first row and column, height and width, each with its number.
fn boxes(augment: &Augment, key: Key, rows: i64, columns: i64) -> Vec<(u64, [i64; 4])> {
    if key.uniform(0) >= augment.erase {
        return vec![];
    }
    let count = 1 + key.below(1, augment.erase_count as u64);
    let one = |n: u64| Some((n, one_box(key.named("box").with(n), count, rows, columns)?));
    (0..count).filter_map(one).collect()
}

/// Draws up to ten times until a box fits.
fn one_box(key: Key, count: u64, rows: i64, columns: i64) -> Option<[i64; 4]> {
    const TRIES: u64 = 10;
    let between = |counter: u64, low: f64, high: f64| low + (high - low) * key.uniform(counter);
    (0..TRIES).map(|attempt| 4 * attempt).find_map(|at| {
        let area = between(at, AREA[0], AREA[1]) * (rows * columns) as f64 / count as f64;
        let ratio = between(at + 1, RATIO.ln(), -RATIO.ln()).exp();
        let height = (area * ratio).sqrt().round_ties_even() as i64;
        let width = (area / ratio).sqrt().round_ties_even() as i64;
        (height < rows && width < columns).then(|| {
            let top = key.below(at + 2, (rows - height + 1) as u64) as i64;
            let left = key.below(at + 3, (columns - width + 1) as u64) as i64;
            [top, left, height, width]
        })
    })
}

fn fill(mode: EraseMode, part: &Tensor, key: Key) {
    let mut part = part.shallow_clone();
    let size = part.size();
    let shape = match mode {
        EraseMode::Const => {
            let _ = part.zero_();
            return;
        }
        EraseMode::Rand => [size[0], 1, 1],
        EraseMode::Pixel => [size[0], size[1], size[2]],
    };
    let values: Vec<f64> =
        (0..shape.iter().product::<i64>() as u64).map(|i| key.normal(i)).collect();
    let values = Tensor::from_slice(&values).to_kind(Kind::Float).view(shape);
    part.copy_(&values.to_device(part.device()).expand_as(&part));
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn augment(erase: f64, erase_mode: EraseMode, erase_count: usize) -> Augment {
        Augment { erase, erase_mode, erase_count, ..Augment::default() }
    }

    /// Mean area, height, width, top and left of 10,000 boxes on 40 x 60 pixels: the means and
    /// standard deviations are those of 200,000 boxes of timm 1.0.31's RandomErasing.
    #[test]
    fn boxes_have_timms_distribution() {
        const THEIRS: [(f64, f64); 5] = [
            (409.0508, 213.20714),
            (19.70287, 8.29842),
            (21.27019, 9.86515),
            (10.16166, 7.79135),
            (19.336, 12.83697),
        ];
        let augment = augment(1.0, EraseMode::Const, 1);
        let n = 10_000;
        let found: Vec<[f64; 5]> = (0..n)
            .flat_map(|i| boxes(&augment, Key::new(1).with(i), 40, 60))
            .map(|(_, [top, left, height, width])| {
                [height * width, height, width, top, left].map(|x| x as f64)
            })
            .collect();
        for (k, (mean, deviation)) in THEIRS.into_iter().enumerate() {
            let ours = found.iter().map(|of| of[k]).sum::<f64>() / found.len() as f64;
            let most = 4.0 * deviation / (found.len() as f64).sqrt();
            assert!((ours - mean).abs() < most, "{k}: {ours}, timm {mean}");
        }
    }

    #[test]
    fn boxes_are_erased_as_often_as_wanted_and_alike_in_any_part_of_a_batch() {
        let ones = || Tensor::ones([8, 3, 12, 12], (Kind::Float, Device::Cpu));
        for (mode, least) in [(EraseMode::Const, 1), (EraseMode::Rand, 3), (EraseMode::Pixel, 10)] {
            let augment = augment(0.5, mode, 2);
            let whole = ones();
            erase(&augment, &whole, Key::new(3), 0);
            let part = ones();
            erase(&augment, &part, Key::new(3), 4);
            assert_eq!(part.narrow(0, 0, 4), whole.narrow(0, 4, 4));
            let changed = (0..8).filter(|&i| whole.get(i) != ones().get(i)).count();
            assert!((1..8).contains(&changed), "{changed}");
            let (different, _) = whole.internal_unique(true, false);
            assert!(different.numel() > least, "{mode:?}: {}", different.numel());
        }
        let kept = ones();
        erase(&augment(0.0, EraseMode::Pixel, 1), &kept, Key::new(3), 0);
        assert_eq!(kept, ones());
    }
}
