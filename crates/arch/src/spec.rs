//! A network with every field decided: [`ModelSpec`]. Nothing is guessed after this point. What a
//! user writes is [`crate::ModelOverrides`].

use res2lab_error::Error;
use serde::{Deserialize, Serialize};

/// The wiring of stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// A chain of blocks per stage (ResNet, ResNeXt, Res2Net, Res2NeXt).
    Resnet,
    /// Deep layer aggregation: trees of blocks (DLA, Res2Net-DLA).
    Dla,
}

/// The block that a stage repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockKind {
    /// 1x1, 3x3, 1x1 (ResNet; with cardinality, ResNeXt).
    Bottleneck,
    /// The 3x3 split into `scale` hierarchical groups (Res2Net, paper section 3.1).
    Res2,
}

/// The layers before the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// 7x7 with stride 2, then a 3x3 max pool with stride 2.
    Imagenet,
    /// Three 3x3 (v1b, ResNet-D), then the max pool.
    Deep,
    /// One 3x3 with stride `stem_stride`, no pool.
    Cifar,
}

/// The change of resolution in a shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Downsample {
    /// A 1x1 convolution with the block's stride.
    Conv,
    /// An average pool with the block's stride, then a 1x1 convolution (v1b, ResNet-D).
    Avg,
}

/// The form of the first Res2 block of a stage, whose input and output resolutions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstBlock {
    /// No sums between splits, the last split average-pooled (the published ImageNet code).
    Pool,
    /// One 3x3 over all splits in cardinality x scale groups (the authors' CIFAR networks).
    Grouped,
}

/// What makes a map of logits from the features of a network. Names, layers and defaults are those of
/// segmentation_models_pytorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    /// A feature pyramid, whose levels are resized and merged (Kirillov et al. 2019).
    Fpn,
    /// Dilated convolutions of several rates side by side (Chen et al. 2017).
    DeepLabV3,
    /// The same, resized and joined with the features of the first stage (Chen et al. 2018).
    DeepLabV3Plus,
    /// Resized features, joined with those of each earlier stage (Ronneberger et al. 2015).
    Unet,
}

impl HeadKind {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            HeadKind::Fpn => "fpn",
            HeadKind::DeepLabV3 => "deeplabv3",
            HeadKind::DeepLabV3Plus => "deeplabv3plus",
            HeadKind::Unet => "unet",
        }
    }
}

/// How the levels of a pyramid become one map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MergePolicy {
    /// Their sum.
    Add,
    /// Their channels side by side.
    Cat,
}

/// A network with every field set, in canonical form: fields without effect have default values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    pub family: Family,
    pub block: BlockKind,
    pub stem: Stem,
    pub stem_stride: usize,
    /// Blocks per stage (ResNet), or tree levels per stage (DLA).
    pub blocks: Vec<usize>,
    /// Channels of the first stage, called planes in the paper; they double from stage to stage.
    pub planes: usize,
    /// Base width w: one split has floor(planes * w / 64) * cardinality channels.
    pub width: usize,
    /// Groups of a 3x3 convolution (ResNeXt's C).
    pub cardinality: usize,
    /// Number of splits s (paper section 3.1).
    pub scale: usize,
    pub downsample: Downsample,
    pub first_block: FirstBlock,
    /// Squeeze-and-excitation on the residual branch, with channels / 16 hidden channels.
    pub se: bool,
    /// The head that makes a map; `None` is the head of a classifier. The fields that follow are
    /// `None` where the head has no use for them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub head: Option<HeadKind>,
    /// The pixels between neighboring features of the last stage; `None` is what the strides give.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub output_stride: Option<usize>,
    /// Channels of each level of the pyramid (fpn).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pyramid_channels: Option<usize>,
    /// Channels of each level before they are merged (fpn).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub segmentation_channels: Option<usize>,
    /// How the levels are merged (fpn).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub merge_policy: Option<MergePolicy>,
    /// Channels of the head: one number (deeplabv3, deeplabv3plus), or one for each of five steps
    /// (unet).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decoder_channels: Option<Vec<usize>>,
    /// The dilations of the three convolutions side by side (deeplabv3, deeplabv3plus).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub atrous_rates: Option<Vec<usize>>,
    /// Whether these convolutions are depthwise separable (deeplabv3, deeplabv3plus).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub aspp_separable: Option<bool>,
    /// The rate of the head's dropout (fpn: of whole channels).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub head_dropout: Option<f64>,
}

/// Upper bounds, which exclude integer overflow; realistic networks are far below.
const LIMITS: [(&str, usize); 6] = [
    ("planes", 8192),
    ("width", 8192),
    ("cardinality", 4096),
    ("scale", 512),
    ("blocks", 512),
    ("stem_stride", 4),
];

impl ModelSpec {
    /// Checks that a graph can be built; an error names the field.
    pub fn check(&self) -> Result<(), Error> {
        let blocks = self.blocks.iter().copied().max().unwrap_or(0);
        let values =
            [self.planes, self.width, self.cardinality, self.scale, blocks, self.stem_stride];
        for ((field, limit), value) in LIMITS.into_iter().zip(values) {
            if value == 0 || value > limit || (field == "blocks" && self.blocks.contains(&0)) {
                let shown = if self.blocks.contains(&0) && field == "blocks" { 0 } else { value };
                return Err(Error::input(
                    format!("{field} {shown} is impossible"),
                    format!("give {field} a whole number from 1 to {limit}"),
                ));
            }
        }
        if self.blocks.len() > 8 {
            return Err(Error::input("blocks names more than 8 stages", "give at most 8 stages"));
        }
        match self.family {
            Family::Resnet => self.check_resnet()?,
            Family::Dla => self.check_dla()?,
        }
        crate::heads::check(self)
    }

    fn check_resnet(&self) -> Result<(), Error> {
        if self.planes * self.width < 64 {
            return Err(Error::input(
                format!(
                    "width {} with planes {} gives splits of zero channels",
                    self.width, self.planes
                ),
                format!("give width at least {}", 64_usize.div_ceil(self.planes)),
            ));
        }
        if self.se && self.planes * 4 < 16 {
            return Err(Error::input(
                format!("se with planes {} gives a hidden layer of zero channels", self.planes),
                "give planes at least 4, or leave se out",
            ));
        }
        Ok(())
    }

    fn check_dla(&self) -> Result<(), Error> {
        if self.blocks.len() != 4 || self.blocks.iter().any(|&levels| levels > 6) {
            return Err(Error::input(
                format!("blocks {:?} does not fit family dla", self.blocks),
                "give the tree levels (1 to 6) of four stages, e.g. blocks: [1, 2, 3, 1]",
            ));
        }
        if self.planes < 4 || !self.planes.is_multiple_of(4) {
            return Err(Error::input(
                format!(
                    "planes {} does not fit family dla, whose stem has planes / 4 channels",
                    self.planes
                ),
                "give planes a multiple of 4",
            ));
        }
        if (2 * self.planes * self.width / 64) * self.cardinality < 2 {
            return Err(Error::input(
                format!(
                    "width {} with planes {} gives splits of zero channels",
                    self.width, self.planes
                ),
                format!("give width at least {}", 64_usize.div_ceil(self.planes)),
            ));
        }
        let odd =
            (0..4).map(|stage| self.dla_split_channels(stage)).find(|c| c % self.cardinality != 0);
        if let Some(channels) = odd {
            return Err(Error::input(
                format!(
                    "cardinality {} does not divide splits of {channels} channels",
                    self.cardinality
                ),
                "give an even width, or another cardinality",
            ));
        }
        if self.se && self.planes * 2 < 16 {
            return Err(Error::input(
                format!("se with planes {} gives a hidden layer of zero channels", self.planes),
                "give planes at least 8, or leave se out",
            ));
        }
        if self.stem == Stem::Deep {
            return Err(Error::input(
                "the deep stem does not fit family dla",
                "use stem imagenet or cifar",
            ));
        }
        if self.block == BlockKind::Res2 && self.first_block == FirstBlock::Grouped {
            return Err(Error::input(
                "first_block grouped does not fit family dla",
                "use first_block pool",
            ));
        }
        Ok(())
    }

    /// Channels of a split of DLA stage 0 to 3, as in timm: floor(out * w / 64) * cardinality / 2.
    pub(crate) fn dla_split_channels(&self, stage: usize) -> usize {
        let out = (2 * self.planes) << stage;
        out * self.width / 64 * self.cardinality / 2
    }

    /// Resets unused fields to their defaults, so that equal graphs have equal specs.
    pub(crate) fn canonicalize(&mut self) {
        if self.stem != Stem::Cifar || self.family == Family::Dla {
            self.stem_stride = 1;
        }
        if self.block == BlockKind::Bottleneck || self.scale == 1 {
            self.first_block = FirstBlock::Pool;
        }
        if self.family == Family::Dla {
            self.downsample = Downsample::Conv;
        }
        if self.output_stride == Some(32) {
            self.output_stride = None;
        }
    }

    /// The divisor of valid image sides. DLA's trees can only add feature maps of equal size, and
    /// so can most heads.
    pub fn input_multiple(&self) -> usize {
        match self.head {
            Some(HeadKind::Fpn) => return 32,
            Some(HeadKind::DeepLabV3 | HeadKind::DeepLabV3Plus) => {
                return self.output_stride.unwrap_or(32);
            }
            Some(HeadKind::Unet) | None => {}
        }
        match (self.family, self.stem) {
            (Family::Resnet, _) => 1,
            (Family::Dla, Stem::Cifar) => 8,
            (Family::Dla, _) => 32,
        }
    }

    /// The depth as counted in papers: weighted layers on the longest chain. `None` for DLA.
    pub fn depth(&self) -> Option<usize> {
        (self.family == Family::Resnet).then(|| 3 * self.blocks.iter().sum::<usize>() + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overrides::ModelOverrides;

    fn words(f: impl Fn(&mut ModelOverrides)) -> ModelOverrides {
        let mut w = ModelOverrides::default();
        f(&mut w);
        w
    }

    #[test]
    fn a_scale_turns_a_bottleneck_into_res2_and_says_so() {
        let w = words(|w| {
            w.zoo = Some("resnet50".into());
            w.scale = Some(4);
        });
        let (spec, notes) = w.resolve().unwrap();
        assert_eq!((spec.block, spec.width, spec.scale), (BlockKind::Res2, 64, 4));
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn impossible_values_name_the_field_and_a_remedy() {
        let check = |f: &dyn Fn(&mut ModelOverrides), cause: &str, help: &str| {
            let e = words(f).resolve().unwrap_err();
            assert!(e.cause.contains(cause), "{}", e.cause);
            assert!(e.help.contains(help), "{}", e.help);
        };
        let cifar = |w: &mut ModelOverrides| w.stem = Some(Stem::Cifar);
        check(&|w| w.scale = Some(0), "scale 0", "1 to");
        check(
            &|w| {
                cifar(w);
                w.depth = Some(21);
            },
            "depth 21 is not 9n + 2",
            "depth 20 or 29",
        );
        check(
            &|w| {
                w.planes = Some(8);
                w.width = Some(1);
            },
            "zero channels",
            "width at least 8",
        );
        check(&|w| w.blocks = Some(vec![3, 0]), "blocks 0", "1 to");
        check(
            &|w| {
                w.planes = Some(2);
                w.width = Some(64);
                w.se = Some(true);
            },
            "se with planes 2",
            "planes at least 4",
        );
        check(&|w| w.zoo = Some("res2net5".into()), "res2net5", "res2net50");
    }

    #[test]
    fn fields_without_effect_do_not_distinguish_specs() {
        let plain = words(|_| {}).resolve().unwrap().0;
        assert_eq!(words(|w| w.stem_stride = Some(2)).resolve().unwrap().0, plain);
    }
}
