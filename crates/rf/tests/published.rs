//! Published values, and values computed by an independent method.

use res2lab_arch::{Graph, Input, ModelOverrides, build, zoo};
use res2lab_rf::paths::share_within;
use res2lab_rf::{Paths, Weighting, extent, fields, last_stage, paths};

fn net(words: ModelOverrides, input: Input) -> Graph {
    build(&words.resolve().unwrap().0, input).unwrap()
}

fn published(name: &str, scale: Option<usize>) -> Graph {
    let entry = zoo::find(name).unwrap();
    net(
        entry.words.overridden_by(&ModelOverrides { scale, ..ModelOverrides::default() }),
        entry.input,
    )
}

/// Two stages of two blocks after one 3x3.
fn small(scale: usize) -> Graph {
    let words = ModelOverrides {
        blocks: Some(vec![2, 2]),
        stem: Some(res2lab_arch::Stem::Cifar),
        block: Some(res2lab_arch::BlockKind::Res2),
        planes: Some(16),
        width: Some(64),
        scale: Some(scale),
        ..ModelOverrides::default()
    };
    net(words, Input::square(32, 10))
}

fn at_last_stage(graph: &Graph) -> Paths {
    paths(graph, Weighting::Structural, &[last_stage(graph)]).remove(0)
}

/// Largest and smallest receptive fields, computed by propagating sets of pixels through a copy of
/// the network.
#[test]
fn largest_and_smallest_fields_of_the_published_networks() {
    let px = |name: &str, scale| {
        let found = extent(&published(name, scale));
        (found.min_px, found.max_px)
    };
    for (scale, max_px) in [(2, 427), (4, 1131), (6, 1835), (8, 2539)] {
        assert_eq!(px("res2net50_26w_4s", Some(scale)), (11, max_px), "scale {scale}");
    }
    assert_eq!(px("resnet50", None).1, 427);
    assert_eq!(px("res2net101_26w_4s", None).1, 2763);
    assert_eq!(px("res2net101_26w_4s", Some(8)).1, 6347);
    assert_eq!(px("res2net50d", None), (43, 1135));
}

#[test]
fn fields_grow_from_stage_to_stage_as_worked_out() {
    let by_stage = |graph: &Graph| {
        let fields = fields(graph);
        graph.stages.iter().map(|stage| fields[stage.node.0].max_px()).collect::<Vec<_>>()
    };
    for (scale, expected) in [
        (2, [35, 91, 267, 427]),
        (4, [67, 219, 715, 1131]),
        (6, [99, 347, 1163, 1835]),
        (8, [131, 475, 1611, 2539]),
    ] {
        assert_eq!(by_stage(&published("res2net50_26w_4s", Some(scale))), expected);
    }
    assert_eq!(by_stage(&published("res2net101_26w_4s", Some(8))), [131, 475, 5419, 6347]);
    assert_eq!(by_stage(&published("res2net50d", None)), [71, 223, 719, 1135]);
    assert_eq!(by_stage(&published("resnet50", None)), [35, 91, 267, 427]);
}

/// Path counts by size, computed as products of polynomials in exact arithmetic.
#[test]
fn every_path_of_a_small_network_is_counted() {
    let expected: [(usize, &[(u64, u64)]); 4] = [
        (1, &[(3, 1), (5, 3), (7, 4), (9, 4), (11, 3), (13, 1)]),
        (2, &[(3, 4), (5, 18), (7, 26), (9, 17), (11, 12), (13, 4)]),
        (3, &[(3, 4), (5, 28), (7, 66), (9, 76), (11, 82), (13, 62), (15, 49), (17, 24), (19, 9)]),
        (
            4,
            &[
                (3, 4),
                (5, 38),
                (7, 122),
                (9, 187),
                (11, 258),
                (13, 265),
                (15, 238),
                (17, 197),
                (19, 138),
                (21, 97),
                (23, 40),
                (25, 16),
            ],
        ),
    ];
    for (scale, sizes) in expected {
        let found = at_last_stage(&small(scale));
        let whole: Vec<(u64, u64)> =
            found.sizes().into_iter().map(|(px, weight)| (px, weight as u64)).collect();
        assert_eq!(whole, sizes, "scale {scale}");
        assert_eq!(found.count(), Some(sizes.iter().map(|(_, n)| n).sum()));
    }
    let graph = published("res2net50_26w_4s", None);
    let layer1 = paths(&graph, Weighting::Structural, &[graph.stages[0].node]).remove(0);
    let expected = [
        (11, 4.0),
        (19, 28.0),
        (27, 65.0),
        (35, 84.0),
        (43, 74.0),
        (51, 44.0),
        (59, 17.0),
        (67, 4.0),
    ];
    assert_eq!(layer1.sizes(), expected);
}

/// The table of the analysis: number of paths, mean and standard deviation, 5 % and 95 % quantiles,
/// share within 224 px, number of sizes.
#[test]
fn distributions_of_paths_of_the_published_networks() {
    type Row = (&'static str, usize, f64, f64, f64, (u64, u64), usize);
    let rows: [Row; 6] = [
        ("resnet50", 1, 65_536.0, 219.0, 62.5, (115, 323), 53),
        ("res2net50_26w_4s", 2, 43_046_721.0, 171.0, 58.9, (75, 275), 53),
        ("res2net50_26w_4s", 4, 42_949_672_960_000.0, 502.2, 116.4, (315, 699), 141),
        ("res2net50_26w_4s", 8, 3.487e21, 1053.5, 218.8, (707, 1427), 317),
        ("res2net101_26w_4s", 4, 9.67e28, 1182.2, 172.8, (899, 1467), 345),
        ("res2net101_26w_4s", 8, 4.50e46, 2576.7, 326.1, (2051, 3123), 793),
    ];
    for (name, scale, count, mean, sd, (p05, p95), distinct) in rows {
        let found = at_last_stage(&published(name, (scale > 1).then_some(scale)));
        let summary = found.summary().unwrap();
        assert!(
            (found.log10_count() - count.log10()).abs() < 5e-4,
            "{name} {scale}: {}",
            found.log10_count()
        );
        assert!(
            (summary.mean_px - mean).abs() < 0.06 && (summary.sd_px - sd).abs() < 0.06,
            "{name} {scale}: {summary:?}"
        );
        assert_eq!(
            (summary.p05_px, summary.p95_px, summary.distinct),
            (p05, p95, distinct),
            "{name} {scale}"
        );
        assert_eq!(found.count().is_some(), count < 1e15);
    }
    let within = |scale| {
        share_within(&at_last_stage(&published("res2net50_26w_4s", Some(scale))).sizes(), 224)
    };
    assert!(
        (within(2) - 0.807).abs() < 5e-4 && (within(4) - 0.0046).abs() < 5e-5,
        "{} {}",
        within(2),
        within(4)
    );
    let v1b = at_last_stage(&published("res2net50d", None)).summary().unwrap();
    assert_eq!((v1b.min_px, v1b.distinct), (43, 274));
}

/// Standard deviation of the analytic effective receptive field in pixels for scales 1, 2, 4, 6, 8.
/// The stem's windows are averages too.
#[test]
fn analytic_effective_fields_have_the_worked_out_width() {
    let sigma = |name: &str, scale: usize| {
        let graph = published(name, Some(scale));
        res2lab_rf::spread::sigmas(&graph, Weighting::Structural)[last_stage(&graph).0]
    };
    for (scale, expected) in [(2, 30.9), (4, 56.2), (6, 71.3), (8, 82.7)] {
        let found = sigma("res2net50_26w_4s", scale);
        assert!((found - expected).abs() < 0.06, "50, scale {scale}: {found}");
    }
    for (scale, expected) in [(2, 43.8), (4, 82.3), (6, 105.1), (8, 122.3)] {
        let found = sigma("res2net101_26w_4s", scale);
        assert!((found - expected).abs() < 0.06, "101, scale {scale}: {found}");
    }
}

#[test]
fn the_analytic_profile_has_the_width_and_the_weight_that_are_told_of_it() {
    for scale in [1, 2, 4] {
        let graph = small(scale);
        let end = last_stage(&graph);
        for weighting in [Weighting::Structural, Weighting::BranchEqual] {
            let (low, weights) = res2lab_rf::spread::profile(&graph, weighting, end);
            let field = fields(&graph)[end.0];
            assert_eq!((low, weights.len() as i64), (field.low, field.max_px()));
            let total: f64 = weights.iter().sum();
            let of_paths = paths(&graph, weighting, &[end])[0].log10_count();
            assert!((total.log10() - of_paths).abs() < 1e-9, "{weighting} {scale}");
            let at = |i: usize| (low + i as i64) as f64;
            let mean: f64 = weights.iter().enumerate().map(|(i, w)| at(i) * w / total).sum();
            let square: f64 =
                weights.iter().enumerate().map(|(i, w)| (at(i) - mean).powi(2) * w / total).sum();
            let sigma = res2lab_rf::spread::sigmas(&graph, weighting)[end.0];
            assert!(
                (square.sqrt() - sigma).abs() < 1e-9,
                "{weighting} {scale}: {} {sigma}",
                square.sqrt()
            );
        }
    }
}

#[test]
fn equal_branches_halve_at_every_block() {
    // Each of four blocks gives half of the weight to its convolution: a binomial distribution over
    // 16 paths.
    let graph = small(1);
    let found = paths(&graph, Weighting::BranchEqual, &[last_stage(&graph)]).remove(0);
    let sizes: Vec<(u64, f64)> = found.sizes();
    assert_eq!(sizes[0], (3, 1.0 / 16.0));
    assert!((sizes.iter().map(|(_, w)| w).sum::<f64>() - 1.0).abs() < 1e-12);
    // A normal block of scale 4: weight 1/2 for the identity. The other half is divided into
    // quarters for 0, 1, (1, 2)/2 and (1, 2, 3)/3 convolutions.
    let graph = small(4);
    let before = graph.find("layer1.0").unwrap();
    let after = graph.find("layer1.1").unwrap();
    let [before, after]: [Paths; 2] = paths(&graph, Weighting::BranchEqual, &[before, after])
        .try_into()
        .unwrap_or_else(|_| panic!("two"));
    let mean = |p: &Paths| p.summary().unwrap().mean_px;
    let expected = 2.0 * (1.0 / 8.0) * (1.0 + 1.5 + 2.0);
    assert!(
        (mean(&after) - mean(&before) - expected).abs() < 1e-9,
        "{} {}",
        mean(&before),
        mean(&after)
    );
}

#[test]
fn squeeze_and_excitation_is_a_class_of_its_own() {
    let graph = published("seres2net50_26w_4s", None);
    let found = at_last_stage(&graph);
    assert_eq!(found.summary().unwrap().max_px, extent(&graph).max_px);
    assert!(found.whole_share() > 0.0 && fields(&graph)[last_stage(&graph).0].sees_all);
    let logits = paths(&graph, Weighting::Structural, &[graph.output()]).remove(0);
    assert!(logits.summary().is_none() && logits.whole_share() == 1.0);
}

#[test]
fn what_each_split_sees_is_what_the_block_adds() {
    let graph = published("res2net50_26w_4s", None);
    let of = |block: &str| {
        let splits = res2lab_rf::splits::splits(&graph);
        splits
            .iter()
            .filter(|s| s.block == format!("{block}.concat"))
            .map(|s| s.max_px)
            .collect::<Vec<_>>()
    };
    let r = fields(&graph)[graph.find("layer1.0").unwrap().0].max_px();
    assert_eq!(of("layer1.1"), [r + 8, r + 16, r + 24, r], "4 px a step");
    assert_eq!(of("layer1.0"), [19; 4], "the first block: 3x3 each, the last one pooled");
    assert_eq!(res2lab_rf::splits::splits(&published("resnet50", None)), []);
    assert_eq!(res2lab_rf::splits::splits(&published("dla60_res2net", None)).len() % 4, 0);
}

#[test]
fn paths_of_an_average_pooled_shortcut_are_not_aligned_and_that_is_said() {
    let misalignment = |name: &str| {
        let graph = published(name, None);
        fields(&graph)[last_stage(&graph).0].misalignment_px()
    };
    assert_eq!(misalignment("res2net50_26w_4s"), 0.0);
    // Half a step of 4, 8 and 16 px where stages halve the feature map.
    assert_eq!(misalignment("res2net50d"), 2.0 + 4.0 + 8.0);
}

#[test]
fn layers_that_add_nothing_are_found() {
    use res2lab_rf::productive::{Productivity, layers};
    let graph = published("resnet50", None);
    let count = |px, what| layers(&graph, px).iter().filter(|(_, p)| *p == what).count();
    assert_eq!(count(224, Productivity::Unproductive), 0, "the shortest path sees 11 px");
    assert_eq!(count(8, Productivity::Critical), 1, "the pool behind the first convolution");
    assert_eq!(count(8, Productivity::Unproductive), 16, "every 3x3 reads what has seen 11 px");
    assert_eq!(layers(&graph, 224).len(), 18);
}
