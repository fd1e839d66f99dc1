//! The grammar of axes: accepted words, refused words, and no panic for any text.

use proptest::prelude::*;
use res2lab_experiment::axes::show_point;
use res2lab_experiment::{Axis, Value, words};

fn shown(word: &str) -> String {
    match Axis::parse(word) {
        Ok(axis) => {
            let points: Vec<_> = axis.points.iter().map(|p| show_point(p)).collect();
            format!("{} = {}", axis.paths.join("+"), points.join(" "))
        }
        Err(e) => format!("{} | {}", e.cause, e.help),
    }
}

#[test]
fn what_the_design_promises() {
    assert_eq!(shown("scale=2,4,6,8"), "model.scale = 2 4 6 8");
    assert_eq!(shown("depth=20..56:9"), "model.depth = 20 29 38 47 56");
    assert_eq!(shown("seed=0..4"), "seed = 0 1 2 3 4");
    assert_eq!(shown("train.optimizer.sgd.lr=0.1,0.05"), "train.optimizer.sgd.lr = 0.1 0.05");
    assert_eq!(shown("lr=0.1..0.3:0.1"), "train.optimizer.lr = 0.1 0.2 0.3");
    assert_eq!(shown("scale+width=2+48,4+26,8+14"), "model.scale+model.width = 2+48 4+26 8+14");
    assert_eq!(shown("blocks=[2,2],[3,4,6,3]"), "model.blocks = [2,2] [3,4,6,3]");
    assert_eq!(shown("zoo=resnet50,res2net50"), "model.zoo = resnet50 res2net50");
    assert_eq!(shown("lr=1e-13..3e-13:1e-13"), "train.optimizer.lr = 1e-13 2e-13 3e-13");
    assert_eq!(shown("train.label_smoothing=0..0.3:0.1"), "train.label_smoothing = 0 0.1 0.2 0.3");
    assert_eq!(shown("train.mixup=-0.3..0.3:0.3"), "train.mixup = -0.3 0 0.3");
    assert_eq!(shown("batch=1e1,2.0e1"), "train.batch_size = 10 20");
    assert_eq!(shown("data=../photos,./v1..v2"), "data.name = ../photos ./v1..v2");
    assert_eq!(shown("weights=none,'none','a, b'"), "init.weights = none none a, b");
    assert_eq!(shown("data.pad_to=null,32"), "data.pad_to = none 32");
    assert_eq!(shown("scale==2"), "\"scale==2\" has two = in a row | write scale=2");
    assert_eq!(shown("=2"), "\"=2\" has no name before = | write name=values, e.g. scale=2,4");
    assert_eq!(shown("zoo=[dla60,dla60x]").split(" | ").last(), Some("write zoo=dla60,dla60x"));
    assert_eq!(
        shown("scale=[2, 4]"),
        "scale takes single values, not the list [2, 4] | write scale=2,4"
    );
    assert_eq!(shown("plain=True,false"), "train.plain = true false");
    assert_eq!(
        shown("zoo+weights=resnet50+'a+b',resnet101+none"),
        "model.zoo+init.weights = resnet50+a+b resnet101+none"
    );
}

#[test]
fn mistakes_come_with_their_remedy() {
    insta::assert_snapshot!(
        ["scle=2", "scale=", "seed=5..1", "depth=20..60:9", "scale+width=2", "scale=2,2", "scale", "lr=1..x", "lr=1..2:0",
         "lr=0.1..0.2", "lr=1..1e30", "blocks=[1,2", "blocks=3,4,3", "ema=0.9"]
            .map(shown)
            .join("\n"),
        @r#"
    no field is called scle | did you mean scale? a field can also be given by its path, e.g. train.label_smoothing
    scale= has an empty value | give scale one or more values separated by commas, e.g. scale=2,4
    seed=5..1 runs backwards | write the smaller end first: seed=1..5
    depth=20..60:9 does not reach its end: both ends are included, and the steps end on 56 | write depth=20..56:9
    scale+width changes 2 fields together, but 2 gives 1 | join 2 values with +, e.g. scale+width=1+1
    scale lists 2 twice | list each value once
    "scale" is neither a file nor an axis | write axes as name=values, e.g. scale=2,4,6,8
    lr=1..x is not a range | write first..last or first..last:step in numbers, e.g. lr=0.1..0.3:0.1
    lr=1..2:0 has a step of 0 | give a step above 0
    lr=0.1..0.2 has no step, and the step is 1 where none is written | write the step behind a colon, e.g. lr=0.1..0.2:0.1
    lr=1..1e30: its numbers are too far apart | list the values, separated by commas
    blocks: the bracket [ in [1,2 is never closed | close it; if it belongs to a name, put all of it in quotes: '[1,2'
    blocks lists 3 twice | a value of blocks is a list; write blocks=[3,4,3]
    no field is called ema | did you mean train.ema? a field can also be given by its path, e.g. train.label_smoothing
    "#
    );
}

proptest! {
    /// No text makes the parser panic, and every accepted axis has points.
    #[test]
    fn any_text_is_parsed_or_refused(word in "[a-z+.=,:0-9\\[\\]{}nai -]{0,24}") {
        if let Ok(axis) = Axis::parse(&word) {
            prop_assert!(!axis.points.is_empty());
            prop_assert!(axis.points.iter().all(|p| p.len() == axis.paths.len()));
        }
    }

    /// Quoted text is returned unchanged.
    #[test]
    fn quoted_text_comes_back(texts in prop::collection::hash_set("\\PC{0,12}|[ '\",+=\\[\\]{}.:~a1-]{0,12}", 1..4)) {
        let quoted: Vec<String> = texts.iter().map(|text| words::quote(text)).collect();
        for name in ["weights", "data.path"] {
            let axis = Axis::parse(&format!("{name}={}", quoted.join(","))).unwrap();
            let expected: Vec<_> = texts.iter().map(|text| vec![Value::String(text.clone())]).collect();
            prop_assert_eq!(axis.points, expected);
        }
    }

    /// A range written from its parts has exactly those parts.
    #[test]
    fn a_range_includes_both_ends(a in 0..1000_i64, n in 0..50_i64, by in 1..20_i64) {
        let axis = Axis::parse(&format!("depth={a}..{}:{by}", a + n * by)).expect("the steps end on the end");
        let expected: Vec<_> = (0..=n).map(|i| vec![Value::Number((a + i * by).into())]).collect();
        prop_assert_eq!(axis.points, expected);
    }
}
