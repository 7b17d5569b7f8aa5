//! The headers of a tar archive, one after another: which files lie where.
//!
//! Read are ustar, GNU (long names, sizes beyond 8 GiB) and pax (path and size). Nothing is ever unpacked to a name of the
//! archive, but an archive that would do harm elsewhere is refused here too: absolute names, `..`, links, devices, sparse files.
//!
//! Source: POSIX.1-2017, "pax", section "ustar Interchange Format" and "pax Header Block"; the GNU tar manual, "Basic Tar Format".

use super::super::SourceError;
use super::super::seekable::Seekable;

/// A header, and the unit of everything.
pub(super) const BLOCK: u64 = 512;
/// The longest name, and the most bytes of an extended header.
const EXTENDED_BYTES_MAX: u64 = 64 << 10;
const NAME_BYTES_MAX: usize = 4096;
/// How much is read at once: several headers of small files, little in vain before a large one.
const WINDOW_BYTES: usize = 16 << 10;

/// A file of an archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// Its name, without a `./` before it.
    pub(super) name: Vec<u8>,
    /// Where its bytes begin.
    pub(super) at: u64,
    /// How many there are.
    pub(super) len: u64,
}

/// Goes through an archive.
pub(super) struct Headers<'a> {
    file: &'a Seekable,
    at: u64,
    window: Vec<u8>,
    window_at: u64,
    long_name: Option<Vec<u8>>,
    long_size: Option<u64>,
}

impl<'a> Headers<'a> {
    pub(super) fn new(file: &'a Seekable) -> Self {
        let (window, window_at) = (Vec::new(), 0);
        Headers { file, at: 0, window, window_at, long_name: None, long_size: None }
    }

    /// The next regular file, or `None` at the archive's end mark.
    ///
    /// # Errors
    /// [`SourceError`] for an archive that is cut, damaged, or holds what no archive of data should.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, SourceError> {
        loop {
            let block = self.block(self.at)?;
            if block.iter().all(|&byte| byte == 0) {
                return Ok(None);
            }
            let header = Header(&block);
            if !header.has_its_checksum() {
                return Err(
                    self.wrong(format!("no header at byte {}: is it a tar archive?", self.at))
                );
            }
            let size = header
                .number(124..136)
                .ok_or_else(|| self.wrong(format!("the header at byte {} has no size", self.at)))?;
            let is_extension = matches!(header.kind(), b'x' | b'g' | b'L' | b'K');
            let size = if is_extension { size } else { self.long_size.take().unwrap_or(size) };
            let begin = self.at + BLOCK;
            let end = size.checked_next_multiple_of(BLOCK).and_then(|size| begin.checked_add(size));
            let need = begin.saturating_add(size);
            let Some(end) = end.filter(|_| need <= self.file.len()) else {
                let (path, have) = (self.file.path().to_path_buf(), self.file.len());
                return Err(SourceError::Truncated { path, have, need });
            };
            let kind = header.kind();
            if is_extension {
                self.extend(kind, begin, size)?;
                self.at = end;
                continue;
            }
            let name = self.long_name.take().unwrap_or_else(|| header.name());
            let name = self.checked(name)?;
            self.at = end;
            match kind {
                b'0' | 0 | b'7' if name.ends_with(b"/") => {} // a folder of the oldest kind
                b'0' | 0 | b'7' => return Ok(Some(Entry { name, at: begin, len: size })),
                b'5' => {}
                kind => {
                    let what = match kind {
                        b'1' | b'2' => "is a link",
                        b'3' | b'4' | b'6' => "is a device or a pipe",
                        b'S' => "is a sparse file",
                        _ => "is of a kind that is not known",
                    };
                    return Err(self.entry(&name, &format!("{what}: pack files and folders only")));
                }
            }
        }
    }

    /// An extended header: what it says of the entry that follows.
    fn extend(&mut self, kind: u8, begin: u64, size: u64) -> Result<(), SourceError> {
        if size > EXTENDED_BYTES_MAX {
            let what = format!(
                "the extended header at byte {begin} has {size} bytes, at most {EXTENDED_BYTES_MAX} are read"
            );
            return Err(self.wrong(what));
        }
        let mut bytes = vec![0; size as usize];
        self.file.read_at(begin, &mut bytes)?;
        match kind {
            b'L' => self.long_name = Some(until_nul(&bytes).to_vec()),
            b'x' => {
                for (key, value) in records(&bytes) {
                    match key {
                        b"path" => self.long_name = Some(value.to_vec()),
                        b"size" => {
                            let text = std::str::from_utf8(value).ok();
                            self.long_size = text.and_then(|text| text.parse().ok());
                            if self.long_size.is_none() {
                                return Err(
                                    self.wrong(format!("the size at byte {begin} is no number"))
                                );
                            }
                        }
                        _ => {}
                    }
                }
            }
            // Of all entries, or where links lead: nothing here needs it.
            _ => {}
        }
        Ok(())
    }

    /// A name that stays within the archive's own folder.
    fn checked(&self, name: Vec<u8>) -> Result<Vec<u8>, SourceError> {
        let mut name = &name[..];
        while let Some(rest) = name.strip_prefix(b"./") {
            name = rest;
        }
        let has_parent = name.split(|&byte| byte == b'/').any(|part| part == b"..");
        match () {
            () if name.starts_with(b"/") => {
                Err(self.entry(name, "is an absolute name: pack a folder from within"))
            }
            () if has_parent => {
                Err(self.entry(name, "leads out of its folder: pack a folder from within"))
            }
            () if name.len() > NAME_BYTES_MAX => {
                Err(self.entry(name, "has a name of over 4096 bytes"))
            }
            () => Ok(name.to_vec()),
        }
    }

    /// The block at a place, through a window.
    fn block(&mut self, at: u64) -> Result<[u8; BLOCK as usize], SourceError> {
        let is_inside =
            at >= self.window_at && at + BLOCK <= self.window_at + self.window.len() as u64;
        if !is_inside {
            let left = self.file.len().saturating_sub(at);
            if left < BLOCK {
                let (path, have) = (self.file.path().to_path_buf(), self.file.len());
                // Every archive ends with a block of zeros at least.
                return Err(SourceError::Truncated { path, have, need: at + BLOCK });
            }
            self.window.resize(left.min(WINDOW_BYTES as u64) as usize, 0);
            self.file.read_at(at, &mut self.window)?;
            self.window_at = at;
        }
        let begin = (at - self.window_at) as usize;
        let block = &self.window[begin..begin + BLOCK as usize];
        Ok(block.try_into().expect("the slice is as long as a block"))
    }

    fn wrong(&self, what: String) -> SourceError {
        SourceError::Format { path: self.file.path().to_path_buf(), format: "tar archive", what }
    }

    fn entry(&self, name: &[u8], what: &str) -> SourceError {
        let (path, place) = (self.file.path().to_path_buf(), format!("entry {}", shown(name)));
        SourceError::Item { path, place, what: what.to_owned() }
    }
}

/// The name that the header before an entry's bytes has: for people, and cut when it is long.
pub(super) fn name_before(file: &Seekable, at: u64) -> Option<String> {
    let mut block = [0; BLOCK as usize];
    file.read_at(at.checked_sub(BLOCK)?, &mut block).ok()?;
    Some(shown(&Header(&block).name()))
}

/// A name as it can be printed.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The records of a pax header: `LENGTH KEY=VALUE\n`; what is none ends them.
fn records(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let space = bytes.iter().position(|&byte| byte == b' ')?;
        let len: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
        let record = bytes.get(space + 1..len)?.strip_suffix(b"\n")?;
        bytes = &bytes[len..];
        let equals = record.iter().position(|&byte| byte == b'=')?;
        Some((&record[..equals], &record[equals + 1..]))
    })
}

/// A header block.
struct Header<'a>(&'a [u8; BLOCK as usize]);

impl Header<'_> {
    fn kind(&self) -> u8 {
        self.0[156]
    }

    fn name(&self) -> Vec<u8> {
        let name = until_nul(&self.0[..100]);
        let prefix = until_nul(&self.0[345..500]);
        // Only POSIX has a prefix there: GNU's magic goes on with a space.
        match &self.0[257..263] {
            b"ustar\0" if !prefix.is_empty() => [prefix, b"/", name].concat(),
            _ => name.to_vec(),
        }
    }

    /// An octal number, or one in base 256, as GNU writes large ones.
    fn number(&self, field: std::ops::Range<usize>) -> Option<u64> {
        let field = &self.0[field];
        if field[0] & 0x80 != 0 {
            let mut bytes = field.to_vec();
            bytes[0] &= 0x7f;
            let (high, low) = bytes.split_at(bytes.len() - 8);
            let is_small = high.iter().all(|&byte| byte == 0);
            return is_small.then(|| u64::from_be_bytes(low.try_into().expect("eight are left")));
        }
        let text = std::str::from_utf8(until_nul(field)).ok()?.trim();
        u64::from_str_radix(text, 8).ok()
    }

    /// True when the sum of its bytes, its own field as spaces, is what it says.
    fn has_its_checksum(&self) -> bool {
        let sum = |range: std::ops::Range<usize>| {
            self.0[range].iter().map(|&byte| u64::from(byte)).sum::<u64>()
        };
        let found = sum(0..148) + 8 * u64::from(b' ') + sum(156..512);
        self.number(148..156) == Some(found)
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}
