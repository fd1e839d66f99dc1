//! Exact receptive fields of networks by words or of the arms of a sweep: [`networks`] finds them,
//! [`analysis`] has the numbers, [`page`] draws them, [`picture`] is one for TensorBoard.

pub mod analysis;
pub mod networks;
pub mod page;
pub mod picture;
