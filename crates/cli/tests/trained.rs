//! Trained networks in use: evaluation, predictions, weights out and in, fine-tuning, on generated
//! pictures.

mod common;

use common::{Bench, runs, stderr};
use std::path::{Path, PathBuf};

/// A folder of small PNGs: two classes that differ in color.
fn pictures(folder: &Path) {
    for (split, count) in [("train", 24), ("val", 10)] {
        for i in 0..count {
            let class = ["blue", "red"][i % 2];
            let dir = folder.join(split).join(class);
            std::fs::create_dir_all(&dir).unwrap();
            let w = 40 + i as u32;
            let h = 36;
            let color = if class == "red" { [200, 30, 40] } else { [30, 60, 210] };
            let pixel = |n: u32| color.map(|c: u32| (c + (n * 7 + i as u32 * 13) % 25) as u8);
            let pixels: Vec<u8> = (0..w * h).flat_map(pixel).collect();
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, w, h);
            encoder.set_color(png::ColorType::Rgb);
            encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
            std::fs::write(dir.join(format!("{i}.png")), bytes).unwrap();
        }
    }
}

/// A sweep of one short trial on the pictures; its run's folder.
fn trained(bench: &Bench, photos: &Path) -> PathBuf {
    let file = bench.sweep("photos.yaml");
    let text = format!(
        "name: photos\nmodel: {{stem: cifar, depth: 11, planes: 8, width: 16, scale: 2}}\n\
         data: {{name: images, path: {}, size: 32, augment: {{flip: true, crop_scale: [0.5, 1]}}}}\n\
         train: {{epochs: 6, batch_size: 8}}\n",
        photos.display()
    );
    std::fs::write(&file, text).unwrap();
    let output = bench.run(&format!(
        "sweep {} --slots 1 --threads 2 --data {}",
        file.display(),
        bench.reports().display()
    ));
    assert!(output.status.success(), "{}", stderr(&output));
    runs(&bench.sweep("photos")).remove(0)
}

#[test]
fn a_network_trained_on_a_folder_is_evaluated_predicts_and_is_tuned_again() {
    let bench = Bench::new();
    let photos = bench.sweep("set");
    pictures(&photos);
    let run = trained(&bench, &photos);
    let run_text = run.display().to_string();
    let data = bench.reports().display().to_string();

    // Evaluation: the figures of the trial itself, a page, and a line for each picture.
    let page = bench.sweep("e.html");
    let table = bench.sweep("p.parquet");
    let line = format!(
        "eval {run_text} --json --page {} --predictions {} --data {data}",
        page.display(),
        table.display()
    );
    let result = bench.json(&line);
    let of_trial = common::read_json(&run.join("result.json")).unwrap();
    assert_eq!(result["acc1"], of_trial["metrics"]["best/acc1"]);
    assert_eq!(result["acc1"], 100.0);
    assert_eq!(
        (result["images"].as_u64(), &result["classes"][1]["name"]),
        (Some(10), &"red".into())
    );
    assert_eq!(result["confusion"], serde_json::json!([[5, 0], [0, 5]]));
    assert!(std::fs::read_to_string(page).unwrap().contains("Top-1 accuracy is 100.00\u{a0}%"));
    assert!(std::fs::read(table).unwrap().starts_with(b"PAR1"));

    // A picture that cannot be read is named; the other is recognized all the same.
    let broken = bench.sweep("broken.png");
    std::fs::write(&broken, "no picture").unwrap();
    let red = photos.join("val/red/1.png");
    let output = bench.run(&format!(
        "predict {run_text} {} {} --json --data {data}",
        red.display(),
        broken.display()
    ));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("broken.png"));
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows[0]["guesses"][0]["class"], 1);

    // Out as plain weights, in as a network described by words.
    let words = "stem=cifar depth=11 planes=8 width=16 scale=2";
    let out = bench.sweep("out.safetensors");
    let line = format!(
        "weights {words} weights={run_text}/checkpoints/best.safetensors --out {}",
        out.display()
    );
    assert!(bench.run(&line).status.success());
    let line = format!(
        "eval {words} weights={} data={} size=32 --json --data {data}",
        out.display(),
        photos.display()
    );
    assert_eq!(bench.json(&line)["acc1"], 100.0);

    // Fine-tuning on another number of classes: the last layer is new, and the log says so.
    let set = "data=generated data.size=32 data.classes=4 data.images=64 batch=8";
    let line = format!(
        "sweep {words} weights={} {set} epochs=1 seed=0 --name tuned --slots 1",
        out.display()
    );
    let output = bench.run(&line);
    assert!(output.status.success(), "{}", stderr(&output));
    let log =
        std::fs::read_to_string(runs(&bench.sweep("tuned"))[0].join("attempt-1/log.txt")).unwrap();
    assert!(log.contains("start from weights") && log.contains("with a new last layer"), "{log}");
}

#[test]
fn what_cannot_be_evaluated_is_refused_with_a_remedy() {
    let bench = Bench::new();
    let nowhere = bench.sweep("nowhere").display().to_string();
    let cases = [
        ("eval resnet50 data=mnist5k", "no weights are given"),
        ("eval resnet50 weights=missing.pth data=mnist5k", "no such file"),
        ("eval resnet50 weights=resnet50 data=mnist5k", "just weights resnet50"),
        ("predict resnet50 weights=resnet50", "no picture is given"),
        ("predict resnet50 weights=resnet50 missing.jpg", "no such file"),
        ("weights nonsense", "nonsense"),
        ("weights seresnet50", "no published weights"),
        ("data imagenet", "cannot be downloaded"),
        ("eval resnet50 weights=crates/nn/tests/pth/evil.pth data=mnist5k", "posix.system"),
        ("eval resnet50 weights=crates/nn/tests/pth/truncated.pth data=mnist5k", "cut off"),
        ("eval resnet50 weights=crates/nn/tests/pth/zip.pth data=mnist5k", "it lacks"),
        ("pipeline experiments", "neither a folder train"),
        ("sweep data=generated weights=missing.pth", "no such file"),
        ("sweep data.max_corrupt=1 data=imagenet", "imagenet"),
    ];
    for (line, wanted) in cases {
        let output = bench.command(line).env("RES2LAB_DATA", &nowhere).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{line}: {text}");
        assert!(
            text.contains(wanted) && text.starts_with("error: ") && text.contains("\nhelp: "),
            "{line}: {text}"
        );
    }
    assert!(!Path::new(&nowhere).exists());
}

/// Answers every request with the same few bytes.
fn serve(content: &'static [u8]) -> String {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                content.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(content));
        }
    });
    format!("http://{address}")
}

#[test]
fn downloads_that_are_not_the_published_file_are_refused_and_not_kept() {
    let bench = Bench::new();
    let data = bench.sweep("data");
    let server = serve(b"an error page");
    let cases = [
        ("weights res2net50_26w_4s", "expected 06e79181"),
        ("data cifar100", "expected 03b5dce01913d631647c71ecec9e9cb8"),
    ];
    for (line, wanted) in cases {
        let output = bench.run(&format!("{line} --mirror {server} --data {}", data.display()));
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(stderr(&output).contains(wanted), "{line}: {}", stderr(&output));
    }
    let kept = |folder: &str| std::fs::read_dir(data.join(folder)).map_or(0, Iterator::count);
    assert_eq!((kept("weights"), kept("cifar100")), (0, 0));
}
