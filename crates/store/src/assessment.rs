//! What a trained network makes of a set of images: each prediction, and the figures that they add
//! up to. Plain data, its arithmetic, and its Parquet.

use crate::StoreError;
use crate::tables::frame::{Table, Values, write_parquet};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::Path;

/// Guesses kept for each image.
pub const TOP: usize = 5;
/// Bins of confidence for the calibration error (Guo et al. 2017).
const BINS: usize = 15;

/// One image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Its place in the split.
    pub index: u32,
    /// Its class.
    pub label: i64,
    /// The first guesses, the likeliest first.
    pub guesses: Vec<u32>,
    /// Their probabilities.
    pub shares: Vec<f64>,
    /// Cross-entropy.
    pub loss: f64,
}

/// One class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassRow {
    pub name: String,
    pub images: u64,
    /// Percent of its images that were recognized (recall).
    pub acc1: f64,
    /// Percent of the guesses of this class that were right (precision).
    pub precision: f64,
}

/// One bin of confidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    pub images: u64,
    /// Means over the bin's images, percent.
    pub confidence: f64,
    pub accuracy: f64,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// Which network, weights and data, in words.
    pub title: String,
    pub images: u64,
    /// Percent.
    pub acc1: f64,
    /// Percent; None with fewer than five classes.
    pub acc5: Option<f64>,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Expected calibration error over [`BINS`] bins of equal width, percent.
    pub calibration_error: f64,
    pub images_per_s: f64,
    pub classes: Vec<ClassRow>,
    /// Rows are classes, columns guesses, counts.
    pub confusion: Vec<Vec<u64>>,
    pub bins: Vec<Bin>,
    /// Pictures that could not be read.
    pub left_out: Vec<String>,
    /// Every image; in tables, not in JSON.
    #[serde(skip)]
    pub predictions: Vec<Prediction>,
}

impl Assessment {
    /// Adds predictions up.
    pub fn of(
        predictions: Vec<Prediction>,
        classes: usize,
        seconds: f64,
        left_out: Vec<String>,
    ) -> Assessment {
        let n = predictions.len();
        let percent =
            |count: usize, of: usize| if of == 0 { 0.0 } else { 100.0 * count as f64 / of as f64 };
        let is_hit = |p: &Prediction, k: usize| {
            p.guesses.iter().take(k).any(|&guess| i64::from(guess) == p.label)
        };
        let hits = |k: usize| predictions.iter().filter(|p| is_hit(p, k)).count();
        let mut confusion = vec![vec![0_u64; classes]; classes];
        for p in &predictions {
            if let (Ok(label), Some(&guess)) = (usize::try_from(p.label), p.guesses.first())
                && label < classes
            {
                confusion[label][guess as usize] += 1;
            }
        }
        let bins = bins(&predictions);
        let gap = |bin: &Bin| bin.images as f64 * (bin.confidence - bin.accuracy).abs();
        Assessment {
            images: n as u64,
            acc1: percent(hits(1), n),
            acc5: (classes >= TOP).then(|| percent(hits(TOP), n)),
            loss: predictions.iter().map(|p| p.loss).sum::<f64>() / n.max(1) as f64,
            calibration_error: bins.iter().map(gap).sum::<f64>() / n.max(1) as f64,
            images_per_s: if seconds > 0.0 { n as f64 / seconds } else { 0.0 },
            classes: class_rows(&confusion),
            confusion,
            bins,
            left_out,
            predictions,
            title: String::new(),
        }
    }

    /// Gives classes their names; a class without one keeps its number.
    pub fn name_classes(&mut self, names: &[String]) {
        self.classes.iter_mut().zip(names).for_each(|(class, name)| class.name.clone_from(name));
    }

    fn name(&self, class: u32) -> &str {
        self.classes.get(class as usize).map_or("", |c| c.name.as_str())
    }

    /// Writes a line per image; `file` names the images, `factors` are what is known of each beside
    /// its class.
    pub fn write_predictions(
        &self,
        path: &Path,
        file: &dyn Fn(u32) -> String,
        factors: &[(&str, Vec<f64>)],
    ) -> Result<(), StoreError> {
        let of = |f: &dyn Fn(&Prediction) -> String| -> Values<'_> {
            Values::Text(self.predictions.iter().map(|p| Some(Cow::Owned(f(p)))).collect())
        };
        let count = |f: &dyn Fn(&Prediction) -> Option<u64>| {
            Values::Count(self.predictions.iter().map(f).collect())
        };
        let real = |f: &dyn Fn(&Prediction) -> Option<f64>| {
            Values::Real(self.predictions.iter().map(f).collect())
        };
        let mut table = Table::default();
        table.push("image", of(&|p| file(p.index)));
        table.push("label", count(&|p| u64::try_from(p.label).ok()));
        table.push(
            "label_name",
            of(&|p| u32::try_from(p.label).map_or("", |label| self.name(label)).to_owned()),
        );
        table.push(
            "correct",
            Values::Flag(self.predictions.iter().map(|p| Some(first(p) == p.label)).collect()),
        );
        table.push("loss", real(&|p| Some(p.loss)));
        for (name, values) in factors {
            table.push(name, real(&|p| values.get(p.index as usize).copied()));
        }
        for k in 0..TOP.min(self.classes.len()) {
            table.push(&format!("guess{}", k + 1), count(&|p| p.guesses.get(k).map(|&g| g.into())));
            table.push(
                &format!("guess{}_name", k + 1),
                of(&|p| p.guesses.get(k).map_or("", |&g| self.name(g)).to_owned()),
            );
            table.push(&format!("guess{}_share", k + 1), real(&|p| p.shares.get(k).copied()));
        }
        let meaning = |name: &str| match name {
            "image" => "file, or place in the split",
            "label" => "true class",
            "correct" => "whether the first guess is the true class",
            "loss" => "cross-entropy",
            "object_px" => "side of the object's square, pixels",
            "x_px" | "y_px" => "middle of the object, pixels",
            "clutter" => "bars that lie about",
            "size_group" => "group of object sizes, 0 the smallest",
            name if name.ends_with("_share") => "probability that the network gives it",
            name if name.ends_with("_name") => "name of the class",
            _ => "class",
        };
        let meanings: Vec<_> = table.names().map(|name| (name.to_owned(), meaning(name))).collect();
        write_parquet(path, std::iter::once(table), &meanings)
    }
}

fn first(p: &Prediction) -> i64 {
    p.guesses.first().map_or(-1, |&guess| guess.into())
}

fn class_rows(confusion: &[Vec<u64>]) -> Vec<ClassRow> {
    let share = |part: u64, whole: u64| {
        if whole == 0 { f64::NAN } else { 100.0 * part as f64 / whole as f64 }
    };
    let row = |(class, counts): (usize, &Vec<u64>)| {
        let images = counts.iter().sum();
        let guessed = confusion.iter().map(|row| row[class]).sum();
        let hit = counts[class];
        ClassRow {
            name: class.to_string(),
            images,
            acc1: share(hit, images),
            precision: share(hit, guessed),
        }
    };
    confusion.iter().enumerate().map(row).collect()
}

fn bins(predictions: &[Prediction]) -> Vec<Bin> {
    let mut bins = vec![Bin::default(); BINS];
    for p in predictions {
        let confidence = p.shares.first().copied().unwrap_or(0.0);
        let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        bin.images += 1;
        bin.confidence += 100.0 * confidence;
        bin.accuracy += if first(p) == p.label { 100.0 } else { 0.0 };
    }
    for bin in bins.iter_mut().filter(|bin| bin.images > 0) {
        bin.confidence /= bin.images as f64;
        bin.accuracy /= bin.images as f64;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(label: i64, guesses: &[u32], share: f64) -> Prediction {
        Prediction { index: 0, label, guesses: guesses.to_vec(), shares: vec![share], loss: 1.0 }
    }

    #[test]
    fn predictions_add_up() {
        let all = vec![
            prediction(0, &[0, 1, 2, 3, 4], 0.9),
            prediction(0, &[1, 0, 2, 3, 4], 0.9),
            prediction(1, &[1, 0, 2, 3, 4], 0.5),
            prediction(5, &[0, 1, 2, 3, 4], 0.5),
        ];
        let a = Assessment::of(all, 6, 2.0, vec![]);
        assert_eq!((a.acc1, a.acc5, a.images_per_s), (50.0, Some(75.0), 2.0));
        assert_eq!((a.confusion[0][1], a.classes[0].acc1, a.classes[1].precision), (1, 50.0, 50.0));
        assert!(a.classes[2].acc1.is_nan());
        // Two bins of two images: |90 - 50| and |50 - 50|, each half of the images.
        assert!((a.calibration_error - 20.0).abs() < 1e-9, "{}", a.calibration_error);
    }
}
