//! From planes of samples to pixels: chroma interpolated to the luma's size, YCbCr to RGB.
//!
//! Source: ITU-T T.871, section 7, in fixed point with five bits after the point. Chroma of half the size lies in the middle between
//! its luma samples: each takes three quarters of the near and one of the far one, as libjpeg's "fancy upsampling".

use super::{Scratch, header::Header};
use crate::Pixels;

/// Memory for one row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Four times a chroma row, with one sample more on both sides.
    quadrupled: Vec<u16>,
    blue: Vec<u8>,
    red: Vec<u8>,
    rgb: [Vec<u8>; 3],
}

/// Joins the planes, `scale` samples to a block's side.
pub(super) fn pixels(header: &Header<'_>, scale: usize, scratch: &mut Scratch) -> Pixels {
    let size = |side: usize| (side * scale).div_ceil(8);
    let (h, w) = (size(header.h), size(header.w));
    let first = &header.components[0];
    let across = header.w.div_ceil(8 * first.across);
    let stride = across * first.across * scale;
    let Scratch { planes: [luma, blue, red], rows, .. } = scratch;
    if header.components.len() == 1 {
        let data = luma.chunks_exact(stride).take(h).flat_map(|row| &row[..w]).copied().collect();
        return Pixels::new(h, w, 1, data);
    }
    let chroma_scale = header.chroma_scale(scale);
    let (fewer_across, fewer_down) = match chroma_scale == scale {
        true => (first.across, first.down),
        false => (1, 1),
    };
    let chroma = Chroma {
        stride: across * chroma_scale,
        w: w.div_ceil(fewer_across),
        h: h.div_ceil(fewer_down),
        across: fewer_across,
        down: fewer_down,
    };
    let mut data = vec![0; h * w * 3];
    for (y, line) in data.chunks_exact_mut(w * 3).enumerate() {
        let luma = &luma[y * stride..][..w];
        chroma.row(blue, y, &mut rows.quadrupled, &mut rows.blue);
        chroma.row(red, y, &mut rows.quadrupled, &mut rows.red);
        for channel in &mut rows.rgb {
            channel.resize(w, 0);
        }
        to_rgb(luma, &rows.blue[..w], &rows.red[..w], &mut rows.rgb);
        let [red, green, blue] = &rows.rgb;
        let samples = red.iter().zip(green).zip(blue);
        for (pixel, ((&red, &green), &blue)) in line.as_chunks_mut::<3>().0.iter_mut().zip(samples)
        {
            *pixel = [red, green, blue];
        }
    }
    Pixels::new(h, w, 3, data)
}

/// The layout of both planes of chroma.
struct Chroma {
    stride: usize,
    w: usize,
    h: usize,
    /// Luma samples to one of these.
    across: usize,
    down: usize,
}

impl Chroma {
    /// Writes the row that belongs to row `y` of the luma, at least as long as it.
    fn row(&self, plane: &[u8], y: usize, quadrupled: &mut Vec<u16>, out: &mut Vec<u8>) {
        let line = |y: usize| &plane[y * self.stride..][..self.w];
        out.resize(self.w * self.across, 0);
        if (self.across, self.down) == (1, 1) {
            out.copy_from_slice(line(y));
            return;
        }
        let near = line(y / self.down);
        let far = match (self.down, y % 2) {
            (1, _) => near,
            (_, 0) => line((y / 2).saturating_sub(1)),
            _ => line((y / 2 + 1).min(self.h - 1)),
        };
        quadrupled.resize(self.w + 2, 0);
        let inner = &mut quadrupled[1..=self.w];
        for (to, (&near, &far)) in inner.iter_mut().zip(near.iter().zip(far)) {
            *to = 3 * u16::from(near) + u16::from(far);
        }
        if self.across == 1 {
            for (to, &four) in out.iter_mut().zip(&*inner) {
                *to = ((four + 2) >> 2) as u8;
            }
            return;
        }
        quadrupled[0] = quadrupled[1];
        quadrupled[self.w + 1] = quadrupled[self.w];
        let (before, after) = (&quadrupled[..self.w], &quadrupled[2..]);
        let here = quadrupled[1..=self.w].iter().zip(before.iter().zip(after));
        for (two, (&here, (&before, &after))) in out.as_chunks_mut::<2>().0.iter_mut().zip(here) {
            *two = [((3 * here + before + 8) >> 4) as u8, ((3 * here + after + 7) >> 4) as u8];
        }
    }
}

/// Fractions of 2^16, of a number that was multiplied by 128 before: five bits are left after the point.
#[inline]
fn part(chroma: i16, factor: i16) -> i16 {
    ((i32::from(chroma) * i32::from(factor)) >> 16) as i16
}

/// The colours of one row.
fn to_rgb(luma: &[u8], blue: &[u8], red: &[u8], rgb: &mut [Vec<u8>; 3]) {
    // The factors of T.871 times 2^14.
    const RED_OF_RED: i16 = 22_970;
    const GREEN_OF_BLUE: i16 = 5_638;
    const GREEN_OF_RED: i16 = 11_700;
    const BLUE_OF_BLUE: i16 = 29_032;
    let [to_red, to_green, to_blue] = rgb;
    let n = luma.len();
    let (blue, red) = (&blue[..n], &red[..n]);
    let (to_red, to_green, to_blue) = (&mut to_red[..n], &mut to_green[..n], &mut to_blue[..n]);
    for at in 0..n {
        let light = i16::from(luma[at]) * 32 + 16;
        let blue = (i16::from(blue[at]) - 128) * 128;
        let red = (i16::from(red[at]) - 128) * 128;
        let byte = |value: i16| (value >> 5).clamp(0, 255) as u8;
        to_red[at] = byte(light + part(red, RED_OF_RED));
        to_green[at] = byte(light - part(blue, GREEN_OF_BLUE) - part(red, GREEN_OF_RED));
        to_blue[at] = byte(light + part(blue, BLUE_OF_BLUE));
    }
}
