//! `model` and `plan`: figures known from outside, and the same from both.

mod common;

use common::{Bench, stderr};
use serde_json::Value;

#[test]
fn receptive_fields_are_told_of_networks_axes_and_sweeps() {
    let bench = Bench::new();
    let all = bench.json("rf scale=2,4,6,8 --json");
    let numbers = |v: &Value, of: &str| {
        v.as_array().unwrap().iter().map(|n| n[of].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&all, "rf_max_px"), [427, 1131, 1835, 2539]);
    let one = bench.json("rf res2net50_26w_4s --json --distribution");
    assert_eq!(numbers(&one["stages"], "rf_max_px"), [67, 219, 715, 1131]);
    assert_eq!(
        (one["distinct"].as_u64(), one["distribution"].as_array().unwrap().len()),
        (Some(141), 141)
    );
    assert!((one["rf_mean_px"].as_f64().unwrap() - 502.2).abs() < 0.1);
    let of_block = |b: &str| -> Vec<u64> {
        let all = one["splits"].as_array().unwrap().iter().filter(|s| s["block"] == b);
        all.map(|s| s["rf_max_px"].as_u64().unwrap()).collect()
    };
    assert_eq!(of_block("layer1.1"), [27, 35, 43, 19]);
    let said = bench.run("rf scale=2,4 --size 64");
    let page = bench.reports().join("rf/scale-2-4__size-64.html");
    assert!(String::from_utf8_lossy(&said.stdout).contains(&format!("page: {}", page.display())));
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(
        text.contains("Receptive fields against scale")
            && text.contains("just rf scale=2,4 --size 64")
    );
    assert!(
        text.contains("<td>layer1.1</td><td>19, 19, 19, 11</td><td>27, 35, 43, 19</td>"),
        "splits of a block"
    );
    let chosen = bench.reports().join("chosen.html");
    let with_json =
        bench.json(&format!("rf res2net50_v1b_26w_4s --json --page {}", chosen.display()));
    assert_eq!(with_json["rf_max_px"], 1135);
    let text = std::fs::read_to_string(&chosen).unwrap();
    assert!(
        text.contains("centers of paths are up to 14 px apart")
            && text.contains("Receptive field of a unit of each stage")
    );
    assert_eq!(
        std::fs::read_dir(bench.reports().join("rf")).unwrap().count(),
        1,
        "with --json no page is made unasked"
    );
    let at = bench.json("rf res2net50_26w_4s --at layer1.1.concat --json");
    assert_eq!(at["rf_max_px"], 43);
    let output = bench.run("plan scale=2,4 depth=20 seed=0,1 --name small --no-time --write");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        numbers(&bench.json("rf small --json"), "rf_max_px").len(),
        2,
        "a sweep's arms, once each"
    );
    for (line, cause) in [
        ("rf seed=0,1", "no field of a network"),
        ("rf depth=50 --at layer9", "has no node layer9"),
    ] {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(cause), "{}", stderr(&output));
    }
}

/// A network with a head is described, its fields are told and it is timed; nothing else takes it.
#[test]
fn heads_are_described_and_timed_and_not_trained() {
    let bench = Bench::new();
    let d = bench.json("model head=fpn depth=50 scale=4 --classes 5 --json");
    // Of segmentation_models_pytorch's FPN over timm's res2net50_26w_4s.
    assert_eq!(d["parameters"], 26_258_637);
    assert_eq!((&d["stages"][4]["name"], &d["stages"][4]["width"]), (&"map".into(), &224.into()));
    let text = bench.run("model head=deeplabv3 blocks=[1,1,1,1] --size 64 --program");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("resize back"), "{text}");
    let all = bench.json("rf head=unet,deeplabv3 blocks=[1,1,1,1] --json");
    for (network, sees_all) in all.as_array().unwrap().iter().zip([false, true]) {
        let map = &network["map"];
        assert_eq!(map["sees_all"], sees_all, "{map}");
        assert!(map["rf_max_px"].as_i64() > network["rf_max_px"].as_i64(), "{map}");
    }
    let small = "head=deeplabv3plus blocks=[1,1,1,1] planes=8 decoder_channels=8 --size 32";
    for line in [
        format!("speed train {small} --batch 2 --steps 1 --json"),
        format!("speed train {small} --batch 2 --steps 1 --json --plain"),
        format!("speed infer {small} --batch 2 --steps 1 --json"),
    ] {
        assert!(bench.json(&line)["images_per_s"].as_f64() > Some(0.0), "{line}");
    }
    for (line, cause) in [
        ("plan head=fpn stem=imagenet stem_stride=none depth=50 --no-time", "one label each"),
        ("eval head=unet weights=none.pth data=mnist5k", "no label for an image"),
        ("rf head=unet --at decoder", "behind a map that was resized"),
        ("model head=fpn family=dla", "needs a resnet with four stages"),
    ] {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(stderr(&output).contains(cause), "{line}: {}", stderr(&output));
    }
}

#[test]
fn published_networks_have_their_published_size() {
    let bench = Bench::new();
    let d = bench.json("model res2net50_26w_4s --json");
    assert_eq!((&d["parameters"], &d["rf_max_px"]), (&25_699_120.into(), &1131.into()));
    // Published as 4.255 G.
    assert!((d["macs"].as_f64().unwrap() / 1e9 - 4.255).abs() < 0.0005, "{}", d["macs"]);
    assert_eq!(d["stages"][3]["channels"], 2048);
    // The same network by its fields, and under its authors' name.
    for same in ["model depth=50 width=26 scale=4 --json", "model zoo=res2net50 --json"] {
        assert_eq!(bench.json(same)["parameters"], d["parameters"], "{same}");
    }
    assert!(bench.json("model --list --json").as_array().unwrap().len() >= 35);
}

/// Fields of a model as words of the command line.
fn words(model: &Value) -> String {
    let word = |(field, value): (&String, &Value)| match value {
        Value::String(text) => format!("{field}={text}"),
        other => format!("{field}={other}"),
    };
    model.as_object().unwrap().iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_plan_counts_what_model_counts() {
    let bench = Bench::new();
    for line in [
        "plan --json --no-time",
        "plan depth=11,20 width=26,40 cardinality=1,2 --json --no-time",
        "plan family=dla block=res2 stem=cifar --json --no-time",
        "plan zoo=res2net50_26w_4s,resnet50 --json --no-time",
    ] {
        let plan = bench.json(line);
        let trials = plan["trials"].as_array().unwrap();
        assert!(trials.len() >= 6, "{line}");
        for trial in trials.iter().filter(|t| t["seed"] == 0) {
            let px = &trial["image_px"];
            let model = bench.json(&format!(
                "model {} --size {px} --channels {} --classes {} --json",
                words(&trial["model"]),
                trial["image_channels"],
                trial["classes"]
            ));
            for figure in ["parameters", "macs", "activations", "rf_max_px"] {
                assert_eq!(model[figure], trial[figure], "{line}: {figure} of {}", trial["id"]);
            }
        }
    }
    assert_eq!(bench.reports().read_dir().unwrap().count(), 0, "plan writes nothing");
}

#[test]
fn a_program_lists_buffers_instructions_and_memory() {
    let bench = Bench::new();
    let output =
        bench.run("model depth=11 planes=8 stem=cifar --size 32 --program --batch 4 --threads 2");
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["buffers, of one image", "forward", "backward", "memory, 4 images, 2 threads"] {
        assert!(text.lines().any(|line| line.starts_with(part)), "{part}");
    }
    assert!(text.contains("conv back") && text.contains("barrier") && text.contains("pack  "));
    let single =
        bench.run("model depth=11 planes=8 stem=cifar --size 32 --program --batch 4 --threads 1");
    assert!(!String::from_utf8(single.stdout).unwrap().contains("barrier"));
    let refused = bench.run("model depth=11 stem=cifar --program --batch 0");
    assert!(stderr(&refused).contains("batch or threads are impossible"));
}

#[test]
fn unknown_fields_of_a_model_are_named() {
    let bench = Bench::new();
    for (line, cause) in [
        ("model scle=2", "scle"),
        ("model scale=x", "\"x\""),
        ("model dla60 --size 100", "100 px"),
        ("model", "required"),
    ] {
        let output = bench.run(line);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(said.contains(cause) && said.lines().count() == 2, "{line}: {said}");
    }
}
