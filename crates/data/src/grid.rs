//! Many images in one picture, row by row, as a PNG file.

use std::io::Cursor;

use image::{ImageError, ImageFormat, RgbImage};

use crate::Pixels;

/// Pixels between two images.
const GAP: usize = 2;

/// The grey between the images.
const BETWEEN: u8 = 96;

/// Images are enlarged by whole factors until their sides are at least so long.
const SIDE_MIN: usize = 64;

/// The most pixels of a picture.
pub const PIXELS_MAX: usize = 1 << 26;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum GridError {
    /// Nothing to show.
    #[error("there is no image to show")]
    Empty,
    /// Too much to show.
    #[error(
        "{rows} rows of {columns} images of {h}x{w} pixels are too large a picture: show fewer"
    )]
    TooLarge {
        /// Rows of images.
        rows: usize,
        /// Images in the longest row.
        columns: usize,
        /// Height of an image in pixels.
        h: usize,
        /// Width of an image in pixels.
        w: usize,
    },
    /// It could not be written as a PNG file.
    #[error("the picture cannot be encoded")]
    Encode(#[from] ImageError),
}

/// Puts rows of images of one shape below each other. Small ones are enlarged; channels beyond the third are left out, and grey
/// is shown as grey.
///
/// # Errors
/// [`GridError`] when there is nothing to show, or more than [`PIXELS_MAX`] pixels.
///
/// # Panics
/// When images differ in shape.
pub fn png(rows: &[Vec<Pixels>]) -> Result<Vec<u8>, GridError> {
    let first = rows.iter().flatten().next().ok_or(GridError::Empty)?;
    let (h, w, c) = first.shape();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let factor = SIDE_MIN.div_ceil(h.min(w).max(1));
    let (cell_h, cell_w) = (h * factor + GAP, w * factor + GAP);
    let (height, width) = (rows.len() * cell_h + GAP, columns * cell_w + GAP);
    if height.saturating_mul(width) > PIXELS_MAX {
        return Err(GridError::TooLarge { rows: rows.len(), columns, h, w });
    }
    let mut picture = vec![BETWEEN; height * width * 3];
    for (row, images) in rows.iter().enumerate() {
        for (column, image) in images.iter().enumerate() {
            assert_eq!(image.shape(), (h, w, c), "all images of a grid have one shape");
            for y in 0..h * factor {
                let begin = ((GAP + row * cell_h + y) * width + GAP + column * cell_w) * 3;
                let line = picture[begin..begin + w * factor * 3].as_chunks_mut::<3>().0;
                for (x, to) in line.iter_mut().enumerate() {
                    let pixel = &image.data[(y / factor * w + x / factor) * c..][..c];
                    *to = match *pixel {
                        [red, green, blue, ..] => [red, green, blue],
                        _ => [pixel[0]; 3],
                    };
                }
            }
        }
    }
    let picture = RgbImage::from_raw(width as u32, height as u32, picture);
    let mut bytes = Cursor::new(Vec::new());
    let picture = picture.expect("the picture has the bytes of its size");
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Limits};

    #[test]
    fn images_lie_in_rows_and_columns_and_a_short_row_ends_in_grey() {
        let plain = |value| Pixels::new(32, 32, 1, vec![value; 32 * 32]);
        let png = png(&[vec![plain(10), plain(20)], vec![plain(30)]]).expect("a picture");
        let picture = Codec::Image.decode(&png, &Limits::default()).expect("a picture");
        assert_eq!(picture.shape(), (2 * 66 + 2, 2 * 66 + 2, 3));
        let at = |y: usize, x: usize| picture.data[(y * picture.w + x) * 3];
        assert_eq!((at(2, 2), at(65, 65), at(2, 68), at(68, 2)), (10, 10, 20, 30));
        assert_eq!((at(0, 0), at(66, 66), at(100, 100)), (BETWEEN, BETWEEN, BETWEEN));
    }

    #[test]
    fn nothing_and_too_much_are_errors() {
        assert!(matches!(png(&[]), Err(GridError::Empty)));
        let wide = Pixels::new(64, 1 << 14, 1, vec![0; 64 << 14]);
        let row = || vec![wide.clone()];
        let rows: Vec<_> = (0..64).map(|_| row()).collect();
        assert!(matches!(png(&rows), Err(GridError::TooLarge { rows: 64, .. })));
    }
}
