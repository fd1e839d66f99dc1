//! `res2lab data NAME`: a published data set into the folder of data sets.

use crate::args::DataArgs;
use crate::failure::Failure;
use crate::published::{DATA, DataFiles};
use crate::{bring, print};
use fetch::Check;

/// Downloads what is not here yet, unpacks it, and looks whether it is whole.
pub fn run(args: &DataArgs) -> Result<u8, Failure> {
    let known = DATA.iter().find(|d| d.name == args.name).ok_or_else(|| {
        let names: Vec<_> = DATA.iter().map(|d| d.name).collect();
        let help =
            format!("{} can be; ImageNet must be got from its owners and linked to data/imagenet", names.join(", "));
        Failure::input(format!("{} cannot be downloaded", args.name), help)
    })?;
    let dir = args.folders.data.join(known.name);
    let wanted = || data::Wanted {
        name: known.name.into(),
        dir: dir.clone(),
        root: args.folders.data.clone(),
        ..Default::default()
    };
    if data::describe(&wanted()).is_err() {
        bring_all(known, &dir, args.mirror.as_deref())?;
    }
    let facts = data::describe(&wanted())?;
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

fn bring_all(known: &DataFiles, dir: &std::path::Path, mirror: Option<&str>) -> Result<(), Failure> {
    for (url, md5) in known.files {
        let name = url.rsplit('/').next().unwrap_or_default();
        let url = mirror.map_or_else(|| (*url).to_owned(), |m| format!("{}/{name}", m.trim_end_matches('/')));
        let target = dir.join(name);
        if !target.is_file() {
            bring::file(&url, &target, &Check::Md5((*md5).to_owned()))?;
        }
        if name.ends_with(".tar.gz") {
            fetch::unpack(&target, dir)?;
            // The archive has served.
            let _ = std::fs::remove_file(&target);
        }
    }
    Ok(())
}
