//! The identity of a data set as 64 bits: a digest of names, sizes, labels and pixels, never of
//! times or absolute paths. Also checksums of cache files.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// A digest of a sequence of values, which depends on their lengths and their order.
pub struct Digest(Xxh3);

impl Digest {
    /// An empty digest of values of this `kind`.
    pub fn new(kind: &str) -> Digest {
        let mut digest = Digest(Xxh3::new());
        digest.bytes(kind.as_bytes());
        digest
    }

    /// A text, or the bytes of a picture.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    /// A count, a size or a label.
    pub fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    /// Several of them.
    pub fn numbers(&mut self, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| self.number(number));
    }

    /// Texts in order, with their number.
    pub fn texts(&mut self, texts: &[String]) {
        self.number(texts.len() as u64);
        texts.iter().for_each(|text| self.bytes(text.as_bytes()));
    }

    /// The digest of all values so far.
    pub fn finish(self) -> u64 {
        self.0.digest()
    }
}

/// A checksum of bytes.
pub fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// An identity as files and messages have it.
pub fn hex(identity: u64) -> String {
    format!("{identity:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_text_ends_and_the_next_begins_counts() {
        let of = |texts: &[&str]| {
            let mut digest = Digest::new("test");
            digest.texts(&texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
            hex(digest.finish())
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&[]), of(&[""]));
        assert_eq!(of(&["ab"]), of(&["ab"]));
    }
}
