//! A network as a user writes it: a name, and fields that override its defaults.

use crate::spec::{
    BlockKind, Downsample, Family, FirstBlock, HeadKind, MergePolicy, ModelSpec, Stem,
};
use crate::zoo;
use res2lab_error::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// A network as written. `zoo` names a base, which all other fields override.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_stride: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pyramid_channels: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segmentation_channels: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge_policy: Option<MergePolicy>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "one_or_more")]
    pub decoder_channels: Option<Vec<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub atrous_rates: Option<Vec<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspp_separable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_dropout: Option<f64>,
}

/// The names of the fields of [`ModelOverrides`], in display order.
pub const FIELDS: [&str; 23] = [
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
    "head",
    "output_stride",
    "pyramid_channels",
    "segmentation_channels",
    "merge_policy",
    "decoder_channels",
    "atrous_rates",
    "aspp_separable",
    "head_dropout",
];

impl ModelOverrides {
    /// Resolves the overrides to a spec, with remarks on corrections. Fails if they are invalid.
    pub fn resolve(&self) -> Result<(ModelSpec, Vec<String>), Error> {
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
            head: words.head,
            output_stride: words.output_stride,
            pyramid_channels: words.pyramid_channels,
            segmentation_channels: words.segmentation_channels,
            merge_policy: words.merge_policy,
            decoder_channels: words.decoder_channels.clone(),
            atrous_rates: words.atrous_rates.clone(),
            aspp_separable: words.aspp_separable,
            head_dropout: words.head_dropout,
        };
        crate::heads::fill(&mut spec);
        spec.check()?;
        spec.canonicalize();
        Ok((spec, notes))
    }

    /// These overrides with the fields that `over` sets replaced; another zoo name replaces all.
    pub fn overridden_by(&self, over: &ModelOverrides) -> ModelOverrides {
        let o = over.clone();
        ModelOverrides {
            zoo: o.zoo.or(self.zoo.clone()),
            family: o.family.or(self.family),
            block: o.block.or(self.block),
            stem: o.stem.or(self.stem),
            stem_stride: o.stem_stride.or(self.stem_stride),
            // depth and blocks describe the same property, so each replaces both.
            depth: if o.blocks.is_some() { None } else { o.depth.or(self.depth) },
            blocks: if o.depth.is_some() { None } else { o.blocks.or(self.blocks.clone()) },
            planes: o.planes.or(self.planes),
            width: o.width.or(self.width),
            cardinality: o.cardinality.or(self.cardinality),
            scale: o.scale.or(self.scale),
            downsample: o.downsample.or(self.downsample),
            first_block: o.first_block.or(self.first_block),
            se: o.se.or(self.se),
            head: o.head.or(self.head),
            output_stride: o.output_stride.or(self.output_stride),
            pyramid_channels: o.pyramid_channels.or(self.pyramid_channels),
            segmentation_channels: o.segmentation_channels.or(self.segmentation_channels),
            merge_policy: o.merge_policy.or(self.merge_policy),
            decoder_channels: o.decoder_channels.or(self.decoder_channels.clone()),
            atrous_rates: o.atrous_rates.or(self.atrous_rates.clone()),
            aspp_separable: o.aspp_separable.or(self.aspp_separable),
            head_dropout: o.head_dropout.or(self.head_dropout),
        }
    }

    fn stages(&self, family: Family, stem: Stem) -> Result<Vec<usize>, Error> {
        if let Some(blocks) = &self.blocks {
            if self.depth.is_some() {
                return Err(Error::input("both depth and blocks are given", "give one of them"));
            }
            return Ok(blocks.clone());
        }
        match (family, stem) {
            (Family::Dla, _) => match self.depth.unwrap_or(60) {
                60 => Ok(vec![1, 2, 3, 1]),
                d => Err(Error::input(
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
                d => Err(Error::input(
                    format!("depth {d} is not known for the imagenet and deep stems"),
                    "use depth 26, 50, 101, 152 or 200, or give blocks per stage, e.g. blocks: [3, 4, 6, 3]",
                )),
            },
        }
    }
}

/// A list, or a single number as a list of one.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<usize>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a whole number or a list of whole numbers")]
    enum Numbers {
        One(usize),
        More(Vec<usize>),
    }
    Ok(Option::<Numbers>::deserialize(from)?.map(|numbers| match numbers {
        Numbers::One(number) => vec![number],
        Numbers::More(numbers) => numbers,
    }))
}

fn cifar_depth(depth: usize) -> Result<Vec<usize>, Error> {
    if depth >= 11 && (depth - 2).is_multiple_of(9) {
        return Ok(vec![(depth - 2) / 9; 3]);
    }
    let n = (depth.max(11) - 2) / 9;
    Err(Error::input(
        format!("depth {depth} is not 9n + 2, which the cifar stem needs"),
        format!(
            "use depth {} or {}, or give blocks per stage, e.g. blocks: [2, 2, 2]",
            9 * n + 2,
            9 * (n + 1) + 2
        ),
    ))
}
