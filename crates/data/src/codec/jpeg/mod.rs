//! Baseline JPEG, decoded straight to the size that is wanted: whole, a half, a quarter or an eighth.
//!
//! The common kind only: sequential, Huffman-coded, 8 bits, grey or YCbCr with the usual sampling, all in one scan. Whatever else
//! the standard allows is somebody else's (`decode` says so by giving nothing). Damaged and cut files are errors.
//!
//! Source: ITU-T T.81 (1992), "Digital compression and coding of continuous-tone still images"; T.871 (2011) for JFIF's colours.
//!
//! In reading order: the header, the codes, the bits, the blocks, the way back from frequencies, colours.

mod header;
mod huffman;
mod bits;
mod scan;
mod idct;
mod colour;

use image::metadata::Orientation;

use super::{DecodeError, check_size};
use crate::{Limits, Pixels};
use header::Header;

/// What is wrong with a JPEG file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JpegError {
    /// It ends too early.
    #[error("its data end before the picture does")]
    Cut,
    /// A segment of the header does not say what it must.
    #[error("its header is wrong in the segment {marker:#04x}")]
    Segment {
        /// The second byte of the segment's marker.
        marker: u8,
    },
    /// A code that no table has, or more coefficients than a block holds.
    #[error("its compressed data are wrong")]
    Code,
    /// A restart marker is missing or out of turn.
    #[error("a restart marker is missing")]
    Restart,
}

/// Memory that serves from one picture to the next: planes of samples, and the tables of codes, which most files share.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    tables: huffman::Cache,
    planes: [Vec<u8>; 3],
    rows: colour::Rows,
}

/// A picture and how it is to be turned; none when it is of a kind that is not decoded here.
///
/// With `wanted (H, W)` it comes as small as a halving, or two, or three leave it at least so large on both sides, either way up.
///
/// # Errors
/// [`DecodeError`] for what is damaged, cut, or beyond a limit.
pub(crate) fn decode(
    bytes: &[u8],
    limits: &Limits,
    wanted: Option<(usize, usize)>,
    scratch: &mut Scratch,
) -> Option<Result<(Pixels, Orientation), DecodeError>> {
    let header = match header::read(bytes, &mut scratch.tables) {
        Ok(header) => header?,
        Err(source) => return Some(Err(DecodeError::Jpeg { cause: source })),
    };
    let channels = header.components.len();
    // The planes of samples are taken beside the pixels.
    let memory = |h: u32, w: u32| 2 * u64::from(h) * u64::from(w) * channels as u64;
    let (h, w) = (header.h as u32, header.w as u32);
    if let Err(error) = check_size(h, w, memory(h, w), limits) {
        return Some(Err(error));
    }
    let scale = scale(&header, wanted);
    let decoded = scan::decode(&header, scale, scratch);
    let turned = |()| (colour::pixels(&header, scale, scratch), header.orientation);
    Some(decoded.map(turned).map_err(|source| DecodeError::Jpeg { cause: source }))
}

/// How many samples of eight are made of a block's side: 8, 4, 2 or 1.
fn scale(header: &Header<'_>, wanted: Option<(usize, usize)>) -> usize {
    let Some((h, w)) = wanted else { return 8 };
    // Turned or not, both sides must reach.
    let side = h.max(w);
    let is_enough = |scale: &usize| header.h.min(header.w) * scale / 8 >= side;
    [1, 2, 4].into_iter().find(is_enough).unwrap_or(8)
}

#[cfg(test)]
mod tests;
