//! NumPy's files: one array (`.npy`), and the archive that holds several (`.npz`).
//!
//! Both a model and a data set come as such files: this crate is below them, and knows of neither.

pub mod array;
pub mod header;
pub mod zip;

pub use array::{Npy, NpyError};
pub use header::{Element, Header};
pub use zip::{Packing, ZipError};
