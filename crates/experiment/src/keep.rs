//! Which checkpoints a finished trial keeps.

use serde::{Deserialize, Serialize};

/// The checkpoints of a trial that stay after it ended. One that goes on later keeps all of them
/// until then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The last state, the best weights, and those of small networks on the way.
    #[default]
    All,
    /// The best weights.
    Best,
    /// The last state, with momentum.
    Last,
    /// No checkpoint.
    None,
}

impl Keep {
    /// The name in a file.
    pub fn name(self) -> &'static str {
        match self {
            Keep::All => "all",
            Keep::Best => "best",
            Keep::Last => "last",
            Keep::None => "none",
        }
    }

    /// Whether it is the default.
    pub fn is_all(&self) -> bool {
        *self == Keep::All
    }
}
