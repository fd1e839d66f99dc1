//! A block of a network as a picture: boxes for what is computed, arrows for what goes where, in
//! the manner of the paper's figure 2. It is read off the [`res2lab_arch::Graph`], so a new block
//! is drawn without another line.
//!
//! Reading order:
//! - [`layout`]: the nodes of one block as boxes with a row and a column
//! - [`draw`]: boxes and arrows as SVG

pub mod draw;
pub mod layout;

pub use draw::svg;
pub use layout::{Block, blocks};
