//! Expansion of experiment files with command-line words: resulting arms, replaced settings, and
//! refused input.

use proptest::prelude::*;
use res2lab_error::Error;
use res2lab_experiment::experiment::parse;
use res2lab_experiment::id::{arm_id, trial_id};
use res2lab_experiment::{Axis, Expansion, TrialSpec, expand};

const FILE: &str = "
name: quickstart
model: {family: resnet, block: res2, stem: cifar, stem_stride: 2, depth: 11, planes: 8, width: 26, scale: 4}
train: {epochs: 6, optimizer: {sgd: {lr: 0.1, nesterov: true, weight_decay: 5e-4}}, schedule: one_cycle}
seeds: [0, 1, 2]
axes: {scale: [2, 4, 6, 8]}
";

fn expansion(file: &str, line: &str) -> Result<Expansion, Error> {
    let experiment = parse(file, "test.yaml")?;
    expand(&experiment, &line.split_whitespace().map(Axis::parse).collect::<Result<Vec<_>, _>>()?)
}

fn labels(file: &str, line: &str) -> Vec<String> {
    expansion(file, line).unwrap().arms.into_iter().map(|a| a.label).collect()
}

#[test]
fn the_files_axes_hold_until_the_command_line_sweeps() {
    assert_eq!(labels(FILE, ""), ["scale=2", "scale=4", "scale=6", "scale=8"]);
    assert_eq!(labels(FILE, "epochs=2"), ["scale=2", "scale=4", "scale=6", "scale=8"]);
    assert_eq!(labels(FILE, "scale=4"), ["base"]);
    assert_eq!(labels(FILE, "depth=11,20 scale=2"), ["depth=11", "depth=20"]);
    assert_eq!(labels(FILE, "depth=11,20 width=26,40").len(), 4);
    assert_eq!(expansion(FILE, "seed=0..4").unwrap().seeds.len(), 5);
    assert_eq!(labels(FILE, "seed=0..4").len(), 4);
}

#[test]
fn named_arms_and_one_at_a_time() {
    let arms = format!("{FILE}arms: {{plain: {{scale: 1}}, wide: {{width: 40, scale: 4}}}}")
        .replace("axes:", "#");
    assert_eq!(labels(&arms, ""), ["plain", "wide"]);
    let lines =
        format!("{FILE}one_at_a_time: {{scale: [2, 3], depth: 20..29:9}}").replace("axes:", "#");
    assert_eq!(labels(&lines, ""), ["base", "scale=2", "scale=3", "depth=20", "depth=29"]);
}

#[test]
fn a_zoo_name_replaces_the_files_network_and_a_family_what_does_not_fit_it() {
    let zoo = expansion(FILE, "zoo=res2net50_26w_4s scale=2,3").unwrap();
    assert_eq!(zoo.arms[0].spec.model.blocks, [3, 4, 6, 3]);
    assert_eq!((zoo.arms[1].spec.model.scale, zoo.arms[1].spec.model.planes), (3, 64));
    let dla = expansion(FILE, "family=dla block=res2 stem=cifar scale=4").unwrap();
    assert_eq!(dla.arms[0].spec.model.blocks, [1, 2, 3, 1]);
    assert!(dla.notes[0].contains("depth"), "{:?}", dla.notes);
}

#[test]
fn impossible_requests_name_the_arm_and_the_field() {
    let text = |line: &str| {
        expansion(FILE, line)
            .map(|_| String::new())
            .unwrap_or_else(|e| format!("{} | {}", e.cause, e.help))
    };
    insta::assert_snapshot!(
        ["scale=0", "scale=4 width=1", "lr=nan", "depth=21", "seed=-1", "scale=2,x", "scale=2 scale=4", "train.epoch=2", "model.foo=1",
         "lr=0.1,-1", "train.schedule=linear", "epochs=0", "data.augment.flip=3", "sync_bn=yes", "train.ema=none", "batch=1.5"].map(text).join("\n"),
        @r#"
    scale 0 is impossible | give scale a whole number from 1 to 512
    width 1 with planes 8 gives splits of zero channels | give width at least 8
    train.optimizer.sgd.lr NaN is impossible | give a number above 0, e.g. 0.1
    depth 21 is not 9n + 2, which the cifar stem needs | use depth 20 or 29, or give blocks per stage, e.g. blocks: [2, 2, 2]
    seed -1 is impossible | give whole numbers, e.g. seed=0..4
    scale=x: invalid type: string "x" | give a whole number
    model.scale is given twice | give each field once, all its values separated by commas
    train.epoch=2: unknown field epoch | use one of epochs, sizes, batch_size, accumulate, devices_per_trial, sync_bn, optimizer, layer_decay, schedule, loss, class_weights, label_smoothing, clip_norm, clip_value, clip_agc, mixup, cutmix, mix_prob, mix_switch_prob, mix_mode, drop_path, dropout, ema, ema_warmup, eval_every, log_every, precision, plain, cuda_graph, fused_evaluation, layout, max_minutes
    model.foo=1: unknown field foo | use one of zoo, family, block, stem, stem_stride, depth, blocks, planes, width, cardinality, scale, downsample, first_block, se, head, output_stride, pyramid_channels, segmentation_channels, merge_policy, decoder_channels, atrous_rates, aspp_separable, head_dropout
    lr=-1: train.optimizer.sgd.lr -1 is impossible | give a number above 0, e.g. 0.1
    train.schedule=linear: invalid value: string "linear" | give constant, one_cycle, cosine, polynomial, {step: {every: 30}}, {multi_step: {at: [150, 225]}} or {cosine: {warmup_epochs: 5}}
    train.epochs 0 is impossible | give a whole number of at least 1
    data.augment.flip=3: invalid type: integer 3 | write true or false
    train.sync_bn=yes: invalid type: string "yes" | write true or false
    train.ema=none: invalid type: string "none" | give a number
    train.batch_size=1.5: invalid type: floating point 1.5 | give a whole number
    "#
    );
}

#[test]
fn broken_files_name_the_line() {
    let text = |file: &str| {
        parse(file, "x.yaml")
            .map(|_| String::new())
            .unwrap_or_else(|e| format!("{} | {}", e.cause, e.help))
    };
    insta::assert_snapshot!(
        ["name: a\nmodle: {}\n", "name: a\nmodel:\n  scle: 4\n", "name: a\nmodel: [1\n", "name: a/b\n", "model: {}\n",
         "name: a\ntrain: {schedule: linear}\n", "name: a\ntrain: {optimizer: {adam: {}}}\n", "name: a\nmodel: {scale: four}\n"].map(text).join("\n"),
        @r#"
    x.yaml: unknown field modle at line 2 column 1 | use one of name, description, model, init, data, train, seeds, axes, arms, one_at_a_time, compare, against, baseline, margin, early_stop, keep, executor, reference
    x.yaml: model: unknown field scle at line 3 column 3 | use one of zoo, family, block, stem, stem_stride, depth, blocks, planes, width, cardinality, scale, downsample, first_block, se, head, output_stride, pyramid_channels, segmentation_channels, merge_policy, decoder_channels, atrous_rates, aspp_separable, head_dropout
    x.yaml: did not find expected ',' or ']' at line 3 column 1, while parsing a flow sequence at line 2 column 8 | mend the YAML at that place; indentation, colons and brackets are the usual suspects
    x.yaml: name "a/b" cannot name a folder | use letters, digits, hyphens, underscores and dots
    x.yaml: missing field name | add it; experiments/quickstart.yaml shows a whole file
    x.yaml: train.schedule: invalid value: string "linear" at line 2 column 19 | give constant, one_cycle, cosine, polynomial, {step: {every: 30}}, {multi_step: {at: [150, 225]}} or {cosine: {warmup_epochs: 5}}
    x.yaml: train.optimizer: unknown variant adam at line 2 column 21 | use one of sgd, adamw, lamb, rmsprop_tf
    x.yaml: model.scale: invalid type: string "four" at line 2 column 16 | give a whole number
    "#
    );
}

#[test]
fn ids_tell_specs_apart_and_survive_what_does_not_matter() {
    let first = &expansion(FILE, "scale=4").unwrap().arms[0].spec;
    let other = TrialSpec { seed: 1, ..first.clone() };
    assert_ne!(trial_id(first), trial_id(&other));
    assert_eq!(arm_id(first), arm_id(&other));
    assert_ne!(arm_id(first), arm_id(&expansion(FILE, "scale=4 epochs=7").unwrap().arms[0].spec));
    // Frozen: a change here renames every finished trial of every user.
    assert_eq!(trial_id(first), "res2net11-26w-4s-seed0-c4d5aa71");
}

/// Label and initial weights of each arm, and the notes.
fn starts(file: &str, line: &str) -> (Vec<(String, Option<String>)>, String) {
    let found = expansion(file, line).unwrap();
    let arms =
        found.arms.iter().map(|arm| (arm.label.clone(), arm.spec.init.weights.clone())).collect();
    (arms, found.notes.join("; "))
}

fn pairs(of: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    of.iter().map(|(label, weights)| ((*label).to_owned(), weights.map(str::to_owned))).collect()
}

#[test]
fn weights_are_an_axis_like_others_and_none_is_one_of_its_values() {
    let with = |what: &str| FILE.replace("axes: {scale: [2, 4, 6, 8]}", what);
    let two = [("weights=none", None), ("weights=./x.pth", Some("./x.pth"))];
    assert_eq!(starts(FILE, "weights=none,./x.pth").0, pairs(&two));
    assert_eq!(
        starts(FILE, "weights='none',../x.pth").0[0].1.as_deref(),
        Some("none"),
        "a file called none"
    );
    let axis = starts(&with("axes: {init.weights: [null, ./x.pth]}"), "").0;
    assert_eq!(
        axis,
        pairs(&[("init.weights=none", None), ("init.weights=./x.pth", Some("./x.pth"))])
    );
    let line = starts(&with("one_at_a_time: {weights: [./x.pth]}"), "").0;
    assert_eq!(line, pairs(&[("base", None), ("weights=./x.pth", Some("./x.pth"))]));
    let arms =
        starts(&with("arms: {scratch: {scale: 4}, tuned: {scale: 4, weights: ./x.pth}}"), "").0;
    assert_eq!(arms, pairs(&[("scratch", None), ("tuned", Some("./x.pth"))]));
}

#[test]
fn the_command_line_replaces_what_the_file_sets_for_the_same_thing_and_says_so() {
    let file = "name: t\ninit: {weights: ./old.pth}\ndata: {name: images, path: data/images, size: 32}\n\
                arms: {a: {weights: ./a.pth, scale: 2}, b: {data.path: ./b, width: 14, scale: 8}}\n";
    let data = |line: &str| {
        let found = expansion(file, line).unwrap();
        let data = found.arms.iter().map(|arm| {
            (arm.spec.data.name.clone(), arm.spec.data.path.clone(), arm.spec.data.size)
        });
        (data.collect::<Vec<_>>(), found.notes.join("; "))
    };
    let (found, notes) = data("data=../photos");
    let photos = ("../photos".to_owned(), None, Some(32));
    assert_eq!(found, [photos.clone(), photos]);
    assert!(
        notes.contains(
            "data=../photos replaces the file's data set; its data.path=data/images gives way"
        ),
        "{notes}"
    );
    assert!(notes.contains("data=../photos replaces the file's data.path of b"), "{notes}");
    let (found, notes) = data("data.path=./c");
    assert!(
        found.iter().all(|(name, path, _)| name == "images" && path.as_deref() == Some("./c")),
        "{found:?}"
    );
    assert!(notes.contains("data.path=./c replaces the file's data.path=data/images"), "{notes}");
    let (found, _) = data("data.path=./c data=cifar10");
    assert!(
        found.iter().all(|(name, path, _)| name == "cifar10" && path.as_deref() == Some("./c")),
        "{found:?}"
    );
    // The same data set again changes nothing.
    assert_eq!(data("data=images").0[0].1.as_deref(), Some("data/images"));
    let (found, notes) = starts(file, "weights=./new.pth");
    assert_eq!(found, pairs(&[("a", Some("./new.pth")), ("b", Some("./new.pth"))]));
    assert!(notes.contains("weights=./new.pth replaces the file's weights=./old.pth"), "{notes}");
    assert!(notes.contains("weights=./new.pth replaces the file's weights of a"), "{notes}");
    assert_eq!(starts(file, "weights=none").0, pairs(&[("a", None), ("b", None)]));
    // Two data sets on the command line: neither is read from the file's folder.
    let swept = expansion(file, "data=./x,./y").unwrap();
    assert!(swept.arms.iter().all(|arm| arm.spec.data.path.is_none()));
    // A fixed axis of the file is removed as a whole, and the plan does not show it.
    let fixed = expansion(FILE, "scale=4").unwrap();
    assert!(
        fixed.axes.is_empty()
            && fixed.notes.iter().any(|n| n.contains("scale=4 replaces the file's axis scale"))
    );
    let depth = format!("{FILE}one_at_a_time: {{blocks: [[1, 1, 1], [2, 2, 2]]}}");
    assert_eq!(labels(&depth.replace("axes:", "#"), "depth=20"), ["base"]);
}

#[test]
fn arms_are_called_as_they_are_written() {
    let named = |arms: &str| {
        let file = format!("name: t\narms:\n{arms}");
        match expansion(&file, "") {
            Ok(found) => found
                .arms
                .into_iter()
                .map(|arm| format!("{}:{}", arm.label, arm.spec.model.scale))
                .collect(),
            Err(e) => vec![e.cause, e.help],
        }
    };
    let found = named(
        "  2: {scale: 2}\n  8: {scale: 8, width: 14}\n  1e5: {scale: 3}\n  a b: {scale: '5'}\n  plain:\n",
    );
    assert_eq!(found, ["2:2", "8:8", "1e5:3", "a b:5", "plain:4"]);
    let nested =
        "name: t\narms: {a: {model: {scale: 2}, train: {ema: 0.9, optimizer: {sgd: {lr: 0.2}}}}}\n";
    let arm = &expansion(nested, "").unwrap().arms[0].spec;
    let res2lab_experiment::Optimizer::Sgd { lr, nesterov, .. } = arm.train.optimizer else {
        panic!("the arm keeps its optimizer")
    };
    assert_eq!((arm.model.scale, arm.train.ema, lr, nesterov), (2, 0.9, 0.2, true));
    let refused = |arms: &str, cause: &str, help: &str| {
        let said = named(arms);
        assert!(said[0].contains(cause) && said[1].contains(help), "{arms}: {said:?}");
    };
    refused("  '': {scale: 2}\n", "no name", "plain: {scale: 1}");
    refused(
        "  plain: [scale=1, width=40]\n",
        "arm plain has the list",
        "plain: {scale: 1, width: 40}",
    );
    refused("  wide: \"width=40\"\n", "arm wide has the text \"width=40\"", "wide: {width: 40}");
    refused("  wide: 40\n", "arm wide has 40", "wide: {");
    refused("  wide: {ema: 0.9}\n", "arm wide: no field is called ema", "did you mean train.ema?");
    refused("  2: {scale: 2}\n  '2': {scale: 3}\n", "2 is written twice", "once");
    let axis = expansion("name: t\naxes: {4: [1, 2]}\n", "").unwrap_err();
    assert!(axis.cause.contains("no field is called 4"), "{axis:?}");
    let line = expansion("name: t\none_at_a_time: {mixup: [0.2]}\n", "").unwrap_err();
    assert!(line.help.contains("did you mean train.mixup?"), "{line:?}");
}

#[test]
fn values_are_read_in_every_form_that_means_the_same() {
    let file = "name: 2024\ntrain: {batch_size: 1e1, epochs: '3', plain: True, optimizer: {sgd: {lr: '1e-4'}}}\n\
                data: {pad_to: none, name: mnist5k}\ninit: {weights: none}\nmodel:\naxes:\nseeds: ['0', 1]\n";
    let found = expansion(file, "").unwrap();
    let spec = &found.arms[0].spec;
    assert_eq!(
        (found.name.as_str(), spec.train.batch_size, spec.train.epochs, spec.train.plain),
        ("2024", 10, 3, true)
    );
    assert_eq!(
        (spec.data.pad_to, spec.init.weights.as_deref(), &found.seeds[..]),
        (None, None, &[0, 1][..])
    );
    assert!(
        matches!(spec.train.optimizer, res2lab_experiment::Optimizer::Sgd { lr, .. } if lr == 1e-4)
    );
    let axes = "name: t\naxes: {lr: ['1e-4', 0.1], data.cache_px: [none, '64']}\n";
    assert_eq!(labels(axes, "")[1], "lr=0.0001 data.cache_px=64");
    let refused = expansion("name: t\ntrain: {sync_bn: yes}\n", "").unwrap_err();
    let none = expansion("name: t\ntrain: {epochs: '2', ema: none}\n", "").unwrap_err();
    assert!(none.cause.contains("train.ema: invalid type"), "{none:?}");
    assert_eq!(expansion("name: 1e5\n", "").unwrap().name, "1e5");
    assert!(
        refused.cause.contains("line 2") && refused.help.contains("write true or false"),
        "{refused:?}"
    );
}

#[test]
fn names_that_are_no_folder_are_refused() {
    for name in ["..", ".", "''", "a/b", ".hidden", "a b", &"x".repeat(300)] {
        let e = parse(&format!("name: {name}\n"), "x.yaml").unwrap_err();
        assert!(e.cause.contains("x.yaml: name ") && e.cause.contains("folder"), "{name}: {e:?}");
    }
    assert!(parse("name: v1..v2_größer-3.5\n", "x.yaml").is_ok());
}

const WHOLE: &str = "
name: whole
description: 'one of: everything'
model: {stem: cifar, depth: 11, planes: 8, width: 26, scale: 4, blocks: [1, 1, 1]}
init: {weights: \"./a, b.pth\"}
data: {name: images, path: ../x, augment: {flip: true, crop_scale: [0.3, 1.0]}}
train: {optimizer: {sgd: {lr: 1e-1}}, schedule: {step: {every: 3}}, ema: 0.9}
seeds: {min: 3, max: 10, half_width: 0.3}
arms: {1: {scale: 2, width: 14}, two: {zoo: resnet50, weights: null}}
one_at_a_time: {data.pad_to: [null, 32], scale+width: [2+48, [4, 26]]}
executor: {slurm: {partition: gpu, time: 30}}
reference: {source: them, top1_error: {1: 2.5}}
";

proptest! {
    /// A file with changed, lost, doubled or moved characters is read or refused, and so is its
    /// expansion.
    #[test]
    fn no_damage_to_a_file_makes_the_reader_panic(
        changes in prop::collection::vec((0..WHOLE.len(), 0..4_u8, "[\\x00-\\xff:{}\\[\\],'\"#&*!|>%@`~\t\r\n -]{0,2}"), 1..6),
    ) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for (at, what, text) in changes {
            let at = at.min(bytes.len());
            let end = (at + 3).min(bytes.len());
            match what {
                0 => { bytes.splice(at..at, text.bytes()); }
                1 => { bytes.splice(at..end, text.bytes()); }
                2 => { let part = bytes[at..end].to_vec(); bytes.splice(at..at, part); }
                _ => bytes.truncate(at.max(1)),
            }
        }
        if let Ok(experiment) = res2lab_experiment::experiment::read(&bytes, "x.yaml") {
            let _ = expand(&experiment, &[]);
        }
    }

    /// Random words beside a valid file are expanded or refused.
    #[test]
    fn no_words_make_the_expansion_panic(
        words in prop::collection::vec("(scale|width|depth|zoo|data|data\\.path|weights|lr|batch|blocks|train\\.schedule|train\\.ema|family|seed|plain|data\\.augment|scale\\+width)=[a-z0-9.,+:'\"\\[\\]{} -]{0,9}", 1..4),
    ) {
        let experiment = parse(WHOLE, "x.yaml").unwrap();
        if let Ok(axes) = words.iter().map(|word| Axis::parse(word)).collect::<Result<Vec<_>, _>>() {
            let points: usize = axes.iter().map(|axis| axis.points.len()).product();
            if points < 100 {
                let _ = expand(&experiment, &axes);
            }
        }
    }
}

/// `lr` is the learning rate of the optimizer that the file, an arm or an axis names.
#[test]
fn a_learning_rate_is_that_of_whichever_optimizer() {
    let file = "name: t\ntrain: {optimizer: {lamb: {lr: 5e-3, weight_decay: 0.02}}}\n\
        arms: {a: {lr: 1e-3}, b: {train.optimizer: {adamw: {lr: 2e-3}}}}\n";
    let lamb = &expansion(file, "").unwrap().arms[0].spec.train.optimizer;
    assert_eq!((lamb.name(), lamb.lr(), lamb.decay().0), ("lamb", 1e-3, 0.02));
    let both = expansion(file, "lr=1e-4,2e-4").unwrap();
    let rates: Vec<_> = both.arms.iter().map(|arm| arm.spec.train.optimizer.lr()).collect();
    assert_eq!(rates, [1e-4, 2e-4]);
    assert!(both.arms.iter().all(|arm| arm.spec.train.optimizer.name() == "lamb"));
    let e = expansion(file, "lr=0.1 train.optimizer.sgd.lr=0.2").err().unwrap();
    assert!(e.cause.contains("given twice"), "{e}");
    let of = |line: &str| expansion("name: t\n", line).unwrap().arms[0].spec.train.clone();
    assert_eq!(of("train.optimizer.adamw.lr=0.01").optimizer.name(), "adamw");
    assert_eq!(of("train.layer_decay=0.75").layer_decay, 0.75);
    for (line, cause, help) in [
        ("train.clip_norm=1 train.clip_agc=0.1", "both clip", "all but one"),
        ("train.layer_decay=0", "train.layer_decay 0", "0.75"),
        ("train.drop_path=0.1 zoo=dla60", "does not go with family dla", "train.dropout"),
        ("train.sizes=[32,4]", "train.sizes 4", "[128, 160, 192]"),
        ("epochs=1 train.sizes=[32,48]", "2 sides, and train.epochs is 1", "at most one"),
        ("train.drop_path=1", "train.drop_path 1", "below 1"),
        ("train.mix_mode=half", "unknown variant half", "batch, pair, elem"),
        ("train.dropout=0.1 train.cuda_graph=true", "drop_path or dropout", "leave one"),
        ("train.precision=fp16 train.optimizer.lamb.lr=0.1", "does not go with lamb", "bf16"),
    ] {
        let e = expansion("name: t\n", line).err().unwrap();
        assert!(e.cause.contains(cause) && e.help.contains(help), "{e}");
    }
}
