//! Pictures decoded, cropped and resized on a pool of threads, ahead of the training. What a picture becomes follows from
//! (seed, epoch, its index), so the stream is the same with any number of threads.

use crate::crop::{self, Crop};
use crate::normalise::Normalise;
use crate::pictures::Scratch;
use crate::{Augment, Batch, DataError, DataSet, Pass, Pictures, Source, Split};
use fast_image_resize::Resizer;
use random::Key;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    table: Option<Table>,
    pool: Arc<ThreadPool>,
    /// Memory of batches that were handed over, for those to come.
    spare: Arc<Mutex<Vec<Vec<f32>>>>,
    /// One for each thread of the pool.
    desks: Arc<Vec<Mutex<Desk>>>,
    running: Option<Receiver<Decoded>>,
    damaged: BTreeSet<String>,
    warnings: Vec<String>,
}

/// A batch on its way: N x size x size x C values, one label each, and what could not be read.
struct Decoded {
    pixels: Values,
    labels: Vec<i64>,
    indices: Vec<u32>,
    damaged: Vec<String>,
}

/// On a CPU the threads that decode also normalise, while a picture is still in the cache of the processor. A GPU gets
/// bytes, a quarter of the transfer, and normalises whole batches.
enum Values {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

/// For each channel, what each byte becomes.
type Table = Vec<[f32; 256]>;

fn table(statistics: &[(f64, f64)]) -> Table {
    statistics
        .iter()
        .map(|&(mean, deviation)| std::array::from_fn(|v| ((v as f64 - mean) / deviation) as f32))
        .collect()
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
            normalise,
            // Float64 is for tests of the arithmetic, which want every digit of the statistics.
            table: (options.device == Device::Cpu && options.kind == Kind::Float).then(|| table(&options.statistics)),
            pool: Arc::new(pool),
            spare: Arc::default(),
            desks: Arc::new((0..options.threads.max(1)).map(|_| Mutex::default()).collect()),
            options,
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
        let (size, resize, table) = (self.options.size, self.options.resize, self.table.clone());
        let (spare, desks) = (Arc::clone(&self.spare), Arc::clone(&self.desks));
        std::thread::spawn(move || {
            let worker = Worker {
                pictures: &pictures,
                size,
                resize,
                augment: pass.augment,
                table,
                spare: &spare,
                desks: &desks,
            };
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
        let as_planes = |t: Tensor| t.view([n, size, size, -1]).to_device(device).permute([0, 3, 1, 2]);
        let images = match decoded.pixels {
            Values::Bytes(bytes) => self.normalise.apply(&as_planes(Tensor::from_slice(&bytes))),
            Values::Floats(floats) => {
                let spare = Arc::clone(&self.spare);
                let give_back = move |floats| {
                    if let Ok(mut spare) = spare.lock() {
                        spare.push(floats);
                    }
                };
                let images = libtorch::tensor_over(floats, give_back);
                as_planes(images.map_err(|e| DataError::new(e.to_string(), "report this"))?)
            }
        };
        let labels = Tensor::from_slice(&decoded.labels).to_device(device);
        Ok(Some(Batch { images, labels, indices: decoded.indices }))
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
    table: Option<Table>,
    spare: &'a Mutex<Vec<Vec<f32>>>,
    desks: &'a [Mutex<Desk>],
}

/// A thread's own memory.
#[derive(Default)]
struct Desk {
    resizer: Resizer,
    scratch: Scratch,
    bytes: Vec<u8>,
}

/// What became of one picture: its label (None if it is left out), and what could not be read on the way.
type Made = (Option<u32>, Vec<String>);

impl Worker<'_> {
    /// The calling thread's desk; nobody else asks for it.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        let own = rayon::current_thread_index().unwrap_or(0) % self.desks.len();
        // A picture that made its thread panic left nothing behind that the next does not overwrite.
        self.desks[own].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn batch(&self, indices: &[u32]) -> Decoded {
        let length = self.size * self.size * self.pictures.channels();
        let (pixels, made) = match &self.table {
            None => {
                let mut bytes = vec![0; indices.len() * length];
                let make = |(out, &index): (&mut [u8], &u32)| self.one(&mut self.desk(), index as usize, out);
                let made: Vec<Made> =
                    bytes.par_chunks_exact_mut(length).zip(indices).with_max_len(1).map(make).collect();
                (Values::Bytes(kept(bytes, length, &made)), made)
            }
            Some(table) => {
                let mut floats = self.spare.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default();
                floats.resize(indices.len() * length, 0.0);
                let make = |(out, &index): (&mut [f32], &u32)| {
                    let desk = &mut *self.desk();
                    let mut bytes = std::mem::take(&mut desk.bytes);
                    bytes.resize(length, 0);
                    let made = self.one(desk, index as usize, &mut bytes);
                    normalise(&bytes, table, out);
                    desk.bytes = bytes;
                    made
                };
                let made: Vec<Made> =
                    floats.par_chunks_exact_mut(length).zip(indices).with_max_len(1).map(make).collect();
                (Values::Floats(kept(floats, length, &made)), made)
            }
        };
        let is_kept = |(_, (label, _)): &(&u32, &Made)| label.is_some();
        Decoded {
            pixels,
            labels: made.iter().filter_map(|(label, _)| *label).map(i64::from).collect(),
            indices: indices.iter().zip(&made).filter(is_kept).map(|(&index, _)| index).collect(),
            damaged: made.into_iter().flat_map(|(_, damaged)| damaged).collect(),
        }
    }

    fn one(&self, desk: &mut Desk, index: usize, out: &mut [u8]) -> Made {
        const MOST_TRIES: usize = 100;
        let mut damaged = Vec::new();
        for attempt in 0..MOST_TRIES {
            let candidate = (index + attempt) % self.pictures.len();
            match self.make(desk, candidate, index, out) {
                Ok(()) => return (Some(self.pictures.label(candidate)), damaged),
                Err(e) => damaged.push(format!("{}: {e}", self.pictures.name(candidate))),
            }
            if self.augment.is_none() {
                break;
            }
        }
        (None, damaged)
    }

    fn make(&self, desk: &mut Desk, picture: usize, index: usize, out: &mut [u8]) -> Result<(), String> {
        let key = self.augment.map(|(_, epoch)| epoch.named("picture").with(index as u64));
        let part = |width: usize, height: usize| match (self.augment, key) {
            (Some((Augment { crop: Some(range), .. }, _)), Some(key)) => {
                crop::random(width, height, range, key.with(0))
            }
            (Some(_), _) => Crop::whole(width, height),
            (None, _) => crop::central(width, height, self.resize, self.size),
        };
        let reduction = |width: usize, height: usize| part(width, height).reduction(self.size);
        let source = self.pictures.pixels(picture, &mut desk.scratch, &reduction)?;
        let (own, channels) = (source.own, source.channels);
        let part = part(own.0, own.1).reduced(own, (source.width, source.height));
        crate::decode::resize(&mut desk.resizer, source, part, (self.size, self.size), out)?;
        let (Some((augment, _)), Some(key)) = (self.augment, key) else { return Ok(()) };
        if augment.flip && key.with(1).bits(0) >> 63 == 1 {
            mirror(out, self.size, channels);
        }
        if augment.jitter > 0.0 && channels == 3 {
            crate::jitter::jitter(out, augment.jitter, key.with(2));
        }
        Ok(())
    }
}

/// Evaluation leaves a damaged picture out; training took another in its place.
fn kept<T: Copy>(values: Vec<T>, length: usize, made: &[Made]) -> Vec<T> {
    if made.iter().all(|(label, _)| label.is_some()) {
        return values;
    }
    let good = values.chunks_exact(length).zip(made).filter(|(_, (label, _))| label.is_some());
    good.flat_map(|(chunk, _)| chunk.iter().copied()).collect()
}

fn normalise(bytes: &[u8], table: &Table, out: &mut [f32]) {
    match &table[..] {
        [red, green, blue] => {
            for (out, p) in out.chunks_exact_mut(3).zip(bytes.chunks_exact(3)) {
                out[0] = red[p[0] as usize];
                out[1] = green[p[1] as usize];
                out[2] = blue[p[2] as usize];
            }
        }
        table => {
            let channels = table.len();
            for (i, (out, &v)) in out.iter_mut().zip(bytes).enumerate() {
                *out = table[i % channels][v as usize];
            }
        }
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
            let memory = Pictures::Memory(images.clone());
            let mut scratch = Scratch::default();
            let pixels = memory.pixels(i, &mut scratch, crate::decode::IN_FULL).unwrap().bytes;
            let file = dir.path().join(format!("{i}.png"));
            std::fs::write(&file, crate::decode::tests_support::png(pixels, 48, 48)).unwrap();
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
