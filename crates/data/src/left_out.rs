//! Files of a folder that were left out: counted by kind, and reported once with a few names.

use serde::{Deserialize, Serialize};

/// How many there were of one kind, and what the first are called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    count: usize,
    examples: Vec<String>,
}

impl Tally {
    const SHOWN: usize = 3;

    /// One more.
    pub fn add(&mut self, name: impl Into<String>) {
        self.count += 1;
        self.examples.push(name.into());
        self.shorten();
    }

    /// All of another one.
    pub fn join(&mut self, other: Tally) {
        self.count += other.count;
        self.examples.extend(other.examples);
        self.shorten();
    }

    /// The first by name, so that the same is said each time.
    fn shorten(&mut self) {
        self.examples.sort();
        self.examples.truncate(Tally::SHOWN);
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.count
    }

    /// A sentence, if there is anything to say: `2 pictures are empty: a.png, b.png`. `one` and
    /// `many` are said of one and of several.
    pub fn sentence(&self, one: &str, many: &str) -> Option<String> {
        let names = self.examples.join(", ");
        let more = if self.count > self.examples.len() { ", ..." } else { "" };
        match self.count {
            0 => None,
            1 => Some(format!("{one}: {names}")),
            n => Some(format!("{n} {many}: {names}{more}")),
        }
    }
}

/// All files that a walk left out, or that are doubtful.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeftOut {
    /// What operating systems and programs leave.
    pub of_system: Tally,
    /// Other endings than pictures have.
    pub other: Tally,
    /// Neither a file nor a folder.
    pub special: Tally,
    /// Pictures beside the class folders.
    pub loose: Tally,
    /// Folders that lead back into themselves.
    pub loops: Tally,
    /// Pictures of no bytes; they are counted as pictures.
    pub empty: Tally,
    /// Links to nothing; they are counted as pictures.
    pub broken: Tally,
}

impl LeftOut {
    /// All of another walk.
    pub fn join(&mut self, other: LeftOut) {
        self.of_system.join(other.of_system);
        self.other.join(other.other);
        self.special.join(other.special);
        self.loose.join(other.loose);
        self.loops.join(other.loops);
        self.empty.join(other.empty);
        self.broken.join(other.broken);
    }

    /// A sentence for each kind that there is.
    pub fn notes(&self) -> Vec<String> {
        let sentences = [
            self.of_system.sentence(
                "1 file or folder that systems leave is not looked at",
                "files and folders that systems leave are not looked at",
            ),
            self.other.sentence(
                "1 file is left out, as its ending is not a picture's",
                "files are left out, as their endings are not pictures'",
            ),
            self.special.sentence(
                "1 entry is left out, as it is no file",
                "entries are left out, as they are no files",
            ),
            self.loose.sentence(
                "1 picture is left out, as it lies in no class folder",
                "pictures are left out, as they lie in no class folder",
            ),
            self.loops.sentence(
                "1 folder is left out, as it leads back into itself",
                "folders are left out, as they lead back into themselves",
            ),
            self.empty.sentence("1 picture is empty", "pictures are empty"),
            self.broken.sentence("1 picture is a broken link", "pictures are broken links"),
        ];
        sentences.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted_and_a_few_are_named() {
        let mut tally = Tally::default();
        assert_eq!(tally.sentence("1 is", "are"), None);
        tally.add("d");
        assert_eq!(tally.sentence("1 is", "are").unwrap(), "1 is: d");
        for name in ["c", "b", "a"] {
            tally.add(name);
        }
        assert_eq!(tally.sentence("1 is", "are").unwrap(), "4 are: a, b, c, ...");
    }
}
