//! The fields under `model:` and `init:`.

use super::Meaning;

pub(super) const MEANINGS: &[Meaning] = &[
    ("model", "The base network, as a published name, as fields, or as both."),
    (
        "model.zoo",
        "Name of a published network (`res2lab model --list`), whose fields the other fields \
         override.",
    ),
    (
        "model.family",
        "Wiring of the stages: `resnet` (a chain of blocks per stage) or `dla` (deep layer \
         aggregation, trees of blocks).",
    ),
    (
        "model.block",
        "Block that a stage repeats: `bottleneck` (1x1, 3x3, 1x1) or `res2` (the 3x3 split into \
         `scale` hierarchical groups); a scale above 1 turns a bottleneck into res2.",
    ),
    (
        "model.stem",
        "Layers before the first stage: `imagenet` (7x7 with stride 2, max pool), `deep` (three \
         3x3, max pool; not with dla) or `cifar` (one 3x3, no pool).",
    ),
    (
        "model.stem_stride",
        "Stride of the cifar stem's convolution, 1 to 4; no effect with other stems or with dla.",
    ),
    (
        "model.depth",
        "Weighted layers on the longest chain: 26, 50, 101, 152 or 200 with the imagenet and deep \
         stems, 9n + 2 with the cifar stem, 60 with dla (default 50, 29 with the cifar stem, 60 \
         with dla); excludes `blocks`.",
    ),
    (
        "model.blocks",
        "Blocks of each stage (dla: tree levels of the four stages, 1 to 6 each), up to 8 stages \
         of 1 to 512 blocks; excludes `depth`.",
    ),
    (
        "model.planes",
        "Channels of the first stage, 1 to 8192 (dla: a multiple of 4); they double from stage to \
         stage.",
    ),
    (
        "model.width",
        "Base width w, 1 to 8192: a split has floor(planes * w / 64) * cardinality channels in the \
         first stage (default 26 for `res2`, 28 with dla, 64 for `bottleneck`).",
    ),
    ("model.cardinality", "Groups of each 3x3 convolution (ResNeXt's C), 1 to 4096."),
    (
        "model.scale",
        "Number of splits s of a block, 1 to 512 (default 4 for `res2`, 1 for `bottleneck`).",
    ),
    (
        "model.downsample",
        "Change of resolution in a shortcut: `conv` (1x1 convolution with stride) or `avg` \
         (average pool, then 1x1 convolution); no effect with dla.",
    ),
    (
        "model.first_block",
        "First Res2 block of a stage: `pool` (no sums between splits, the last split \
         average-pooled) or `grouped` (one 3x3 over all splits in cardinality x scale groups; not \
         with dla).",
    ),
    (
        "model.se",
        "Whether each block has squeeze-and-excitation, with a sixteenth of the channels in its \
         hidden layer.",
    ),
    (
        "model.head",
        "Head that makes a map, with a vector of logits for each pixel: `fpn`, `deeplabv3`, \
         `deeplabv3plus` or `unet`, as in segmentation_models_pytorch (default: the head of a \
         classifier); not with dla or the cifar stem, and not in sweeps, which train classifiers.",
    ),
    (
        "model.output_stride",
        "Pixels between neighboring features of the last stage, 8, 16 or 32; what is missing from \
         32 becomes dilation, as in timm (default 8 for `deeplabv3`, which takes 8 or 16, as does \
         `deeplabv3plus` with 16, and 32 otherwise).",
    ),
    ("model.pyramid_channels", "Channels of the pyramid's levels (fpn; default 256)."),
    (
        "model.segmentation_channels",
        "Channels of the levels before they are merged, a multiple of 32 (fpn; default 128).",
    ),
    (
        "model.merge_policy",
        "How the levels are merged: `add` (their sum) or `cat` (side by side) (fpn; default \
         `add`).",
    ),
    (
        "model.decoder_channels",
        "Channels of the head: one number (deeplabv3, deeplabv3plus; default 256), or one for each \
         of five steps (unet; default [256, 128, 64, 32, 16]).",
    ),
    (
        "model.atrous_rates",
        "Dilations of the three convolutions side by side (deeplabv3, deeplabv3plus; default [12, \
         24, 36]).",
    ),
    (
        "model.aspp_separable",
        "Whether these convolutions are depthwise separable (default true for deeplabv3plus, false \
         for deeplabv3).",
    ),
    (
        "model.head_dropout",
        "Rate of the head's dropout, at least 0 and below 1: of whole channels (fpn; default 0.2) \
         or of single values (deeplabv3, deeplabv3plus; default 0.5).",
    ),
    ("init", "Initial weights."),
    (
        "init.weights",
        "File of weights, or name of a network whose published weights were downloaded; `#NAME` \
         behind a file selects one of several copies, and `none` initializes everything from the \
         seed.",
    ),
];
