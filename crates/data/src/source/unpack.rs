//! What a stream is packed in, told by its first bytes and never by its name, and the bytes within.
//!
//! Nothing is unpacked that is not read: who reads keeps the bound. What a decoder needs for itself (the window of zstd, the
//! dictionary of xz) is bounded here. Streams that follow one another in one file are one stream, as `cat` and parallel
//! packers make them.
//!
//! Sources: RFC 1952 (gzip), RFC 8878 (zstd), "The .xz File Format" 1.2.1.

use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

/// The largest window or dictionary that a decoder gets, in bytes: that of `zstd --long=27` and of `xz -9` with room to spare.
const WINDOW_BYTES_MAX: u64 = 128 << 20;

/// How a stream is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip, in one member or several.
    Gzip,
    /// Zstandard, in one frame or several.
    Zstd,
    /// xz, in one stream or several.
    Xz,
}

impl Packing {
    const MAGICS: [(&[u8], Packing); 3] = [
        (&[0x1f, 0x8b], Packing::Gzip),
        (&[0x28, 0xb5, 0x2f, 0xfd], Packing::Zstd),
        (&[0xfd, b'7', b'z', b'X', b'Z', 0], Packing::Xz),
    ];
    /// The longest of the magics.
    const MAGIC_BYTES: u64 = 6;

    /// What a stream that begins like this is packed in.
    pub fn of(begin: &[u8]) -> Packing {
        // A frame of zstd may have frames to be skipped before it.
        let is_skippable =
            begin.len() >= 4 && begin[0] & 0xf0 == 0x50 && begin[1..4] == [0x2a, 0x4d, 0x18];
        let known = Packing::MAGICS.iter().find(|(magic, _)| begin.starts_with(magic));
        match known {
            Some((_, packing)) => *packing,
            None if is_skippable => Packing::Zstd,
            None => Packing::Plain,
        }
    }

    /// What it is called in errors.
    pub fn name(self) -> &'static str {
        match self {
            Packing::Plain => "plain",
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
            Packing::Xz => "xz",
        }
    }
}

/// The bytes that a stream holds, unpacked as they are read, and what they were packed in.
///
/// # Errors
/// When the stream's first bytes cannot be read. Reading on gives an error without the system's number when what was packed
/// is damaged or cut.
pub fn unpacked<'a>(mut from: impl Read + 'a) -> io::Result<(Packing, Box<dyn Read + 'a>)> {
    let mut begin = Vec::new();
    from.by_ref().take(Packing::MAGIC_BYTES).read_to_end(&mut begin)?;
    let packing = Packing::of(&begin);
    let whole = Cursor::new(begin).chain(from);
    Ok((
        packing,
        match packing {
            Packing::Plain => Box::new(whole),
            Packing::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(whole))),
            Packing::Zstd => Box::new(Zstd::new(BufReader::new(whole))),
            Packing::Xz => {
                let kib = (WINDOW_BYTES_MAX >> 10) as u32;
                Box::new(XzReader::new_mem_limit(BufReader::new(whole), true, kib))
            }
        },
    ))
}

/// Packs what is written with gzip; `finish` gives back where it was written to.
pub fn gzip<W: Write>(to: W) -> GzEncoder<W> {
    GzEncoder::new(to, Compression::default())
}

/// Frames of zstd, one after another: the library's own reader ends with the first.
struct Zstd<R> {
    from: R,
    decoder: FrameDecoder,
    /// A frame has begun and is not at its end.
    is_within: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(from: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_BYTES_MAX);
        Zstd { from, decoder, is_within: false }
    }

    /// Begins the next frame; false at the stream's end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.from.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.from) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped =
                        io::copy(&mut self.from.by_ref().take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(false)
    }

    /// Proves the frame's checksum, when it has one.
    fn end(&self) -> io::Result<()> {
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(written), Some(found)) if written != found => {
                Err(damaged("the checksum of a frame is another"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        use ruzstd::decoding::BlockDecodingStrategy::UptoBlocks;
        while !into.is_empty() {
            if !self.is_within {
                if !self.begin()? {
                    return Ok(0);
                }
                self.is_within = true;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(into);
            }
            if self.decoder.is_finished() {
                self.end()?;
                self.is_within = false;
            } else if self.from.fill_buf()?.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            } else {
                self.decoder.decode_blocks(&mut self.from, UptoBlocks(1)).map_err(damaged)?;
            }
        }
        Ok(0)
    }
}

fn damaged(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, cause)
}
