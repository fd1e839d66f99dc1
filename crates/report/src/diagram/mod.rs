//! Diagrams of network blocks: boxes for operations, arrows for data flow, in the manner of figure
//! 2 of the Res2Net paper. Diagrams are derived from the [`res2lab_arch::Graph`], so new blocks
//! need no drawing code.
//!
//! Reading order:
//! - [`layout`]: the nodes of one block as boxes with a row and a column
//! - [`draw`]: boxes and arrows as SVG

pub mod draw;
pub mod layout;

pub use draw::svg;
pub use layout::{Block, blocks};
