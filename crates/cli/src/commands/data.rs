//! `res2lab data NAME`: a published data set into the folder of data sets. `res2lab data check
//! FOLDER`: whether every picture can be read.

use crate::args::DataArgs;
use crate::failure::FAILED;
use crate::{download, print, records};
use res2lab_data::{DatasetRequest, Description, Pictures};
use res2lab_error::Error;
use res2lab_experiment::DatasetInfo;
use res2lab_fetch::Check;
use res2lab_lab::published::{DATA, DataFiles};
use serde::Serialize;
use std::path::Path;

/// A data set for other programs.
#[derive(Serialize)]
struct Found<'a> {
    name: &'a str,
    folder: &'a Path,
    train_images: usize,
    test_images: usize,
    width: usize,
    height: usize,
    classes: usize,
    identity: String,
    notes: Vec<String>,
    /// Of `data check`: pictures that cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<Vec<String>>,
}

impl<'a> Found<'a> {
    fn of(name: &'a str, folder: &'a Path, facts: &DatasetInfo) -> Found<'a> {
        Found {
            name,
            folder,
            train_images: facts.train_images,
            test_images: facts.test_images,
            width: facts.width,
            height: facts.height,
            classes: facts.classes,
            identity: facts.identity_text(),
            notes: Vec::new(),
            unreadable: None,
        }
    }
}

/// Downloads what is not here yet, unpacks it, and looks whether it is whole.
pub(crate) fn run(args: &DataArgs) -> Result<u8, Error> {
    if args.name == "check" {
        return check(args);
    }
    if let Some(folder) = &args.folder {
        let help = format!("write: res2lab data check {folder}");
        return Err(Error::input(
            format!("{} {folder}: one name is downloaded at a time", args.name),
            help,
        ));
    }
    let known = DATA.iter().find(|d| d.name == args.name).ok_or_else(|| {
        let names: Vec<_> = DATA.iter().map(|d| d.name).collect();
        let help = format!(
            "{} can be; ImageNet must be got from its owners and linked to data/imagenet",
            names.join(", ")
        );
        Error::input(format!("{} cannot be downloaded", args.name), help)
    })?;
    let dir = args.folders.data.join(known.name);
    let wanted = || DatasetRequest {
        name: known.name.into(),
        dir: dir.clone(),
        root: args.folders.data.clone(),
        ..Default::default()
    };
    if res2lab_data::describe(&wanted()).is_err() {
        download_all(known, &dir, args.mirror.as_deref())?;
    }
    let facts = res2lab_data::describe(&wanted())?.facts;
    if !args.output.is_text() {
        let found = Found::of(known.name, &dir, &facts);
        records::print(args.output.format(), &found, &[&found])?;
        return Ok(0);
    }
    print::line(&format!(
        "{}: {} training and {} test images of {}x{} px, {} classes, in {}",
        known.name,
        facts.train_images,
        facts.test_images,
        facts.width,
        facts.height,
        facts.classes,
        dir.display()
    ));
    Ok(0)
}

/// Looks at every picture. Exit status 1 if one cannot be read.
fn check(args: &DataArgs) -> Result<u8, Error> {
    let word = args.folder.as_deref().ok_or_else(|| {
        Error::input(
            "no data set is given",
            "write: res2lab data check FOLDER (or the name of a data set)",
        )
    })?;
    let is_folder = word.contains('/') || Path::new(word).exists();
    let (name, dir) = if is_folder {
        (format!("./{word}"), res2lab_train::images::at_home(word))
    } else {
        (word.to_owned(), args.folders.data.join(word))
    };
    let wanted =
        DatasetRequest { name, dir, root: args.folders.data.clone(), ..DatasetRequest::default() };
    let Description { facts, classes, notes } = res2lab_data::describe(&wanted)?;
    let set = res2lab_data::open(&wanted)?;
    let unreadable = |pictures: &Pictures| res2lab_data::shaped::unreadable(pictures);
    if !args.output.is_text() {
        let mut found = Found::of(word, &wanted.dir, &facts);
        found.notes = notes;
        found.unreadable = Some([unreadable(&set.train), unreadable(&set.test)].concat());
        records::print(args.output.format(), &found, &[&found])?;
        return Ok(if found.unreadable.is_some_and(|all| all.is_empty()) { 0 } else { FAILED });
    }
    print::line(&format!(
        "{}: {} training and {} test images, {} classes, identity {}",
        wanted.dir.display(),
        facts.train_images,
        facts.test_images,
        facts.classes,
        facts.identity_text()
    ));
    if !classes.is_empty() {
        const SHOWN: usize = 10;
        let more = if classes.len() > SHOWN { ", ..." } else { "" };
        print::line(&format!(
            "classes: {}{more}",
            classes.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ")
        ));
    }
    notes.iter().for_each(|note| print::line(&format!("note: {note}")));
    let all = [("training", unreadable(&set.train)), ("test", unreadable(&set.test))];
    for (split, pictures) in &all {
        pictures.iter().for_each(|what| print::line(what));
        if !pictures.is_empty() {
            print::line(&format!("{} {split} pictures cannot be read", pictures.len()));
        }
    }
    if all.iter().all(|(_, pictures)| pictures.is_empty()) {
        print::line("every picture can be read");
        return Ok(0);
    }
    Ok(FAILED)
}

fn download_all(known: &DataFiles, dir: &Path, mirror: Option<&str>) -> Result<(), Error> {
    for (url, md5) in known.files {
        let name = url.rsplit('/').next().unwrap_or_default();
        let url = mirror
            .map_or_else(|| (*url).to_owned(), |m| format!("{}/{name}", m.trim_end_matches('/')));
        let target = dir.join(name);
        if !target.is_file() {
            download::file(&url, &target, &Check::Md5((*md5).to_owned()))?;
        }
        if name.ends_with(".tar.gz") {
            res2lab_fetch::unpack(&target, dir)?;
            // The archive has served.
            let _ = std::fs::remove_file(&target);
        }
    }
    Ok(())
}
