//! The fonts of this machine, by a generic name or by their own.

use res2lab_error::Error;
use resvg::usvg::fontdb::{Database, Family, Query};
use std::sync::Arc;

/// Fonts that stand for a generic name, in order of preference.
const SERIF: [&str; 6] = [
    "Times New Roman",
    "Liberation Serif",
    "Nimbus Roman",
    "TeX Gyre Termes",
    "Latin Modern Roman",
    "DejaVu Serif",
];
const SANS: [&str; 6] =
    ["Arial", "Helvetica", "Liberation Sans", "Nimbus Sans", "TeX Gyre Heros", "DejaVu Sans"];

/// Fonts that a message names.
const MOST_NAMED: usize = 8;

/// The font family for a style sheet.
pub(super) fn css(font: &str) -> String {
    match font {
        "serif" => "'Times New Roman', 'Liberation Serif', serif".to_owned(),
        "sans" => "Arial, Helvetica, 'Liberation Sans', sans-serif".to_owned(),
        name => format!("'{}', sans-serif", name.replace(['\'', '\\', '<', '>', '&'], "")),
    }
}

/// The fonts of this machine. Fails if there are none, or not the one that is asked for by name.
pub(super) fn of_machine(font: &str) -> Result<Arc<Database>, Error> {
    let mut fonts = Database::new();
    fonts.load_system_fonts();
    let names = names(&fonts);
    let Some(any) = names.first() else {
        return Err(Error::machine(
            "this machine has no fonts, which PNG, PDF and PGF need",
            "install some (on Debian: apt-get install fonts-liberation), or use --format svg",
        ));
    };
    let first = |wanted: &[&str]| {
        let found = wanted.iter().find(|name| has(&fonts, name));
        found.map_or_else(|| any.clone(), |name| (*name).to_owned())
    };
    let serif = first(&SERIF);
    let sans = first(&SANS);
    if !["serif", "sans"].contains(&font) && !has(&fonts, font) {
        let some = names.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
        return Err(Error::input(
            format!("there is no font \"{font}\" on this machine"),
            format!("use serif, sans, or one of its fonts: {some}"),
        ));
    }
    fonts.set_serif_family(serif);
    fonts.set_sans_serif_family(sans);
    Ok(Arc::new(fonts))
}

fn has(fonts: &Database, name: &str) -> bool {
    fonts.query(&Query { families: &[Family::Name(name)], ..Query::default() }).is_some()
}

/// The names of all fonts, in alphabetical order.
fn names(fonts: &Database) -> Vec<String> {
    let first = |face: &resvg::usvg::fontdb::FaceInfo| Some(face.families.first()?.0.clone());
    let mut names: Vec<String> = fonts.faces().filter_map(first).collect();
    names.sort();
    names.dedup();
    names
}
