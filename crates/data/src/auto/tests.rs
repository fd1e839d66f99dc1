//! Operations and draws against timm, Pillow and torchvision. `crates/bench/checks/augment.py`
//! writes the fixture.

use super::{Auto, Interpolation, Operation, Policy, Set};
use crate::auto::Canvas;
use res2lab_random::Key;
use serde_json::Value;
use std::collections::BTreeMap;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../tests/augment.json")).unwrap()
}

fn bytes(hexadecimal: &Value) -> Vec<u8> {
    let text = hexadecimal.as_str().unwrap();
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// The operation of a name in the fixture, and how it interpolates.
fn operation(name: &str, x: f64) -> (Operation, Interpolation) {
    let (name, way) = name.split_once(' ').unwrap_or((name, "bilinear"));
    let operation = match name {
        "auto_contrast" => Operation::AutoContrast,
        "equalize" => Operation::Equalize,
        "invert" => Operation::Invert,
        "posterize" => Operation::Posterize(x as u32),
        "solarize" => Operation::Solarize(x as i32),
        "solarize_add" => Operation::SolarizeAdd(x as i32),
        "color" => Operation::Color(x),
        "contrast" => Operation::Contrast(x),
        "brightness" => Operation::Brightness(x),
        "sharpness" => Operation::Sharpness(x),
        "blur" => Operation::Blur(x),
        "shear_x" => Operation::ShearX(x),
        "shear_y" => Operation::ShearY(x),
        "translate_x" => Operation::TranslateX(x),
        "translate_y" => Operation::TranslateY(x),
        "rotate" => Operation::Rotate(x),
        other => panic!("{other}"),
    };
    let is_cubic = way == "bicubic";
    (operation, if is_cubic { Interpolation::Bicubic } else { Interpolation::Bilinear })
}

/// The pictures and results to compare: those of `RES2LAB_AUGMENT`, or of the fixture.
fn compared() -> Value {
    match std::env::var("RES2LAB_AUGMENT") {
        Ok(path) => {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
            serde_json::from_str(&text).unwrap()
        }
        Err(_) => fixture(),
    }
}

/// Pillow's arithmetic is repeated, so nothing differs but for the last bit of a sum.
#[test]
fn operations_are_timms() {
    let fixture = compared();
    let width = fixture["width"].as_u64().unwrap() as usize;
    let fill = [0, 1, 2].map(|i| number(&fixture["fill"][i]) as u8);
    let pictures: Vec<Vec<u8>> =
        fixture["pictures"].as_array().unwrap().iter().map(bytes).collect();
    // Of each operation: the sum of mean errors, the largest one, the largest error, and the count.
    let mut errors: BTreeMap<&str, (f64, f64, u8, usize)> = BTreeMap::new();
    for case in fixture["operations"].as_array().unwrap() {
        let name = case[0].as_str().unwrap();
        let (operation, interpolation) = operation(name, number(&case[1]));
        let mut found = pictures[case[2].as_u64().unwrap() as usize].clone();
        operation.apply(&mut Canvas { pixels: &mut found, width }, fill, interpolation);
        let theirs = bytes(&case[3]);
        let off = found.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b));
        let most = off.clone().max().unwrap();
        let mean = off.map(f64::from).sum::<f64>() / found.len() as f64;
        let of = errors.entry(name).or_default();
        *of = (of.0 + mean, of.1.max(mean), of.2.max(most), of.3 + 1);
    }
    for (name, (sum, worst, most, count)) in errors {
        let mean = sum / count as f64;
        println!("{name:22} mean error {mean:.5}, worst picture {worst:.4}, most {most} of 255");
        assert!(most <= 1 && worst <= 0.01, "{name}: at most {most}, worst mean {worst}");
    }
}

/// The name in the fixture, and the argument in its units.
fn called(
    operation: Operation,
    [width, height]: [usize; 2],
    is_trivial: bool,
) -> (&'static str, f64) {
    let around_1 = |factor: f64| if is_trivial { factor - 1.0 } else { factor };
    let share = |pixels: f64, of: usize| if is_trivial { pixels } else { pixels / of as f64 };
    match operation {
        Operation::Identity => ("identity", 0.0),
        Operation::AutoContrast => ("autocontrast", 0.0),
        Operation::Equalize => ("equalize", 0.0),
        Operation::Invert => ("invert", 0.0),
        Operation::Posterize(bits) => ("posterize", f64::from(bits)),
        Operation::Solarize(from) => ("solarize", f64::from(from)),
        Operation::SolarizeAdd(add) => ("solarizeadd", f64::from(add)),
        Operation::Color(factor) => ("color", around_1(factor)),
        Operation::Contrast(factor) => ("contrast", around_1(factor)),
        Operation::Brightness(factor) => ("brightness", around_1(factor)),
        Operation::Sharpness(factor) => ("sharpness", around_1(factor)),
        Operation::Blur(radius) => ("gaussianblur", radius),
        Operation::ShearX(factor) => ("shearx", factor),
        Operation::ShearY(factor) => ("sheary", factor),
        Operation::TranslateX(pixels) => ("translatex", share(pixels, width)),
        Operation::TranslateY(pixels) => ("translatey", share(pixels, height)),
        Operation::Rotate(degrees) => ("rotate", degrees),
    }
}

fn rand(magnitude: f64, deviation: f64, layers: usize, prob: f64, set: Set) -> Auto {
    Auto::Rand { magnitude, deviation, most: 10.0, layers, prob, set }
}

/// The frequency of each operation among 10,000 pictures, and mean and spread of its argument.
#[test]
fn draws_have_timms_and_torchvisions_distribution() {
    let policy = |policy, deviation| Auto::Policy { policy, deviation };
    let autos = [
        ("rand-m7-mstd0.5-inc1", rand(7.0, 0.5, 2, 0.5, Set::Increasing)),
        ("rand-m9-n3-mstd1.0", rand(9.0, 1.0, 3, 0.5, Set::Plain)),
        ("rand-m6-mstd101-inc1-p1", rand(6.0, f64::INFINITY, 2, 1.0, Set::Increasing)),
        ("rand-m7-n1-p1-inc1-t3a", rand(7.0, 0.0, 1, 1.0, Set::Three)),
        ("rand-m7-n2-inc1-t3aw", rand(7.0, 0.0, 2, 0.5, Set::ThreeWeighted)),
        ("rand-m7-n3-mstd0.5-inc1-tweights", rand(7.0, 0.5, 3, 0.5, Set::Weighted)),
        ("original-mstd0.5", policy(Policy::Original, 0.5)),
        ("originalr", policy(Policy::OriginalIncreasing, 0.0)),
        ("v0", policy(Policy::V0, 0.0)),
        ("v0r-mstd1.0", policy(Policy::V0Increasing, 1.0)),
        ("trivial", Auto::Trivial),
    ];
    const COUNT: u64 = 10_000;
    let size = [200, 150];
    for (text, auto) in autos {
        let mut ours: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for i in 0..COUNT {
            for operation in auto.draw(size, Key::new(9).with(i)) {
                let (name, argument) = called(operation, size, text == "trivial");
                ours.entry(name).or_default().push(argument);
            }
        }
        let theirs = &fixture()["distributions"][text];
        let has_gray = theirs.get("desaturate").is_some();
        for (name, values) in theirs.as_object().unwrap() {
            let name = name.to_lowercase().replace('_', "").replace("rel", "");
            let name = if name == "desaturate" { "color".to_owned() } else { name };
            // Less color is an operation of its own there, and a factor of color here.
            if name == "color" && has_gray && theirs.get("color").is_some() {
                continue;
            }
            let [share, mean, deviation] = [0, 1, 2].map(|i| number(&values[i]));
            let mean = if name == "color" && has_gray { 1.0 - mean } else { mean };
            let found = ours.get(name.as_str()).cloned().unwrap_or_default();
            let n = found.len() as f64;
            let error = (2.0 * share / COUNT as f64).sqrt();
            let off = (n / COUNT as f64 - share).abs();
            assert!(off < 5.0 * error, "{text} {name}: {n} of {COUNT}, timm {share}");
            let our_mean = found.iter().sum::<f64>() / n;
            let most = 5.0 * deviation * (2.0 / n).sqrt() + 1e-9;
            assert!((our_mean - mean).abs() < most, "{text} {name}: {our_mean}, timm {mean}");
            let square = found.iter().map(|x| (x - our_mean).powi(2)).sum::<f64>() / n;
            let most = 0.02 * (1.0 + deviation) + 0.25 * deviation;
            assert!((square.sqrt() - deviation).abs() < most, "{text} {name}: {}", square.sqrt());
        }
        assert!(ours.len() >= theirs.as_object().unwrap().len() - usize::from(has_gray), "{text}");
    }
}

#[test]
fn a_picture_is_changed_alike_by_the_same_key_and_unlike_by_others() {
    let picture: Vec<u8> = (0..3 * 24 * 20).map(|i| (i * 37 % 251) as u8).collect();
    let auto = rand(9.0, 0.5, 4, 1.0, Set::Increasing);
    let with = |key: u64| {
        let mut pixels = picture.clone();
        auto.apply(&mut pixels, 24, [128; 3], Interpolation::Random, Key::new(key));
        pixels
    };
    assert_eq!(with(1), with(1));
    assert!((2..6).all(|key| with(key) != with(1)));
}
