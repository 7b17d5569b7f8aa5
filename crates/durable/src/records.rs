//! Records of one size in one file, each with a checksum: written and read at their places, by many threads at once.
//!
//! While records are written the file has a temporary name; [`Records::finish`] gives it its own in one step. Nothing is synced:
//! this is for what can be made again. After a loss of power a torn record, or a torn file, is told by its checksum. Reads are
//! positional (`pread`): a file that others cut is an error, where a mapped one would end the process.
//!
//! Layout, numbers little-endian: magic (16 bytes), version (`u32`), bytes a record (`u32`), count (`u64`), key (32), BLAKE3 of
//! these and of the table (32); then `count` places of a checksum (16) and a record; then the table, a `u16` a record: 0 where
//! there is none, else 1 + its tag. A checksum is the keyed BLAKE3 of the record's number, tag and bytes, cut to 16 bytes: a
//! record is right in its own file, at its own place, and nowhere else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::DurableError;
use crate::whole_file::{Access, PREFIX, Part, SUFFIX, folder_of};

const MAGIC: &[u8; 16] = b"PLANARIA RECORDS";
const VERSION: u32 = 1;
const HEADER: usize = 96;
const CHECKSUM: usize = 16;

/// What a file of records holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// What the records are of: a file of another key is another file.
    pub key: [u8; 32],
    /// Bytes of each record.
    pub record_bytes: u32,
    /// How many records there may be.
    pub count: u64,
}

impl Layout {
    /// Bytes of the whole file; none when they are beyond what a number can say.
    pub fn file_bytes(&self) -> Option<u64> {
        let place = u64::from(self.record_bytes) + CHECKSUM as u64;
        self.count.checked_mul(place + 2)?.checked_add(HEADER as u64)
    }

    fn place(&self, index: u64) -> u64 {
        HEADER as u64 + index * (u64::from(self.record_bytes) + CHECKSUM as u64)
    }

    /// The header with the hash of itself and the table.
    fn header(&self, table: &[u8]) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..16].copy_from_slice(MAGIC);
        header[16..20].copy_from_slice(&VERSION.to_le_bytes());
        header[20..24].copy_from_slice(&self.record_bytes.to_le_bytes());
        header[24..32].copy_from_slice(&self.count.to_le_bytes());
        header[32..64].copy_from_slice(&self.key);
        let mut hash = blake3::Hasher::new();
        hash.update(&header[..64]).update(table);
        header[64..].copy_from_slice(hash.finalize().as_bytes());
        header
    }

    fn checksum(&self, index: u64, tag: u8, record: &[u8]) -> [u8; CHECKSUM] {
        let mut hash = blake3::Hasher::new_keyed(&self.key);
        hash.update(&index.to_le_bytes()).update(&[tag]).update(record);
        let mut checksum = [0; CHECKSUM];
        checksum.copy_from_slice(&hash.finalize().as_bytes()[..CHECKSUM]);
        checksum
    }
}

/// The key of what these parts say together: other parts, or the same otherwise cut, give another one.
pub fn key_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    *hash.finalize().as_bytes()
}

/// Why records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// There is no such file.
    #[error("{path}: is not there", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is no whole file of these records.
    #[error("{path}: {what}: it is of no use", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A record is not the one that was written.
    #[error("{path}: record {index} is damaged", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The record.
        index: u64,
    },
    /// The system does not let us.
    #[error("{path}: cannot be read: check the disk and the file's permissions", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A file of records; see [the module](self).
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    layout: Layout,
    file: File,
    /// The temporary file while it has no name of its own.
    part: Mutex<Option<Part>>,
    /// 0 where there is no record, else 1 + its tag.
    table: Vec<AtomicU16>,
}

impl Records {
    /// Begins a file that appears at `path` when it is finished, and is gone when it is dropped before.
    ///
    /// # Errors
    /// [`DurableError`] when the folder is missing, closed to us or full.
    pub fn begin(path: &Path, layout: Layout) -> Result<Records, DurableError> {
        let failed = |step| move |source| DurableError::of(path, step, source);
        let bytes = layout.file_bytes().ok_or_else(|| {
            let source = io::Error::from(ErrorKind::FileTooLarge);
            DurableError::of(path, "begin", source)
        })?;
        let part = Part::create(folder_of(path), Access::Usual);
        let part = part.map_err(failed("create a temporary file"))?;
        part.file.set_len(bytes).map_err(failed("set the length"))?;
        let file = part.file.try_clone().map_err(failed("open again"))?;
        let table = (0..layout.count).map(|_| AtomicU16::new(0)).collect();
        let part = Mutex::new(Some(part));
        Ok(Records { path: path.to_path_buf(), layout, file, part, table })
    }

    /// Opens a finished file, which counts as its newest use (see [`make_room`]).
    ///
    /// # Errors
    /// [`RecordsError`]: there is none, it cannot be read, or it is no whole file of this layout.
    pub fn open(path: &Path, layout: Layout) -> Result<Records, RecordsError> {
        let unreadable = |source: io::Error| match source.kind() {
            ErrorKind::NotFound => RecordsError::Missing { path: path.to_path_buf() },
            _ => RecordsError::Read { path: path.to_path_buf(), source },
        };
        let damaged = |what| RecordsError::Damaged { path: path.to_path_buf(), what };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if !about.is_file() || Some(about.len()) != layout.file_bytes() {
            return Err(damaged("it has another length than it should"));
        }
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0).map_err(unreadable)?;
        // The length of the file bounds it.
        let mut table = vec![0; 2 * layout.count as usize];
        file.read_exact_at(&mut table, layout.place(layout.count)).map_err(unreadable)?;
        if header != layout.header(&table) {
            return Err(damaged("its header or its table is damaged, or of something else"));
        }
        // That it cannot be marked as used makes it older, and no less right.
        let _ = mark_used(path, &file);
        let table = table.as_chunks().0.iter().map(|&tag| AtomicU16::new(u16::from_le_bytes(tag)));
        let (path, table) = (path.to_path_buf(), table.collect());
        Ok(Records { path, layout, file, part: Mutex::new(None), table })
    }

    /// What it holds.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where it is, or will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True once it has its own name.
    pub fn is_finished(&self) -> bool {
        self.part.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// The tag of a record; none when it was never written.
    pub fn tag(&self, index: u64) -> Option<u8> {
        let mark = self.table.get(usize::try_from(index).ok()?)?.load(Ordering::Acquire);
        mark.checked_sub(1).and_then(|tag| u8::try_from(tag).ok())
    }

    /// How many records there are.
    pub fn written(&self) -> u64 {
        self.table.iter().filter(|mark| mark.load(Ordering::Relaxed) != 0).count() as u64
    }

    /// Writes a record to its place. Writing the same one twice, also at the same time, is fine; one of a finished file can be
    /// written again, but no new one.
    ///
    /// # Errors
    /// [`DurableError`] when the disk does not take it.
    ///
    /// # Panics
    /// When `index` is not below the count, or `record` not as long as all records.
    pub fn write(&self, index: u64, tag: u8, record: &[u8]) -> Result<(), DurableError> {
        assert!(index < self.layout.count, "record {index} of {}", self.layout.count);
        assert_eq!(record.len(), self.layout.record_bytes as usize, "all records are as long");
        let mut place = Vec::with_capacity(CHECKSUM + record.len());
        place.extend_from_slice(&self.layout.checksum(index, tag, record));
        place.extend_from_slice(record);
        let written = self.file.write_all_at(&place, self.layout.place(index));
        written.map_err(|source| DurableError::of(&self.path, "write", source))?;
        self.table[index as usize].store(1 + u16::from(tag), Ordering::Release);
        Ok(())
    }

    /// Reads a record into `into`, and gives its tag; none when it was never written.
    ///
    /// # Errors
    /// [`RecordsError::Record`] when it is not what was written, [`RecordsError::Read`].
    pub fn read(&self, index: u64, into: &mut Vec<u8>) -> Result<Option<u8>, RecordsError> {
        let Some(tag) = self.tag(index) else { return Ok(None) };
        let damaged = || RecordsError::Record { path: self.path.clone(), index };
        into.resize(CHECKSUM + self.layout.record_bytes as usize, 0);
        self.file.read_exact_at(into, self.layout.place(index)).map_err(|source| {
            match source.kind() {
                ErrorKind::UnexpectedEof => damaged(),
                _ => RecordsError::Read { path: self.path.clone(), source },
            }
        })?;
        if into[..CHECKSUM] != self.layout.checksum(index, tag, &into[CHECKSUM..]) {
            return Err(damaged());
        }
        into.drain(..CHECKSUM);
        Ok(Some(tag))
    }

    /// Gives the file its own name; an old one of this name is replaced. Done twice, it is done once.
    ///
    /// # Errors
    /// [`DurableError`]; it can be tried again.
    pub fn finish(&self) -> Result<(), DurableError> {
        let failed = |step| move |source| DurableError::of(&self.path, step, source);
        let mut part = self.part.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(temporary) = part.as_mut() else { return Ok(()) };
        let marks = self.table.iter().map(|mark| mark.load(Ordering::Acquire).to_le_bytes());
        let table: Vec<u8> = marks.flatten().collect();
        let after = self.layout.place(self.layout.count);
        self.file.write_all_at(&table, after).map_err(failed("write the table"))?;
        let header = self.layout.header(&table);
        self.file.write_all_at(&header, 0).map_err(failed("write the header"))?;
        temporary.rename(&self.path).map_err(failed("rename the temporary file"))?;
        *part = None;
        Ok(())
    }
}

/// What [`make_room`] has done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Room {
    /// There is room now.
    pub is_there: bool,
    /// The files that had to go for it.
    pub removed: Vec<PathBuf>,
}

/// Makes room for `need` bytes in a folder whose files may have `limit` bytes together: of those that end with `ending` the least
/// recently used go first. Temporary files of living writers count, but stay. Who reads a file that goes can read on.
///
/// When a file was used is its time of modification, which [`Records::open`] sets after that of all others: no clock is read.
///
/// # Errors
/// [`DurableError`] when the folder cannot be read or a file not be removed.
pub fn make_room(folder: &Path, ending: &str, need: u64, limit: u64) -> Result<Room, DurableError> {
    let failed = |source| DurableError::of(folder, "make room in", source);
    let (mut total, mut oldest_first) = (need, Vec::new());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(about) = entry.metadata() else { continue }; // gone meanwhile
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = name.ends_with(ending);
        if !about.is_file() || !(is_ours || name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
            continue;
        }
        total = total.saturating_add(about.len());
        if is_ours {
            oldest_first.push((about.modified().map_err(failed)?, entry.path(), about.len()));
        }
    }
    oldest_first.sort();
    let can_go: u64 = oldest_first.iter().map(|(_, _, bytes)| bytes).sum();
    let mut room = Room { is_there: total - can_go <= limit, removed: Vec::new() };
    for (_, path, bytes) in oldest_first {
        if !room.is_there || total <= limit {
            break;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(DurableError::of(&path, "remove", error));
            }
            _ => room.removed.push(path),
        }
        total -= bytes;
    }
    Ok(room)
}

/// Makes a file the newest of its folder.
fn mark_used(path: &Path, file: &File) -> io::Result<()> {
    let own = file.metadata()?;
    let mut newest = None;
    for entry in fs::read_dir(folder_of(path))? {
        let about = entry?.metadata()?;
        if about.is_file() && about.ino() != own.ino() {
            newest = newest.max(Some(about.modified()?));
        }
    }
    match newest {
        Some(newest) if newest >= own.modified()? => {
            file.set_modified(newest + Duration::from_millis(1))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { key: [7; 32], record_bytes: 5, count: 4 };

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn written(path: &Path) -> Records {
        let records = Records::begin(path, LAYOUT).unwrap();
        records.write(0, 9, b"first").unwrap();
        records.write(3, 255, b"third").unwrap();
        records
    }

    fn read(records: &Records, index: u64) -> Option<(u8, Vec<u8>)> {
        let mut into = Vec::new();
        records.read(index, &mut into).unwrap().map(|tag| (tag, into))
    }

    #[test]
    fn records_come_back_with_their_tags_and_those_never_written_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.records");
        let new = written(&path);
        assert!(!path.exists() && !new.is_finished());
        assert_eq!(read(&new, 0), Some((9, b"first".to_vec())), "read before it is finished");
        new.finish().unwrap();
        new.finish().unwrap();
        assert_eq!(names(folder.path()), ["a.records"]);
        for records in [new, Records::open(&path, LAYOUT).unwrap()] {
            assert_eq!(read(&records, 0), Some((9, b"first".to_vec())));
            assert_eq!(read(&records, 3), Some((255, b"third".to_vec())));
            assert_eq!((read(&records, 1), read(&records, 4)), (None, None));
            assert_eq!((records.written(), records.is_finished()), (2, true));
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), LAYOUT.file_bytes().unwrap());
    }

    #[test]
    fn a_key_tells_parts_apart_that_are_cut_otherwise() {
        let keys = [key_of(&[b"ab", b"c"]), key_of(&[b"a", b"bc"]), key_of(&[b"abc"]), key_of(&[])];
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "key {at}");
        }
        assert_eq!(key_of(&[b"ab", b"c"]), keys[0]);
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(written(&folder.path().join("a.records")));
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn every_byte_that_is_changed_is_noticed_and_the_other_record_stays_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.records");
        written(&path).finish().unwrap();
        let whole = fs::read(&path).unwrap();
        let of_record = |index: u64| {
            let begin = LAYOUT.place(index) as usize;
            begin..begin + CHECKSUM + 5
        };
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            let is_of = |index| of_record(index).contains(&at);
            match Records::open(&path, LAYOUT) {
                Err(RecordsError::Damaged { .. }) => assert!((0..4).all(|index| !is_of(index))),
                Err(error) => panic!("byte {at}: {error}"),
                Ok(records) => {
                    assert!((0..4).any(is_of), "byte {at} is not noticed");
                    for index in [0, 3] {
                        let read = records.read(index, &mut Vec::new());
                        assert_eq!(read.is_err(), is_of(index), "byte {at}, record {index}");
                    }
                }
            }
        }
        for len in [0, 5, whole.len() - 1] {
            fs::write(&path, &whole[..len]).unwrap();
            assert!(Records::open(&path, LAYOUT).is_err(), "cut to {len} bytes");
        }
    }

    #[test]
    fn a_file_of_another_key_or_layout_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.records");
        written(&path).finish().unwrap();
        let others = [
            Layout { key: [8; 32], ..LAYOUT },
            Layout { count: 5, ..LAYOUT },
            Layout { record_bytes: 6, ..LAYOUT },
        ];
        for other in others {
            assert!(Records::open(&path, other).is_err(), "{other:?}");
        }
        let missing = Records::open(&folder.path().join("b.records"), LAYOUT);
        assert!(matches!(missing, Err(RecordsError::Missing { .. })));
    }

    #[test]
    fn a_damaged_record_can_be_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.records");
        written(&path).finish().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[LAYOUT.place(3) as usize + CHECKSUM] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let records = Records::open(&path, LAYOUT).unwrap();
        assert!(matches!(
            records.read(3, &mut Vec::new()),
            Err(RecordsError::Record { index: 3, .. })
        ));
        records.write(3, 255, b"third").unwrap();
        assert_eq!(read(&records, 3), Some((255, b"third".to_vec())));
    }

    #[test]
    fn the_least_recently_used_go_first_and_only_as_many_as_must() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(format!("{name}.records"));
        let size = LAYOUT.file_bytes().unwrap();
        for (age, name) in ["a", "b", "c"].into_iter().enumerate() {
            written(&path(name)).finish().unwrap();
            let file = OpenOptions::new().write(true).open(path(name)).unwrap();
            let time = std::time::UNIX_EPOCH + Duration::from_secs(age as u64);
            file.set_modified(time).unwrap();
        }
        fs::write(folder.path().join("another's"), [0; 10_000]).unwrap();
        let make = |need, limit| make_room(folder.path(), ".records", need, limit).unwrap();
        assert_eq!(make(size, 4 * size), Room { is_there: true, removed: Vec::new() });
        let opened = Records::open(&path("a"), LAYOUT).unwrap(); // now b is the oldest
        assert_eq!(make(size, 3 * size), Room { is_there: true, removed: vec![path("b")] });
        let part = Records::begin(&path("d"), LAYOUT).unwrap();
        assert_eq!(make(size, size), Room::default(), "nothing goes in vain");
        assert_eq!(
            make(size, 2 * size),
            Room { is_there: true, removed: vec![path("c"), path("a")] }
        );
        assert_eq!(read(&opened, 0), Some((9, b"first".to_vec())), "who reads reads on");
        drop(part);
        assert_eq!(names(folder.path()), ["another's"]);
    }
}
