//! The published networks: timm's names, the authors' own, and the CIFAR nets of the paper's table
//! 4. A network here is words of the same language that experiments use; nothing is special about
//! it.

use crate::spec::{BlockKind, Downsample, Family, FirstBlock, ModelOverrides, Stem};
use crate::{Input, Invalid};

/// One published network.
#[derive(Clone, Debug)]
pub struct Entry {
    /// timm's name, or the paper's for the CIFAR nets.
    pub name: &'static str,
    /// Other names for the same network.
    pub aliases: &'static [&'static str],
    /// What it consists of.
    pub words: ModelOverrides,
    /// The size and classes it was published for.
    pub input: Input,
}

/// Every network, in the order of the paper.
pub fn entries() -> Vec<Entry> {
    let mut all = imagenet();
    all.extend(cifar());
    all
}

/// Looks a name or an alias up; the error offers the nearest names.
pub fn find(name: &str) -> Result<Entry, Invalid> {
    entries().into_iter().find(|e| e.name == name || e.aliases.contains(&name)).ok_or_else(|| {
        Invalid::new(
            format!("no network is called \"{name}\""),
            format!(
                "did you mean {}? `res2lab model --list` shows all",
                nearest(name).join(" or ")
            ),
        )
    })
}

/// The two known names that share most pairs of letters with `name`.
fn nearest(name: &str) -> Vec<&'static str> {
    let pairs = |s: &str| s.as_bytes().windows(2).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let wanted = pairs(name);
    let mut names: Vec<_> = entries()
        .iter()
        .flat_map(|e| e.aliases.iter().copied().chain([e.name]))
        .collect::<Vec<_>>();
    let score = |n: &str| {
        let have = pairs(n);
        let shared = wanted.iter().filter(|p| have.contains(p)).count();
        2000 * shared / (wanted.len() + have.len()).max(1)
    };
    names.sort_by_key(|n| std::cmp::Reverse(score(n)));
    names.truncate(2);
    names
}

fn imagenet() -> Vec<Entry> {
    let resnet = |depth, width, cardinality| ModelOverrides {
        block: Some(BlockKind::Bottleneck),
        depth: Some(depth),
        width: Some(width),
        cardinality: Some(cardinality),
        ..Default::default()
    };
    let res2 = |depth, width, scale| ModelOverrides {
        block: Some(BlockKind::Res2),
        depth: Some(depth),
        width: Some(width),
        scale: Some(scale),
        ..Default::default()
    };
    // v1b: deep stem and average-pooled shortcuts; timm calls it "d".
    let v1b = |depth| ModelOverrides {
        stem: Some(Stem::Deep),
        downsample: Some(Downsample::Avg),
        ..res2(depth, 26, 4)
    };
    let dla = |block, width, cardinality| ModelOverrides {
        family: Some(Family::Dla),
        block: Some(block),
        width: Some(width),
        cardinality: Some(cardinality),
        ..Default::default()
    };
    let se = |words| ModelOverrides { se: Some(true), ..words };
    let entry =
        |name, aliases, words| Entry { name, aliases, words, input: Input::square(224, 1000) };
    vec![
        entry("resnet50", &[], resnet(50, 64, 1)),
        entry("resnet101", &[], resnet(101, 64, 1)),
        entry("resnet152", &[], resnet(152, 64, 1)),
        entry("resnext50_32x4d", &[], resnet(50, 4, 32)),
        entry("seresnet50", &[], se(resnet(50, 64, 1))),
        entry("dla60", &[], dla(BlockKind::Bottleneck, 64, 1)),
        entry("dla60x", &[], dla(BlockKind::Bottleneck, 4, 32)),
        entry("res2net50_26w_4s", &["res2net50"], res2(50, 26, 4)),
        entry("res2net50_48w_2s", &[], res2(50, 48, 2)),
        entry("res2net50_18w_4s", &["res2net50_l"], res2(50, 18, 4)),
        entry("res2net50_14w_8s", &[], res2(50, 14, 8)),
        entry("res2net50_26w_6s", &[], res2(50, 26, 6)),
        entry("res2net50_26w_8s", &[], res2(50, 26, 8)),
        entry("res2net101_26w_4s", &["res2net101"], res2(101, 26, 4)),
        entry("res2next50", &[], ModelOverrides { cardinality: Some(8), ..res2(50, 4, 4) }),
        entry("seres2net50_26w_4s", &[], se(res2(50, 26, 4))),
        entry("res2net50d", &["res2net50_v1b_26w_4s", "res2net50_v1b"], v1b(50)),
        entry("res2net101d", &["res2net101_v1b_26w_4s", "res2net101_v1b"], v1b(101)),
        entry("res2net152d", &["res2net152_v1b_26w_4s"], v1b(152)),
        entry("dla60_res2net", &["res2net_dla60"], dla(BlockKind::Res2, 28, 1)),
        entry("dla60_res2next", &["res2next_dla60"], dla(BlockKind::Res2, 4, 8)),
    ]
}

/// Table 4: 29 layers. The names' width is per group; `_pool` has the ImageNet code's first block.
fn cifar() -> Vec<Entry> {
    let net = |cardinality, width, scale, first_block, se| ModelOverrides {
        block: Some(BlockKind::Res2),
        stem: Some(Stem::Cifar),
        depth: Some(29),
        cardinality: Some(cardinality),
        width: Some(width),
        scale: Some(scale),
        first_block: Some(first_block),
        se: Some(se),
        ..Default::default()
    };
    let mut all = Vec::new();
    let sizes: [(usize, usize, usize, [&'static str; 4]); 4] = [
        (8, 64, 1, ["resnext29_8c64w", "resnext29_8c64w_se", "", ""]),
        (
            6,
            24,
            4,
            [
                "res2next29_6c24w4s",
                "res2next29_6c24w4s_se",
                "res2next29_6c24w4s_pool",
                "res2next29_6c24w4s_pool_se",
            ],
        ),
        (
            8,
            25,
            4,
            [
                "res2next29_8c25w4s",
                "res2next29_8c25w4s_se",
                "res2next29_8c25w4s_pool",
                "res2next29_8c25w4s_pool_se",
            ],
        ),
        (
            6,
            24,
            6,
            [
                "res2next29_6c24w6s",
                "res2next29_6c24w6s_se",
                "res2next29_6c24w6s_pool",
                "res2next29_6c24w6s_pool_se",
            ],
        ),
    ];
    for (cardinality, width, scale, [grouped, grouped_se, pool, pool_se]) in sizes {
        let forms = [
            (grouped, FirstBlock::Grouped, false),
            (grouped_se, FirstBlock::Grouped, true),
            (pool, FirstBlock::Pool, false),
            (pool_se, FirstBlock::Pool, true),
        ];
        for (name, first_block, se) in forms.into_iter().filter(|(name, ..)| !name.is_empty()) {
            let words = net(cardinality, width, scale, first_block, se);
            all.push(Entry { name, aliases: &[], words, input: Input::square(32, 100) });
        }
    }
    all
}
