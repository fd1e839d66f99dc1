//! What is read of a sweep once it is there: tables, pages of several sweeps, what has changed, the
//! page that is served.

mod common;

use common::{Bench, stderr};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

const SMALL: &str =
    "depth=11 epochs=1 batch=125 data=generated data.size=12 data.images=500 --json";

fn text(bench: &Bench, line: &str) -> String {
    let output = bench.run(line);
    assert!(output.status.success(), "{line}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn page(bench: &Bench, file: &str) -> String {
    std::fs::read_to_string(bench.reports().join(file)).unwrap()
}

#[test]
fn a_finished_sweep_is_read_in_many_ways() {
    let bench = Bench::new();
    bench.json(&format!("sweep scale=2,4 seed=0,1 --name first {SMALL}"));
    bench.json(&format!("sweep scale=4,8 seed=0,1 --name second {SMALL}"));
    tables(&bench);
    several(&bench);
    measured(&bench);
    // More seeds: the page says what has changed since the first command.
    assert!(!page(&bench, "first/index.html").contains("Changes from"));
    bench.json(&format!("sweep scale=2,4 seed=0..2 --name first {SMALL}"));
    assert!(
        page(&bench, "first/index.html")
            .contains("2 arms compared: all the same to the bit in every shared seed.")
    );
    watched(&bench);
}

fn tables(bench: &Bench) {
    let json: Value =
        bench.json("table first --where scale=4 status=done --sort=-seed --format json");
    let seeds: Vec<u64> =
        json.as_array().unwrap().iter().map(|row| row["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [1, 0]);
    // The same numbers as in the file beside it.
    let csv = text(bench, "table first --columns all --format csv");
    let file = std::fs::read_to_string(bench.sweep("first").join("trials.csv")).unwrap();
    assert_eq!(csv.replace("\r\n", "\n"), file.replace("\r\n", "\n"));
    let markdown = text(bench, "table first --arms --columns label,n,mean --format md");
    assert_eq!(markdown.lines().nth(1), Some("| :-- | --: | --: |"));
    assert!(markdown.contains("| scale=2 | 2 |"), "{markdown}");
    let latex = text(bench, "table first --columns label,val_acc1 --format latex");
    assert!(latex.starts_with("\\begin{tabular}{lr}") && latex.contains("val\\_acc1"), "{latex}");
    assert!(text(bench, "table first --describe").contains("of initial weights, order of images"));
    assert!(text(bench, "table first --curves --where metric=val/acc1").lines().count() > 4);
    let paper = text(bench, "table first --arms --where scale=4 --format latex");
    assert!(paper.contains("\\label{tab:first}") && paper.contains("S[table-format="), "{paper}");
    figures(bench);
    let wrong = bench.run("table first --where statu=done");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("did you mean status?"), "{}", stderr(&wrong));
}

/// Figures as files, and the author's words.
fn figures(bench: &Bench) {
    let listed = text(bench, "figure first");
    assert!(listed.contains("answer") && listed.contains("by-axis-0"), "{listed}");
    let file = bench.sweep("first").join("figures/by-axis-0.pdf");
    let said = text(bench, "figure first by-axis-0 --format pdf --width 8cm --font serif");
    assert_eq!(said.trim(), file.display().to_string());
    assert!(std::fs::read(&file).unwrap().starts_with(b"%PDF"));
    let wrong = bench.run("figure first answr");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("did you mean answer?"), "{}", stderr(&wrong));
    let wrong = bench.run("figure first answer --width 3");
    assert!(stderr(&wrong).contains("3.25in"), "{}", stderr(&wrong));
    std::fs::write(bench.sweep("first").join("notes.md"), "## Own part\n\nSome words.\n").unwrap();
    text(bench, "report first");
    assert!(page(bench, "first/index.html").contains("<h2>Own part</h2>"));
}

/// Effective fields of the trained networks, in a file and on the page.
fn measured(bench: &Bench) {
    let found = bench.json("rf second --measure --images 20 --json");
    let arms = found["arms"].as_array().unwrap();
    assert_eq!((arms.len(), found["images"].as_u64()), (2, Some(20)));
    for arm in arms {
        let states = arm["states"].as_array().unwrap();
        assert_eq!((&states[0]["state"], &states[1]["state"]), (&"init".into(), &"trained".into()));
        for node in states.iter().flat_map(|s| s["nodes"].as_array().unwrap()) {
            let [sigma, side] =
                [&node["sigma_x_px"], &node["rf_max_px"]].map(|v| v.as_f64().unwrap());
            // No field is wider than its exact one, whose deviation is at most half its side.
            assert!(sigma > 0.0 && sigma <= side / 2.0, "{node}");
            assert_eq!(
                (node["images"].as_u64(), node["map"]["values"].as_array().unwrap().len()),
                (Some(20), 144)
            );
        }
        let shares: f64 =
            arm["shares"].as_array().unwrap().iter().map(|s| s["share"].as_f64().unwrap()).sum();
        assert!((shares - 3.0).abs() < 1e-9, "three blocks of splits");
    }
    let page = page(bench, "second/index.html");
    assert!(
        page.contains("Effective receptive field of the last stage")
            && page.contains("data:image/png;base64,")
    );
    let wrong = bench.run("rf scale=2,4 --measure");
    assert_eq!(wrong.status.code(), Some(2));
}

fn several(bench: &Bench) {
    let both = bench.json("report first second --json");
    let labels: Vec<&str> =
        both["arms"].as_array().unwrap().iter().map(|arm| arm["label"].as_str().unwrap()).collect();
    let expected = [
        "sweep=first scale=2",
        "sweep=first scale=4",
        "sweep=second scale=4",
        "sweep=second scale=8",
    ];
    assert_eq!(labels, expected);
    // The same trial trained twice gives the same bits.
    assert!(
        page(bench, "first+second.html")
            .contains("1 arm compared: all the same to the bit in every shared seed.")
    );
    let missing = bench.run("report first third");
    assert_eq!(missing.status.code(), Some(2));
}

/// Asks a server of this machine in the old way, in which answers come in one piece; the answer
/// whole, and its body.
fn get(address: &str, path: &str, host: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (answer, body)
}

/// Ended with the test, also where that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn watched(bench: &Bench) {
    let mut server = bench
        .command("report second --watch --port 0")
        .stdout(Stdio::piped())
        .spawn()
        .map(Running)
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{line}");
    let (answer, _) = get(&address, "/", &address);
    assert!(answer.contains("<h1>second</h1>") || answer.contains("Ablation report"), "{answer}");
    assert!(answer.contains("connect-src 'self'") && answer.contains("no-store"));
    assert_eq!(get(&address, "/version", &address).1, "1");
    assert!(get(&address, "/", "evil.example").0.contains(" 403 "));
    assert!(get(&address, "/other", "localhost").0.contains(" 404 "));
    // A trial more: another page.
    bench.json(&format!("sweep scale=4,8 seed=0..2 --name second {SMALL}"));
    let newer = common::wait_for("another page", || {
        let version: u64 = get(&address, "/version", &address).1.parse().unwrap();
        (version > 1).then_some(version)
    });
    common::wait_for("the whole sweep", || {
        get(&address, "/", &address).1.contains("6 trials, all done").then_some(())
    });
    assert!(newer > 1);
}

/// A file with four named arms, two pairs asked.
const PAIRS: &str = "\
name: pairs
description: Is four better than two?
model: {family: resnet, block: res2, stem: cifar, stem_stride: 2, depth: 11, planes: 8, width: 26, scale: 4}
data: {name: generated, size: 12, images: 500}
train: {epochs: 1, batch_size: 125}
seeds: [0, 1]
axes: {scale: [2, 4], width: [13, 26]}
compare: [[scale=4 width=13, scale=2 width=13], [scale=4 width=26, scale=2 width=26]]
margin: 30
";

#[test]
fn a_report_answers_what_the_file_and_the_command_ask() {
    let bench = Bench::new();
    let file = bench.reports().join("pairs.yaml");
    std::fs::write(&file, PAIRS).unwrap();
    let found = bench.json(&format!("sweep {} --json", file.display()));
    assert_eq!(found["family"]["about"], "pairs that were asked for");
    let of = |found: &Value| -> Vec<Value> {
        found["family"]["findings"].as_array().unwrap().iter().map(|f| f["of"].clone()).collect()
    };
    let pair = |a: &str, b: &str| serde_json::json!([a, b]);
    let asked = [
        pair("scale=4 width=13", "scale=2 width=13"),
        pair("scale=4 width=26", "scale=2 width=26"),
    ];
    assert_eq!(
        (of(&found), found["question"].as_str()),
        (asked.to_vec(), Some("Is four better than two?"))
    );
    for finding in found["family"]["findings"].as_array().unwrap() {
        let known = ["better", "worse", "equal", "not resolved", "not tested"];
        assert!(known.contains(&finding["verdict"].as_str().unwrap()), "{finding}");
    }
    // The command asks for something else, this time.
    let asks = ["--baseline", "scale=2 width=26", "--margin", "50"];
    let output = bench.command("report pairs --json").args(asks).output().unwrap();
    let other: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&other["baseline"], &other["family"]["margin"]),
        (&"scale=2 width=26".into(), &50.0.into())
    );
    assert_eq!(
        other["family"]["about"], "effects of axes and their interactions",
        "no pairs are asked any more"
    );
    assert_eq!(
        bench.json("report pairs --json")["family"]["margin"],
        30.0,
        "the plan keeps what the file asks"
    );
}

#[test]
fn what_is_asked_in_vain_is_an_error_before_anything_trains() {
    let bench = Bench::new();
    let refused = |line: &str, said: &str, help: &str| {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        let told = stderr(&output);
        assert!(told.contains(said) && told.contains(help), "{line}: {told}");
    };
    refused(
        "plan scale=2,4 --baseline scale=5",
        "--baseline names scale=5, which is no arm",
        "did you mean scale=2?",
    );
    refused("plan scale=2,4 --margin 0", "margin 0 is impossible", "e.g. 0.5");
    refused(
        "plan scale=2,4 width=13,26 --compare 2 4",
        "which 2 arms have",
        "write the whole label",
    );
    refused("plan scale=2,4 --compare 2 2", "sets scale=2 against itself", "name two arms");
    let file = bench.reports().join("asked.yaml");
    std::fs::write(&file, PAIRS.replace("scale=2 width=26]]", "scale=3 width=26]]")).unwrap();
    let line = format!("plan {} --no-time", file.display());
    refused(
        &line,
        "compare names scale=3 width=26, which is no arm",
        "did you mean scale=2 width=26?",
    );
    std::fs::write(&file, PAIRS.replace("margin: 30", "against: {block: bottleneck}")).unwrap();
    refused(
        &line,
        "against: no arm has block=bottleneck",
        "name a value that some of the arms have",
    );
    // Other axes than the file's: what the file asks gives way, and is told.
    std::fs::write(&file, PAIRS).unwrap();
    let output = bench.run(&format!("plan {} scale=2,8 --no-time", file.display()));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("so that is left out"), "{told}");
}

#[test]
fn a_file_s_question_stands_only_over_its_own_axes() {
    let bench = Bench::new();
    let question = |words: &str| {
        let line = format!("sweep {words} {SMALL} --name q seed=0");
        bench.json(&line)["question"].as_str().unwrap().to_owned()
    };
    // Generated images are no handwritten digits, and a width is no scale.
    assert_eq!(question("scale=2,4"), "");
    assert_eq!(question("width=13,26"), "");
    assert_eq!(question("width=13,26 --question Why?"), "Why?");
    let page = page(&bench, "q/index.html");
    assert!(
        page.contains("<p class=\"question\">Why?</p>"),
        "the page stands under the command's question"
    );
    let own = bench.json("plan scale=2,8 --no-time --json");
    assert_eq!(
        own["description"],
        "Does a larger scale help a small Res2Net on handwritten digits?"
    );
}
