//! An archive that is written member by member, each piece by piece: nothing is held but the directory.
//!
//! A member's checksum and lengths stand behind it, in a data descriptor, and in the directory at the end, where readers look.
//!
//! Source: as [`super`], section 4.3.9.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write};

use flate2::Crc;

use super::{CENTRAL, DATE, END, LOCAL, MEMBERS_MAX, NAME_BYTES_MAX};

/// What begins a data descriptor.
const DESCRIPTOR: &[u8; 4] = b"PK\x07\x08";
/// Names are UTF-8; a data descriptor follows.
const FLAGS: u16 = 1 << 11 | 1 << 3;

/// An archive of stored members while it is written.
pub struct Stream<W> {
    to: W,
    at: u64,
    names: BTreeSet<String>,
    directory: Vec<u8>,
}

/// A member while it is written; it ends with [`StreamMember::finish`].
pub struct StreamMember<'s, W> {
    of: &'s mut Stream<W>,
    name: String,
    begin: u64,
    checksum: Crc,
    len: u64,
}

impl<W: Write> Stream<W> {
    /// Begins an archive.
    pub fn new(to: W) -> Self {
        Stream { to, at: 0, names: BTreeSet::new(), directory: Vec::new() }
    }

    /// Begins a member.
    ///
    /// # Errors
    /// For a name that could not be read back, or is there twice, and what writing may meet.
    pub fn member(&mut self, name: &str) -> io::Result<StreamMember<'_, W>> {
        let is_new = self.names.len() < MEMBERS_MAX && self.names.insert(name.to_owned());
        if name.len() > NAME_BYTES_MAX || !is_new {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                format!("the member {name:?} cannot be"),
            ));
        }
        let begin = self.at;
        let fields = [20, FLAGS, 0, 0, DATE].map(u16::to_le_bytes).concat();
        let name_len = [name.len() as u16, 0].map(u16::to_le_bytes).concat();
        self.put(&[LOCAL, &fields[..], &[0; 12], &name_len, name.as_bytes()].concat())?;
        Ok(StreamMember { of: self, name: name.to_owned(), begin, checksum: Crc::new(), len: 0 })
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// When it has become longer than 4 GB, and what writing may meet.
    pub fn finish(mut self) -> io::Result<W> {
        let at = small(self.at)?;
        let directory = std::mem::take(&mut self.directory);
        self.put(&directory)?;
        let counts = [self.names.len() as u16; 2].map(u16::to_le_bytes).concat();
        let places = [small(directory.len() as u64)?, at].map(u32::to_le_bytes).concat();
        self.put(&[END, &[0; 4][..], &counts, &places, &[0; 2]].concat())?;
        Ok(self.to)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.to.write_all(bytes)
    }
}

impl<W: Write> StreamMember<'_, W> {
    /// Ends the member.
    ///
    /// # Errors
    /// When it is longer than 4 GB, and what writing may meet.
    pub fn finish(self) -> io::Result<()> {
        let StreamMember { of, name, begin, checksum, len } = self;
        let sums = [checksum.sum(), small(len)?, small(len)?].map(u32::to_le_bytes).concat();
        of.put(&[DESCRIPTOR, &sums[..]].concat())?;
        let fields = [20, 20, FLAGS, 0, 0, DATE].map(u16::to_le_bytes).concat();
        let name_len = (name.len() as u16).to_le_bytes();
        let begin = small(begin)?.to_le_bytes();
        // No extra field, no comment, disk 0, no attributes.
        for part in [CENTRAL, &fields[..], &sums, &name_len, &[0; 12], &begin, name.as_bytes()] {
            of.directory.extend(part);
        }
        Ok(())
    }
}

impl<W: Write> Write for StreamMember<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.of.put(bytes)?;
        self.checksum.update(bytes);
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.of.to.flush()
    }
}

fn small(number: u64) -> io::Result<u32> {
    let beyond = |_| io::Error::new(ErrorKind::FileTooLarge, "an archive ends beyond 4 GB");
    u32::try_from(number).map_err(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_piece_by_piece_is_read_back() {
        let mut archive = Stream::new(Vec::new());
        for (name, pieces) in [("a.npy", &["one ", "two"][..]), ("b/c.npy", &[]), ("d.npy", &["x"])]
        {
            let mut member = archive.member(name).unwrap();
            pieces.iter().for_each(|piece| member.write_all(piece.as_bytes()).unwrap());
            member.finish().unwrap();
        }
        assert!(archive.member("a.npy").is_err(), "it is there already");
        let bytes = archive.finish().unwrap();
        let members = super::super::members(&bytes).unwrap();
        let unpacked = |name: &str| members[name].unpack(name, 100).unwrap();
        assert_eq!(members.len(), 3);
        assert_eq!((&unpacked("a.npy")[..], &unpacked("b/c.npy")[..]), (&b"one two"[..], &b""[..]));
        assert_eq!(unpacked("d.npy"), b"x");
    }
}
