//! Sums over the processes of one trial. With one process there is nothing to add.

use nn::Params;

/// How a process learns what the others computed.
pub trait Reduce {
    /// Replaces the gradient buffer by the mean over processes.
    fn gradients(&mut self, params: &mut Params);

    /// Replaces each value by its sum over processes.
    fn sums(&mut self, values: &mut [f64]);
}

/// One process.
pub struct Alone;

impl Reduce for Alone {
    fn gradients(&mut self, _: &mut Params) {}

    fn sums(&mut self, _: &mut [f64]) {}
}
