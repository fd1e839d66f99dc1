//! `res2lab eval`: what a trained network makes of a data set's test images.

use crate::args::EvalArgs;
use crate::{print, records};
use res2lab_data::Split;
use res2lab_error::Error;
use res2lab_experiment::Precision;
use res2lab_lab::{classes, named, trained};
use res2lab_store::assessment::Assessment;
use res2lab_train::images::{Target, source, wanted};
use res2lab_train::{arithmetic, use_gpu};

/// Evaluates and prints; writes predictions and a page where asked.
pub(crate) fn run(args: &EvalArgs) -> Result<u8, Error> {
    let words = named::runs(&args.words, &args.folders.reports)?;
    let device = res2lab_lab::gpus::device(&args.device)?;
    let precision = super::precision(&args.precision)?;
    use_gpu(device, precision)?;
    let mut trained = trained::load(&words, &args.folders.data, device)?;
    trained.net.set_autocast(arithmetic(precision).1);
    if trained.data.name.is_empty() {
        return Err(Error::input(
            "no data set is given",
            "add data=NAME or data=FOLDER (a folder with train/ and val/)",
        ));
    }
    if args.batch == 0 || args.threads == Some(0) {
        return Err(Error::input("--batch 0 or --threads 0 is impossible", "give at least 1"));
    }
    let threads = args.threads.unwrap_or_else(|| res2lab_sweep::slots::available_cores().len());
    tch::set_num_threads(threads as i32);
    res2lab_libtorch::keep_memory();
    res2lab_lab::vectors::choose(&args.folders.data)?;
    let mut set = res2lab_data::open(&wanted(&trained.data, &args.folders.data))?;
    if set.train.channels() != trained.input.channels {
        let has = set.train.channels();
        let wants = trained.input.channels;
        return Err(Error::input(
            format!("the images have {has} channels, the network takes {wants}"),
            "evaluate it on images like those it was trained on",
        ));
    }
    let (names, of_classes) =
        classes::matched(&mut set, classes::of_run(&words)?, trained.input.classes)?;
    let notes = [trained.notes.clone(), of_classes].concat();
    // Only the table of predictions wants the files' names, of which there may be many.
    let named = if args.predictions.is_some() { set.test.len() } else { 0 };
    let files: Vec<String> = (0..named).map(|i| set.test.name(i)).collect();
    let placement = trained.net.placement();
    let target = Target { device: placement.device, kind: placement.kind, threads };
    let mut source = source(&trained.data, set, trained.px, target)?;
    let mut result =
        res2lab_train::assess::assess(&trained.net, &mut *source, Split::Test, args.batch)?;
    if result.images == 0 {
        return Err(Error::input(
            "there is no image to evaluate on",
            "look at the test folder of the data set",
        ));
    }
    let in_precision = match precision {
        Precision::F32 => String::new(),
        _ => format!(" in {}", args.precision),
    };
    result.title = format!("{} on {}{in_precision}", trained.title, trained.data.name);
    result.name_classes(&names);
    if let Some(path) = &args.predictions {
        let factors =
            res2lab_data::factors(&wanted(&trained.data, &args.folders.data), Split::Test);
        result.write_predictions(path, &|index| files[index as usize].clone(), &factors)?;
    }
    if let Some(path) = &args.page {
        res2lab_store::atomic::write(
            path,
            res2lab_report::assessment::render(&result)?.as_bytes(),
        )?;
    }
    if !args.output.is_text() {
        notes.iter().for_each(|note| print::told(&format!("note: {note}")));
        records::print(args.output.format(), &result, &result.classes)?
    } else {
        show(&result, args);
        notes.iter().for_each(|note| print::line(&format!("note: {note}")));
    }
    Ok(0)
}

fn show(a: &Assessment, args: &EvalArgs) {
    print::line(&a.title);
    let mut rows =
        vec![("images", a.images.to_string()), ("top-1 accuracy", format!("{:.2} %", a.acc1))];
    rows.extend(a.acc5.map(|acc5| ("top-5 accuracy", format!("{acc5:.2} %"))));
    rows.push(("loss", format!("{:.4}", a.loss)));
    rows.push(("calibration error", format!("{:.2} %", a.calibration_error)));
    rows.push(("images/s", format!("{:.1}", a.images_per_s)));
    print::table(
        &["", ""],
        1,
        rows.into_iter().map(|(what, value)| vec![what.to_owned(), value]).collect(),
    );
    const SHOWN: usize = 10;
    let mut classes: Vec<_> = a.classes.iter().filter(|c| c.images > 0).collect();
    if classes.len() > SHOWN {
        classes.sort_by(|a, b| a.acc1.total_cmp(&b.acc1));
        print::line(&format!("the {SHOWN} classes with the lowest recall, of {}:", classes.len()));
        classes.truncate(SHOWN);
    }
    let shown = |x: f64| if x.is_finite() { format!("{x:.1}") } else { "-".into() };
    let row = |c: &&res2lab_store::assessment::ClassRow| {
        vec![c.name.clone(), c.images.to_string(), shown(c.acc1), shown(c.precision)]
    };
    print::table(
        &["class", "images", "recall %", "precision %"],
        1,
        classes.iter().map(row).collect(),
    );
    if !a.left_out.is_empty() {
        print::line(&format!(
            "{} of {} pictures cannot be read and are in no figure:",
            a.left_out.len(),
            a.left_out.len() as u64 + a.images
        ));
        a.left_out.iter().for_each(|what| print::line(what));
    }
    for path in args.predictions.iter().chain(&args.page) {
        print::line(&format!("written: {}", path.display()));
    }
}
