//! Recognizes the network of the family to which a file's weights belong, by names and shapes, for
//! messages about files that do not fit the requested network.

use res2lab_arch::spec::{BlockKind, Downsample, Family, FirstBlock, ModelSpec, Stem};
use res2lab_arch::{Input, StateEntry, build, zoo};
use std::collections::BTreeMap;

/// Names and shapes.
pub(crate) type Shapes<'a> = BTreeMap<String, &'a [usize]>;

/// The network to which a file's weights belong.
pub(crate) struct Told {
    /// A description of the network, and of its differences from the requested one.
    pub what: String,
    /// The name of the published network, if it is one.
    pub name: Option<&'static str>,
}

/// Describes the network of a file. Returns None if it is not recognized, or if it is the requested
/// one.
pub(crate) fn told(file: &Shapes, entries: &[StateEntry]) -> Option<Told> {
    let own: Shapes = entries.iter().map(|e| (e.name.clone(), e.shape.as_slice())).collect();
    if file.contains_key("layer1.0.conv2.weight") && !file.contains_key("layer1.0.conv3.weight") {
        let what = "these are weights of a ResNet of basic blocks, such as resnet18, which is no network here";
        return Some(Told { what: what.into(), name: None });
    }
    let theirs = infer(file)?;
    let ours = infer(&own);
    let name = zoo_name(&theirs);
    let wanted = ours.as_ref().and_then(zoo_name);
    let differs = ours.and_then(|ours| differences(&theirs, &ours));
    let what = match (name, wanted, differs) {
        (Some(name), Some(wanted), _) if name != wanted => {
            format!("these are {name}'s weights, and the network is {wanted}")
        }
        (Some(name), None, Some(differs)) => format!("these are {name}'s weights, with {differs}"),
        (Some(name), None, None) => format!("these are {name}'s weights"),
        (None, _, Some(differs)) => format!("these are weights of a network with {differs}"),
        _ => return None,
    };
    Some(Told { what, name })
}

fn zoo_name(spec: &ModelSpec) -> Option<&'static str> {
    let same = |e: &zoo::Entry| e.words.resolve().is_ok_and(|(known, _)| known == *spec);
    zoo::entries().into_iter().find(same).map(|e| e.name)
}

/// "scale 4 where this one has 8, ..."
fn differences(theirs: &ModelSpec, ours: &ModelSpec) -> Option<String> {
    let list = |blocks: &[usize]| blocks.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let depth =
        |spec: &ModelSpec| spec.depth().map_or_else(|| list(&spec.blocks), |d| d.to_string());
    let fields = |s: &ModelSpec| {
        [
            ("family", format!("{:?}", s.family).to_lowercase()),
            ("block", format!("{:?}", s.block).to_lowercase()),
            ("stem", format!("{:?}", s.stem).to_lowercase()),
            ("depth", depth(s)),
            ("blocks", list(&s.blocks)),
            ("planes", s.planes.to_string()),
            ("width", s.width.to_string()),
            ("cardinality", s.cardinality.to_string()),
            ("scale", s.scale.to_string()),
            ("downsample", format!("{:?}", s.downsample).to_lowercase()),
            ("first_block", format!("{:?}", s.first_block).to_lowercase()),
            ("se", s.se.to_string()),
        ]
    };
    let mut said: Vec<String> = vec![];
    for ((field, theirs_has), (_, ours_has)) in fields(theirs).into_iter().zip(fields(ours)) {
        // The depth follows from the blocks.
        let is_said = field == "blocks" && said.iter().any(|s| s.starts_with("depth"));
        if theirs_has != ours_has && !is_said {
            said.push(format!("{field} {theirs_has} where this one has {ours_has}"));
        }
    }
    (!said.is_empty()).then(|| said.join(", "))
}

/// The network with these tensors; None if no network of the family has them.
fn infer(shapes: &Shapes) -> Option<ModelSpec> {
    if shapes.contains_key("base_layer.0.weight") {
        let is_dla = |e: &zoo::Entry| e.words.family == Some(Family::Dla);
        let specs = zoo::entries()
            .into_iter()
            .filter(is_dla)
            .filter_map(|e| Some(e.words.resolve().ok()?.0));
        return specs.into_iter().find(|spec| has_all(spec, shapes));
    }
    let spec = resnet(shapes)?;
    has_all(&spec, shapes).then_some(spec)
}

fn resnet(shapes: &Shapes) -> Option<ModelSpec> {
    let shape = |name: &str| shapes.get(name).copied();
    let has = |layer: usize, block: usize| {
        shapes.contains_key(&format!("layer{layer}.{block}.conv1.weight"))
    };
    let count = |layer: usize| (0..512).take_while(|&block| has(layer, block)).count();
    let blocks: Vec<usize> = (1..=8).map(count).take_while(|&n| n > 0).collect();
    let planes = shape("layer1.0.conv3.weight")?.first()? / 4;
    let inner = |what: &str| {
        let names = [1, 0].map(|block| format!("layer1.{block}.{what}.weight"));
        names.iter().find_map(|name| shape(name)).filter(|s| s.len() == 4 && s[1] > 0)
    };
    let (block, split) = match inner("convs.0") {
        Some(split) => (BlockKind::Res2, split),
        None => (BlockKind::Bottleneck, inner("conv2")?),
    };
    let channels = *inner("conv1")?.first()?;
    let cardinality = split[0] / split[1];
    let first = shapes.contains_key("layer1.0.conv2.weight");
    let stem = match shape("conv1.weight") {
        Some([_, _, 7, 7]) => Stem::Imagenet,
        Some(_) => Stem::Cifar,
        None => Stem::Deep,
    };
    let shortcut = ["layer1", "layer2"].into_iter().find_map(|l| {
        let conv = (0..2).find(|i| {
            shape(&format!("{l}.0.downsample.{i}.weight")).is_some_and(|s| s.len() == 4)
        })?;
        Some(if conv == 1 { Downsample::Avg } else { Downsample::Conv })
    });
    Some(ModelSpec {
        family: Family::Resnet,
        block,
        stem,
        stem_stride: 1,
        blocks,
        planes,
        // The smallest width with this number of channels.
        width: (split[0] / cardinality.max(1) * 64).div_ceil(planes.max(1)),
        cardinality,
        scale: if block == BlockKind::Res2 { channels / split[0] } else { 1 },
        downsample: shortcut.unwrap_or(Downsample::Conv),
        first_block: if block == BlockKind::Res2 && first {
            FirstBlock::Grouped
        } else {
            FirstBlock::Pool
        },
        se: shapes.contains_key("layer1.0.se.fc1.weight"),
        head: None,
        output_stride: None,
        pyramid_channels: None,
        segmentation_channels: None,
        merge_policy: None,
        decoder_channels: None,
        atrous_rates: None,
        aspp_separable: None,
        head_dropout: None,
    })
}

/// Whether a network has these tensors. The last layer may be missing.
fn has_all(spec: &ModelSpec, shapes: &Shapes) -> bool {
    let px = if spec.stem == Stem::Cifar { 64 } else { 256 };
    let Ok(graph) = build(spec, Input::square(px, 10)) else { return false };
    let head = graph.state.last().map(|e| e.node);
    // Images with another number of channels change only the first convolution.
    let alike = |theirs: &[usize], own: &[usize]| {
        theirs.len() == 4 && theirs[0] == own[0] && theirs[2..] == own[2..]
    };
    let is_there = |(index, e): (usize, &StateEntry)| {
        let theirs = shapes.get(&e.name).copied().unwrap_or_default();
        theirs == e.shape || (index == 0 && alike(theirs, &e.shape))
    };
    graph.state.iter().enumerate().filter(|(_, e)| Some(e.node) != head).all(is_there)
}
