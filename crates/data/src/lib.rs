//! Where images come from and what is done to them before a network sees them.
//!
//! The way of an item: a [`Source`] reads its bytes, a [`Codec`] decodes them to [`Values`], [`Normalise`] makes numbers of
//! them, [`Augmentation`] varies those in training. [`fit_to`] makes a user's own picture look like the training data.
//! Everything is a pure function without threads and logs; only a source reads a file.

pub mod pixels;
pub mod values;
pub mod limits;
pub mod source;
pub mod codec;
pub mod encode;
pub mod normalise;
pub mod moments;
pub mod ranks;
pub mod augmentation;
pub mod fit;
pub mod grid;
pub mod inspect;
pub mod clean;
pub mod drift;

pub use augmentation::{AUGMENTATIONS, Augmentation};
pub use clean::{CleanError, CleanSettings, Cleaning};
pub use codec::{Codec, DecodeError, Decoder};
pub use fit::{ConformError, Fit, Invert, conform, fit_to};
pub use limits::Limits;
pub use moments::Moments;
pub use normalise::{Normalise, NormaliseError, PerChannel};
pub use pixels::Pixels;
pub use source::{RawItem, Source, SourceError, SourceSettings, Split};
pub use values::{Numbers, Values};
