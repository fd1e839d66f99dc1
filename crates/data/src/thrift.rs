//! Verification of Parquet metadata (Thrift's compact protocol) before the Parquet reader parses
//! them. Every field must have its type, and every list and text must fit into the available bytes.
//! The reader does not check this, and would loop for hours or exhaust memory.

/// The result of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// The metadata are complete and valid.
    Whole,
    /// The metadata are truncated; more bytes are needed.
    CutOff,
    /// The metadata are invalid, whatever bytes follow.
    Impossible,
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Truth,
    Byte,
    /// An integer of any width.
    Number,
    Real,
    Text,
    List(&'static Kind),
    Fields(Fields),
    /// A field that the reader does not know and skips.
    Unknown,
}

/// The fields of a structure, by field id.
pub(crate) type Fields = &'static [(u64, Kind)];

/// Maximum nesting depth; Parquet's metadata are less deep.
const DEEPEST: usize = 32;

/// Verifies one structure at the beginning of `bytes`. Lists and texts must not be longer than
/// `longest` bytes.
pub(crate) fn walk(bytes: &[u8], fields: Fields, longest: u64) -> Walk {
    let mut rest = Rest { bytes, longest };
    match rest.fields(fields, 0) {
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

    /// A varint: an integer of seven bits per byte.
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

    fn fields(&mut self, known: Fields, depth: usize) -> Result<(), Walk> {
        let mut id = 0;
        loop {
            let head = self.byte()?;
            if head & 0xf == 0 {
                return Ok(());
            }
            // A field id is a delta to the previous one, or a zigzag varint.
            id = if head >> 4 > 0 { id + u64::from(head >> 4) } else { self.number()? / 2 };
            let kind = known
                .iter()
                .find(|(known, _)| *known == id)
                .map_or(Kind::Unknown, |(_, kind)| *kind);
            match (head & 0xf, kind) {
                // The value of a boolean is in the field header.
                (1 | 2, Kind::Truth | Kind::Unknown) => {}
                (1 | 2, _) => return Err(Walk::Impossible),
                (code, kind) => self.value(code, kind, depth)?,
            }
        }
    }

    fn value(&mut self, code: u8, kind: Kind, depth: usize) -> Result<(), Walk> {
        if depth > DEEPEST {
            return Err(Walk::Impossible);
        }
        match (code, kind) {
            (3, Kind::Byte | Kind::Unknown) => self.skip(1),
            (4..=6, Kind::Number | Kind::Unknown) => self.number().map(|_| ()),
            (7, Kind::Real | Kind::Unknown) => self.skip(8),
            (8, Kind::Text | Kind::Unknown) => {
                let length = self.number()?;
                self.skip(length)
            }
            (9 | 10, Kind::List(kind)) => self.list(*kind, depth + 1),
            (9 | 10, Kind::Unknown) => self.list(Kind::Unknown, depth + 1),
            (12, Kind::Fields(fields)) => self.fields(fields, depth + 1),
            (12, Kind::Unknown) => self.fields(&[], depth + 1),
            (13, Kind::Unknown) => self.skip(16),
            // A wrong type, or a type that Parquet's metadata do not use here: booleans in lists,
            // and maps.
            _ => Err(Walk::Impossible),
        }
    }

    fn list(&mut self, kind: Kind, depth: usize) -> Result<(), Walk> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.number()? } else { u64::from(head >> 4) };
        // Each element takes at least one byte.
        if count > self.longest {
            return Err(Walk::Impossible);
        }
        (0..count).try_for_each(|_| self.value(head & 0xf, kind, depth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_or_is_of_another_type_is_impossible() {
        const LIST: Fields = &[(1, Kind::List(&Kind::Number)), (2, Kind::Number)];
        for (bytes, expected) in [
            // A number in field 2, and the end.
            (&[0x25, 0x04, 0x00][..], Walk::Whole),
            // The same with trailing bytes, and without an end.
            (&[0x25, 0x04, 0x00, 0xff], Walk::Whole),
            (&[0x25, 0x04], Walk::CutOff),
            // An unknown field: a text of two bytes, and a text of very many bytes.
            (&[0x38, 0x02, b'a', b'b', 0x00], Walk::Whole),
            (&[0x38, 0xff, 0xff, 0xff, 0xff, 0x0f, b'a'], Walk::Impossible),
            // A list of three numbers, and a list of 2^31 - 1 numbers.
            (&[0x19, 0x35, 0x02, 0x04, 0x06, 0x00], Walk::Whole),
            (&[0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00], Walk::Impossible),
            // Instead of a list of numbers: a list of texts, a text, a boolean. Then a list without
            // elements.
            (&[0x19, 0x18, 0x01, b'a', 0x00], Walk::Impossible),
            (&[0x28, 0x00, 0x00], Walk::Impossible),
            (&[0x21, 0x00], Walk::Impossible),
            (&[0x19, 0x0c, 0x00], Walk::Whole),
            // Booleans in a list, for which the reader would consume no bytes.
            (&[0x39, 0xf1, 0x7f, 0x00], Walk::Impossible),
            (&[], Walk::CutOff),
        ] {
            assert_eq!(walk(bytes, LIST, 1000), expected, "{bytes:?}");
        }
        assert_eq!(walk(&[0x3c; 100], LIST, 1000), Walk::Impossible);
        assert_eq!(walk(&[0x39; 100], LIST, 1000), Walk::Impossible);
    }
}
