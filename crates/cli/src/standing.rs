//! Where arms stand while a sweep runs: the mean of each over the trials that are done, and the
//! best.

use res2lab_report::stats::Sample;
use std::collections::BTreeMap;

/// Accuracies of finished trials by arm, in percent.
#[derive(Default)]
pub(crate) struct Standing {
    arms: BTreeMap<String, Vec<f64>>,
}

impl Standing {
    /// Counts one more trial of an arm.
    pub(crate) fn add(&mut self, label: &str, accuracy: f64) {
        self.arms.entry(label.to_owned()).or_default().push(accuracy);
    }

    /// The arm's mean so far, and the best arm where there are several: `mean 95.50 ± 0.30 of 3,
    /// best scale=4 with 96.20`.
    pub(crate) fn of(&self, label: &str) -> Option<String> {
        let own = self.arms.get(label)?;
        let mean = in_words(Sample::of(own)?);
        let of = if own.len() > 1 { format!(" of {}", own.len()) } else { String::new() };
        let best = match self.best() {
            Some((best, _)) if best == label => ", the best so far".to_owned(),
            Some((best, mean)) => format!(", best {best} with {mean:.2}"),
            None => String::new(),
        };
        let is_news = own.len() > 1 || !best.is_empty();
        is_news.then(|| format!("mean {mean}{of}{best}"))
    }

    /// `best scale=4 with 96.20 %`; None before a second arm has a result.
    pub(crate) fn best_in_words(&self) -> Option<String> {
        self.best().map(|(label, mean)| format!("best {label} with {mean:.2} %"))
    }

    fn best(&self) -> Option<(&str, f64)> {
        let mean = |(label, all): (_, &Vec<f64>)| Some((label, Sample::of(all)?.mean));
        let means = self.arms.iter().filter_map(|(label, all)| mean((label.as_str(), all)));
        let best = means.max_by(|a, b| a.1.total_cmp(&b.1));
        best.filter(|_| self.arms.len() > 1)
    }
}

/// The mean, and the standard deviation where there is one.
fn in_words(sample: Sample) -> String {
    match sample.std {
        None => format!("{:.2}", sample.mean),
        Some(std) => format!("{:.2} ± {std:.2}", sample.mean),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_told_with_its_arms_mean_and_the_best_arm() {
        let mut standing = Standing::default();
        standing.add("scale=2", 95.0);
        assert_eq!(standing.of("scale=2"), None, "one trial is its own mean");
        assert_eq!(standing.best_in_words(), None);
        standing.add("scale=2", 96.0);
        assert_eq!(standing.of("scale=2").unwrap(), "mean 95.50 ± 0.71 of 2");
        standing.add("scale=4", 97.25);
        assert_eq!(standing.of("scale=4").unwrap(), "mean 97.25, the best so far");
        standing.add("scale=2", 97.0);
        let told = standing.of("scale=2").unwrap();
        assert_eq!(told, "mean 96.00 ± 1.00 of 3, best scale=4 with 97.25");
        assert_eq!(standing.best_in_words().unwrap(), "best scale=4 with 97.25 %");
    }
}
