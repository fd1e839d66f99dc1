//! Parquet's descriptions (Thrift's compact protocol), walked through before they are read: every list and every text must
//! have room in the bytes that are there. The reader believes what they claim, and would count for hours or ask for all memory.

/// What a walk comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// The description ends, all of it is possible.
    Whole,
    /// It goes on behind these bytes.
    CutOff,
    /// No bytes behind these make it right.
    Impossible,
}

/// Deeper than any description of Parquet.
const DEEPEST: usize = 32;

/// Walks through one description at the beginning of `bytes`. No list and no text is longer than `longest` bytes.
pub fn walk(bytes: &[u8], longest: u64) -> Walk {
    let mut rest = Rest { bytes, longest };
    match rest.fields(0) {
        Ok(()) => Walk::Whole,
        Err(walk) => walk,
    }
}

struct Rest<'a> {
    bytes: &'a [u8],
    longest: u64,
}

impl Rest<'_> {
    fn byte(&mut self) -> Result<u8, Walk> {
        let (&first, rest) = self.bytes.split_first().ok_or(Walk::CutOff)?;
        self.bytes = rest;
        Ok(first)
    }

    fn skip(&mut self, count: u64) -> Result<(), Walk> {
        if count > self.longest {
            return Err(Walk::Impossible);
        }
        self.bytes = self.bytes.get(count as usize..).ok_or(Walk::CutOff)?;
        Ok(())
    }

    /// A whole number of seven bits a byte.
    fn number(&mut self) -> Result<u64, Walk> {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Walk::Impossible)
    }

    /// The fields of a structure.
    fn fields(&mut self, depth: usize) -> Result<(), Walk> {
        if depth > DEEPEST {
            return Err(Walk::Impossible);
        }
        loop {
            let head = self.byte()?;
            match head & 0xf {
                0 => return Ok(()),
                // Its number, where that is not told as a difference from the last.
                _ if head >> 4 == 0 => _ = self.number()?,
                _ => {}
            }
            // A truth is in the head itself.
            if !matches!(head & 0xf, 1 | 2) {
                self.value(head & 0xf, depth)?;
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<(), Walk> {
        match kind {
            3 => self.skip(1),
            4..=6 => self.number().map(|_| ()),
            7 => self.skip(8),
            8 => {
                let length = self.number()?;
                self.skip(length)
            }
            9 | 10 => self.list(depth + 1),
            12 => self.fields(depth + 1),
            13 => self.skip(16),
            // Truths in lists, and maps: no description of Parquet has them here.
            _ => Err(Walk::Impossible),
        }
    }

    fn list(&mut self, depth: usize) -> Result<(), Walk> {
        if depth > DEEPEST {
            return Err(Walk::Impossible);
        }
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.number()? } else { u64::from(head >> 4) };
        // Each takes a byte at least.
        if count > self.longest {
            return Err(Walk::Impossible);
        }
        (0..count).try_for_each(|_| self.value(head & 0xf, depth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_impossible() {
        for (bytes, expected) in [
            // A number in field 1, the end.
            (&[0x15, 0x04, 0x00][..], Walk::Whole),
            // The same with what follows, and without an end.
            (&[0x15, 0x04, 0x00, 0xff], Walk::Whole),
            (&[0x15, 0x04], Walk::CutOff),
            // A text of two bytes, and of very many.
            (&[0x18, 0x02, b'a', b'b', 0x00], Walk::Whole),
            (&[0x18, 0xff, 0xff, 0xff, 0xff, 0x0f, b'a'], Walk::Impossible),
            // A list of three numbers, and of two thousand million.
            (&[0x19, 0x35, 0x02, 0x04, 0x06, 0x00], Walk::Whole),
            (&[0x19, 0xf7, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00], Walk::Impossible),
            // Truths in a list, for which the reader would take no byte.
            (&[0x19, 0xf1, 0x7f, 0x00], Walk::Impossible),
            (&[], Walk::CutOff),
        ] {
            assert_eq!(walk(bytes, 1000), expected, "{bytes:?}");
        }
        assert_eq!(walk(&[0x1c; 100], 1000), Walk::Impossible);
        assert_eq!(walk(&[0x19; 100], 1000), Walk::Impossible);
    }
}
