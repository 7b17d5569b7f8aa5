//! Files that appear whole or not at all, also when the process or the machine dies in between.
//!
//! [`whole_file::write`] puts a file in place in one step; [`NewFile`] and [`NewFolder`] are written piece by piece;
//! [`Records`] are written and read by place; [`sweep`] takes away what dead writers left.

pub mod whole_file;
pub mod piecewise;
pub mod records;
pub mod error;

pub use error::DurableError;
pub use piecewise::{NewFile, NewFolder, NewPart};
pub use records::{Layout, Records, RecordsError};
pub use whole_file::{Access, sweep};
