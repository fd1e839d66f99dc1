//! What a network and a plan must know of a data set.

/// The shape of a data set's images, their number and their identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatasetInfo {
    pub channels: usize,
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
    pub classes: usize,
    pub train_images: usize,
    pub test_images: usize,
    /// A digest of what the data are: classes, labels, and pixels or names and sizes; never times
    /// or absolute paths. 0 where the data were not read.
    pub identity: u64,
}

impl DatasetInfo {
    /// The identity as 16 hexadecimal digits, as files have it; empty where it is unknown.
    pub fn identity_text(&self) -> String {
        if self.identity == 0 { String::new() } else { format!("{:016x}", self.identity) }
    }
}
