//! What a user may ask for. [`ModelOverrides`] is what was written (every field optional, `zoo` as
//! a base); [`ModelSpec`] is what it means (every field known). Nothing is guessed after this
//! point.

use crate::{Invalid, zoo};
use serde::{Deserialize, Serialize};

/// How stages are wired.
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

/// What happens before the first stage.
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

/// How a shortcut changes resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Downsample {
    /// A 1x1 convolution with the block's stride.
    Conv,
    /// An average pool with the block's stride, then a 1x1 convolution (v1b, ResNet-D).
    Avg,
}

/// The form of the first Res2 block of a stage, where input and output resolutions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstBlock {
    /// No sums between splits, the last split average-pooled (the published ImageNet code).
    Pool,
    /// One 3x3 over all splits in cardinality x scale groups (what the authors trained on CIFAR).
    Grouped,
}

/// A network as written: a bare zoo name is `zoo`, everything else overrides it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelOverrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stem: Option<Stem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stem_stride: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<Vec<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cardinality: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downsample: Option<Downsample>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_block: Option<FirstBlock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub se: Option<bool>,
}

/// The names of [`ModelOverrides`]' fields, in the order tables show them.
pub const FIELDS: [&str; 14] = [
    "zoo",
    "family",
    "block",
    "stem",
    "stem_stride",
    "depth",
    "blocks",
    "planes",
    "width",
    "cardinality",
    "scale",
    "downsample",
    "first_block",
    "se",
];

/// A network, complete. Canonical: fields that do not bear on the graph hold their defaults, so
/// that equal networks compare equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// How stages are wired.
    pub family: Family,
    /// The repeated block.
    pub block: BlockKind,
    /// What comes before the first stage.
    pub stem: Stem,
    /// Stride of the cifar stem's 3x3.
    pub stem_stride: usize,
    /// Blocks per stage (ResNet), or tree levels per stage (DLA).
    pub blocks: Vec<usize>,
    /// Channels that the paper calls planes, of the first stage; doubles from stage to stage.
    pub planes: usize,
    /// Base width w: one split has floor(planes * w / 64) * cardinality channels.
    pub width: usize,
    /// Groups of a 3x3 convolution (ResNeXt's C).
    pub cardinality: usize,
    /// Number of splits s (paper section 3.1).
    pub scale: usize,
    /// The shortcut's change of resolution.
    pub downsample: Downsample,
    /// First block of a stage (Res2 only).
    pub first_block: FirstBlock,
    /// Squeeze-and-excitation on the residual branch, hidden width channels / 16.
    pub se: bool,
}

/// Upper bounds keep sizes far from overflow; nobody trains beyond them.
const LIMITS: [(&str, usize); 6] = [
    ("planes", 8192),
    ("width", 8192),
    ("cardinality", 4096),
    ("scale", 512),
    ("blocks", 512),
    ("stem_stride", 4),
];

impl ModelOverrides {
    /// What the words mean, and remarks on what was changed to make sense of them.
    pub fn resolve(&self) -> Result<(ModelSpec, Vec<String>), Invalid> {
        let mut notes = Vec::new();
        let words = match &self.zoo {
            Some(name) => zoo::find(name)?.words.overridden_by(self),
            None => self.clone(),
        };
        let family = words.family.unwrap_or(Family::Resnet);
        let mut block = words.block.unwrap_or(BlockKind::Res2);
        let scale = words.scale.unwrap_or(if block == BlockKind::Res2 { 4 } else { 1 });
        if block == BlockKind::Bottleneck && scale > 1 {
            block = BlockKind::Res2;
            notes.push(format!("scale {scale} turns the bottleneck into a res2 block"));
        }
        let stem = words.stem.unwrap_or(Stem::Imagenet);
        let width = words.width.unwrap_or(match (block, family) {
            (BlockKind::Bottleneck, _) => 64,
            (BlockKind::Res2, Family::Resnet) => 26,
            (BlockKind::Res2, Family::Dla) => 28,
        });
        let mut spec = ModelSpec {
            family,
            block,
            stem,
            stem_stride: words.stem_stride.unwrap_or(1),
            blocks: words.stages(family, stem)?,
            planes: words.planes.unwrap_or(64),
            width,
            cardinality: words.cardinality.unwrap_or(1),
            scale,
            downsample: words.downsample.unwrap_or(Downsample::Conv),
            first_block: words.first_block.unwrap_or(FirstBlock::Pool),
            se: words.se.unwrap_or(false),
        };
        spec.check()?;
        spec.canonicalize();
        Ok((spec, notes))
    }

    /// These words with every field that `over` sets taken from it. A different zoo name replaces
    /// all.
    pub fn overridden_by(&self, over: &ModelOverrides) -> ModelOverrides {
        let o = over.clone();
        ModelOverrides {
            zoo: o.zoo.or(self.zoo.clone()),
            family: o.family.or(self.family),
            block: o.block.or(self.block),
            stem: o.stem.or(self.stem),
            stem_stride: o.stem_stride.or(self.stem_stride),
            // depth and blocks say the same thing, so either replaces both.
            depth: if o.blocks.is_some() { None } else { o.depth.or(self.depth) },
            blocks: if o.depth.is_some() { None } else { o.blocks.or(self.blocks.clone()) },
            planes: o.planes.or(self.planes),
            width: o.width.or(self.width),
            cardinality: o.cardinality.or(self.cardinality),
            scale: o.scale.or(self.scale),
            downsample: o.downsample.or(self.downsample),
            first_block: o.first_block.or(self.first_block),
            se: o.se.or(self.se),
        }
    }

    fn stages(&self, family: Family, stem: Stem) -> Result<Vec<usize>, Invalid> {
        if let Some(blocks) = &self.blocks {
            if self.depth.is_some() {
                return Err(Invalid::new("both depth and blocks are given", "give one of them"));
            }
            return Ok(blocks.clone());
        }
        match (family, stem) {
            (Family::Dla, _) => match self.depth.unwrap_or(60) {
                60 => Ok(vec![1, 2, 3, 1]),
                d => Err(Invalid::new(
                    format!("depth {d} is not known for family dla"),
                    "use depth 60, or give the tree levels of the four stages, e.g. blocks: [1, 2, 3, 1]",
                )),
            },
            (Family::Resnet, Stem::Cifar) => cifar_depth(self.depth.unwrap_or(29)),
            (Family::Resnet, _) => match self.depth.unwrap_or(50) {
                26 => Ok(vec![2, 2, 2, 2]),
                50 => Ok(vec![3, 4, 6, 3]),
                101 => Ok(vec![3, 4, 23, 3]),
                152 => Ok(vec![3, 8, 36, 3]),
                200 => Ok(vec![3, 12, 48, 3]),
                d => Err(Invalid::new(
                    format!("depth {d} is not known for the imagenet and deep stems"),
                    "use depth 26, 50, 101, 152 or 200, or give blocks per stage, e.g. blocks: [3, 4, 6, 3]",
                )),
            },
        }
    }
}

fn cifar_depth(depth: usize) -> Result<Vec<usize>, Invalid> {
    if depth >= 11 && (depth - 2).is_multiple_of(9) {
        return Ok(vec![(depth - 2) / 9; 3]);
    }
    let n = (depth.max(11) - 2) / 9;
    Err(Invalid::new(
        format!("depth {depth} is not 9n + 2, which the cifar stem needs"),
        format!(
            "use depth {} or {}, or give blocks per stage, e.g. blocks: [2, 2, 2]",
            9 * n + 2,
            9 * (n + 1) + 2
        ),
    ))
}

impl ModelSpec {
    /// Refuses what no graph can be built from, naming the field.
    pub fn check(&self) -> Result<(), Invalid> {
        let blocks = self.blocks.iter().copied().max().unwrap_or(0);
        let values =
            [self.planes, self.width, self.cardinality, self.scale, blocks, self.stem_stride];
        for ((field, limit), value) in LIMITS.into_iter().zip(values) {
            if value == 0 || value > limit || (field == "blocks" && self.blocks.contains(&0)) {
                let shown = if self.blocks.contains(&0) && field == "blocks" { 0 } else { value };
                return Err(Invalid::new(
                    format!("{field} {shown} is impossible"),
                    format!("give {field} a whole number from 1 to {limit}"),
                ));
            }
        }
        if self.blocks.len() > 8 {
            return Err(Invalid::new("blocks names more than 8 stages", "give at most 8 stages"));
        }
        match self.family {
            Family::Resnet => self.check_resnet(),
            Family::Dla => self.check_dla(),
        }
    }

    fn check_resnet(&self) -> Result<(), Invalid> {
        if self.planes * self.width < 64 {
            return Err(Invalid::new(
                format!(
                    "width {} with planes {} gives splits of zero channels",
                    self.width, self.planes
                ),
                format!("give width at least {}", 64_usize.div_ceil(self.planes)),
            ));
        }
        if self.se && self.planes * 4 < 16 {
            return Err(Invalid::new(
                format!("se with planes {} gives a hidden layer of zero channels", self.planes),
                "give planes at least 4, or leave se out",
            ));
        }
        Ok(())
    }

    fn check_dla(&self) -> Result<(), Invalid> {
        if self.blocks.len() != 4 || self.blocks.iter().any(|&levels| levels > 6) {
            return Err(Invalid::new(
                format!("blocks {:?} does not fit family dla", self.blocks),
                "give the tree levels (1 to 6) of four stages, e.g. blocks: [1, 2, 3, 1]",
            ));
        }
        if self.planes < 4 || !self.planes.is_multiple_of(4) {
            return Err(Invalid::new(
                format!(
                    "planes {} does not fit family dla, whose stem has planes / 4 channels",
                    self.planes
                ),
                "give planes a multiple of 4",
            ));
        }
        if (2 * self.planes * self.width / 64) * self.cardinality < 2 {
            return Err(Invalid::new(
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
            return Err(Invalid::new(
                format!(
                    "cardinality {} does not divide splits of {channels} channels",
                    self.cardinality
                ),
                "give an even width, or another cardinality",
            ));
        }
        if self.se && self.planes * 2 < 16 {
            return Err(Invalid::new(
                format!("se with planes {} gives a hidden layer of zero channels", self.planes),
                "give planes at least 8, or leave se out",
            ));
        }
        if self.stem == Stem::Deep {
            return Err(Invalid::new(
                "the deep stem does not fit family dla",
                "use stem imagenet or cifar",
            ));
        }
        if self.block == BlockKind::Res2 && self.first_block == FirstBlock::Grouped {
            return Err(Invalid::new(
                "first_block grouped does not fit family dla",
                "use first_block pool",
            ));
        }
        Ok(())
    }

    /// Channels of one split of a DLA stage (0 to 3), as timm counts them: floor(out * w / 64) *
    /// cardinality / 2.
    pub(crate) fn dla_split_channels(&self, stage: usize) -> usize {
        let out = (2 * self.planes) << stage;
        out * self.width / 64 * self.cardinality / 2
    }

    /// Sets fields that this family, block or stem never reads to their defaults, so that equal
    /// graphs have equal specs.
    fn canonicalize(&mut self) {
        if self.stem != Stem::Cifar || self.family == Family::Dla {
            self.stem_stride = 1;
        }
        if self.block == BlockKind::Bottleneck || self.scale == 1 {
            self.first_block = FirstBlock::Pool;
        }
        if self.family == Family::Dla {
            self.downsample = Downsample::Conv;
        }
    }

    /// Image sides must be multiples of this (DLA's trees add maps that a rounded division would
    /// make unequal).
    pub fn input_multiple(&self) -> usize {
        match (self.family, self.stem) {
            (Family::Resnet, _) => 1,
            (Family::Dla, Stem::Cifar) => 8,
            (Family::Dla, _) => 32,
        }
    }

    /// The depth that a paper would name: weighted layers on the longest chain. None for DLA.
    pub fn depth(&self) -> Option<usize> {
        (self.family == Family::Resnet).then(|| 3 * self.blocks.iter().sum::<usize>() + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
