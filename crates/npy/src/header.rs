//! The header of a `.npy` file: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.

use crate::array::{HEADER_BYTES_MAX, LEN_MAX, MAGIC, NpyError, RANK_MAX};

/// How a number of the file lies, by NumPy's letter and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Truth values of a byte.
    B1,
    /// `int8`.
    I1,
    /// `uint8`.
    U1,
    /// `int16`.
    I2,
    /// `uint16`.
    U2,
    /// `float16`.
    F2,
    /// `int32`.
    I4,
    /// `uint32`.
    U4,
    /// `float32`.
    F4,
    /// `int64`.
    I8,
    /// `uint64`.
    U8,
    /// `float64`.
    F8,
}

/// Every element with NumPy's name of it.
const ELEMENTS: [(&str, Element); 12] = [
    ("|b1", Element::B1),
    ("|i1", Element::I1),
    ("|u1", Element::U1),
    ("<i2", Element::I2),
    ("<u2", Element::U2),
    ("<f2", Element::F2),
    ("<i4", Element::I4),
    ("<u4", Element::U4),
    ("<f4", Element::F4),
    ("<i8", Element::I8),
    ("<u8", Element::U8),
    ("<f8", Element::F8),
];

impl Element {
    /// The bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Element::B1 | Element::I1 | Element::U1 => 1,
            Element::I2 | Element::U2 | Element::F2 => 2,
            Element::I4 | Element::U4 | Element::F4 => 4,
            Element::I8 | Element::U8 | Element::F8 => 8,
        }
    }
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// How a number lies.
    pub element: Element,
    /// The first axis is contiguous, not the last.
    pub is_fortran: bool,
    /// The lengths of the axes.
    pub shape: Vec<usize>,
}

impl Header {
    /// No header is longer, with the magic before it.
    pub const BYTES_MAX: usize = 12 + HEADER_BYTES_MAX;

    /// The header of a file, and the bytes behind it; `bytes` may be the file's first [`Header::BYTES_MAX`] only.
    ///
    /// # Errors
    /// [`NpyError`] for what is not the literal that NumPy writes.
    pub fn split(bytes: &[u8]) -> Result<(Header, &[u8]), NpyError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(NpyError::Magic)?;
        let cut_off = NpyError::HeaderLength { claimed: usize::MAX, found: bytes.len() };
        let Some((&[major, minor], rest)) = rest.split_first_chunk() else { return Err(cut_off) };
        let (claimed, rest) = match (major, minor) {
            (1, 0) => {
                let (length, rest) = rest.split_first_chunk().ok_or(cut_off)?;
                (usize::from(u16::from_le_bytes(*length)), rest)
            }
            (2 | 3, 0) => {
                let (length, rest) = rest.split_first_chunk().ok_or(cut_off)?;
                (u32::from_le_bytes(*length) as usize, rest)
            }
            _ => return Err(NpyError::Version { major, minor }),
        };
        match rest.split_at_checked(claimed) {
            Some((header, data)) if claimed <= HEADER_BYTES_MAX => {
                Ok((Literal { text: header, at: 0 }.header()?, data))
            }
            _ => Err(NpyError::HeaderLength { claimed, found: bytes.len() }),
        }
    }

    /// How many numbers there are, if an array in memory may have as many. Also of an array that is empty, all
    /// other axes are within the limit.
    #[allow(clippy::len_without_is_empty, reason = "an array may have no numbers and a shape")]
    pub fn len(&self) -> Option<usize> {
        if self.shape.len() > RANK_MAX {
            return None;
        }
        let fits = |len: &usize| *len <= LEN_MAX;
        let axes = self.shape.iter().map(|&axis| axis.max(1));
        let largest = axes.into_iter().try_fold(1usize, |len, axis| len.checked_mul(axis));
        largest.filter(fits).map(|largest| if self.shape.contains(&0) { 0 } else { largest })
    }
}

/// The bytes up to the numbers, in C order, padded to a multiple of 64 as NumPy's are.
///
/// # Panics
/// For more than eight axes: such an array could not be read back.
pub fn write(element: Element, shape: &[usize]) -> Vec<u8> {
    assert!(shape.len() <= RANK_MAX, "an array of {} axes cannot be read back", shape.len());
    let (descr, _) = ELEMENTS
        .iter()
        .find(|(_, named)| *named == element)
        .expect("every element has a name in the table");
    let axes = match shape {
        [one] => format!("{one},"),
        axes => axes.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    // Eight axes of twenty digits are far below the 65,535 bytes of version 1.
    let before = MAGIC.len() + 4;
    let padded = (before + text.len() + 1).next_multiple_of(64) - before;
    text.extend(std::iter::repeat_n(' ', padded - 1 - text.len()));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// A literal of Python, read from left to right.
struct Literal<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Literal<'a> {
    /// All of it.
    fn header(mut self) -> Result<Header, NpyError> {
        let (mut element, mut is_fortran, mut shape) = (None, None, None);
        self.expect(b'{', "`{`")?;
        while !self.skip(b'}') {
            let at = self.at;
            let key = self.quoted()?;
            self.expect(b':', "`:`")?;
            match key {
                b"descr" if element.is_none() => element = Some(self.element()?),
                b"fortran_order" if is_fortran.is_none() => is_fortran = Some(self.truth()?),
                b"shape" if shape.is_none() => shape = Some(self.tuple()?),
                _ => return Err(NpyError::Header { at, expected: "another key" }),
            }
            if !self.skip(b',') && self.peek() != Some(b'}') {
                return Err(self.missing("`,` or `}`"));
            }
        }
        if self.peek().is_some() {
            return Err(self.missing("the end"));
        }
        Ok(Header {
            element: element.ok_or(self.missing("`descr`"))?,
            is_fortran: is_fortran.ok_or(self.missing("`fortran_order`"))?,
            shape: shape.ok_or(self.missing("`shape`"))?,
        })
    }

    fn missing(&self, expected: &'static str) -> NpyError {
        NpyError::Header { at: self.at, expected }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Steps over `byte` if it is the next.
    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), NpyError> {
        if self.skip(byte) { Ok(()) } else { Err(self.missing(expected)) }
    }

    /// What stands between two quotation marks.
    fn quoted(&mut self) -> Result<&'a [u8], NpyError> {
        let Some(mark @ (b'\'' | b'"')) = self.peek() else {
            return Err(self.missing("a quoted text"));
        };
        let rest = &self.text[self.at + 1..];
        match rest.iter().position(|&byte| byte == mark) {
            None => Err(self.missing("a closing quotation mark")),
            Some(len) => {
                self.at += len + 2;
                Ok(&rest[..len])
            }
        }
    }

    fn element(&mut self) -> Result<Element, NpyError> {
        let descr = self.quoted()?;
        let named = ELEMENTS.iter().find(|(name, _)| name.as_bytes() == descr);
        named.map(|(_, element)| *element).ok_or_else(|| {
            let shown = descr.iter().take(40).flat_map(|byte| byte.escape_ascii());
            NpyError::Type { descr: shown.map(char::from).collect() }
        })
    }

    fn truth(&mut self) -> Result<bool, NpyError> {
        self.peek();
        for (word, truth) in [("True", true), ("False", false)] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(truth);
            }
        }
        Err(self.missing("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<usize>, NpyError> {
        self.expect(b'(', "`(`")?;
        let mut axes = Vec::new();
        while !self.skip(b')') {
            axes.push(self.whole()?);
            if !self.skip(b',') && self.peek() != Some(b')') {
                return Err(self.missing("`,` or `)`"));
            }
        }
        Ok(axes)
    }

    fn whole(&mut self) -> Result<usize, NpyError> {
        self.peek();
        let rest = &self.text[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&rest[..digits]).ok().and_then(|text| text.parse().ok());
        let number = number.ok_or(self.missing("a whole number"))?;
        self.at += digits;
        Ok(number)
    }
}
