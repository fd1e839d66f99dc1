//! Comparison of two binaries of this program, an older one and the current one, in alternating
//! pairs.

use crate::history;
use crate::run::{median, timed};
use crate::steps::{Figure, OURS, Peer, Row, figure, our_command};
use anyhow::Result;
use std::path::Path;

/// Prints each row's median figures, and the median, smallest and largest ratio of `pairs`.
pub(crate) fn run(rows: &[Row], old: &Path, pairs: usize) -> Result<()> {
    println!("{}; {} against {OURS}, {pairs} pairs in turn", history::processor(), old.display());
    println!("{:38} {:>10} {:>10} {:>6} {:>6} {:>6}", "", "old", "new", "ratio", "least", "most");
    let new = Path::new(OURS);
    // Other rows differ in the peer only, or are no speed.
    let counts = |row: &&Row| row.figure == Figure::Speed && row.peer == Peer::Eager;
    for row in rows.iter().filter(counts) {
        let mut before = Vec::new();
        let mut after = Vec::new();
        let mut ratios = Vec::new();
        for pair in 0..pairs {
            let order = if pair % 2 == 0 { [old, new] } else { [new, old] };
            let mut found = Vec::new();
            for binary in order {
                found.push(figure(row, &timed(our_command(binary, row))?.1)?);
            }
            let [a, b] = if pair % 2 == 0 { [found[0], found[1]] } else { [found[1], found[0]] };
            before.push(a);
            after.push(b);
            ratios.push(b / a);
        }
        ratios.sort_by(f64::total_cmp);
        let least = ratios[0];
        let most = ratios[ratios.len() - 1];
        let a = median(before);
        let b = median(after);
        let ratio = median(ratios);
        println!(
            "{:38} {a:>10.1} {b:>10.1} {ratio:>6.2} {least:>6.2} {most:>6.2}  images/s",
            row.name
        );
    }
    Ok(())
}
