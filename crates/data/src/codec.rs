//! From the bytes of an item to its pixels.
//!
//! The common kind of JPEG is decoded here ([`jpeg`]), everything else by the `image` crate.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, metadata::Orientation};
use serde::{Deserialize, Serialize};

use crate::{Limits, Numbers, Pixels, Values};

pub mod jpeg;

/// Decodes items one after another, with memory that serves from one to the next.
#[derive(Debug, Default)]
pub struct Decoder {
    jpeg: jpeg::Scratch,
}

impl Decoder {
    /// As [`Codec::decode`]; a picture of which only `wanted (H, W)` pixels are needed may come smaller than it is, as long as both
    /// sides stay at least as long: decoding a half or a quarter of a JPEG's sides is quicker than shrinking the whole.
    ///
    /// # Errors
    /// [`DecodeError`] as there.
    ///
    /// # Panics
    /// As there.
    pub fn decode(
        &mut self,
        codec: Codec,
        bytes: &[u8],
        limits: &Limits,
        wanted: Option<(usize, usize)>,
    ) -> Result<Pixels, DecodeError> {
        let have = bytes.len() as u64;
        if have > limits.image_bytes {
            return Err(DecodeError::Bytes { have, limit: limits.image_bytes });
        }
        match codec {
            Codec::Grey8 { h, w } => raw(bytes, (h, w, 1)),
            Codec::Raw8 { h, w, c } => raw(bytes, (h, w, c)),
            Codec::Floats { .. } => Err(DecodeError::Numbers),
            Codec::Image => {
                let is_jpeg = bytes.starts_with(&[0xff, 0xd8, 0xff]);
                let own = is_jpeg.then(|| jpeg::decode(bytes, limits, wanted, &mut self.jpeg));
                match own.flatten() {
                    Some(decoded) => decoded.map(|(pixels, turn)| upright(pixels, turn)),
                    None => decode_picture(bytes, limits),
                }
            }
        }
    }

    /// As [`Codec::values`], with the memory and the size of [`Decoder::decode`].
    ///
    /// # Errors
    /// [`DecodeError`] as there.
    ///
    /// # Panics
    /// As there.
    pub fn values(
        &mut self,
        codec: Codec,
        bytes: &[u8],
        limits: &Limits,
        wanted: Option<(usize, usize)>,
    ) -> Result<Values, DecodeError> {
        match codec {
            Codec::Floats { h, w, c } => numbers(bytes, (h, w, c)).map(Values::Numbers),
            _ => self.decode(codec, bytes, limits, wanted).map(Values::Pixels),
        }
    }
}

/// How an item's bytes become pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// The bytes are the pixels: `h * w` grey values, 0 is black.
    Grey8 {
        /// Height in pixels.
        h: usize,
        /// Width in pixels.
        w: usize,
    },
    /// The bytes are the pixels: `h * w` places of `c` bytes each.
    Raw8 {
        /// Height in pixels.
        h: usize,
        /// Width in pixels.
        w: usize,
        /// Channels, 1 to 4.
        c: usize,
    },
    /// The bytes are numbers: `h * w * c` of them, each a little-endian `f32`. A row of a table is 1x1 with a channel a column.
    Floats {
        /// Height.
        h: usize,
        /// Width.
        w: usize,
        /// Channels.
        c: usize,
    },
    /// A file of any picture format built in (PNG, JPEG, GIF, BMP, WebP, TIFF, PNM), told by its first bytes.
    Image,
}

impl Codec {
    /// Decodes one item to what it holds, a picture or numbers: as [`Codec::decode`], which knows pictures only.
    ///
    /// # Errors
    /// As [`Codec::decode`]; [`DecodeError::NotFinite`] for numbers that nothing can be learnt from.
    ///
    /// # Panics
    /// As [`Codec::decode`].
    pub fn values(&self, bytes: &[u8], limits: &Limits) -> Result<Values, DecodeError> {
        Decoder::default().values(*self, bytes, limits, None)
    }

    /// Decodes one picture; every limit is checked before the memory is taken.
    ///
    /// A picture keeps its channels (1 to 4) and is turned upright as its EXIF says; deeper channels are cut to a byte; of an
    /// animation comes the first frame.
    ///
    /// # Errors
    /// [`DecodeError`] for what is no picture, damaged, cut, or beyond a limit.
    ///
    /// # Panics
    /// The picture decoders of third parties may panic on hostile bytes: decode where a panic costs one item.
    pub fn decode(&self, bytes: &[u8], limits: &Limits) -> Result<Pixels, DecodeError> {
        Decoder::default().decode(*self, bytes, limits, None)
    }
}

/// Why an item gives no pixels.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Raw pixels of another size.
    #[error("{have} bytes where {h}x{w}x{c} need {need}: drop the item or its source")]
    Length {
        /// Bytes of the item.
        have: u64,
        /// Bytes of the shape.
        need: u64,
        /// Height in pixels.
        h: usize,
        /// Width in pixels.
        w: usize,
        /// Channels.
        c: usize,
    },
    /// Numbers are no picture.
    #[error("the item is numbers and no picture: choose another source or leave the step out")]
    Numbers,
    /// A number that is none, or infinite.
    #[error("value {index} is {value}: drop the item, or fill what is missing: `[clean]` does")]
    NotFinite {
        /// Which one, from 0.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// More bytes than allowed.
    #[error("an image of {have} bytes: drop it or raise the limit `image_bytes` ({limit})")]
    Bytes {
        /// Bytes of the item.
        have: u64,
        /// [`Limits::image_bytes`].
        limit: u64,
    },
    /// A side longer than allowed.
    #[error("an image of {h}x{w} pixels: drop it or raise the limit `image_side` ({limit})")]
    Side {
        /// Height in pixels.
        h: u32,
        /// Width in pixels.
        w: u32,
        /// [`Limits::image_side`].
        limit: u32,
    },
    /// More pixels than allowed.
    #[error("an image of {h}x{w} pixels: drop it or raise the limit `image_pixels` ({limit})")]
    Pixels {
        /// Height in pixels.
        h: u32,
        /// Width in pixels.
        w: u32,
        /// [`Limits::image_pixels`].
        limit: u64,
    },
    /// Decoding would take more memory than allowed.
    #[error("decoding takes over {limit} bytes: drop the image or raise `image_memory_bytes`")]
    Memory {
        /// [`Limits::image_memory_bytes`].
        limit: u64,
    },
    /// No picture of a format that is built in.
    #[error("not a PNG, JPEG, GIF, BMP, WebP, TIFF or PNM picture: convert it to PNG")]
    Format,
    /// A picture without a pixel.
    #[error("a picture of {h}x{w} pixels shows nothing: drop it")]
    Empty {
        /// Height in pixels.
        h: u32,
        /// Width in pixels.
        w: u32,
    },
    /// A JPEG file is damaged or cut.
    #[error("the JPEG file is damaged, {cause}: save it again or drop it")]
    Jpeg {
        /// What is wrong with it.
        cause: jpeg::JpegError,
    },
    /// The picture is damaged or cut.
    #[error("the picture is damaged: save it again or drop it")]
    Damaged {
        /// What the decoder said.
        source: ImageError,
    },
}

impl Codec {
    /// The `(H, W)` that an item decodes to, by its header: cheaper than decoding it, and with the same bounds.
    ///
    /// # Errors
    /// [`DecodeError`], as far as the header tells.
    pub fn size(&self, bytes: &[u8], limits: &Limits) -> Result<(usize, usize), DecodeError> {
        match *self {
            Codec::Grey8 { h, w } | Codec::Raw8 { h, w, .. } | Codec::Floats { h, w, .. } => {
                Ok((h, w))
            }
            Codec::Image => {
                let (decoder, orientation) = opened(bytes, limits)?;
                let (w, h) = decoder.dimensions();
                let is_turned = matches!(
                    orientation,
                    Orientation::Rotate90
                        | Orientation::Rotate270
                        | Orientation::Rotate90FlipH
                        | Orientation::Rotate270FlipH
                );
                let (h, w) = if is_turned { (w, h) } else { (h, w) };
                Ok((h as usize, w as usize))
            }
        }
    }
}

/// Bytes that are pixels already.
fn raw(bytes: &[u8], (h, w, c): (usize, usize, usize)) -> Result<Pixels, DecodeError> {
    length(bytes, (h, w, c), 1)?;
    Ok(Pixels::new(h, w, c, bytes.to_vec()))
}

/// Bytes that are numbers, every one of them finite.
fn numbers(bytes: &[u8], shape: (usize, usize, usize)) -> Result<Numbers, DecodeError> {
    length(bytes, shape, 4)?;
    let data: Vec<f32> = bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
    match data.iter().position(|number| !number.is_finite()) {
        Some(index) => Err(DecodeError::NotFinite { index, value: data[index] }),
        None => Ok(Numbers::new(shape, data)),
    }
}

/// Proves that `bytes` are as many as a shape of elements of `size` bytes needs.
fn length(bytes: &[u8], (h, w, c): (usize, usize, usize), size: u64) -> Result<(), DecodeError> {
    let have = bytes.len() as u64;
    let need = [h, w, c].iter().fold(size, |product, &side| product.saturating_mul(side as u64));
    if have == need { Ok(()) } else { Err(DecodeError::Length { have, need, h, w, c }) }
}

fn decode_picture(bytes: &[u8], limits: &Limits) -> Result<Pixels, DecodeError> {
    let (decoder, orientation) = opened(bytes, limits)?;
    let mut picture =
        DynamicImage::from_decoder(decoder).map_err(|source| failed(source, limits))?;
    picture.apply_orientation(orientation);
    Ok(bytes_of(picture))
}

/// Reads a picture's header and checks it against the limits.
fn opened<'a>(
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<(impl ImageDecoder + 'a, Orientation), DecodeError> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.expect("a slice in memory can always be read");
    if reader.format().is_none() {
        return Err(DecodeError::Format);
    }
    let mut bounds = image::Limits::default();
    bounds.max_image_width = Some(limits.image_side);
    bounds.max_image_height = Some(limits.image_side);
    bounds.max_alloc = Some(limits.image_memory_bytes);
    // The sides are checked below, so that the message can name them; the decoder itself gets the same bounds.
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(|source| failed(source, limits))?;
    let (w, h) = decoder.dimensions();
    check_size(h, w, decoder.total_bytes(), limits)?;
    decoder.set_limits(bounds).map_err(|source| failed(source, limits))?;
    let orientation = decoder.orientation().map_err(|source| failed(source, limits))?;
    Ok((decoder, orientation))
}

/// Checks what a header claims, before its memory is taken; not every decoder does so itself.
fn check_size(h: u32, w: u32, memory_bytes: u64, limits: &Limits) -> Result<(), DecodeError> {
    match () {
        () if w == 0 || h == 0 => Err(DecodeError::Empty { h, w }),
        () if w.max(h) > limits.image_side => {
            Err(DecodeError::Side { h, w, limit: limits.image_side })
        }
        () if u64::from(w) * u64::from(h) > limits.image_pixels => {
            Err(DecodeError::Pixels { h, w, limit: limits.image_pixels })
        }
        () if memory_bytes > limits.image_memory_bytes => {
            Err(DecodeError::Memory { limit: limits.image_memory_bytes })
        }
        () => Ok(()),
    }
}

/// Turns pixels as the picture's EXIF says.
fn upright(pixels: Pixels, turn: Orientation) -> Pixels {
    if turn == Orientation::NoTransforms {
        return pixels;
    }
    let Pixels { h, w, c, data } = pixels;
    let (h, w) = (h as u32, w as u32);
    let picture = match c {
        1 => image::GrayImage::from_raw(w, h, data).map(DynamicImage::from),
        _ => image::RgbImage::from_raw(w, h, data).map(DynamicImage::from),
    };
    let mut picture = picture.expect("pixels have the bytes of their size");
    picture.apply_orientation(turn);
    bytes_of(picture)
}

fn failed(source: ImageError, limits: &Limits) -> DecodeError {
    match source {
        ImageError::Limits(_) => DecodeError::Memory { limit: limits.image_memory_bytes },
        source => DecodeError::Damaged { source },
    }
}

fn bytes_of(picture: DynamicImage) -> Pixels {
    let (h, w) = (picture.height() as usize, picture.width() as usize);
    let colour = picture.color();
    let (c, data) = match (colour.has_color(), colour.has_alpha()) {
        (false, false) => (1, picture.into_luma8().into_raw()),
        (false, true) => (2, picture.into_luma_alpha8().into_raw()),
        (true, false) => (3, picture.into_rgb8().into_raw()),
        (true, true) => (4, picture.into_rgba8().into_raw()),
    };
    Pixels::new(h, w, c, data)
}
