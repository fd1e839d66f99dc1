//! The passes of a plan in a workspace.

use crate::allocation::IMAGES;
use crate::interpreter;
use crate::interpreter::thread::{Arena, Shared, Thread};
use crate::plan::Plan;
use crate::threads;
use crate::workspace::Workspace;
use res2lab_kernels::{Share, Stored};

/// The network's state in three flat buffers.
pub struct State<'a, R> {
    /// The trained values.
    pub values: &'a mut [R],
    /// The gradients of the trained values.
    pub grads: &'a mut [R],
    /// The running means and variances.
    pub running: &'a mut [R],
}

impl<T: Stored> Plan<T> {
    /// Runs the forward pass: the logits (images x classes, or images x classes x pixels) of
    /// `images` (images x channels x height x width): a batch, or fewer in an inference. In training, batch norms use the statistics of
    /// the batch and update the running statistics.
    pub fn forward<'w>(
        &self,
        workspace: &'w mut Workspace<T>,
        images: &[T::Real],
        state: &mut State<T::Real>,
    ) -> &'w [T::Real] {
        let count = self.count(images);
        self.pass(workspace, images, state, false, |thread| {
            interpreter::forward(&self.program.forward, &self.segments, thread);
        });
        let start = self.layout.offset(&self.program.tables, self.program.tables.logits);
        let each = self.program.tables.logits.shape.elements();
        let arenas = if self.layout.shares_images { 1 } else { self.layout.threads };
        for (thread, own) in workspace.own[..arenas].iter().enumerate() {
            let images = self.layout.images_of(thread, count);
            let part = images.start * each..images.end * each;
            let length = part.len();
            let logits = workspace.logits[part].iter_mut().zip(&own.arena[start..start + length]);
            logits.for_each(|(logit, stored)| *logit = stored.real());
        }
        &workspace.logits[..count * each]
    }

    /// Runs the backward pass: computes the gradients of all trained values from that of the
    /// logits, and writes them to `state.grads`, or accumulates. The last forward pass in this
    /// workspace must have been that of the same images.
    pub fn backward(
        &self,
        workspace: &mut Workspace<T>,
        images: &[T::Real],
        logits_gradient: &[T::Real],
        state: &mut State<T::Real>,
        accumulates: bool,
    ) {
        let count = self.count(images);
        let tables = &self.program.tables;
        let start = self.layout.offset(tables, tables.logits_gradient);
        let each = tables.logits.shape.elements();
        for (thread, own) in workspace.own.iter_mut().enumerate() {
            let images = self.layout.images_of(thread, count);
            let part = &logits_gradient[images.start * each..images.end * each];
            let gradient = own.arena[start..start + part.len()].iter_mut().zip(part);
            gradient.for_each(|(stored, value)| *stored = T::stored(*value));
        }
        self.pass(workspace, images, state, accumulates, |thread| {
            interpreter::backward(&self.program.backward, thread);
        });
    }

    /// The number of images of a pass.
    fn count(&self, images: &[T::Real]) -> usize {
        let image = self.program.tables.buffers[IMAGES].elements();
        let count = images.len() / image;
        let fits = count == self.layout.batch
            || (self.program.is_inference() && count < self.layout.batch);
        assert!(fits && images.len() == image * count, "the plan is for another batch");
        count
    }

    /// Runs `work` on every thread of the plan.
    fn pass(
        &self,
        workspace: &mut Workspace<T>,
        images: &[T::Real],
        state: &mut State<T::Real>,
        accumulates: bool,
        work: impl Fn(&mut Thread<T>) + Sync,
    ) {
        let count = self.count(images);
        let Workspace { own, images: stored, sums, noise, partials, packed, barrier, .. } =
            workspace;
        let shared = Shared {
            images: T::rounded(images, stored).as_ptr(),
            values: state.values.as_ptr(),
            gradients: state.grads.as_mut_ptr(),
            accumulates,
            running: state.running.as_mut_ptr(),
            sums: sums.as_mut_ptr(),
            noise: noise.as_ptr(),
            partials: partials.each_mut().map(|partials| partials.as_mut_ptr()),
            packed: packed.iter_mut().map(Vec::as_mut_ptr).collect(),
        };
        let first = own[0].arena.as_mut_ptr();
        let shares_images = self.layout.shares_images;
        let arenas: Vec<Arena<T>> = own
            .iter_mut()
            .map(|own| Arena(if shares_images { first } else { own.arena.as_mut_ptr() }))
            .collect();
        let members: Vec<_> = own.iter_mut().zip(arenas).enumerate().collect();
        let barrier = &*barrier;
        threads::run(barrier, members, |(thread, (own, arena))| {
            let team = Share { index: thread, of: self.layout.threads };
            let Arena(arena) = arena;
            let images = self.layout.images_of(thread, count);
            work(&mut Thread {
                tables: &self.program.tables,
                layout: &self.layout,
                shared: &shared,
                barrier,
                team,
                images: 0..images.len(),
                batch: images,
                arena,
                scratch: own.scratch.as_mut_ptr(),
                constants: &mut own.constants,
                positions: own.positions.iter_mut().map(Vec::as_mut_ptr).collect(),
                share: if shares_images { team } else { Share::WHOLE },
                is_split: false,
                profile: own.profile.as_mut(),
            });
        });
    }
}
