//! Preprocessed items on disk: the next epoch, or the next run with the same data, begins with them.
//!
//! A cache only saves work. What it has not, or no longer as it was written, is made again from the source, by whoever needs it:
//! so no result depends on it, and neither on who wrote it, nor on who died meanwhile. An item's record is a pure function of the
//! source, so it may be written twice, late, or by a worker taken for dead.

use crate::{
    decode::decoded,
    flow::samples::Sample,
    ingest::Address,
    plan::Plan,
    preprocess::fitted,
    results::CacheResult,
    settings::{CacheMode, PipelineSettings, SourceSettings},
    stage::failed,
};
use planaria_data::{Codec, Decoder, Moments, Numbers, Pixels, Source, Split, Values};
use planaria_durable::{
    DurableError, Layout, Records, RecordsError,
    records::{key_of, make_room},
    whole_file,
};
use planaria_kernel::WorkerError;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// It changes when the same source and settings come to give other preprocessed items: whoever changes a decoder or how items are
/// brought to their shape counts it up.
const FORMAT: &str = "planaria preprocessed 1";

/// What the names of its files end with.
const ENDING: &str = ".records";

/// Damaged records that are told one by one; all are counted.
const TOLD_MAX: u64 = 10;

/// Bytes that an item in memory takes beside its values.
const ITEM_BYTES: u64 = 112;

/// What there is to keep, and where it would be kept on disk.
#[derive(Debug)]
pub(crate) struct Keeping {
    /// All items fit into the memory that they may have.
    pub(crate) in_memory: bool,
    /// They are to be on disk.
    on_disk: Option<Place>,
}

/// A file of the cache.
#[derive(Debug)]
struct Place {
    layout: Layout,
    file: PathBuf,
    limit_bytes: u64,
    shape: (usize, usize, usize),
    is_numbers: bool,
    /// Items of the training split; those of the test split come after them.
    train: u64,
}

/// A hash of what the source's files are like before they are opened. A folder is stamped later, and only when that is needed: its
/// pictures are read one by one as they are wanted.
pub(crate) fn stamp(settings: &PipelineSettings) -> Option<[u8; 32]> {
    let is_folder = matches!(settings.source, SourceSettings::Folder { .. });
    match settings.cache.mode {
        CacheMode::Auto | CacheMode::On if !is_folder => stamp_now(settings),
        CacheMode::Auto | CacheMode::On | CacheMode::Off => None,
    }
}

/// What is wrong with a source is said by who opens it.
fn stamp_now(settings: &PipelineSettings) -> Option<[u8; 32]> {
    settings.source.stamp(&settings.limits).ok().flatten()
}

impl Keeping {
    /// Decides where so many items of a source are kept.
    pub(crate) fn new(
        settings: &PipelineSettings,
        source: &dyn Source,
        (train, test): (u64, u64),
        stamp: Option<[u8; 32]>,
    ) -> Keeping {
        let shape @ (h, w, c) = source.shape();
        let is_numbers = matches!(source.codec(), Codec::Floats { .. });
        let record_bytes = (h * w * c) as u64 * if is_numbers { 4 } else { 1 };
        let (cache, count) = (&settings.cache, train + test);
        let in_memory = (record_bytes + ITEM_BYTES).saturating_mul(count) <= cache.memory_bytes;
        let is_wanted = match cache.mode {
            CacheMode::Off => false,
            CacheMode::Auto => !in_memory,
            CacheMode::On => true,
        };
        if !is_wanted {
            return Keeping { in_memory, on_disk: None };
        }
        let on_disk = stamp.or_else(|| stamp_now(settings)).and_then(|stamp| {
            let record_bytes = u32::try_from(record_bytes).ok()?;
            let layout =
                Layout { key: key(settings, source, (train, test), &stamp), record_bytes, count };
            let name: String = layout.key[..16].iter().map(|byte| format!("{byte:02x}")).collect();
            let file = folder(settings).join(name + ENDING);
            let limit_bytes = cache.limit_bytes;
            Some(Place { layout, file, limit_bytes, shape, is_numbers, train })
        });
        if on_disk.is_none() {
            tracing::warn!("nothing is cached: this source cannot tell when it has changed");
        }
        Keeping { in_memory, on_disk }
    }

    /// The cache that an earlier run has left, if it is whole.
    pub(crate) fn find(&self) -> Option<Cache> {
        let place = self.on_disk.as_ref()?;
        match Records::open(&place.file, place.layout) {
            Ok(records) => {
                let items = records.written();
                tracing::info!(file = %place.file.display(), items, "preprocessed items come from the cache");
                Some(Cache::new(place, records, items))
            }
            Err(RecordsError::Missing { .. }) => None,
            Err(error) => {
                tracing::warn!(cause = %error, "the cache cannot be used: it is made again");
                None
            }
        }
    }

    /// A new one, where one is wanted and there is room for it; what stands in its way is told, and the run goes on without.
    pub(crate) fn begin(&self) -> Option<Cache> {
        let place = self.on_disk.as_ref()?;
        let bytes = place.layout.file_bytes().unwrap_or(u64::MAX);
        let limit = place.limit_bytes;
        match place.begin(bytes) {
            Ok(Some(cache)) => return Some(cache),
            Ok(None) => tracing::warn!(
                bytes,
                limit,
                "nothing is cached: the items take more than `cache.limit_bytes`"
            ),
            Err(error) => tracing::warn!(cause = %error, "nothing is cached"),
        }
        None
    }
}

impl Place {
    fn begin(&self, bytes: u64) -> Result<Option<Cache>, DurableError> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        // That it cannot be made is what `make_room` says.
        let _ = std::fs::create_dir_all(folder);
        whole_file::sweep(folder)?;
        let room = make_room(folder, ENDING, bytes, self.limit_bytes)?;
        for removed in &room.removed {
            tracing::info!(file = %removed.display(), "an older cache has made room");
        }
        if !room.is_there {
            return Ok(None);
        }
        let records = Records::begin(&self.file, self.layout)?;
        tracing::info!(file = %self.file.display(), bytes, "preprocessed items are cached");
        Ok(Some(Cache::new(self, records, 0)))
    }
}

/// Where the files of the cache are.
fn folder(settings: &PipelineSettings) -> PathBuf {
    settings.cache.dir.clone().unwrap_or_else(|| settings.state_dir.join("cache"))
}

/// The hash of all that preprocessed items depend on.
fn key(
    settings: &PipelineSettings,
    source: &dyn Source,
    items: (u64, u64),
    stamp: &[u8; 32],
) -> [u8; 32] {
    let about = (source.shape(), source.codec(), source.fit(), settings.limits, items);
    key_of(&[
        FORMAT.as_bytes(),
        env!("CARGO_PKG_VERSION").as_bytes(),
        settings.source.canonical().as_bytes(),
        source.sha256().as_bytes(),
        stamp,
        format!("{about:?}").as_bytes(),
    ])
}

/// Preprocessed items in a file, each at a place of its own.
#[derive(Debug)]
pub(crate) struct Cache {
    records: Records,
    shape: (usize, usize, usize),
    is_numbers: bool,
    train: u64,
    /// Items that it had when this run began; 0 for a new one.
    pub(crate) items_before: u64,
    /// The disk has not taken a record: nothing more is written.
    is_broken: AtomicBool,
    reads: AtomicU64,
    damaged: AtomicU64,
}

impl Cache {
    fn new(place: &Place, records: Records, items_before: u64) -> Cache {
        let Place { shape, is_numbers, train, .. } = *place;
        let (is_broken, reads, damaged) = Default::default();
        Cache { records, shape, is_numbers, train, items_before, is_broken, reads, damaged }
    }

    /// What it has done so far.
    pub(crate) fn result(&self) -> CacheResult {
        CacheResult {
            file: self.records.path().display().to_string(),
            bytes: self.records.layout().file_bytes().unwrap_or(u64::MAX),
            items_before: self.items_before,
            reads: self.reads.load(Ordering::Relaxed),
            damaged: self.damaged.load(Ordering::Relaxed),
            is_whole: self.is_finished(),
        }
    }

    /// True once the next run can begin with it.
    pub(crate) fn is_finished(&self) -> bool {
        self.records.is_finished()
    }

    fn index(&self, address: Address) -> u64 {
        match address.split {
            Split::Train => address.index,
            Split::Test => self.train + address.index,
        }
    }

    /// The label of an item that it has.
    pub(crate) fn label(&self, address: Address) -> Option<u8> {
        self.records.tag(self.index(address))
    }

    /// The values of an item, when it has them as they were written.
    fn read(&self, address: Address) -> Option<Values> {
        let mut bytes = Vec::new();
        match self.records.read(self.index(address), &mut bytes) {
            Ok(tag) => tag?,
            Err(error) => {
                if self.damaged.fetch_add(1, Ordering::Relaxed) < TOLD_MAX {
                    tracing::warn!(cause = %error, "an item of the cache is made again");
                }
                return None;
            }
        };
        self.reads.fetch_add(1, Ordering::Relaxed);
        let (h, w, c) = self.shape;
        if !self.is_numbers {
            return Some(Pixels::new(h, w, c, bytes).into());
        }
        let numbers = bytes.as_chunks().0.iter().map(|&number| f32::from_le_bytes(number));
        Some(Values::Numbers(Numbers::new(self.shape, numbers.collect())))
    }

    /// Keeps an item. When the disk does not take it, that is told once, and the run goes on without.
    pub(crate) fn keep(&self, address: Address, label: u8, values: &Values) {
        if values.shape() != self.shape || self.is_broken.load(Ordering::Relaxed) {
            return;
        }
        let index = self.index(address);
        let written = match values {
            Values::Pixels(pixels) => self.records.write(index, label, &pixels.data),
            Values::Numbers(numbers) => {
                let bytes: Vec<u8> = numbers.data.iter().flat_map(|n| n.to_le_bytes()).collect();
                self.records.write(index, label, &bytes)
            }
        };
        if let Err(error) = written {
            self.give_up(&error);
        }
    }

    /// Puts it in place for the next run, once all items are there that can be.
    pub(crate) fn finish(&self) {
        if self.is_broken.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.records.finish() {
            self.give_up(&error);
        }
    }

    fn give_up(&self, error: &DurableError) {
        if !self.is_broken.swap(true, Ordering::Relaxed) {
            tracing::warn!(cause = %error, "nothing more is cached");
        }
    }

    /// The sums over the training items that it has, or that can be made again: those of [`Moments::of`].
    pub(crate) fn moments(&self, settings: &PipelineSettings, source: &dyn Source) -> Moments {
        let mut moments = Moments::new(self.shape.2);
        let mut decoder = Decoder::default();
        for index in 0..self.train {
            let address = Address { split: Split::Train, index };
            let values = self.read(address).or_else(|| {
                let raw = source.read(address.split, index).ok()?;
                let decoded = decoded(source, &settings.limits, &raw.bytes, &mut decoder).ok()?;
                fitted(decoded, source).ok()
            });
            if let Some(Values::Pixels(pixels)) = values {
                moments.add(&pixels);
            }
        }
        moments
    }
}

impl Plan {
    /// The values of a sample: as it holds them, from the cache, or made again from the source. Which is no part of the result.
    ///
    /// # Errors
    /// Ends the worker, when the source has changed so that the item cannot be read any more.
    pub(crate) fn values(
        &self,
        sample: &Sample,
        decoder: &mut Decoder,
    ) -> Result<Arc<Values>, WorkerError> {
        if let Some(values) = &sample.values {
            return Ok(values.clone());
        }
        let address = sample.address;
        if let Some(values) = self.cache.as_ref().and_then(|cache| cache.read(address)) {
            return Ok(Arc::new(values));
        }
        let raw = self.source.read(address.split, address.index).map_err(failed)?;
        let decoded = decoded(&*self.source, &self.settings.limits, &raw.bytes, decoder);
        let values = fitted(decoded.map_err(failed)?, &*self.source).map_err(failed)?;
        if let Some(cache) = &self.cache {
            cache.keep(address, sample.label, &values);
        }
        Ok(Arc::new(values))
    }
}
