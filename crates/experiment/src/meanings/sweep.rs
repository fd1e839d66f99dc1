//! The fields of a file beside its network, data and recipe.

use super::Meaning;

pub(super) const OF_THE_FILE: &[Meaning] = &[
    (
        "name",
        "Name of the sweep's folder: letters, digits, hyphens, underscores and dots, at most 200 \
         bytes.",
    ),
    (
        "description",
        "Question that the report answers, in one sentence; shown while the varied axes are those \
         of the file.",
    ),
];

pub(super) const MEANINGS: &[Meaning] = &[
    (
        "seed",
        "Seeds of the command line, e.g. `seed=0..4`, in place of `seeds`; a seed determines \
         initial weights, order of images and augmentation.",
    ),
    (
        "seeds",
        "Seeds with which each arm is trained: a list, or a rule that adds seeds (Stein's \
         two-stage rule).",
    ),
    ("seeds.min", "Number of seeds of the rule's first stage, at least 2."),
    ("seeds.max", "Largest number of seeds that the rule may use."),
    (
        "seeds.half_width",
        "Half-width of the 95 % interval of each difference that the rule aims at, in percentage \
         points of accuracy.",
    ),
    (
        "axes",
        "A grid: field to values; every combination is an arm, and fields joined with `+` change \
         together.",
    ),
    ("arms", "Named arms: name to fields with their values."),
    (
        "one_at_a_time",
        "Field to values; each value is an arm that differs from the base in this field alone.",
    ),
    ("compare", "Pairs of arms that the report compares; the second of a pair is the reference."),
    (
        "against",
        "Field to value; every arm is compared with the arm that has these values and equals it in \
         everything else.",
    ),
    (
        "baseline",
        "Arm with which the others are compared if no pairs are named; by default the first arm.",
    ),
    (
        "margin",
        "Smallest difference that matters, in percentage points of accuracy; arms that differ by \
         less are equal.",
    ),
    (
        "keep",
        "Checkpoints that finished trials keep: `all` (the last state, the best weights and, of \
         small networks, those on the way), `best`, `last` or `none`.",
    ),
    (
        "early_stop",
        "Rule that ends trials that fall behind: `asha` (asynchronous successive halving).",
    ),
    ("early_stop.asha.rungs", "Rising epochs after which trials are compared, from 1."),
    (
        "early_stop.asha.reduction",
        "Reduction factor, at least 2: one of this many trials continues at a rung.",
    ),
    (
        "executor",
        "What runs the trials: `local` (processes on this machine) or `slurm` with its fields.",
    ),
    ("executor.slurm.partition", "Partition, as of sbatch; empty is the cluster's default."),
    (
        "executor.slurm.time",
        "Time limit of a job, e.g. `4:00:00`; a longer trial is resumed when its job is requeued.",
    ),
    ("executor.slurm.gres", "Generic resources of each node, e.g. `gpu:1`."),
    ("executor.slurm.cpus", "Cores of each process of a trial."),
    ("executor.slurm.mem", "Memory of each node, e.g. `16G`."),
    ("executor.slurm.account", "Account, as of sbatch."),
    ("executor.slurm.qos", "Quality of service, as of sbatch."),
    (
        "executor.slurm.nodes",
        "Nodes of a job; with several, srun starts the processes of a trial on all of them.",
    ),
    (
        "executor.slurm.array_limit",
        "Largest number of array jobs that run at the same time; 0 is no limit.",
    ),
    ("executor.slurm.trials_per_job", "Trials of one job, for short trials."),
    ("executor.slurm.slots_per_job", "Trials that run side by side in a job."),
    (
        "executor.slurm.signal_s",
        "Seconds before the time limit at which running trials write a checkpoint.",
    ),
    ("executor.slurm.setup", "Shell line that runs first in a job, e.g. `module load cuda`."),
    ("executor.slurm.options", "List of further options of sbatch, e.g. `[--constraint=a100]`."),
    ("reference", "Published results, which the report shows beside the measured ones."),
    ("reference.source", "The publication of the results."),
    ("reference.top1_error", "Label of an arm to its published top-1 error in percent."),
];
