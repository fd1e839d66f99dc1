//! Pictures decoded, cropped and resized by a thread pool, ahead of the training. The result for a
//! picture depends on (seed, epoch, index) only, so the stream is the same for any number of
//! threads.

use crate::ahead::{Ahead, Window};
use crate::normalize::Normalize;
use crate::pictures::Unreadable;
use crate::worker::{Damaged, Decoded, LookupTable, Values, Worker, WorkerScratch, lookup_table};
use crate::{Batch, DataSet, EpochPlan, Pictures, Source, Split};
use rayon::ThreadPool;
use res2lab_error::Error;
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use tch::{Device, Kind, Tensor};

/// Prefetch depth: maximum number of finished batches that wait for the training.
const AHEAD: usize = 4;

/// Options for converting pictures to batches.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// Side of the network's input in pixels.
    pub size: usize,
    /// Short side before the center crop of the evaluation, pixels.
    pub resize: usize,
    /// Mean and standard deviation of each channel, in units of a byte.
    pub statistics: Vec<(f64, f64)>,
    /// Number of decoding threads.
    pub threads: usize,
    /// Maximum number of unreadable pictures; more are an error.
    pub max_corrupt: usize,
    /// Device of the batches.
    pub device: Device,
    /// Kind of the batches.
    pub kind: Kind,
}

/// A data set whose pictures are decoded on demand.
pub struct Stream {
    train: Arc<Pictures>,
    test: Arc<Pictures>,
    options: StreamOptions,
    normalize: Normalize,
    lookup_table: Option<LookupTable>,
    pool: Arc<ThreadPool>,
    /// Buffers of finished batches, for reuse.
    spare: Arc<Mutex<Vec<Vec<f32>>>>,
    /// One scratch per thread of the pool.
    desks: Arc<Vec<Mutex<WorkerScratch>>>,
    running: Option<Receiver<Decoded>>,
    is_training: bool,
    /// Side of the pictures of this pass.
    side: usize,
    damaged: BTreeSet<String>,
    warnings: Vec<String>,
    replaced: usize,
}

impl Stream {
    /// Creates a stream and its thread pool. Decoding starts with the first pass.
    pub fn new(set: DataSet, options: StreamOptions) -> Result<Stream, Error> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
        let pool = pool.map_err(|e| {
            Error::input(format!("cannot start threads: {e}"), "give fewer --threads")
        })?;
        let normalize = Normalize::new(&options.statistics, options.device, options.kind);
        Ok(Stream {
            train: Arc::new(set.train),
            test: Arc::new(set.test),
            normalize,
            // Float64 is used by tests, which need the full precision of the statistics.
            lookup_table: (options.device == Device::Cpu && options.kind == Kind::Float)
                .then(|| lookup_table(&options.statistics)),
            pool: Arc::new(pool),
            spare: Arc::default(),
            desks: Arc::new((0..options.threads.max(1)).map(|_| Mutex::default()).collect()),
            side: options.size,
            options,
            running: None,
            is_training: false,
            damaged: BTreeSet::new(),
            warnings: vec![],
            replaced: 0,
        })
    }

    fn part(&self, split: Split) -> &Arc<Pictures> {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }

    fn note(&mut self, damaged: Vec<Damaged>) -> Result<(), Error> {
        for (name, why) in damaged {
            if let Unreadable::Kept(why) = why {
                return Err(Error::input(why, "remove that file, and give the same command again"));
            }
            let what = format!("{name}: {why}");
            if self.damaged.insert(what.clone()) {
                self.warnings.push(format!("left out: {what}"));
            }
            if self.damaged.len() > self.options.max_corrupt {
                return Err(Error::input(
                    format!(
                        "more than {} pictures cannot be read, the last is {what}",
                        self.options.max_corrupt
                    ),
                    "get these files again, or allow more with data.max_corrupt=N",
                ));
            }
        }
        Ok(())
    }
}

impl Source for Stream {
    fn begin(&mut self, pass: EpochPlan) -> Result<(), Error> {
        let (sender, receiver) = sync_channel(AHEAD);
        // Dropping the receiver of the previous pass ends its thread at its next batch.
        self.running = Some(receiver);
        let pictures = Arc::clone(self.part(pass.split));
        let pool = Arc::clone(&self.pool);
        let side = pass.augment.as_ref().and_then(|(augment, _)| augment.side);
        let size = side.unwrap_or(self.options.size);
        self.side = size;
        let resize = self.options.resize;
        let mean = |channel: usize| self.options.statistics.get(channel).map_or(128.0, |of| of.0);
        let fill = [0, 1, 2].map(|channel| mean(channel).round().clamp(0.0, 255.0) as u8);
        let lookup_table = self.lookup_table.clone();
        let spare = Arc::clone(&self.spare);
        let desks = Arc::clone(&self.desks);
        let pinned = self.options.device.is_cuda();
        self.is_training = pass.augment.is_some();
        std::thread::spawn(move || {
            let batches = Arc::new(pass.batches);
            let mut ahead = Ahead::start(&pictures, &batches);
            let worker = Worker {
                pictures: &pictures,
                size,
                resize,
                augment: pass.augment,
                fill,
                lookup_table,
                pinned,
                spare: &spare,
                desks: &desks,
            };
            let nothing = Window::new();
            for (i, indices) in batches.iter().enumerate() {
                let window = ahead.as_mut().map_or(&nothing, |ahead| ahead.window(i));
                if sender.send(pool.install(|| worker.batch(indices, window))).is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let decoded = loop {
            let Some(decoded) = self.running.as_ref().and_then(|running| running.recv().ok())
            else {
                return Ok(None);
            };
            self.note(decoded.damaged)?;
            self.replaced += decoded.replaced;
            if !decoded.labels.is_empty() {
                break Decoded { damaged: vec![], ..decoded };
            }
            if self.is_training {
                let help = "look at them with: res2lab data check FOLDER";
                return Err(Error::input("none of the pictures of a batch can be read", help));
            }
        };
        let n = decoded.labels.len() as i64;
        let size = self.side as i64;
        let device = self.options.device;
        let as_planes =
            |t: Tensor| t.view([n, size, size, -1]).to_device(device).permute([0, 3, 1, 2]);
        let labels = || Tensor::from_slice(&decoded.labels).to_device(device);
        let (images, labels) = match decoded.pixels {
            Values::Pinned(bytes) => {
                let bytes = res2lab_libtorch::device::upload(&bytes, device)?;
                let start = size_of::<i64>() as i64 * n;
                let pixels = bytes.narrow(0, start, bytes.numel() as i64 - start);
                let labels = bytes.narrow(0, 0, start).view_dtype(Kind::Int64);
                (self.normalize.apply(&as_planes(pixels)), labels)
            }
            Values::Bytes(bytes) => {
                (self.normalize.apply(&as_planes(Tensor::from_slice(&bytes))), labels())
            }
            Values::Floats(floats) => {
                let spare = Arc::clone(&self.spare);
                let give_back = move |floats| {
                    if let Ok(mut spare) = spare.lock() {
                        spare.push(floats);
                    }
                };
                let images = res2lab_libtorch::tensor_over(floats, give_back);
                (as_planes(images?), labels())
            }
        };
        Ok(Some(Batch { images, labels, indices: decoded.indices }))
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn replaced(&mut self) -> usize {
        std::mem::take(&mut self.replaced)
    }

    fn len(&self, split: Split) -> usize {
        self.part(split).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::Scratch;
    use crate::{Augment, CropRange, order};

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
        let set = files(samples.clone(), samples);
        (dir, set)
    }

    fn files(train: Vec<crate::folder::Sample>, test: Vec<crate::folder::Sample>) -> DataSet {
        let train = Pictures::Files(train);
        let test = Pictures::Files(test);
        DataSet { classes: vec![], train, test, identity: 0 }
    }

    fn stream(set: DataSet, threads: usize, max_corrupt: usize) -> Stream {
        let options = StreamOptions {
            size: 32,
            resize: 36,
            statistics: crate::normalize::IMAGENET.to_vec(),
            threads,
            max_corrupt,
            device: Device::Cpu,
            kind: Kind::Float,
        };
        Stream::new(set, options).unwrap()
    }

    fn training_pass(images: usize) -> EpochPlan {
        let range = CropRange { scale: [0.3, 1.0], ratio: [0.75, 1.33] };
        let augment = Augment { flip: true, crop: Some(range), jitter: 0.4, ..Augment::default() };
        let batches = order::training_batches(images, 3, 1, 8, order::Shard::WHOLE, 0);
        EpochPlan { split: Split::Train, batches, augment: Some((augment, order::epoch_key(3, 1))) }
    }

    fn all(stream: &mut Stream, pass: EpochPlan) -> Result<Vec<Batch>, Error> {
        stream.begin(pass)?;
        std::iter::from_fn(|| stream.next_batch().transpose()).collect()
    }

    #[test]
    fn the_stream_is_the_same_with_any_number_of_threads() {
        let run = |threads| {
            let (_dir, set) = write_pictures(20);
            all(&mut stream(set, threads, 0), training_pass(20)).unwrap()
        };
        let one = run(1);
        let three = run(3);
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
        let evaluation = || EpochPlan {
            split: Split::Test,
            batches: order::evaluation_batches(16, 6, order::Shard::WHOLE),
            augment: None,
        };
        assert_eq!(
            all(&mut tolerant, evaluation())
                .unwrap()
                .iter()
                .map(|b| b.labels.numel())
                .sum::<usize>(),
            15
        );

        std::fs::write(dir.path().join("7.png"), "").unwrap();
        let e = all(&mut tolerant, evaluation()).err().unwrap();
        assert!(
            e.cause.contains("more than 1")
                && e.cause.contains("7.png")
                && e.help.contains("max_corrupt"),
            "{e:?}"
        );
    }

    #[test]
    fn a_batch_of_which_nothing_can_be_read_is_passed_over() {
        let (dir, set) = write_pictures(7);
        std::fs::write(dir.path().join("6.png"), "").unwrap();
        let batches = order::evaluation_batches(7, 3, order::Shard::WHOLE);
        let mut stream = stream(set, 1, 5);
        let evaluation = EpochPlan { split: Split::Test, batches, augment: None };
        let sizes: Vec<_> =
            all(&mut stream, evaluation).unwrap().iter().map(|b| b.labels.numel()).collect();
        assert_eq!(sizes, [3, 3]);
        assert!(stream.warnings()[0].ends_with("6.png: is empty"));
    }

    #[test]
    fn a_cache_gives_the_pictures_as_files_would() {
        let (dir, set) = write_pictures(9);
        let (_again, fresh) = write_pictures(9);
        let places = crate::cache::Places::of(dir.path(), dir.path());
        let cached = set.test.cached(&places, "train-64px.pack", 7, 64).unwrap();
        let evaluation = || EpochPlan {
            split: Split::Test,
            batches: order::evaluation_batches(9, 9, order::Shard::WHOLE),
            augment: None,
        };
        let cached = DataSet { test: cached, ..files(vec![], vec![]) };
        let a = all(&mut stream(cached, 1, 0), evaluation()).unwrap();
        let b = all(&mut stream(fresh, 1, 0), evaluation()).unwrap();
        assert_eq!(a[0].images, b[0].images);
    }
}
