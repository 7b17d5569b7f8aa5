//! The part of the zip format that `.npz` files use: members stored or deflated, no encryption, no
//! zip64 directory.
//!
//! Members are found by the directory at the end, as every reader of archives does; what a member's
//! own header repeats is not asked. Reading takes memory only for what the caller allows: the size
//! that the directory claims is checked against the limit before, and the output is cut off at the
//! claimed size while it is unpacked. So an archive can neither claim nor become more than that.
//!
//! Source: PKWARE, "APPNOTE.TXT, .ZIP File Format Specification", 6.3.10, sections 4.3 and 4.4.

mod stream;

pub use stream::{Stream, StreamMember};

use flate2::{Compression, Crc, read::DeflateDecoder, write::DeflateEncoder};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
/// The fixed parts of the three headers.
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
/// A comment behind the end is at most this long.
const COMMENT_BYTES_MAX: usize = u16::MAX as usize;
/// The most members of an archive.
const MEMBERS_MAX: usize = 10_000;
/// The longest name of a member.
const NAME_BYTES_MAX: usize = 256;
/// 1980-01-01, the first day that the format can say: equal members give equal archives.
const DATE: u16 = 0x21;

/// How members lie in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they are, as `numpy.savez` does.
    Stored,
    /// Compressed, as `numpy.savez_compressed` does.
    Deflated,
}

/// Why bytes are not an archive, or a member is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    /// There is no end of a directory.
    #[error("the bytes are no zip archive, or its end is cut off")]
    NoEnd,
    /// The directory is not where or what the end says.
    #[error("the archive's directory is damaged at member {member}")]
    Directory {
        /// Counted from 0.
        member: usize,
    },
    /// More members than are read.
    #[error("the archive has {found} members: at most {MEMBERS_MAX} are read")]
    TooMany {
        /// How many it has.
        found: usize,
    },
    /// A name that is too long, no text, or there twice.
    #[error(
        "member {member} has the name {name:?}: names are text, unlike and at most {NAME_BYTES_MAX} bytes"
    )]
    Name {
        /// Counted from 0.
        member: usize,
        /// The name, its first characters.
        name: String,
    },
    /// A member that is packed as no `.npz` is.
    #[error("member {name:?} {what}: save it with numpy.savez")]
    Unsupported {
        /// Its name.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// More bytes than the reader allows.
    #[error("member {name:?} claims {claimed} bytes unpacked: at most {limit} are read here")]
    TooLarge {
        /// Its name.
        name: String,
        /// What the directory claims.
        claimed: usize,
        /// What the reader allows.
        limit: usize,
    },
    /// The bytes are not those that were packed.
    #[error("member {name:?} is damaged: its bytes do not match their checksum")]
    Damaged {
        /// Its name.
        name: String,
    },
}

/// A member of an archive, still packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    packing: Packing,
    checksum: u32,
    size: usize,
    packed: &'a [u8],
}

/// The members of an archive by their names.
///
/// # Errors
/// [`ZipError`] when the directory or a name cannot be used.
pub fn members(bytes: &[u8]) -> Result<BTreeMap<&str, Member<'_>>, ZipError> {
    let end = end(bytes).ok_or(ZipError::NoEnd)?;
    let found = usize::from(u16_at(end, 10));
    if found > MEMBERS_MAX {
        return Err(ZipError::TooMany { found });
    }
    let mut at = u32_at(end, 16);
    let mut members = BTreeMap::new();
    for member in 0..found {
        let (name, header) = entry(bytes, at).ok_or(ZipError::Directory { member })?;
        at += header.len();
        let text = str::from_utf8(name).ok().filter(|name| name.len() <= NAME_BYTES_MAX);
        let shown = || name.iter().take(40).flat_map(|byte| byte.escape_ascii()).map(char::from);
        let name_fault = || ZipError::Name { member, name: shown().collect() };
        let name = text.ok_or_else(name_fault)?;
        let found = packed(bytes, name, header)?.ok_or(ZipError::Directory { member })?;
        if members.insert(name, found).is_some() {
            return Err(name_fault());
        }
    }
    Ok(members)
}

/// The last record, that says where the directory is.
fn end(bytes: &[u8]) -> Option<&[u8]> {
    let first = bytes.len().saturating_sub(END_BYTES + COMMENT_BYTES_MAX);
    let is_end = |record: &&[u8]| {
        // The comment fills the rest, or the signature is a part of it.
        record.starts_with(END) && usize::from(u16_at(record, 20)) == record.len() - END_BYTES
    };
    let last = bytes.len().checked_sub(END_BYTES)?;
    (first..=last).rev().map(|at| &bytes[at..]).find(is_end)
}

/// A name in the directory, and its header with all that belongs to it.
fn entry(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let header = bytes.get(at..)?.strip_prefix(CENTRAL)?;
    if header.len() < CENTRAL_BYTES - CENTRAL.len() {
        return None;
    }
    let header = &bytes[at..];
    let [name, extra, comment] = [28, 30, 32].map(|place| usize::from(u16_at(header, place)));
    let whole = header.get(..CENTRAL_BYTES + name + extra + comment)?;
    Some((&whole[CENTRAL_BYTES..][..name], whole))
}

/// The member that a header in the directory means; `None` when it is not there.
fn packed<'a>(bytes: &'a [u8], name: &str, header: &[u8]) -> Result<Option<Member<'a>>, ZipError> {
    let unsupported = |what| ZipError::Unsupported { name: name.to_owned(), what };
    if u16_at(header, 8) & 1 != 0 {
        return Err(unsupported("is encrypted"));
    }
    let packing = match u16_at(header, 10) {
        0 => Packing::Stored,
        8 => Packing::Deflated,
        _ => return Err(unsupported("is neither stored nor deflated")),
    };
    let [packed_len, size, at] = [20, 24, 42].map(|place| u32_at(header, place));
    if [packed_len, size, at].contains(&(u32::MAX as usize)) {
        return Err(unsupported("has 4 GB or more"));
    }
    let local = bytes.get(at..).filter(|rest| rest.len() >= LOCAL_BYTES && rest.starts_with(LOCAL));
    let packed = local.and_then(|local| {
        let before = LOCAL_BYTES + usize::from(u16_at(local, 26)) + usize::from(u16_at(local, 28));
        local.get(before..before + packed_len)
    });
    let checksum = u32_at(header, 16) as u32;
    Ok(packed.map(|packed| Member { packing, checksum, size, packed }))
}

impl Member<'_> {
    /// Its bytes, at most `limit`; `name` is for errors.
    ///
    /// # Errors
    /// [`ZipError`] when it claims more, or is not what was packed.
    pub fn unpack(&self, name: &str, limit: usize) -> Result<Vec<u8>, ZipError> {
        let name = || name.to_owned();
        if self.size > limit {
            return Err(ZipError::TooLarge { name: name(), claimed: self.size, limit });
        }
        let mut bytes = Vec::new();
        match self.packing {
            Packing::Stored => bytes.extend(&self.packed[..self.packed.len().min(self.size)]),
            Packing::Deflated => {
                // One byte more would be one too many.
                let mut unpacked = DeflateDecoder::new(self.packed).take(self.size as u64 + 1);
                let damaged = |_| ZipError::Damaged { name: name() };
                unpacked.read_to_end(&mut bytes).map_err(damaged)?;
            }
        }
        let stored_fits = self.packing == Packing::Deflated || self.packed.len() == self.size;
        let mut checksum = Crc::new();
        checksum.update(&bytes);
        if stored_fits && bytes.len() == self.size && checksum.sum() == self.checksum {
            Ok(bytes)
        } else {
            Err(ZipError::Damaged { name: name() })
        }
    }
}

/// An archive of these members, in this order; equal members give equal bytes.
///
/// # Errors
/// When it would be an archive that [`members`] does not read: too many members, a name that is too
/// long or there twice, 4 GB or more.
pub fn write(
    packing: Packing,
    files: impl IntoIterator<Item = (String, Vec<u8>)>,
) -> Result<Vec<u8>, ZipError> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let mut names = BTreeSet::new();
    for (member, (name, file)) in files.into_iter().enumerate() {
        if name.len() > NAME_BYTES_MAX || names.contains(&name) {
            let name = name.chars().take(40).collect();
            return Err(ZipError::Name { member, name });
        }
        let packed = match packing {
            Packing::Stored => None,
            Packing::Deflated => Some(deflated(&file)),
        };
        let packed = packed.as_ref().unwrap_or(&file);
        let Ok(at) = u32::try_from(bytes.len() + packed.len() + file.len()) else {
            return Err(ZipError::Unsupported { name, what: "ends beyond 4 GB" });
        };
        let at = at - (packed.len() + file.len()) as u32;
        let fields = fields(packing, &name, packed.len() as u32, &file);
        bytes.extend(LOCAL);
        bytes.extend(&fields);
        bytes.extend(name.as_bytes());
        bytes.extend(packed);
        directory.extend(CENTRAL);
        directory.extend(20u16.to_le_bytes()); // made by version 2.0
        directory.extend(&fields);
        directory.extend([0; 10]); // no comment, disk 0, no attributes
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
        names.insert(name);
    }
    if names.len() > MEMBERS_MAX {
        return Err(ZipError::TooMany { found: names.len() });
    }
    let Ok(at) = u32::try_from(bytes.len()) else { return Err(ZipError::NoEnd) };
    bytes.extend(&directory);
    bytes.extend(END);
    bytes.extend([0; 4]);
    bytes.extend([names.len() as u16; 2].map(u16::to_le_bytes).concat());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(at.to_le_bytes());
    bytes.extend([0; 2]);
    Ok(bytes)
}

/// What both headers of a member say alike: from the version to the length of the extra fields.
fn fields(packing: Packing, name: &str, packed: u32, file: &[u8]) -> Vec<u8> {
    let method: u16 = match packing {
        Packing::Stored => 0,
        Packing::Deflated => 8,
    };
    let mut checksum = Crc::new();
    checksum.update(file);
    let mut fields = Vec::new();
    // Version 2.0; names are UTF-8; no time of day.
    fields.extend([20, 1 << 11, method, 0, DATE].map(u16::to_le_bytes).concat());
    fields.extend([checksum.sum(), packed, file.len() as u32].map(u32::to_le_bytes).concat());
    fields.extend([name.len() as u16, 0].map(u16::to_le_bytes).concat());
    fields
}

fn deflated(file: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(file).and_then(|()| encoder.finish());
    packed.expect("a vector takes every byte")
}

/// The number at a place that the caller knows to be there.
fn u16_at(record: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([record[at], record[at + 1]])
}

fn u32_at(record: &[u8], at: usize) -> usize {
    usize::from(u16_at(record, at)) | usize::from(u16_at(record, at + 2)) << 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn files() -> Vec<(String, Vec<u8>)> {
        let long = b"abcabcabc".repeat(50);
        vec![("a".into(), long), ("b/c".into(), vec![]), ("d".into(), vec![0, 255])]
    }

    /// All members unpacked, each at most a kilobyte.
    fn unpacked(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ZipError> {
        let unpack = |(name, member): (&str, Member)| {
            member.unpack(name, 1_000).map(|bytes| (name.to_owned(), bytes))
        };
        members(bytes)?.into_iter().map(unpack).collect()
    }

    #[test]
    fn members_come_back_as_they_were() {
        for packing in [Packing::Stored, Packing::Deflated] {
            let bytes = write(packing, files()).unwrap();
            assert_eq!(unpacked(&bytes), Ok(files()), "{packing:?}");
            assert_eq!(write(packing, files()).unwrap(), bytes, "{packing:?}");
        }
        let stored = write(Packing::Stored, files()).unwrap().len();
        assert!(write(Packing::Deflated, files()).unwrap().len() < stored);
        assert_eq!(unpacked(&write(Packing::Stored, []).unwrap()), Ok(vec![]));
    }

    #[test]
    fn a_comment_behind_the_end_is_passed_over() {
        let mut bytes = write(Packing::Stored, files()).unwrap();
        let at = bytes.len() - 2;
        bytes[at] = 30;
        bytes.extend([b"PK\x05\x06".as_slice(), &[7; 26]].concat());
        assert_eq!(unpacked(&bytes), Ok(files()));
    }

    #[test]
    fn a_bomb_is_refused_by_what_it_claims_and_by_what_it_is() {
        let zeros = vec![("bomb".to_owned(), vec![0; 1_000_000])];
        let mut bytes = write(Packing::Deflated, zeros).unwrap();
        assert!(bytes.len() < 2_000);
        let refused = unpacked(&bytes).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "member \"bomb\" claims 1000000 bytes unpacked: at most 1000 are read here"
        );
        // The size in the directory, made small.
        let directory = bytes.windows(4).position(|window| window == CENTRAL).unwrap();
        bytes[directory + 24..][..4].copy_from_slice(&900u32.to_le_bytes());
        assert_eq!(unpacked(&bytes), Err(ZipError::Damaged { name: "bomb".into() }));
    }

    #[test]
    fn what_no_npz_has_is_refused_with_its_name() {
        let bytes = write(Packing::Stored, files()).unwrap();
        let directory = bytes.windows(4).position(|window| window == CENTRAL).unwrap();
        let refused = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[directory + at] = byte;
            unpacked(&bytes).unwrap_err().to_string()
        };
        assert!(refused(8, 1).contains("\"a\" is encrypted"));
        assert!(refused(10, 12).contains("\"a\" is neither stored nor deflated"));
        assert!(refused(16, 1).contains("\"a\" is damaged"));
        assert!(refused(42, 7).contains("damaged at member 0"));
        assert!(refused(46, b'd').contains("member 2 has the name \"d\""));
        assert!(refused(46, 0xff).contains("member 0 has the name \"\\\\xff\""));
        let twice = [("a".to_owned(), vec![]), ("a".to_owned(), vec![])];
        assert!(matches!(write(Packing::Stored, twice), Err(ZipError::Name { member: 1, .. })));
        let long = [("a".repeat(257), vec![])];
        assert!(matches!(write(Packing::Stored, long), Err(ZipError::Name { member: 0, .. })));
        let many = (0..=MEMBERS_MAX).map(|number| (number.to_string(), vec![]));
        assert!(matches!(write(Packing::Stored, many), Err(ZipError::TooMany { found: 10_001 })));
    }

    #[test]
    fn every_cut_is_refused() {
        for packing in [Packing::Stored, Packing::Deflated] {
            let bytes = write(packing, files()).unwrap();
            for cut in 0..bytes.len() {
                assert!(unpacked(&bytes[..cut]).is_err(), "cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_changed_byte_makes_reading_panic_or_changes_what_was_packed(
            place in 0.0f64..1.0, byte in any::<u8>(), deflated in any::<bool>(),
        ) {
            let packing = if deflated { Packing::Deflated } else { Packing::Stored };
            let mut bytes = write(packing, files()).unwrap();
            let at = (place * bytes.len() as f64) as usize;
            bytes[at] = byte;
            if let Ok(read) = unpacked(&bytes) {
                let packed: Vec<Vec<u8>> = files().into_iter().map(|(_, file)| file).collect();
                prop_assert!(read.into_iter().all(|(_, file)| packed.contains(&file)));
            }
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpacked(&[b"PK\x03\x04", &*bytes, &write(Packing::Stored, []).unwrap()].concat());
        }
    }
}
