//! Works out what a unit of a network sees, exactly, along the axis of scale.
//!
//!     cargo run --release -p res2lab-lab --example receptive_field -- [WORDS]

use res2lab_error::Error;
use res2lab_lab::rf::analysis::{Analysis, analyze};
use res2lab_lab::rf::networks::{RfOptions, networks};

fn main() -> Result<(), Error> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if words.is_empty() {
        words = vec!["res2net50_26w_4s".into(), "scale=2,4,6,8".into()];
    }
    for found in run(words)? {
        let seen = &found.seen;
        println!(
            "{}: {} to {} px, {:.1} on average over 10^{:.1} paths",
            found.name,
            seen.rf_min_px,
            seen.rf_max_px,
            seen.rf_mean_px.unwrap_or(f64::NAN),
            seen.log10_paths
        );
    }
    Ok(())
}

fn run(words: Vec<String>) -> Result<Vec<Analysis>, Error> {
    let options = RfOptions { words, ..RfOptions::default() };
    networks(&options)?.iter().map(|network| analyze(&options, network)).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_runs() {
        let words = ["res2net50_26w_4s", "scale=2,4"].map(str::to_owned).to_vec();
        let found = super::run(words).expect("two networks");
        let widest: Vec<i64> = found.iter().map(|found| found.seen.rf_max_px).collect();
        // Each of the 16 blocks adds 3x3 convolutions with the scale.
        assert!(widest[0] < widest[1], "{widest:?}");
    }
}
