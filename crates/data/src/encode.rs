//! From pixels to the bytes of a picture's file.

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::Pixels;

/// A PNG of these pixels; equal pixels give equal bytes.
///
/// # Errors
/// When there are not 1 to 4 channels, or no pixels at all.
pub fn png(pixels: &Pixels) -> Result<Vec<u8>, image::ImageError> {
    let colour = match pixels.c {
        1 => ExtendedColorType::L8,
        2 => ExtendedColorType::La8,
        3 => ExtendedColorType::Rgb8,
        _ => ExtendedColorType::Rgba8,
    };
    let (h, w) = (pixels.h as u32, pixels.w as u32);
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(&pixels.data, w, h, colour)?;
    Ok(bytes)
}

/// What the name of a picture's file ends in, by its first bytes; none for what is no picture.
pub fn ending(bytes: &[u8]) -> Option<&'static str> {
    let format = image::guess_format(bytes).ok()?;
    format.extensions_str().first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Limits};

    #[test]
    fn pixels_come_back_from_their_png() {
        for c in 1..=4 {
            let pixels = Pixels::new(3, 2, c, (0..6 * c as u8).map(|byte| byte * 9).collect());
            let bytes = png(&pixels).expect("it is a picture");
            assert_eq!(ending(&bytes), Some("png"));
            assert_eq!(Codec::Image.decode(&bytes, &Limits::default()).expect("ours"), pixels);
        }
        assert_eq!(ending(b"no picture"), None);
    }
}
