//! One look at every item: can it be used, is it blank, has it holes, what is it equal to.

use super::{
    CleanError, CleanSettings, ITEMS_MAX, Sought,
    outliers::{self, PICTURE_FIGURES},
};
use crate::{
    Codec, Decoder, Limits, Pixels, RawItem, Source, SourceError, Split, conform,
    inspect::look::{self, Look},
};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Items that cannot be used whose causes are remembered: the first of each part, and so of the whole.
const CAUSES_MAX: usize = 10_000;

/// A file that cannot be read is tried so often: a disk or a store far away may fail once.
const READS_MAX: u32 = 3;

/// What is remembered of an item: 40 bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Noted {
    /// The first half of the BLAKE3 hash of its shape and values: equal for equal items, and for no others.
    pub(super) content: [u8; 16],
    /// How it looks, when that is asked for.
    pub(super) look: Option<Box<Look>>,
    /// Its number in its split of the source.
    pub(super) index: u32,
    pub(super) split: Split,
    /// Its class in the source.
    pub(super) label: u8,
    pub(super) state: State,
    /// Of a picture its brightness and contrast.
    pub(super) figures: [f32; 2],
}

/// What an item is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// It cannot be read, decoded, or brought to the source's shape.
    Unreadable,
    /// A picture of one colour.
    Blank,
    /// A row with missing numbers.
    Holes,
    Sound,
}

/// What is seen of an item.
struct Seen {
    content: [u8; 16],
    label: u8,
    state: State,
    look: Option<Box<Look>>,
    figures: [f32; 2],
}

/// All that has been seen so far, by one worker or by all.
pub struct Survey<'a> {
    source: &'a dyn Source,
    limits: &'a Limits,
    needs_looks: bool,
    decoder: Decoder,
    pub(super) noted: Vec<Noted>,
    /// Why items cannot be used, training items first.
    pub(super) causes: BTreeMap<(Split, u64), String>,
    /// By column: rows without its number.
    pub(super) holes: Vec<u64>,
}

impl<'a> Survey<'a> {
    /// Nothing seen yet of a source.
    pub fn new(source: &'a dyn Source, limits: &'a Limits, settings: &CleanSettings) -> Self {
        let columns = match source.codec() {
            Codec::Floats { .. } => source.shape().2,
            Codec::Grey8 { .. } | Codec::Raw8 { .. } | Codec::Image => 0,
        };
        Survey {
            source,
            limits,
            needs_looks: settings.alike != Sought::Off && columns == 0,
            decoder: Decoder::default(),
            noted: Vec::new(),
            causes: BTreeMap::new(),
            holes: vec![0; columns],
        }
    }

    /// Proves that so many items of a split can be looked at.
    ///
    /// # Errors
    /// [`CleanError::TooManyItems`].
    pub fn check(items: u64) -> Result<(), CleanError> {
        if items > ITEMS_MAX { Err(CleanError::TooManyItems { items }) } else { Ok(()) }
    }

    /// Looks at an item, which nobody has looked at before.
    ///
    /// # Panics
    /// When its number is not below [`ITEMS_MAX`].
    pub fn look(&mut self, split: Split, index: u64) {
        assert!(index < ITEMS_MAX, "the number of items is checked before");
        let seen = self.seen(split, index).unwrap_or_else(|cause| {
            self.causes.insert((split, index), cause);
            if self.causes.len() > CAUSES_MAX {
                self.causes.pop_last();
            }
            let (content, figures) = ([0; 16], [0.0; 2]);
            Seen { content, label: 0, state: State::Unreadable, look: None, figures }
        });
        let Seen { content, label, state, look, figures } = seen;
        self.noted.push(Noted { content, look, index: index as u32, split, label, state, figures });
    }

    fn seen(&mut self, split: Split, index: u64) -> Result<Seen, String> {
        let raw = read(self.source, split, index).map_err(|error| error.to_string())?;
        if let Codec::Floats { .. } = self.source.codec() {
            return self.row(&raw);
        }
        let pixels = self.pixels(&raw)?;
        let label = raw.label;
        let first = &pixels.data[..pixels.c];
        let is_blank = pixels.data.chunks_exact(pixels.c).all(|pixel| pixel == first);
        let state = if is_blank { State::Blank } else { State::Sound };
        let figures = outliers::of_picture(&pixels);
        let look = self.needs_looks.then(|| Box::new(Look::at((split, index, label), &pixels)));
        let content = look.as_ref().map_or_else(|| look::content(&pixels), |look| look.content);
        Ok(Seen { content, label, state, look, figures })
    }

    fn pixels(&mut self, raw: &RawItem) -> Result<Pixels, String> {
        let (source, limits, decoder) = (self.source, self.limits, &mut self.decoder);
        let (h, w, _) = source.shape();
        let wanted = source.fit().map(|_| (h, w));
        let decode = || decoder.decode(source.codec(), &raw.bytes, limits, wanted);
        // Decoders of third parties may panic on hostile bytes: that costs the item.
        let Ok(decoded) = catch_unwind(AssertUnwindSafe(decode)) else {
            self.decoder = Decoder::default();
            return Err("its decoder panicked: drop it".to_owned());
        };
        let pixels = decoded.map_err(|error| error.to_string())?;
        conform(pixels, source.shape(), source.fit()).map_err(|error| error.to_string())
    }

    /// Rows are equal when their numbers have the same bits; what is missing is equal to what is missing.
    fn row(&mut self, raw: &RawItem) -> Result<Seen, String> {
        let (h, w, c) = self.source.shape();
        let (have, need) = (raw.bytes.len(), 4 * h * w * c);
        if have != need {
            return Err(format!(
                "{have} bytes where {h}x{w}x{c} numbers need {need}: drop the item"
            ));
        }
        let numbers = || raw.bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four));
        if let Some(at) = numbers().position(f32::is_infinite) {
            return Err(format!("value {at} is infinite: drop the item"));
        }
        let mut hasher = blake3::Hasher::new();
        let mut has_holes = false;
        for (at, number) in numbers().enumerate() {
            // One pattern of bits for each number: zero has two, and what is none has many.
            let number = if number.is_nan() { f32::NAN } else { number + 0.0 };
            hasher.update(&number.to_le_bytes());
            has_holes |= number.is_nan();
            self.holes[at % c] += u64::from(number.is_nan());
        }
        let hash = hasher.finalize();
        let content = std::array::from_fn(|at| hash.as_bytes()[at]);
        let state = if has_holes { State::Holes } else { State::Sound };
        Ok(Seen { content, label: raw.label, state, look: None, figures: [0.0; 2] })
    }

    /// What the numbers are called that may be far out.
    pub(super) fn figure_names(&self) -> Vec<String> {
        match self.source.codec() {
            Codec::Floats { .. } => {
                let names = self.source.feature_names().iter();
                names.map(|name| format!("`{name}`")).collect()
            }
            Codec::Grey8 { .. } | Codec::Raw8 { .. } | Codec::Image => {
                PICTURE_FIGURES.map(str::to_owned).into()
            }
        }
    }

    /// Joins what two workers have seen of the same source; each item has been looked at by one of them.
    pub fn merge(&mut self, other: Survey<'_>) {
        self.noted.extend(other.noted);
        self.causes.extend(other.causes);
        while self.causes.len() > CAUSES_MAX {
            self.causes.pop_last();
        }
        self.holes.iter_mut().zip(&other.holes).for_each(|(own, other)| *own += other);
    }
}

/// Reads an item, more than once when the reading itself fails.
fn read(source: &dyn Source, split: Split, index: u64) -> Result<RawItem, SourceError> {
    let mut tried = 1;
    loop {
        match source.read(split, index) {
            Err(SourceError::Read { .. }) if tried < READS_MAX => tried += 1,
            read => return read,
        }
    }
}
