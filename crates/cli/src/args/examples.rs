//! Examples below the help of each command.

/// Heading of the examples, in the style of clap's own headings.
macro_rules! examples {
    ($($line:literal)*) => {
        concat!("\x1b[1m\x1b[4mExamples:\x1b[0m", $("\n  ", $line),*)
    };
}

pub(super) const SWEEP: &str = examples! {
    "res2lab sweep scale=2,4,6,8"
    "res2lab sweep depth=20..56:9 seed=0..4 --name depths"
    "res2lab sweep scale=2,4,8 width=match:params@resnet50"
    "res2lab sweep experiments/shapes.yaml --smoke"
    "res2lab sweep scale=2,4 --executor slurm:partition=gpu --detach"
};

pub(super) const PLAN: &str = examples! {
    "res2lab plan depth=11,20 width=26,40"
    "res2lab plan scale=2,4 --no-time --format md"
    "res2lab plan experiments/shapes.yaml --sbatch --executor slurm"
};

pub(super) const REPORT: &str = examples! {
    "res2lab report quickstart"
    "res2lab report quickstart --watch"
    "res2lab report one two --output both.html"
    "res2lab report quickstart --baseline scale=2 --margin 0.3"
};

pub(super) const CLEAN: &str = examples! {
    "res2lab clean quickstart"
    "res2lab clean quickstart --yes"
    "res2lab clean quickstart --keep none --yes"
};

pub(super) const FIGURE: &str = examples! {
    "res2lab figure quickstart"
    "res2lab figure quickstart answer --format pdf --width 6.5in"
    "res2lab figure quickstart by-axis-0 --format pgf --width 3.25in --font serif"
    "res2lab figure quickstart all --format png --output figures"
};

pub(super) const TABLE: &str = examples! {
    "res2lab table quickstart"
    "res2lab table quickstart --where 'val_acc1>97' --sort=-val_acc1"
    "res2lab table quickstart --arms --columns label,mean,std --format latex"
    "res2lab table quickstart --curves --format csv > curves.csv"
};

pub(super) const RF: &str = examples! {
    "res2lab rf res2net50_26w_4s"
    "res2lab rf scale=2,4,6,8 depth=50,101"
    "res2lab rf res2net50_26w_4s --at layer2 --splits"
    "res2lab rf quickstart --measure"
};

pub(super) const MODEL: &str = examples! {
    "res2lab model res2net50_26w_4s"
    "res2lab model depth=50 scale=8 width=26 --size 288"
    "res2lab model depth=11 planes=8 stem=cifar --size 32 --program"
    "res2lab model --list --format csv"
};

pub(super) const EVAL: &str = examples! {
    "res2lab eval reports/quickstart/runs/ID"
    "res2lab eval res2net50_26w_4s weights=FILE data=FOLDER --page eval.html"
};

pub(super) const PREDICT: &str = examples! {
    "res2lab predict reports/quickstart/runs/ID digit.png"
    "res2lab predict res2net50_26w_4s weights=FILE a.jpg b.jpg --json"
};

pub(super) const PIPELINE: &str = examples! {
    "res2lab pipeline FOLDER"
    "res2lab pipeline FOLDER --cache-px 256 --threads 4"
    "res2lab pipeline FOLDER --auto rand-m7-mstd0.5-inc1"
};

pub(super) const WEIGHTS: &str = examples! {
    "res2lab weights"
    "res2lab weights res2net50_26w_4s"
    "res2lab weights res2net50_26w_4s weights=FILE.pth --out FILE.safetensors"
};

pub(super) const DATA: &str = examples! {
    "res2lab data cifar100"
    "res2lab data check FOLDER"
};

pub(super) const SPEED: &str = examples! {
    "res2lab speed train res2net50_26w_4s"
    "res2lab speed train resnet50 --size 96 --recipe experiments/rsb-a2.yaml"
    "res2lab speed infer scale=8 stem=cifar --threads 1"
};

pub(super) const COMPLETIONS: &str = examples! {
    "res2lab completions bash > ~/.local/share/bash-completion/completions/res2lab"
    "res2lab completions zsh > ~/.zfunc/_res2lab"
    "res2lab completions fish > ~/.config/fish/completions/res2lab.fish"
};

pub(super) const MAN: &str = examples! {
    "res2lab man sweep | man -l -"
    "res2lab man --out ~/.local/share/man/man1"
};
