//! What a trained network looks at: effective receptive fields by gradients, class activation maps,
//! shares of splits. Arrays and numbers, no pixels.
//!
//! This crate must never know: how networks are trained, sweep folders, how a picture or a page
//! looks.
//!
//! Reading order:
//! - [`map`]: a map of weights over the image, and what it adds up to
//! - [`erf`]: effective receptive fields of any node
//! - [`cam`]: Grad-CAM and HiResCAM at any node
//! - [`shares`]: how much of the gradient flows through each split
//! - [`calibrate`]: batch norm's statistics for a network that was never trained

pub mod calibrate;
pub mod cam;
pub mod erf;
pub mod error;
pub mod map;
pub mod shares;

pub use cam::{Cam, Method, cam};
pub use erf::{Erf, Options, Sign, erf};
pub use error::ExplainError;
pub use map::Map;
