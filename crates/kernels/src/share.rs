//! Shares of an operation that several threads divide among them.

use std::ops::Range;

/// One thread's share of an operation that several threads divide among them: share `index` of
/// `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub index: usize,
    pub of: usize,
}

impl Share {
    /// The whole operation, for a single thread.
    pub const WHOLE: Share = Share { index: 0, of: 1 };

    /// This share of a range; the shares of all threads cover the range without overlap.
    pub fn within(self, range: Range<usize>) -> Range<usize> {
        let at = |index: usize| range.start + range.len() * index / self.of;
        at(self.index)..at(self.index + 1)
    }
}
