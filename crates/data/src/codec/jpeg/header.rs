//! The segments before the compressed data.

use image::metadata::Orientation;
use std::sync::Arc;

use super::{
    JpegError,
    huffman::{Cache, Table},
};

/// The places of a block's coefficients in the order of the file, column by column: `8 * u + v` for the frequency `u` across and
/// `v` down, so that the transform needs one transposition only.
pub(super) const PLACES: [u8; 64] = [
    0, 8, 1, 2, 9, 16, 24, 17, 10, 3, 4, 11, 18, 25, 32, 40, 33, 26, 19, 12, 5, 6, 13, 20, 27, 34,
    41, 48, 56, 49, 42, 35, 28, 21, 14, 7, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44, 37, 30, 23, 31,
    38, 45, 52, 59, 60, 53, 46, 39, 47, 54, 61, 62, 55, 63,
];

/// One plane of the picture.
pub(super) struct Component {
    id: u8,
    /// Blocks of it in an MCU, across and down: 1 or 2.
    pub(super) across: usize,
    pub(super) down: usize,
    /// In the order of the file.
    pub(super) quantisation: [u16; 64],
    quantisation_id: u8,
    pub(super) dc: Arc<Table>,
    pub(super) ac: Arc<Table>,
}

/// All that the compressed data are read with.
pub(super) struct Header<'a> {
    pub(super) h: usize,
    pub(super) w: usize,
    /// 1 or 3.
    pub(super) components: Vec<Component>,
    /// MCUs between two restart markers; 0 for none.
    pub(super) restart: usize,
    pub(super) orientation: Orientation,
    /// The compressed data, and whatever follows.
    pub(super) data: &'a [u8],
}

impl Header<'_> {
    /// Samples to a block's side of chroma where the luma has `scale`: of half the size it need not be enlarged again when the
    /// picture shrinks.
    pub(super) fn chroma_scale(&self, scale: usize) -> usize {
        let is_quartered = self.components[0].across == 2 && self.components[0].down == 2;
        if is_quartered && scale < 8 { 2 * scale } else { scale }
    }
}

/// What the segments have said so far.
struct Segments<'a> {
    rest: &'a [u8],
    quantisation: [Option<[u16; 64]>; 4],
    dc: [Option<Arc<Table>>; 4],
    ac: [Option<Arc<Table>>; 4],
    frame: Option<(usize, usize, Vec<Component>)>,
    restart: usize,
    orientation: Orientation,
    has_jfif: bool,
    /// The colour transform that an Adobe segment names.
    adobe: Option<u8>,
}

/// Reads all segments up to the compressed data; none for a kind of JPEG that is not decoded here.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    cache: &mut Cache,
) -> Result<Option<Header<'a>>, JpegError> {
    let mut segments = Segments {
        rest: bytes.strip_prefix(&[0xff, 0xd8]).ok_or(JpegError::Cut)?,
        quantisation: [None; 4],
        dc: Default::default(),
        ac: Default::default(),
        frame: None,
        restart: 0,
        orientation: Orientation::NoTransforms,
        has_jfif: false,
        adobe: None,
    };
    loop {
        let (marker, body) = segments.next()?;
        let wrong = JpegError::Segment { marker };
        match marker {
            0xc0 | 0xc1 => match segments.frame(body).ok_or(wrong)? {
                true => {}
                false => return Ok(None),
            },
            // Progressive, lossless, arithmetic, hierarchical; and a number of lines that comes later.
            0xc2 | 0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf | 0xdc => return Ok(None),
            0xc4 => segments.codes(body, cache).ok_or(wrong)?,
            0xdb => segments.quantisation(body).ok_or(wrong)?,
            0xdd => segments.restart = usize::from(two(body).ok_or(wrong)?),
            0xda => return segments.scan(body).ok_or(wrong),
            0xe0 => segments.has_jfif |= body.starts_with(b"JFIF\0"),
            0xe1 => segments.exif(body),
            0xee if body.starts_with(b"Adobe") => segments.adobe = body.get(11).copied(),
            _ => {}
        }
    }
}

/// The number of the first two bytes.
fn two(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.first_chunk()?))
}

impl<'a> Segments<'a> {
    /// The next segment's marker and what is in it.
    fn next(&mut self) -> Result<(u8, &'a [u8]), JpegError> {
        let cut = JpegError::Cut;
        let at = self.rest.iter().position(|&byte| byte == 0xff).ok_or(cut)?;
        let after = &self.rest[at..];
        // Any number of fill bytes may stand before the marker.
        let fill = after.iter().position(|&byte| byte != 0xff).ok_or(cut)?;
        let (marker, rest) = (after[fill], &after[fill + 1..]);
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd9) {
            // None of these has a place here; the end of the picture is one of them.
            return Err(if marker == 0xd9 { cut } else { JpegError::Segment { marker } });
        }
        let length = usize::from(two(rest).ok_or(cut)?);
        let body = rest.get(2..length).ok_or(match length {
            0 | 1 => JpegError::Segment { marker },
            _ => cut,
        })?;
        self.rest = &rest[length..];
        Ok((marker, body))
    }

    fn quantisation(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&what, rest)) = body.split_first() {
            let bytes = if what >> 4 == 0 { 1 } else { 2 };
            let table = rest.get(..64 * bytes)?;
            let number = |at: usize| match bytes {
                1 => u16::from(table[at]),
                _ => u16::from_be_bytes([table[2 * at], table[2 * at + 1]]),
            };
            *self.quantisation.get_mut(usize::from(what & 15))? = Some(std::array::from_fn(number));
            body = &rest[64 * bytes..];
        }
        Some(())
    }

    fn codes(&mut self, mut body: &[u8], cache: &mut Cache) -> Option<()> {
        while let Some((&what, rest)) = body.split_first() {
            let count: usize = rest.get(..16)?.iter().map(|&n| usize::from(n)).sum();
            let definition = rest.get(..16 + count)?;
            let table = cache.table(definition)?;
            let tables = if what >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(what & 15))? = Some(table);
            body = &rest[16 + count..];
        }
        Some(())
    }

    /// False for a frame that is not decoded here.
    fn frame(&mut self, body: &[u8]) -> Option<bool> {
        let (bits, h, w) = (body.first()?, two(body.get(1..)?)?, two(body.get(3..)?)?);
        let count = usize::from(*body.get(5)?);
        let described = body.get(6..6 + 3 * count)?.as_chunks::<3>().0;
        if self.frame.is_some() {
            return None;
        }
        // Without lines they are counted in a segment after the data.
        let mut is_ours = *bits == 8 && h > 0 && matches!(count, 1 | 3);
        let none = Arc::new(Table::empty());
        let component = |&[id, sampling, table]: &[u8; 3]| Component {
            id,
            across: usize::from(sampling >> 4),
            down: usize::from(sampling & 15),
            quantisation: [0; 64],
            quantisation_id: table,
            dc: none.clone(),
            ac: none.clone(),
        };
        let mut components: Vec<Component> = described.iter().map(component).collect();
        if let [only] = &mut components[..] {
            // The sampling of one component alone has no meaning.
            (only.across, only.down) = (1, 1);
        }
        for (at, component) in components.iter().enumerate() {
            let most = if at == 0 { 2 } else { 1 };
            is_ours &= (1..=most).contains(&component.across);
            is_ours &= (1..=most).contains(&component.down);
        }
        self.frame = Some((usize::from(h), usize::from(w), components));
        Some(is_ours)
    }

    /// The orientation, if it is told; what cannot be read turns nothing.
    fn exif(&mut self, body: &[u8]) {
        let chunk = body.strip_prefix(b"Exif\0\0");
        if let Some(orientation) = chunk.and_then(Orientation::from_exif_chunk) {
            self.orientation = orientation;
        }
    }

    /// The beginning of the compressed data: everything must be there now.
    fn scan(self, body: &[u8]) -> Option<Option<Header<'a>>> {
        let Segments { rest, quantisation, dc, ac, frame, restart, orientation, .. } = self;
        let (h, w, mut components) = frame?;
        let count = usize::from(*body.first()?);
        let described = body.get(1..1 + 2 * count)?.as_chunks::<2>().0;
        let whole = body.get(1 + 2 * count..)? == [0, 63, 0];
        let ids: Vec<u8> = components.iter().map(|component| component.id).collect();
        // As libjpeg tells colours: by JFIF, then by Adobe, then by the components' names.
        let is_rgb = match (self.has_jfif, self.adobe) {
            (true, _) => false,
            (false, Some(transform)) => transform == 0,
            (false, None) => ids == *b"RGB",
        };
        if count != components.len() || !whole || (count == 3 && is_rgb) {
            return Some(None);
        }
        for (component, &[id, tables]) in components.iter_mut().zip(described) {
            let table =
                |tables: &[Option<Arc<Table>>; 4], at: u8| tables.get(usize::from(at))?.clone();
            if component.id != id {
                return None;
            }
            component.dc = table(&dc, tables >> 4)?;
            component.ac = table(&ac, tables & 15)?;
            component.quantisation =
                (*quantisation.get(usize::from(component.quantisation_id))?)?;
        }
        Some(Some(Header { h, w, components, restart, orientation, data: rest }))
    }
}
