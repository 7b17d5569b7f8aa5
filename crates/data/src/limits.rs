//! How much a source or an image may ask for before it is refused.

use serde::{Deserialize, Serialize};

/// Bounds on untrusted data; every one is checked before the memory is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes that one file of a source may unpack to, or that are held of it in memory; a plain file that is read where it lies
    /// may be longer. Default: 2 GiB.
    pub source_bytes: u64,
    /// Files that a folder of pictures may hold. Default: 2,000,000.
    pub source_files: u64,
    /// Rows that the tables of a source may have. Default: 100,000,000.
    pub source_rows: u64,
    /// Bytes of one row of a table. Default: 1 MiB; at most 16 MiB - 1.
    pub row_bytes: u32,
    /// Bytes of one image as it lies in the source. Default: 16 MiB.
    pub image_bytes: u64,
    /// Pixels of an image's width and of its height. Default: 16384.
    pub image_side: u32,
    /// Pixels of an image, width times height. Default: 64 Mi.
    pub image_pixels: u64,
    /// Bytes that decoding one image may take. Default: 256 MiB.
    pub image_memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            source_bytes: 2 << 30,
            source_files: 2_000_000,
            source_rows: 100_000_000,
            row_bytes: 1 << 20,
            image_bytes: 16 << 20,
            image_side: 16_384,
            image_pixels: 64 << 20,
            image_memory_bytes: 256 << 20,
        }
    }
}
