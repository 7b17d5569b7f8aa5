//! The bits of the compressed data, without the bytes that are stuffed between them.

use super::{
    JpegError,
    huffman::{Table, extended},
};

/// Reads bits up to the next marker; after it come zeros, which are counted.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, the first of them on top.
    next: u64,
    /// How many of them there are.
    count: u32,
    /// How many of these are zeros from behind the data.
    beyond: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Bits { data, at: 0, next: 0, count: 0, beyond: 0 }
    }

    /// Makes sure of 32 bits: a code and the number behind it.
    #[inline]
    fn fill(&mut self) {
        if self.count > 32 {
            return;
        }
        if let Some(&bytes) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<4>()) {
            let word = u32::from_be_bytes(bytes);
            // No byte of 0xff among the four: none of the inverted is 0.
            let inverted = !word;
            if inverted.wrapping_sub(0x0101_0101) & word & 0x8080_8080 == 0 {
                self.next |= u64::from(word) << (32 - self.count);
                self.count += 32;
                self.at += 4;
                return;
            }
        }
        self.fill_slowly();
    }

    fn fill_slowly(&mut self) {
        while self.count <= 56 {
            let byte = match self.data.get(self.at..) {
                Some([0xff, 0x00, ..]) => {
                    self.at += 2;
                    0xff
                }
                None | Some([] | [0xff, ..]) => {
                    self.beyond += 8;
                    0
                }
                Some([byte, ..]) => {
                    self.at += 1;
                    *byte
                }
            };
            self.next |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    #[inline]
    fn skip(&mut self, bits: u32) {
        self.next <<= bits;
        self.count -= bits;
    }

    /// The next `size` bits as a number, at most 16 of them, which must be there.
    #[inline]
    fn number(&mut self, size: u32) -> i32 {
        let bits = (self.next >> 1 >> (63 - size)) as u32;
        self.skip(size);
        extended(bits, size)
    }

    /// The next symbol and the number behind it.
    #[inline]
    pub(super) fn symbol(&mut self, table: &Table) -> Result<(u8, i32), JpegError> {
        self.fill();
        let entry = table.look(self.next);
        let size = u32::from(entry.symbol & 15);
        if entry.value != 0 {
            self.skip(u32::from(entry.length));
            return Ok((entry.symbol, i32::from(entry.value)));
        }
        if entry.length != 0 {
            self.skip(u32::from(entry.length));
            let value = if size == 0 { 0 } else { self.number(size) };
            return Ok((entry.symbol, value));
        }
        let (symbol, length) = table.long(self.next).ok_or(JpegError::Code)?;
        self.skip(length);
        let value = self.number(u32::from(symbol & 15));
        Ok((symbol, value))
    }

    /// True when bits were taken that the data do not have.
    pub(super) fn is_beyond(&self) -> bool {
        self.beyond > self.count
    }

    /// Goes on behind the restart marker `n`, modulo 8.
    pub(super) fn restart(&mut self, n: usize) -> Result<(), JpegError> {
        if self.is_beyond() {
            return Err(JpegError::Cut);
        }
        // Bytes are read ahead up to a marker and no further: it stands here.
        let mut at = self.at;
        while self.data.get(at + 1) == Some(&0xff) && self.data.get(at) == Some(&0xff) {
            at += 1;
        }
        match self.data.get(at..at + 2) {
            Some([0xff, marker]) if *marker == 0xd0 + (n % 8) as u8 => {
                *self = Bits { data: self.data, at: at + 2, next: 0, count: 0, beyond: 0 };
                Ok(())
            }
            Some(_) => Err(JpegError::Restart),
            None => Err(JpegError::Cut),
        }
    }
}
