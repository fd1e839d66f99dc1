//! Explanations of a trained network: measured effective receptive fields, class activation maps,
//! and gradient shares of splits. Results are arrays and numbers, not pictures.
//!
//! This crate must never know: how networks are trained, sweep folders, how a picture or a page
//! looks.
//!
//! Reading order:
//! - [`map`]: a map of weights over the image, and its statistics
//! - [`mod@erf`]: effective receptive fields of any node
//! - [`mod@cam`]: Grad-CAM and HiResCAM at any node
//! - [`shares`]: the share of the gradient through each split
//! - [`calibrate`]: batch-norm statistics of an untrained network

pub mod calibrate;
pub mod cam;
pub mod erf;
pub mod map;
pub mod shares;

pub use cam::{Cam, Method, cam};
pub use erf::{Erf, ErfOptions, Sign, erf};

pub use map::Map;
