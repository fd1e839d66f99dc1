//! The fields under `data:`.

use super::Meaning;

pub(super) const MEANINGS: &[Meaning] = &[
    ("data", "Data set, preprocessing and augmentation."),
    (
        "data.name",
        "Data set: `mnist5k`, `mnist`, `fashion_mnist`, `cifar10`, `cifar100`, `imagenet`, \
         `images` (the folder `data.path`), `generated`, `shapes` (generated objects of known \
         sizes), or a folder, written with a slash.",
    ),
    ("data.path", "Folder of the files; by default the folder NAME in the folder of data sets."),
    ("data.augment", "Augmentation of training images."),
    (
        "data.augment.crop_pad",
        "Black pixels that are added on each side before the original size is cropped at a random \
         position; not for images that are decoded one by one.",
    ),
    ("data.augment.flip", "Whether images are mirrored horizontally with probability 1/2."),
    (
        "data.augment.random_resized_crop",
        "Whether a random part is cropped and resized, as by torchvision's RandomResizedCrop; \
         images of varying size always are.",
    ),
    (
        "data.augment.crop_scale",
        "Smallest and largest share of the random resized crop in the image's area, above 0 to 1.",
    ),
    (
        "data.augment.crop_ratio",
        "Smallest and largest ratio of width to height of the random resized crop.",
    ),
    (
        "data.augment.color_jitter",
        "Strength j, from 0 to below 1: brightness, contrast and saturation are each multiplied by \
         a random factor from 1 - j to 1 + j.",
    ),
    (
        "data.augment.auto",
        "Operations on each image of three channels, in timm's notation: RandAugment \
         (`rand-m7-n2-mstd0.5-inc1`, also with `p`, `mmax`, `t3a`, `t3aw` and `tweights`), a policy \
         of AutoAugment (`original`, `originalr`, `v0`, `v0r`, each also with `-mstd0.5`), \
         3-Augment (`3a`), or `trivial` (torchvision's TrivialAugmentWide).",
    ),
    (
        "data.augment.grayscale",
        "Probability that an image of three channels becomes gray, from 0 to 1.",
    ),
    (
        "data.augment.interpolation",
        "Interpolation where a part is resized and by geometric operations of `auto`: `bilinear`, \
         `bicubic`, or `random` (one of the two by a draw for each).",
    ),
    (
        "data.augment.repeats",
        "Times that an image comes in a row, 1 to 16, each time with draws of its own (repeated \
         augmentation); an epoch keeps its number of steps, and so has that much fewer images.",
    ),
    (
        "data.augment.erase",
        "Probability that a box of 2 to 33 % of an image is erased, from 0 to 1, after mixup and \
         CutMix (timm's random erasing); 0 is off.",
    ),
    (
        "data.augment.erase_mode",
        "What is in an erased box of a normalized image: `const` (0), `rand` (a normal draw for each \
         channel) or `pixel` (a normal draw for each channel of each pixel).",
    ),
    ("data.augment.erase_count", "Largest number of boxes that share that area, 1 to 16."),
    ("data.pad_to", "Side in pixels to which images are padded with black; `none` keeps them."),
    (
        "data.size",
        "Side of the network's input in pixels, for images of varying size (default 224) and \
         generated images (default 32).",
    ),
    (
        "data.resize",
        "Short side in pixels before the center crop of the evaluation, at least `data.size`; by \
         default the size divided by 0.875.",
    ),
    (
        "data.normalize",
        "Mean and standard deviation of the normalization: `auto` (the training images' own if \
         they are in memory, otherwise ImageNet's) or `imagenet`.",
    ),
    (
        "data.cache_px",
        "Short side in pixels of decoded images that are kept on disk, at least `data.size`; \
         `none` decodes images each time.",
    ),
    (
        "data.max_corrupt",
        "Largest number of unreadable images; each is reported, and more end the trial.",
    ),
    (
        "data.images",
        "Number of generated training images (default 1000 for `generated`, 4000 for `shapes`); \
         half as many test images are generated.",
    ),
    ("data.classes", "Number of classes of the data set `generated` (default 10)."),
    (
        "data.shuffle_labels",
        "Whether labels are permuted among the images of a split, which measures the rate of false \
         claims.",
    ),
];
