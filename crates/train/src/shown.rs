//! Histograms of weights and gradients, and sample images for TensorBoard.
use res2lab_arch::Role;
use res2lab_data::{Augment, EpochPlan, Source, Split, order};
use res2lab_error::Error;
use res2lab_experiment::TrialSpec;
use res2lab_nn::Net;
use res2lab_store::tensorboard::{Histogram, Picture};
use tch::{Device, Kind, Tensor};

const BINS: usize = 50;
/// The images of a sheet, in rows of [`COLUMNS`].
const IMAGES: usize = 16;
const COLUMNS: usize = 4;

/// Histograms of the weights and gradients of convolutions and the last layer, by stage:
/// `weights/layer1`, `gradients/layer1`.
pub(crate) fn histograms(net: &Net) -> Vec<(String, Histogram)> {
    let stages: Vec<&str> = net.graph().stages.iter().map(|stage| stage.name.as_str()).collect();
    let params = net.params();
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for (i, entry) in params.entries().iter().enumerate() {
        if !matches!(entry.role, Role::ConvWeight | Role::LinearWeight) {
            continue;
        }
        let first = entry.name.split('.').next().unwrap_or_default();
        let group = match entry.role {
            Role::LinearWeight => "head",
            _ if stages.contains(&first) => first,
            _ => "stem",
        };
        match groups.iter_mut().find(|(name, _)| name == group) {
            Some((_, members)) => members.push(i),
            None => groups.push((group.to_owned(), vec![i])),
        }
    }
    // One histogram asks for five numbers, each of which would wait for a GPU.
    let [weights, gradients] = params.trained_on_host();
    let of = |what: &str, tensors: &[Option<Tensor>]| -> Vec<(String, Histogram)> {
        let one = |(group, members): &(String, Vec<usize>)| {
            let parts: Vec<Tensor> =
                members.iter().filter_map(|&i| Some(tensors[i].as_ref()?.flatten(0, -1))).collect();
            Some((format!("{what}/{group}"), histogram(&parts)?))
        };
        groups.iter().filter_map(one).collect()
    };
    let mut all = of("weights", &weights);
    all.extend(of("gradients", &gradients));
    all
}

/// The histogram of all values; None if there are none, or if some are not finite.
fn histogram(parts: &[Tensor]) -> Option<Histogram> {
    if parts.is_empty() {
        return None;
    }
    let _guard = tch::no_grad_guard();
    let values = Tensor::cat(parts, 0).to_kind(Kind::Float);
    let double = values.to_kind(Kind::Double);
    let of = |t: Tensor| t.double_value(&[]);
    let min = of(values.min());
    let max = of(values.max());
    if !(min.is_finite() && max.is_finite()) {
        return None;
    }
    // Equal values need an interval of positive width.
    let high = if max > min { max } else { min + 1e-12_f64.max(1e-6 * min.abs()) };
    let counts =
        values.clamp(min, high).histc(BINS as i64).to_kind(Kind::Double).to_device(Device::Cpu);
    let counts: Vec<f64> = Vec::try_from(counts).ok()?;
    let limits = (1..=BINS).map(|i| min + (high - min) * i as f64 / BINS as f64).collect();
    let sum_squares = of(double.square().sum(Kind::Double));
    let sum = of(double.sum(Kind::Double));
    Some(Histogram { min, max, count: values.numel() as f64, sum, sum_squares, limits, counts })
}

/// The first images of both splits, as the network receives them: training images of the first
/// batch with augmentation, test images without.
pub(crate) fn samples(
    source: &mut dyn Source,
    spec: &TrialSpec,
    augment: Augment,
) -> Result<Vec<(&'static str, Picture)>, Error> {
    let order = order::training_batches(
        source.len(Split::Train),
        spec.seed,
        0,
        spec.train.batch_size,
        res2lab_data::Shard::WHOLE,
        0,
    );
    let first: Vec<u32> =
        order.into_iter().next().unwrap_or_default().into_iter().take(IMAGES).collect();
    let test: Vec<u32> = (0..source.len(Split::Test).min(IMAGES) as u32).collect();
    let changes = Some((augment, order::epoch_key(spec.seed, 0)));
    let passes = [
        ("samples/train", Split::Train, first, changes),
        ("samples/test", Split::Test, test, None),
    ];
    let mut sheets = Vec::new();
    for (tag, split, images, augment) in passes {
        source.begin(EpochPlan { split, batches: vec![images], augment })?;
        if let Some(batch) = source.next_batch()? {
            sheets.extend(sheet(&batch.images).map(|picture| (tag, picture)));
        }
    }
    Ok(sheets)
}

/// The names of the rows and columns of the confusion matrix, as a Markdown table.
pub(crate) fn classes(names: &[String]) -> String {
    let row =
        |(number, name): (usize, &String)| format!("| {number} | {} |", name.replace('|', "\\|"));
    let rows: Vec<String> = names.iter().enumerate().map(row).collect();
    format!("| output | class |\n|--:|---|\n{}", rows.join("\n"))
}

/// A picture of images (N x C x H x W) side by side. The smallest value is black, the largest
/// white.
fn sheet(images: &Tensor) -> Option<Picture> {
    let (n, _, h, w) = images.size4().ok()?;
    let images =
        images.to_device(Device::Cpu).to_kind(Kind::Double).narrow(0, 0, n.min(IMAGES as i64));
    let min = images.min().double_value(&[]);
    let max = images.max().double_value(&[]);
    let bytes = ((images - min) * (255.0 / (max - min).max(1e-12))).round().to_kind(Kind::Uint8);
    let n = bytes.size()[0] as usize;
    let c = bytes.size()[1] as usize;
    let h = h as usize;
    let w = w as usize;
    let values: Vec<u8> = Vec::try_from(bytes.contiguous().flatten(0, -1)).ok()?;
    let width = COLUMNS.min(n) * w;
    let height = n.div_ceil(COLUMNS) * h;
    let mut rgb = vec![0; 3 * width * height];
    for image in 0..n {
        let left = image % COLUMNS * w;
        let top = image / COLUMNS * h;
        for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
            for color in 0..3 {
                // The channel of a gray image is used for all three colors.
                let channel = color.min(c - 1);
                rgb[3 * ((top + y) * width + left + x) + color] =
                    values[((image * c + channel) * h + y) * w + x];
            }
        }
    }
    Some(Picture { width, height, rgb })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_every_value_once() {
        let values =
            [Tensor::from_slice(&[-1.0_f32, 0.0, 0.5]), Tensor::from_slice(&[3.0_f32, 3.0])];
        let found = histogram(&values).unwrap();
        assert_eq!((found.min, found.max, found.count, found.sum), (-1.0, 3.0, 5.0, 5.5));
        assert_eq!((found.sum_squares, found.counts.iter().sum::<f64>()), (19.25, 5.0));
        assert_eq!(
            (found.counts[0], found.counts[BINS - 1], found.limits[BINS - 1]),
            (1.0, 2.0, 3.0)
        );
        assert_eq!(
            histogram(&[Tensor::zeros([4], (Kind::Float, Device::Cpu))])
                .unwrap()
                .counts
                .iter()
                .sum::<f64>(),
            4.0
        );
        assert!(
            histogram(&[Tensor::from_slice(&[f32::NAN])]).is_none() && histogram(&[]).is_none()
        );
    }

    #[test]
    fn a_sheet_holds_images_in_rows_from_black_to_white() {
        let images = Tensor::arange(5 * 2 * 3, (Kind::Float, Device::Cpu)).view([5, 1, 2, 3]);
        let sheet = sheet(&images).unwrap();
        assert_eq!((sheet.width, sheet.height), (12, 4));
        let at = |x: usize, y: usize| &sheet.rgb[3 * (y * 12 + x)..][..3];
        assert_eq!((at(0, 0), at(2, 3), at(5, 3)), (&[0; 3][..], &[255; 3][..], &[0; 3][..]));
        assert_eq!(at(3, 0), [53; 3], "the second image begins with 6 of 29");
    }
}
