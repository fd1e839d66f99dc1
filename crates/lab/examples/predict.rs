//! Builds a network from words, loads weights into it and predicts the class of a picture.
//!
//!     cargo run --release -p res2lab-lab --example predict -- PICTURE res2net50_26w_4s weights=FILE

use res2lab_data::folder::Sample;
use res2lab_error::Error;
use res2lab_lab::predict::predict;
use res2lab_lab::{classes, trained};
use std::path::Path;

fn main() -> Result<(), Error> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if words.is_empty() {
        return Err(Error::input(
            "no picture is given",
            "give a picture, a network and weights=FILE",
        ));
    }
    let picture = words.remove(0);
    run(&picture, &words)
}

fn run(picture: &str, words: &[String]) -> Result<(), Error> {
    let data = Path::new("data");
    // Words such as depth=50 scale=4 make the network; weights= names a file of any usual format.
    let network = trained::load(words, data, tch::Device::Cpu)?;
    let names = classes::names(None, classes::of_run(words)?, network.input.classes)?;
    let sample = Sample { file: picture.into(), label: 0 };
    let (found, notes) = predict(&network, vec![sample], data)?;
    notes.iter().chain(&found.left_out).for_each(|note| println!("note: {note}"));
    for prediction in &found.predictions {
        for (&class, share) in prediction.guesses.iter().zip(&prediction.shares) {
            let name = names.get(class as usize).map_or("", String::as_str);
            println!("{:5.1} %  class {class} {name}", 100.0 * share);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use res2lab_arch::{Input, ModelOverrides};
    use res2lab_nn::{init, weights};

    #[test]
    fn the_example_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let words = ModelOverrides { zoo: Some("res2net50_26w_4s".into()), ..Default::default() };
        let (model, _) = words.resolve().expect("a network");
        let input = Input::square(64, 10);
        let mut net =
            res2lab_lab::network::build(&model, input, tch::Device::Cpu).expect("a network");
        init::init(net.params_mut(), 0);
        let file = folder.path().join("weights.safetensors");
        let bytes = weights::to_bytes(net.params(), false, "").expect("weights");
        std::fs::write(&file, bytes).expect("a file");
        let picture = folder.path().join("grey.png");
        let encoder = png::Encoder::new(std::fs::File::create(&picture).expect("a file"), 80, 64);
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(&[128; 80 * 64]).expect("pixels");
        drop(writer);
        let words = ["res2net50_26w_4s", "size=64", &format!("weights={}", file.display())];
        let words = words.map(str::to_owned);
        super::run(&picture.display().to_string(), &words).expect("a prediction");
    }
}
