//! Pictures decoded, cropped and resized on a pool of threads, ahead of the training. What a picture becomes follows from
//! (seed, epoch, its index), so the stream is the same with any number of threads.

use crate::crop::{self, Crop};
use crate::normalise::Normalise;
use crate::{Augment, Batch, DataError, DataSet, Pass, Pictures, Source, Split};
use fast_image_resize::Resizer;
use random::Key;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use tch::{Device, Kind, Tensor};

/// Batches that wait, ready, for the training.
const AHEAD: usize = 4;

/// How pictures become batches.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// Side of what the network sees, in pixels.
    pub size: usize,
    /// Short side before evaluation's centre crop.
    pub resize: usize,
    /// Mean and deviation of each channel, in units of a byte.
    pub statistics: Vec<(f64, f64)>,
    /// Threads that decode.
    pub threads: usize,
    /// So many unreadable pictures are left out.
    pub max_corrupt: usize,
    /// Where batches go.
    pub device: Device,
    /// Their kind.
    pub kind: Kind,
}

/// A data set that is read as it is needed.
pub struct Stream {
    train: Arc<Pictures>,
    test: Arc<Pictures>,
    options: StreamOptions,
    normalise: Normalise,
    pool: Arc<ThreadPool>,
    running: Option<Receiver<Decoded>>,
    damaged: BTreeSet<String>,
    warnings: Vec<String>,
}

/// A batch on its way: N x size x size x C bytes, one label each, and what could not be read.
struct Decoded {
    pixels: Vec<u8>,
    labels: Vec<i64>,
    damaged: Vec<String>,
}

impl Stream {
    /// Starts nothing yet.
    pub fn new(set: DataSet, options: StreamOptions) -> Result<Stream, DataError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
        let pool = pool.map_err(|e| DataError::new(format!("cannot start threads: {e}"), "give fewer --threads"))?;
        let normalise = Normalise::new(&options.statistics, options.device, options.kind);
        Ok(Stream {
            train: Arc::new(set.train),
            test: Arc::new(set.test),
            options,
            normalise,
            pool: Arc::new(pool),
            running: None,
            damaged: BTreeSet::new(),
            warnings: vec![],
        })
    }

    fn part(&self, split: Split) -> &Arc<Pictures> {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }

    fn note(&mut self, damaged: Vec<String>) -> Result<(), DataError> {
        for what in damaged {
            if self.damaged.insert(what.clone()) {
                self.warnings.push(format!("left out: {what}"));
            }
            if self.damaged.len() > self.options.max_corrupt {
                return Err(DataError::new(
                    format!("more than {} pictures cannot be read, the last is {what}", self.options.max_corrupt),
                    "get these files again, or allow more with data.max_corrupt=N",
                ));
            }
        }
        Ok(())
    }
}

impl Source for Stream {
    fn begin(&mut self, pass: Pass) -> Result<(), DataError> {
        let (sender, receiver) = sync_channel(AHEAD);
        // Dropping the receiver of the pass before ends its thread at its next batch.
        self.running = Some(receiver);
        let (pictures, pool) = (Arc::clone(self.part(pass.split)), Arc::clone(&self.pool));
        let (size, resize) = (self.options.size, self.options.resize);
        std::thread::spawn(move || {
            let worker = Worker { pictures: &pictures, size, resize, augment: pass.augment };
            for indices in &pass.batches {
                if sender.send(pool.install(|| worker.batch(indices))).is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, DataError> {
        let Some(decoded) = self.running.as_ref().and_then(|running| running.recv().ok()) else { return Ok(None) };
        self.note(decoded.damaged)?;
        let (n, size) = (decoded.labels.len() as i64, self.options.size as i64);
        let device = self.options.device;
        let pixels = Tensor::from_slice(&decoded.pixels).view([n, size, size, -1]).to_device(device);
        let images = self.normalise.apply(&pixels.permute([0, 3, 1, 2]));
        Ok(Some(Batch { images, labels: Tensor::from_slice(&decoded.labels).to_device(device) }))
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn len(&self, split: Split) -> usize {
        self.part(split).len()
    }
}

/// What a thread needs to make pictures of a pass.
struct Worker<'a> {
    pictures: &'a Pictures,
    size: usize,
    resize: usize,
    augment: Option<(Augment, Key)>,
}

impl Worker<'_> {
    fn batch(&self, indices: &[u32]) -> Decoded {
        let bytes = self.size * self.size * self.pictures.channels();
        let mut pixels = vec![0; indices.len() * bytes];
        let make = |resizer: &mut Resizer, (out, &index): (&mut [u8], &u32)| self.one(resizer, index as usize, out);
        let made: Vec<_> = pixels.par_chunks_exact_mut(bytes).zip(indices).map_init(Resizer::new, make).collect();
        // Evaluation leaves a damaged picture out; training took another in its place.
        let is_kept: Vec<bool> = made.iter().map(|(label, _)| label.is_some()).collect();
        if is_kept.contains(&false) {
            let kept = pixels.chunks_exact(bytes).zip(&is_kept).filter(|(_, kept)| **kept);
            pixels = kept.flat_map(|(chunk, _)| chunk.to_vec()).collect();
        }
        let labels = made.iter().filter_map(|(label, _)| *label).map(i64::from).collect();
        Decoded { pixels, labels, damaged: made.into_iter().flat_map(|(_, damaged)| damaged).collect() }
    }

    /// One picture into `out`: its label (None if it is left out) and what could not be read on the way.
    fn one(&self, resizer: &mut Resizer, index: usize, out: &mut [u8]) -> (Option<u32>, Vec<String>) {
        const MOST_TRIES: usize = 100;
        let mut damaged = Vec::new();
        for attempt in 0..MOST_TRIES {
            let candidate = (index + attempt) % self.pictures.len();
            match self.make(resizer, candidate, index, out) {
                Ok(()) => return (Some(self.pictures.label(candidate)), damaged),
                Err(e) => damaged.push(format!("{}: {e}", self.pictures.name(candidate))),
            }
            if self.augment.is_none() {
                break;
            }
        }
        (None, damaged)
    }

    fn make(&self, resizer: &mut Resizer, picture: usize, index: usize, out: &mut [u8]) -> Result<(), String> {
        let pixels = self.pictures.pixels(picture)?;
        let (width, height, channels) = (pixels.width, pixels.height, pixels.channels);
        let source = (&*pixels.bytes, width, height, channels);
        let square = (self.size, self.size);
        let Some((augment, epoch)) = self.augment else {
            return crate::decode::resize(
                resizer,
                source,
                crop::central(width, height, self.resize, self.size),
                square,
                out,
            );
        };
        let key = epoch.named("picture").with(index as u64);
        let part =
            augment.crop.map_or(Crop::whole(width, height), |range| crop::random(width, height, range, key.with(0)));
        crate::decode::resize(resizer, source, part, square, out)?;
        if augment.flip && key.with(1).bits(0) >> 63 == 1 {
            mirror(out, self.size, channels);
        }
        if augment.jitter > 0.0 && channels == 3 {
            crate::jitter::jitter(out, augment.jitter, key.with(2));
        }
        Ok(())
    }
}

/// Left to right, in place.
fn mirror(pixels: &mut [u8], width: usize, channels: usize) {
    for row in pixels.chunks_exact_mut(width * channels) {
        for x in 0..width / 2 {
            for c in 0..channels {
                row.swap(x * channels + c, (width - 1 - x) * channels + c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CropRange, order};

    fn write_pictures(count: usize) -> (tempfile::TempDir, DataSet) {
        let dir = tempfile::tempdir().unwrap();
        let images = crate::generated::generate(Split::Train, count, 4, 48);
        let samples = (0..count).map(|i| {
            let pixels = Pictures::Memory(images.clone()).pixels(i).unwrap().bytes.into_owned();
            let file = dir.path().join(format!("{i}.png"));
            std::fs::write(&file, crate::decode::tests_support::png(&pixels, 48, 48)).unwrap();
            crate::folder::Sample { file, label: images.labels[i] }
        });
        let samples: Vec<_> = samples.collect();
        let set = DataSet { classes: vec![], train: Pictures::Files(samples.clone()), test: Pictures::Files(samples) };
        (dir, set)
    }

    fn stream(set: DataSet, threads: usize, max_corrupt: usize) -> Stream {
        let options = StreamOptions {
            size: 32,
            resize: 36,
            statistics: crate::normalise::IMAGENET.to_vec(),
            threads,
            max_corrupt,
            device: Device::Cpu,
            kind: Kind::Float,
        };
        Stream::new(set, options).unwrap()
    }

    fn training_pass(images: usize) -> Pass {
        let range = CropRange { scale: [0.3, 1.0], ratio: [0.75, 1.33] };
        let augment = Augment { flip: true, crop: Some(range), jitter: 0.4, ..Augment::default() };
        let batches = order::training_batches(images, 3, 1, 8, order::Shard::WHOLE, 0);
        Pass { split: Split::Train, batches, augment: Some((augment, order::epoch_key(3, 1))) }
    }

    fn all(stream: &mut Stream, pass: Pass) -> Result<Vec<Batch>, DataError> {
        stream.begin(pass)?;
        std::iter::from_fn(|| stream.next_batch().transpose()).collect()
    }

    #[test]
    fn the_stream_is_the_same_with_any_number_of_threads() {
        let run = |threads| {
            let (_dir, set) = write_pictures(20);
            all(&mut stream(set, threads, 0), training_pass(20)).unwrap()
        };
        let (one, three) = (run(1), run(3));
        assert_eq!(one.len(), 2);
        for (a, b) in one.iter().zip(&three) {
            assert_eq!((&a.images, &a.labels), (&b.images, &b.labels));
        }
        assert_eq!(one[0].images.size(), [8, 3, 32, 32]);
    }

    #[test]
    fn damaged_pictures_are_named_and_replaced_up_to_a_limit() {
        let (dir, set) = write_pictures(16);
        std::fs::write(dir.path().join("5.png"), "no picture").unwrap();
        let mut tolerant = stream(set, 2, 1);
        let batches = all(&mut tolerant, training_pass(16)).unwrap();
        assert_eq!(batches.iter().map(|b| b.labels.numel()).sum::<usize>(), 16);
        let warnings = tolerant.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("5.png"), "{warnings:?}");
        let evaluation = || Pass {
            split: Split::Test,
            batches: order::evaluation_batches(16, 6, order::Shard::WHOLE),
            augment: None,
        };
        assert_eq!(all(&mut tolerant, evaluation()).unwrap().iter().map(|b| b.labels.numel()).sum::<usize>(), 15);

        std::fs::write(dir.path().join("7.png"), "").unwrap();
        let e = all(&mut tolerant, evaluation()).err().unwrap();
        assert!(
            e.cause.contains("more than 1") && e.cause.contains("7.png") && e.help.contains("max_corrupt"),
            "{e:?}"
        );
    }

    #[test]
    fn a_cache_gives_the_pictures_as_files_would() {
        let (dir, set) = write_pictures(9);
        let (_again, fresh) = write_pictures(9);
        let path = dir.path().join("cache/train-64px.pack");
        let cached = set.test.cached(&path, &[], 64).unwrap();
        let evaluation = || Pass {
            split: Split::Test,
            batches: order::evaluation_batches(9, 9, order::Shard::WHOLE),
            augment: None,
        };
        let cached = DataSet { classes: vec![], train: Pictures::Files(vec![]), test: cached };
        let a = all(&mut stream(cached, 1, 0), evaluation()).unwrap();
        let b = all(&mut stream(fresh, 1, 0), evaluation()).unwrap();
        assert_eq!(a[0].images, b[0].images);
    }
}
