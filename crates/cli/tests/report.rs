//! What is read of a sweep once it is there: tables, pages of several sweeps, what has changed, the page that is served.

mod common;

use common::{Bench, stderr};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

const SMALL: &str = "epochs=1 batch=125 data=generated data.size=12 data.images=500 --json";

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
        page(&bench, "first/index.html").contains("2 arms compared: all the same to the bit in every shared seed.")
    );
    watched(&bench);
}

fn tables(bench: &Bench) {
    let json: Value = bench.json("table first --where scale=4 status=done --sort=-seed --format json");
    let seeds: Vec<u64> = json.as_array().unwrap().iter().map(|row| row["seed"].as_u64().unwrap()).collect();
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
    let wrong = bench.run("table first --where statu=done");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("did you mean status?"), "{}", stderr(&wrong));
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
            let [sigma, side] = [&node["sigma_x_px"], &node["rf_max_px"]].map(|v| v.as_f64().unwrap());
            // No field is wider than its exact one, whose deviation is at most half its side.
            assert!(sigma > 0.0 && sigma <= side / 2.0, "{node}");
            assert_eq!((node["images"].as_u64(), node["map"]["values"].as_array().unwrap().len()), (Some(20), 144));
        }
        let shares: f64 = arm["shares"].as_array().unwrap().iter().map(|s| s["share"].as_f64().unwrap()).sum();
        assert!((shares - 3.0).abs() < 1e-9, "three blocks of splits");
    }
    let page = page(bench, "second/index.html");
    assert!(page.contains("Effective receptive field of the last stage") && page.contains("data:image/png;base64,"));
    let wrong = bench.run("rf scale=2,4 --measure");
    assert_eq!(wrong.status.code(), Some(2));
}

fn several(bench: &Bench) {
    let both = bench.json("report first second --json");
    let labels: Vec<&str> = both["arms"].as_array().unwrap().iter().map(|arm| arm["label"].as_str().unwrap()).collect();
    let expected = ["sweep=first scale=2", "sweep=first scale=4", "sweep=second scale=4", "sweep=second scale=8"];
    assert_eq!(labels, expected);
    // The same trial trained twice gives the same bits.
    assert!(page(bench, "first+second.html").contains("1 arm compared: all the same to the bit in every shared seed."));
    let missing = bench.run("report first third");
    assert_eq!(missing.status.code(), Some(2));
}

/// Asks a server of this machine in the old way, in which answers come in one piece; the answer whole, and its body.
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
    let mut server =
        bench.command("report second --watch --port 0").stdout(Stdio::piped()).spawn().map(Running).unwrap();
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
    common::wait_for("the whole sweep", || get(&address, "/", &address).1.contains("6 trials, all done").then_some(()));
    assert!(newer > 1);
}
