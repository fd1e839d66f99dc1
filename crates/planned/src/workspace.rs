//! The workspace: the memory in which a plan runs.

use crate::norms::Constants;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::schedule::PARTIALS;
use crate::threads::Barrier;
use res2lab_kernels::Stored;
use res2lab_kernels::element::Element;
use res2lab_kernels::memory::zeros;

/// The memory of a plan's passes. What a forward pass leaves in it is read by the backward pass.
pub struct Workspace<T: Stored> {
    pub(crate) own: Vec<Own<T>>,
    pub(crate) logits: Vec<T::Real>,
    /// The images as they are stored, unless those of the caller serve.
    pub(crate) images: Vec<T>,
    /// Two sums for each channel of each norm, one thread after the other.
    pub(crate) sums: Vec<f64>,
    /// The random factors of drop path and dropout.
    pub(crate) noise: Vec<T::Real>,
    /// Partial gradients of one layer's weights and bias, one thread but the first after the other.
    pub(crate) partials: [Vec<T::Real>; PARTIALS],
    /// The packed weights of one convolution each.
    pub(crate) packed: Vec<Vec<T::Real>>,
    pub(crate) barrier: Barrier,
}

/// The memory of one thread.
pub(crate) struct Own<T: Stored> {
    /// All buffers for its images.
    pub arena: Vec<T>,
    /// The positions of the maxima of each max pool; empty for other pools.
    pub positions: Vec<Vec<u32>>,
    pub scratch: Vec<T::Real>,
    pub constants: Constants<T::Real>,
    pub profile: Option<Profile>,
}

impl<T: Stored> Workspace<T> {
    /// The random factors of the next passes: for each node of noise in order, images x channels,
    /// or images x values. They are 1 until they are set.
    pub fn noise_mut(&mut self) -> &mut [T::Real] {
        &mut self.noise
    }

    /// Allocates the memory of a plan.
    ///
    /// # Panics
    /// If memory does not suffice.
    pub fn new(plan: &Plan<T>) -> Workspace<T> {
        let layout = &plan.layout;
        let lengths = &layout.lengths;
        let own = |thread| Own {
            arena: zeros(if layout.shares_images && thread > 0 { 0 } else { lengths.arena }),
            positions: lengths.positions.iter().map(|length| vec![0; *length]).collect(),
            scratch: zeros(lengths.scratch),
            constants: Constants::new(lengths.channels),
            profile: None,
        };
        Workspace {
            own: (0..layout.threads).map(own).collect(),
            logits: zeros(layout.batch * plan.program.tables.logits.shape.elements()),
            images: Vec::new(),
            noise: vec![T::Real::ONE; plan.noise()],
            sums: vec![0.0; 2 * lengths.channels * layout.threads],
            partials: [0; PARTIALS].map(|_| zeros(lengths.partials * (layout.threads - 1))),
            packed: (0..lengths.packed_buffers).map(|_| zeros(lengths.packed)).collect(),
            barrier: Barrier::new(layout.threads),
        }
    }

    /// Begins a profile of the first thread, which later passes add to.
    pub fn start_profile(&mut self) {
        self.own[0].profile = Some(Profile::default());
    }

    /// Ends the profile of the first thread.
    pub fn take_profile(&mut self) -> Option<Profile> {
        self.own[0].profile.take()
    }
}
