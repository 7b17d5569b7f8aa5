//! A file that can be read at any place, whatever it is packed in.
//!
//! A plain file is read where it lies: nothing of it is kept. One that is packed is unpacked once, to memory as long as it is
//! small and else to a scratch file that has no name and ends with the program; both are bounded by
//! [`Limits::source_bytes`]. So a source of any size takes little memory, and a bomb takes no more than the limit.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::unpack::{Packing, unpacked};
use super::{SourceError, open_file};
use crate::Limits;

/// What is unpacked stays in memory up to so many bytes.
const MEMORY_BYTES_MAX: usize = 64 << 20;

/// How much is unpacked at once.
const BLOCK_BYTES: usize = 256 << 10;

/// Bytes that can be read at any place, from any thread.
#[derive(Debug)]
pub struct Seekable {
    path: PathBuf,
    held: Held,
    len: u64,
}

/// Where the bytes are.
#[derive(Debug)]
enum Held {
    Memory(Vec<u8>),
    File(File),
}

impl Seekable {
    /// Opens a file, plain or packed.
    ///
    /// # Errors
    /// [`SourceError`] when it cannot be read, is damaged, or unpacks to more than the limit.
    pub fn open(path: &Path, limits: &Limits) -> Result<Seekable, SourceError> {
        let unreadable = |source| SourceError::Read { path: path.to_path_buf(), source };
        let file = open_file(path)?;
        let len = file.metadata().map_err(unreadable)?.len();
        let mut begin = [0; 6];
        let read = read_up_to(&file, 0, &mut begin).map_err(unreadable)?;
        match Packing::of(&begin[..read]) {
            Packing::Plain => {
                Ok(Seekable { path: path.to_path_buf(), held: Held::File(file), len })
            }
            _ => Seekable::unpack(path, file, limits),
        }
    }

    /// Keeps what a packed stream holds; `path` only names it in errors.
    fn unpack(path: &Path, from: impl Read, limits: &Limits) -> Result<Seekable, SourceError> {
        let unreadable = |source| SourceError::Read { path: path.to_path_buf(), source };
        let (packing, mut from) = unpacked(from).map_err(unreadable)?;
        let mut spool = Spool::default();
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let read = from.read(&mut block).map_err(|error| packed(path, packing, error))?;
            if read == 0 {
                return Ok(spool.finish(path));
            }
            if spool.len + read as u64 > limits.source_bytes {
                let (path, limit) = (path.to_path_buf(), limits.source_bytes);
                return Err(SourceError::TooLarge { path, limit });
            }
            spool.write(&block[..read]).map_err(|source| scratch(path, source))?;
        }
    }

    /// The bytes of a vector, that `path` names in errors.
    pub fn of_memory(path: &Path, bytes: Vec<u8>) -> Seekable {
        let len = bytes.len() as u64;
        Seekable { path: path.to_path_buf(), held: Held::Memory(bytes), len }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes there are.
    #[allow(clippy::len_without_is_empty, reason = "an empty file is an error of every source")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Fills `into` with the bytes from `at` on.
    ///
    /// # Errors
    /// [`SourceError::Truncated`] when the file has become shorter, or never was as long.
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), SourceError> {
        let need = at.saturating_add(into.len() as u64);
        let read = match &self.held {
            Held::Memory(bytes) => {
                let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or(&[]);
                let read = from.len().min(into.len());
                into[..read].copy_from_slice(&from[..read]);
                read
            }
            Held::File(file) => read_up_to(file, at, into)
                .map_err(|source| SourceError::Read { path: self.path.clone(), source })?,
        };
        if read < into.len() {
            let (path, have) = (self.path.clone(), at.saturating_add(read as u64));
            return Err(SourceError::Truncated { path, have, need });
        }
        Ok(())
    }

    /// All bytes from the first on.
    pub fn reader(&self) -> BufReader<Reader<'_>> {
        BufReader::with_capacity(BLOCK_BYTES, Reader { of: self, at: 0 })
    }
}

/// Reads a [`Seekable`] in order.
#[derive(Debug)]
pub struct Reader<'a> {
    of: &'a Seekable,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &self.of.held {
            Held::Memory(bytes) => {
                let mut rest = &bytes[(self.at as usize).min(bytes.len())..];
                rest.read(into)?
            }
            Held::File(file) => file.read_at(into, self.at)?,
        };
        self.at += read as u64;
        Ok(read)
    }
}

/// Bytes on their way to being held: in memory first, then in a scratch file.
#[derive(Default)]
pub(super) struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    len: u64,
}

impl Spool {
    /// How many bytes were written.
    #[cfg(feature = "columnar")]
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        if self.file.is_none() && self.memory.len() + bytes.len() > MEMORY_BYTES_MAX {
            let mut file = tempfile::tempfile()?;
            file.write_all(&std::mem::take(&mut self.memory))?;
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => {
                self.memory.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// All that was written, ready to be read; `path` names it in errors.
    pub(super) fn finish(self, path: &Path) -> Seekable {
        let held = match self.file {
            Some(file) => Held::File(file),
            None => Held::Memory(self.memory),
        };
        Seekable { path: path.to_path_buf(), held, len: self.len }
    }
}

/// Reads until `into` is full or the file ends.
fn read_up_to(file: &File, at: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match file.read_at(&mut into[read..], at + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// The error of a stream while it is unpacked: the system's, or that of what was packed.
pub(super) fn packed(path: &Path, packing: Packing, source: io::Error) -> SourceError {
    let path = path.to_path_buf();
    match source.raw_os_error() {
        Some(_) => SourceError::Read { path, source },
        None => SourceError::Packed { path, packing: packing.name(), source },
    }
}

/// The error of a scratch file.
pub(super) fn scratch(path: &Path, source: io::Error) -> SourceError {
    SourceError::Scratch { path: path.to_path_buf(), folder: std::env::temp_dir(), source }
}
