//! Where the records of a text begin and end: lines, or rows of CSV, whose quoted fields may hold line ends.
//!
//! A record that is longer than allowed is passed over without being kept: memory is bounded whatever the file holds.

use std::io::{self, BufRead};

use memchr::{memchr, memchr2};

/// A record: where it lies, without its line end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) at: u64,
    pub(super) len: u64,
}

/// A record and its bytes; without them when it is longer than allowed.
pub(super) type Found<'r> = (Span, Option<&'r [u8]>);

/// Goes through the records of a text, blank ones left out.
pub(super) struct Records<R> {
    from: R,
    at: u64,
    /// Line ends between quotes do not end a record.
    is_quoting: bool,
    bytes_max: usize,
    record: Vec<u8>,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(from: R, is_quoting: bool, bytes_max: u32) -> Self {
        Records { from, at: 0, is_quoting, bytes_max: bytes_max as usize, record: Vec::new() }
    }

    /// The next record, and its bytes when it is not longer than allowed.
    pub(super) fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        loop {
            let at = self.at;
            let Some(len) = self.read()? else { return Ok(None) };
            let is_whole = len <= self.bytes_max as u64;
            if is_whole {
                let kept = self.record.strip_suffix(b"\r").unwrap_or(&self.record).len();
                self.record.truncate(kept);
                if self.record.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let span = Span { at, len: self.record.len() as u64 };
                return Ok(Some((span, Some(&self.record))));
            }
            return Ok(Some((Span { at, len }, None)));
        }
    }

    /// Reads up to a line end that ends a record; gives the bytes before it, of which no more are kept than allowed.
    fn read(&mut self) -> io::Result<Option<u64>> {
        self.record.clear();
        let (mut len, mut is_within) = (0u64, false);
        loop {
            let chunk = self.from.fill_buf()?;
            if chunk.is_empty() {
                return Ok((len > 0).then_some(len));
            }
            let end = end_of(chunk, self.is_quoting, &mut is_within);
            let taken = end.unwrap_or(chunk.len());
            len += taken as u64;
            if len <= self.bytes_max as u64 {
                self.record.extend_from_slice(&chunk[..taken]);
            }
            let used = taken + usize::from(end.is_some());
            self.from.consume(used);
            self.at += used as u64;
            if end.is_some() {
                return Ok(Some(len));
            }
        }
    }
}

/// Where the line end that ends a record is, and whether a quote is open behind the chunk.
fn end_of(chunk: &[u8], is_quoting: bool, is_within: &mut bool) -> Option<usize> {
    if !is_quoting {
        return memchr(b'\n', chunk);
    }
    let mut at = 0;
    while let Some(found) = memchr2(b'"', b'\n', &chunk[at..]) {
        let place = at + found;
        match chunk[place] {
            b'"' => *is_within = !*is_within,
            _ if !*is_within => return Some(place),
            _ => {}
        }
        at = place + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    /// Every record with its place, read in chunks of so many bytes.
    fn all(
        text: &str,
        is_quoting: bool,
        bytes_max: u32,
        chunk: usize,
    ) -> Vec<(u64, Option<String>)> {
        let from = BufReader::with_capacity(chunk, text.as_bytes());
        let mut records = Records::new(from, is_quoting, bytes_max);
        let mut found = Vec::new();
        while let Some((span, bytes)) = records.next().unwrap() {
            let text = bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            found.push((span.at, text));
        }
        found
    }

    #[test]
    fn records_are_lines_without_blank_ones_and_their_places_are_true() {
        let text = "a,b\r\n\n  \n\"x\ny\",2\nlast";
        for chunk in [1, 2, 3, 7, 100] {
            let lines = all(text, true, 100, chunk);
            let expected = [(0, "a,b"), (9, "\"x\ny\",2"), (17, "last")];
            assert_eq!(lines, expected.map(|(at, line)| (at, Some(line.to_owned()))), "{chunk}");
            let plain = all(text, false, 100, chunk);
            assert_eq!(plain.len(), 4, "{plain:?}");
        }
        assert_eq!(all("", true, 10, 4), []);
    }

    #[test]
    fn a_record_over_the_limit_is_passed_over_and_not_kept() {
        let text = format!("ab\n{}\ncd\n", "x".repeat(1_000));
        for chunk in [1, 5, 4_096] {
            let found = all(&text, false, 10, chunk);
            assert_eq!(found, [(0, Some("ab".into())), (3, None), (1_004, Some("cd".into()))]);
        }
        let open = format!("a\n\"{}", "\n".repeat(100));
        assert_eq!(all(&open, true, 10, 16), [(0, Some("a".into())), (2, None)]);
    }
}
