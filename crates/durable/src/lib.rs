//! Files that appear whole or not at all, also when the process or the machine dies in between.
//!
//! [`whole_file::write`] puts a file in place in one step; [`NewFile`] and [`NewFolder`] are written piece by piece;
//! [`Records`] are written and read by place; [`BlobStore`] holds files named by their bytes; [`OwnerLock`] lets one process
//! at a time own a folder; [`sweep`] takes away what dead writers left.

pub mod whole_file;
pub mod piecewise;
pub mod records;
pub mod blob_store;
pub mod owner_lock;
pub mod error;
mod controls;

pub use blob_store::{Blob, BlobStore};
pub use error::DurableError;
pub use owner_lock::{OwnerError, OwnerLock};
pub use piecewise::{NewFile, NewFolder, NewPart};
pub use records::{Layout, Records, RecordsError};
pub use whole_file::{Access, sweep};
