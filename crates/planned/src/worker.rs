//! One thread's part of the step: every instruction, for its own images, in an arena of its own.
//!
//! Threads wait for each other in three places only: before statistics and before the terms of a norm's gradient, for the
//! others' sums, and behind the backward pass of a layer with weights, for the others' parts of the weights' gradient.

use crate::norms::{Affine, Sums, moments};
use crate::places::{IMAGES, Place};
use crate::program::{Added, ConvId, From, Instr, Into, NormId};
use crate::step::{Own, Planned};
use crate::linear;
use crate::team::Barrier;
use crate::step::Pooling;
use kernels::norm::{self, Residual};
use kernels::pool::global;
use kernels::{Epilogue, Gradient, NormBackward, Real, View, pointwise};
use std::ops::Range;

/// Memory that all threads work on.
pub struct Shared<T> {
    pub images: *const T,
    pub values: *const T,
    pub grads: *mut T,
    pub running: *mut T,
    pub sums: *mut f64,
    pub partials: [*mut T; 2],
}

// SAFETY: threads write to disjoint parts (their sums, their partial gradients, their share of a gradient), and read what
// others wrote behind a barrier only.
unsafe impl<T: Send> Sync for Shared<T> {}

/// One thread.
pub struct Worker<'a, T> {
    pub plan: &'a Planned<T>,
    pub shared: &'a Shared<T>,
    pub barrier: &'a Barrier,
    pub thread: usize,
    pub threads: usize,
    pub own: &'a mut Own<T>,
    /// Layers that have gone backward in this pass: two partial gradients take turns.
    pub turn: usize,
}

impl<'a, T: Real> Worker<'a, T> {
    /// Runs all forward instructions.
    pub fn forward(&mut self) {
        let plan = self.plan;
        plan.program.forward.iter().for_each(|instr| self.run(instr));
    }

    /// Runs all backward instructions.
    pub fn backward(&mut self) {
        let plan = self.plan;
        plan.program.backward.iter().for_each(|instr| self.run(instr));
    }

    /// A view of a place. The images are never written through it.
    fn view(&self, place: Place) -> View<T> {
        let whole = self.plan.program.buffers[place.buffer];
        let start = place.start * whole.height * whole.width;
        let base = match place.buffer {
            // SAFETY: the batch holds this thread's images.
            IMAGES => unsafe { self.shared.images.add(self.own.images.start * whole.elements()).cast_mut() },
            // SAFETY: the arena holds every buffer from its offset on, and a place lies within its buffer.
            buffer => unsafe { self.own.arena.as_ptr().cast_mut().add(self.plan.offsets[buffer]) },
        };
        View {
            // SAFETY: as above.
            at: unsafe { base.add(start) },
            image_stride: whole.elements(),
            channels: place.shape.channels,
            height: place.shape.height,
            width: place.shape.width,
        }
    }

    /// A piece of memory that no other thread writes to now.
    fn slice(at: *const T, range: Range<usize>) -> &'a [T] {
        // SAFETY: callers give ranges of buffers of the plan, whose lengths were worked out from the same numbers.
        unsafe { std::slice::from_raw_parts(at.add(range.start), range.len()) }
    }

    /// A piece of memory that this thread alone touches now.
    fn slice_mut(at: *mut T, range: Range<usize>) -> &'a mut [T] {
        // SAFETY: as for `slice`.
        unsafe { std::slice::from_raw_parts_mut(at.add(range.start), range.len()) }
    }

    fn entry(&self, entry: usize) -> Range<usize> {
        self.plan.entries[entry]..self.plan.entries[entry] + self.plan.lengths[entry]
    }

    fn value(&self, entry: usize) -> &'a [T] {
        Self::slice(self.shared.values, self.entry(entry))
    }

    fn grad(&self, entry: usize) -> &'a mut [T] {
        Self::slice_mut(self.shared.grads, self.entry(entry))
    }

    /// This thread's values of a place with one value per channel.
    fn rows(&self, place: Place) -> &'a mut [T] {
        Self::slice_mut(self.view(place).at, 0..self.own.images.len() * place.shape.channels)
    }

    // Every kernel is told to write to this thread's images of places that the plan gives to nobody else while this
    // instruction runs; that is the promise each of them asks for.
    fn run(&mut self, instr: &Instr) {
        let images = 0..self.own.images.len();
        match instr {
            Instr::Conv { conv, inputs, out, sums } => self.conv(*conv, inputs, *out, *sums),
            Instr::Sums { norm } => {
                let x = self.view(self.plan.program.norms[*norm].x);
                let sums = self.own_sums(*norm);
                sums.fill(0.0);
                // SAFETY: see above.
                unsafe { norm::sums(x, images, sums) };
            }
            Instr::Statistics { norms } => self.statistics(norms),
            Instr::Normalise { norm, added, relu, out } => self.normalise(*norm, *added, *relu, *out),
            Instr::NormSums { norm, from } => self.norm_sums(*norm, *from),
            Instr::NormTerms { norms } => self.norm_terms(norms),
            Instr::ConvBack { conv, from, inputs, into } => self.conv_back(*conv, *from, inputs, into),
            Instr::Linear { state, from, to } => {
                linear::forward(self.rows(*from), self.value(*state), self.value(state + 1), self.rows(*to));
            }
            Instr::LinearBack { state, from, input, into } => self.linear_back(*state, *from, *input, *into),
            // SAFETY: see above.
            other => unsafe { self.simple(other, images) },
        }
    }

    /// Instructions that are one kernel.
    unsafe fn simple(&mut self, instr: &Instr, images: Range<usize>) {
        // SAFETY: the caller's promise.
        unsafe {
            match instr {
                Instr::NormBack { from, into } => {
                    norm::input_gradient(&self.gradient(*from), self.view(into.to), into.add, images);
                }
                Instr::Masked { from, into } => {
                    norm::input_gradient(&self.gradient(*from), self.view(into.to), into.add, images);
                }
                Instr::AvgPool { pool, from, to } | Instr::MaxPool { pool, from, to } => {
                    let (from, to) = (self.view(*from), self.view(*to));
                    match &self.plan.pools[*pool] {
                        Pooling::Average(average) => average.forward(from, to, images, &mut self.own.scratch),
                        Pooling::Max(max) => max.forward(from, to, self.indices(*pool, to), images),
                    }
                }
                Instr::AvgPoolBack { pool, from, into } | Instr::MaxPoolBack { pool, from, into } => {
                    let (from, to) = (self.view(*from), self.view(into.to));
                    match &self.plan.pools[*pool] {
                        Pooling::Average(average) => {
                            average.backward(from, to, into.add, images, &mut self.own.scratch);
                        }
                        Pooling::Max(max) => max.backward(from, self.indices(*pool, from), to, into.add, images),
                    }
                }
                Instr::GlobalPool { from, to } => global::forward(self.view(*from), self.view(*to), images),
                Instr::GlobalPoolBack { from, into } => {
                    global::backward(self.view(*from), self.view(into.to), into.add, images);
                }
                Instr::Relu { from, to } => pointwise::relu(self.view(*from), self.view(*to), images),
                Instr::Sigmoid { from, to } => pointwise::sigmoid(self.view(*from), self.view(*to), images),
                Instr::SigmoidBack { from, result, into } => {
                    let (from, result) = (self.view(*from), self.view(*result));
                    pointwise::sigmoid_backward(from, result, self.view(into.to), into.add, images);
                }
                Instr::Add { from, to } => {
                    let from: Vec<View<T>> = from.iter().map(|place| self.view(*place)).collect();
                    pointwise::add(&from, self.view(*to), false, images);
                }
                Instr::Copy { from, into } => {
                    pointwise::add(&[self.view(*from)], self.view(into.to), into.add, images);
                }
                Instr::Gate { x, gate, to } => {
                    pointwise::gate(self.view(*x), self.view(*gate), self.view(*to), false, images);
                }
                Instr::GateBack { from, x, gate, into_x, into_gate } => {
                    let (from, x, gate) = (self.view(*from), self.view(*x), self.view(*gate));
                    pointwise::gate(from, gate, self.view(into_x.to), into_x.add, images.clone());
                    pointwise::gate_backward(from, x, self.view(into_gate.to), into_gate.add, images);
                }
                Instr::Zero { place } => {
                    let view = self.view(*place);
                    for image in images {
                        let at = view.at.add(image * view.image_stride);
                        std::slice::from_raw_parts_mut(at, view.image_len()).fill(T::ZERO);
                    }
                }
                _ => unreachable!("{instr:?} is more than one kernel"),
            }
        }
    }

    /// Where a max pool remembers its maxima, one for each value of its result.
    fn indices(&self, pool: usize, result: View<T>) -> View<u32> {
        let View { channels, height, width, .. } = result;
        let at = self.own.indices[pool].as_ptr().cast_mut();
        View { at, image_stride: channels * height * width, channels, height, width }
    }

    fn conv(&mut self, conv: ConvId, inputs: &[Place], out: Place, norm: Option<NormId>) {
        let (of, kernel) = (&self.plan.program.convs[conv], &self.plan.convs[conv]);
        let (inputs, out): (Vec<View<T>>, _) = (inputs.iter().map(|place| self.view(*place)).collect(), self.view(out));
        let (weights, images) = (self.value(of.weight), 0..self.own.images.len());
        let mut sums = norm.map(|norm| self.own_sums(norm));
        if let Some(sums) = &mut sums {
            sums.fill(0.0);
        }
        let bias = of.bias.map(|bias| self.value(bias));
        let Own { packed, scratch, .. } = &mut *self.own;
        let packed = &mut packed[..kernel.packed_len()];
        kernel.pack(weights, packed);
        // SAFETY: as in `run`.
        unsafe {
            match bias {
                None => kernel.forward(packed, &inputs, out, images, scratch, sums),
                Some(_) => {
                    let epilogue = Epilogue { bias, residual: None, relu: false };
                    kernel.infer(packed, &inputs, out, &epilogue, images.clone(), scratch);
                    if let Some(sums) = sums {
                        norm::sums(out, images, sums);
                    }
                }
            }
        }
    }

    /// This thread's two sums for each channel of a norm: all first ones, then all second ones.
    fn own_sums(&self, norm: NormId) -> &'a mut [f64] {
        let range = self.sums_of(norm, self.thread);
        // SAFETY: each thread has a part of its own, and no two slices of one norm's are held at the same time.
        unsafe { std::slice::from_raw_parts_mut(self.shared.sums.add(range.start), range.len()) }
    }

    fn sums_of(&self, norm: NormId, thread: usize) -> Range<usize> {
        let of = &self.plan.program.norms[norm];
        let start = 2 * (thread * self.plan.channels + of.first_channel);
        start..start + 2 * of.x.shape.channels
    }

    /// All threads' sums of one channel, added in the order of threads.
    fn summed(&self, norm: NormId, channel: usize) -> Sums {
        let channels = self.plan.program.norms[norm].x.shape.channels;
        let mut sums = Sums { first: 0.0, second: 0.0 };
        for thread in 0..self.threads {
            let start = self.sums_of(norm, thread).start + channel;
            // SAFETY: the barrier before lies between their writing and this.
            unsafe {
                sums.first += *self.shared.sums.add(start);
                sums.second += *self.shared.sums.add(start + channels);
            }
        }
        sums
    }

    fn affine(&self, norm: NormId, channel: usize) -> Affine {
        let state = self.plan.program.norms[norm].state;
        Affine { weight: self.value(state)[channel].to_f64(), bias: self.value(state + 1)[channel].to_f64() }
    }

    /// Values that one channel's statistics are taken of.
    fn count(&self, norm: NormId) -> f64 {
        let shape = self.plan.program.norms[norm].x.shape;
        (self.plan.batch * shape.height * shape.width) as f64
    }

    fn statistics(&mut self, norms: &[NormId]) {
        self.barrier.wait();
        for &norm in norms {
            let of = &self.plan.program.norms[norm];
            let n = self.count(norm);
            for channel in 0..of.x.shape.channels {
                let (mean, var) = moments(self.summed(norm, channel), n);
                let affine = self.affine(norm, channel);
                self.own.constants.set_statistics(of.first_channel + channel, mean, var, of.eps, affine);
                if self.thread == 0 {
                    self.move_running(of.state + 2, channel, of.momentum, mean);
                    self.move_running(of.state + 3, channel, of.momentum, var * n / (n - 1.0).max(1.0));
                }
            }
        }
    }

    fn move_running(&self, entry: usize, channel: usize, momentum: f64, towards: f64) {
        let running = &mut Self::slice_mut(self.shared.running, self.entry(entry))[channel];
        *running = T::from_f64((1.0 - momentum) * running.to_f64() + momentum * towards);
    }

    fn channels(&self, norm: NormId) -> Range<usize> {
        let of = &self.plan.program.norms[norm];
        of.first_channel..of.first_channel + of.x.shape.channels
    }

    fn normalise(&mut self, norm: NormId, added: Option<Added>, relu: bool, out: Place) {
        let constants = &self.own.constants;
        let range = self.channels(norm);
        let x = self.view(self.plan.program.norms[norm].x);
        let residual = added.map(|added| match added {
            Added::Value(place) => Residual { view: self.view(place), affine: None },
            Added::Norm(other) => {
                let range = self.channels(other);
                let affine = Some((&constants.scale[range.clone()], &constants.shift[range]));
                Residual { view: self.view(self.plan.program.norms[other].x), affine }
            }
        });
        let (scale, shift) = (&constants.scale[range.clone()], &constants.shift[range]);
        // SAFETY: as in `run`.
        unsafe { norm::normalise(x, scale, shift, residual, relu, self.view(out), 0..self.own.images.len()) };
    }

    fn gradient(&self, from: From) -> Gradient<'_, T> {
        let constants = &self.own.constants;
        let norm = from.norm.map(|norm| {
            let range = self.channels(norm);
            NormBackward {
                x: self.view(self.plan.program.norms[norm].x),
                a: &constants.a[range.clone()],
                b: &constants.b[range.clone()],
                c: &constants.c[range],
            }
        });
        Gradient { of: self.view(from.of), relu: from.relu.map(|place| self.view(place)), norm }
    }

    fn norm_sums(&mut self, norm: NormId, from: From) {
        let x = self.view(self.plan.program.norms[norm].x);
        let (of, relu) = (self.view(from.of), from.relu.map(|place| self.view(place)));
        let mean = &self.own.constants.mean[self.channels(norm)];
        let sums = self.own_sums(norm);
        sums.fill(0.0);
        // SAFETY: as in `run`.
        unsafe { norm::backward_sums(of, relu, x, mean, 0..self.own.images.len(), sums) };
    }

    fn norm_terms(&mut self, norms: &[NormId]) {
        self.barrier.wait();
        for &norm in norms {
            let of = &self.plan.program.norms[norm];
            let n = self.count(norm);
            for channel in 0..of.x.shape.channels {
                let (sums, affine) = (self.summed(norm, channel), self.affine(norm, channel));
                let gradient = self.own.constants.set_terms(of.first_channel + channel, sums, n, affine);
                if self.thread == 0 {
                    for (entry, gradient) in [(of.state, gradient.weight), (of.state + 1, gradient.bias)] {
                        let kept = &mut self.grad(entry)[channel];
                        *kept = T::from_f64(kept.to_f64() + gradient);
                    }
                }
            }
        }
    }

    fn conv_back(&mut self, conv: ConvId, from: From, inputs: &[Place], into: &[Into]) {
        let (of, kernel) = (&self.plan.program.convs[conv], &self.plan.convs[conv]);
        let packed = if into.is_empty() { 0 } else { kernel.packed_backward_len() };
        if packed > 0 {
            kernel.pack_backward(self.value(of.weight), &mut self.own.packed[..packed]);
        }
        let inputs: Vec<View<T>> = inputs.iter().map(|place| self.view(*place)).collect();
        let into: Vec<(View<T>, bool)> = into.iter().map(|into| (self.view(into.to), into.add)).collect();
        let weights = self.partial(of.weight);
        let mut scratch = std::mem::take(&mut self.own.scratch);
        let (gradient, images) = (self.gradient(from), 0..self.own.images.len());
        // SAFETY: as in `run`.
        unsafe { kernel.backward(&gradient, &inputs, &self.own.packed[..packed], Some(weights), &into, images, &mut scratch) };
        self.own.scratch = scratch;
        self.add_partials(of.weight);
        if let Some(bias) = of.bias {
            let mut sums = vec![0.0; 2 * self.plan.lengths[bias]];
            // SAFETY: as in `run`.
            unsafe { norm::sums(self.view(from.of), 0..self.own.images.len(), &mut sums) };
            let partial = self.partial(bias);
            partial.iter_mut().zip(&sums).for_each(|(partial, sum)| *partial = *partial + T::from_f64(*sum));
            self.add_partials(bias);
        }
    }

    fn linear_back(&mut self, state: usize, from: Place, input: Place, into: Into) {
        let outputs = from.shape.channels;
        let (x, dy) = (self.rows(input), self.rows(from));
        linear::input_gradient(dy, self.value(state), outputs, self.rows(into.to), into.add);
        linear::weight_gradient(x, dy, outputs, self.partial(state));
        self.add_partials(state);
        linear::bias_gradient(dy, self.partial(state + 1));
        self.add_partials(state + 1);
    }

    /// What this thread adds its part of an entry's gradient to: the first one the gradient itself, the others zeros.
    fn partial(&self, entry: usize) -> &'a mut [T] {
        if self.thread == 0 {
            return self.grad(entry);
        }
        let partial = Self::slice_mut(self.shared.partials[self.turn % 2], self.part(self.thread, entry));
        partial.fill(T::ZERO);
        partial
    }

    fn part(&self, thread: usize, entry: usize) -> Range<usize> {
        let start = (thread - 1) * self.plan.partial_length;
        start..start + self.plan.lengths[entry]
    }

    /// Adds the other threads' parts to the gradient, each thread for its share of the entry.
    fn add_partials(&mut self, entry: usize) {
        if self.threads == 1 {
            return;
        }
        self.barrier.wait();
        let length = self.plan.lengths[entry];
        let share = length * self.thread / self.threads..length * (self.thread + 1) / self.threads;
        let sums = &mut self.grad_part(entry, share.clone());
        for thread in 1..self.threads {
            let theirs = self.part(thread, entry).start;
            let theirs = theirs + share.start..theirs + share.end;
            let theirs = Self::slice(self.shared.partials[self.turn % 2], theirs);
            sums.iter_mut().zip(theirs).for_each(|(sum, theirs)| *sum = *sum + *theirs);
        }
        self.turn += 1;
    }

    fn grad_part(&self, entry: usize, part: Range<usize>) -> &'a mut [T] {
        let start = self.plan.entries[entry];
        Self::slice_mut(self.shared.grads, start + part.start..start + part.end)
    }
}
