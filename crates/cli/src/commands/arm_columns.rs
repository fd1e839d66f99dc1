//! What the columns of `table --arms` mean.

const MEANINGS: &[(&str, &str)] = &[
    ("arm", "shared by the seeds of one arm"),
    ("label", "what tells the arm from the others"),
    ("same_as", "labels of arms with the same network and recipe"),
    ("coordinates", "the arm's values by axis"),
    ("metric", "what is compared; a path as in the curves"),
    ("mean", "of the metric over the seeds that have it"),
    ("std", "sample standard deviation over seeds; none for one seed"),
    ("n", "seeds that have the metric"),
    ("against", "the arm that this one is compared with"),
    ("difference", "mean difference from that arm over shared seeds"),
    ("difference_low", "lower end of its 95 % confidence interval, not corrected for many arms"),
    ("difference_high", "upper end of the interval"),
    ("p_holm", "p-value of the paired t-test, Holm-adjusted over all arms"),
    ("verdict", "better, worse, equal (within the margin), not resolved or not tested"),
    ("shared_seeds", "seeds that both arms have"),
    ("parameters", "trained numbers of the network"),
    ("macs", "multiply-adds of one image"),
    ("activations", "outputs of convolutions for one image"),
    ("rf_min_px", "smallest receptive field of a unit of the last stage, pixels"),
    ("rf_max_px", "largest receptive field of a unit of the last stage, pixels"),
    ("image_px", "side of an image, pixels"),
    ("images_per_s", "training speed, mean over finished trials"),
    ("wall_s", "seconds of a trial, mean over finished trials"),
    ("peak_memory_mib", "memory of a trial, mean over finished trials"),
    ("planned", "trials of the arm"),
    ("done", "trials that are done"),
    ("running", "trials that are running"),
    ("interrupted", "trials that stopped with a checkpoint"),
    ("pending", "trials that were not started"),
    ("failed", "trials that ended without a result"),
    ("diverged", "trials whose loss became infinite or not a number"),
    ("stopped_early", "trials that the early-stopping rule ended"),
];

/// The meaning of a column; empty for an unknown one.
pub(crate) fn meaning(column: &str) -> &'static str {
    MEANINGS.iter().find(|(name, _)| *name == column).map_or("", |(_, meaning)| meaning)
}
