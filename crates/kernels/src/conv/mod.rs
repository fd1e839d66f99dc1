//! Convolutions with square kernels, forward and backward.
//!
//! Reading order:
//! - [`ConvShape`]: the shape of a convolution
//! - `layout`: the layout of images in a panel
//! - `panel`, `pack`: planes into a panel (im2col)
//! - `tile`: the register tiles
//! - `rows`: how a product divides its rows
//! - `product`: a blocked product of packed weights and a panel
//! - [`Epilogue`], `results`, `scatter`: operations on results while they are in registers
//! - [`ConvKernel`]: a convolution of one shape
//! - `forward`, `backward`, `weights`: the three products of a convolution
//! - `amx_product`, `amx_weights`: the same products by AMX tiles, for planes in bfloat16

mod amx_product;
mod amx_weights;
mod backward;
mod epilogue;
mod forward;
pub(crate) mod gradient;
mod kernel;
mod layout;
pub(crate) mod pack;
mod panel;
mod product;
pub(crate) mod results;
mod rows;
pub(crate) mod scatter;
mod shape;
pub(crate) mod tile;
mod weights;

pub use epilogue::{Epilogue, MaskedSums};
pub use gradient::{Gradient, InputGradient, NormBackward};
pub use kernel::ConvKernel;
pub use shape::ConvShape;
