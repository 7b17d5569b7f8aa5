//! Tables of codes, and a few of them kept: nearly all files of a data set have the same.

use std::sync::Arc;

/// Codes up to so many bits are found by one look.
pub(super) const LOOK: u32 = 10;

/// Tables that are kept.
const KEPT: usize = 8;

/// A table of codes.
#[derive(Debug)]
pub(super) struct Table {
    /// By the next [`LOOK`] bits, see [`Entry`].
    looks: Box<[Entry; 1 << LOOK]>,
    /// The first number that is no code, of each length, moved up to 16 bits; codes of length `n` are below `ends[n]`.
    ends: [u32; 17],
    /// What is added to a code of each length for its place in `symbols`.
    places: [i32; 17],
    symbols: Vec<u8>,
}

/// What the next bits mean.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    /// The number that follows the code, when it is among the bits too; else 0.
    pub(super) value: i16,
    /// The code's symbol: how many zeros are skipped, and how many bits the number has.
    pub(super) symbol: u8,
    /// Bits of the code, and of the number when it is here; 0 for a code that is longer.
    pub(super) length: u8,
}

/// The number of `size` bits that `bits` stand for: the first half of the range means negative numbers (T.81, F.2.2.1).
pub(super) fn extended(bits: u32, size: u32) -> i32 {
    let half = (1u32 << size) >> 1;
    if bits < half { bits as i32 - (1i32 << size) + 1 } else { bits as i32 }
}

impl Table {
    /// No codes.
    pub(super) fn empty() -> Self {
        Table {
            looks: Box::new([Entry::default(); 1 << LOOK]),
            ends: [0; 17],
            places: [0; 17],
            symbols: Vec::new(),
        }
    }

    /// Builds a table from its definition: how many codes of each length from 1 to 16, and their symbols. None when these cannot
    /// be codes.
    fn new(definition: &[u8]) -> Option<Table> {
        let (counts, symbols) = definition.split_first_chunk::<16>()?;
        let mut table = Table { symbols: symbols.to_vec(), ..Table::empty() };
        let (mut code, mut place) = (0u32, 0usize);
        for (&count, length) in counts.iter().zip(1u32..) {
            table.places[length as usize] = place as i32 - code as i32;
            for &symbol in symbols.get(place..place + usize::from(count))? {
                if code >> length != 0 {
                    return None;
                }
                table.look_up(code, length, symbol);
                code += 1;
            }
            place += usize::from(count);
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Enters a code into all places that begin with it.
    fn look_up(&mut self, code: u32, length: u32, symbol: u8) {
        if length > LOOK {
            return;
        }
        let (left, size) = (LOOK - length, u32::from(symbol & 15));
        let first = (code << left) as usize;
        for (rest, entry) in self.looks[first..first + (1 << left)].iter_mut().enumerate() {
            *entry = Entry { value: 0, symbol, length: length as u8 };
            if (1..=left).contains(&size) {
                let value = extended(rest as u32 >> (left - size), size);
                *entry = Entry { value: value as i16, symbol, length: (length + size) as u8 };
            }
        }
    }

    /// What the next bits, the first of them on top, mean.
    #[inline]
    pub(super) fn look(&self, bits: u64) -> Entry {
        self.looks[(bits >> (64 - LOOK)) as usize]
    }

    /// The symbol and length of a code longer than [`LOOK`]; none when there is no such code.
    #[cold]
    pub(super) fn long(&self, bits: u64) -> Option<(u8, u32)> {
        let next = (bits >> 48) as u32;
        let length = (LOOK as usize + 1..=16).find(|&length| next < self.ends[length])?;
        let code = (next >> (16 - length)) as i32;
        let symbol = self.symbols.get(usize::try_from(code + self.places[length]).ok()?)?;
        Some((*symbol, length as u32))
    }
}

/// The tables that were used last, by their definitions.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// The latest at the end.
    kept: Vec<(Vec<u8>, Arc<Table>)>,
}

impl Cache {
    /// The table of a definition; none when there can be no such table.
    pub(super) fn table(&mut self, definition: &[u8]) -> Option<Arc<Table>> {
        match self.kept.iter().position(|(known, _)| known == definition) {
            Some(at) => Some(self.kept[at].1.clone()),
            None => {
                let table = Arc::new(Table::new(definition)?);
                if self.kept.len() == KEPT {
                    self.kept.remove(0);
                }
                self.kept.push((definition.to_vec(), table.clone()));
                Some(table)
            }
        }
    }
}
