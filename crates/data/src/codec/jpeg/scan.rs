//! The compressed data: MCU by MCU, block by block, into planes of samples.

use super::{
    JpegError, Scratch,
    bits::Bits,
    header::{Component, Header, PLACES},
    idct,
};

/// Decodes all blocks into the planes of `scratch`, `scale` samples of luma to a block's side.
pub(super) fn decode(
    header: &Header<'_>,
    scale: usize,
    scratch: &mut Scratch,
) -> Result<(), JpegError> {
    let grid = Grid::of(header);
    let mut planes = scratch.planes.iter_mut();
    let mut lanes: Vec<Lane<'_>> = Vec::with_capacity(3);
    for (at, (component, samples)) in header.components.iter().zip(&mut planes).enumerate() {
        let scale = if at == 0 { scale } else { header.chroma_scale(scale) };
        let stride = grid.across * component.across * scale;
        samples.resize(stride * grid.down * component.down * scale, 0);
        let factors = idct::factors(&component.quantisation, scale);
        lanes.push(Lane { component, scale, stride, samples, factors, before: 0 });
    }
    let mut bits = Bits::new(header.data);
    let mut since_restart = 0;
    for mcu in 0..grid.across * grid.down {
        if header.restart > 0 && mcu > 0 && mcu.is_multiple_of(header.restart) {
            bits.restart(since_restart)?;
            since_restart += 1;
            lanes.iter_mut().for_each(|lane| lane.before = 0);
        }
        let (row, column) = (mcu / grid.across, mcu % grid.across);
        if column == 0 && bits.is_beyond() {
            return Err(JpegError::Cut);
        }
        for lane in &mut lanes {
            lane.mcu(&mut bits, (row, column))?;
        }
    }
    if bits.is_beyond() { Err(JpegError::Cut) } else { Ok(()) }
}

/// How many MCUs there are.
struct Grid {
    across: usize,
    down: usize,
}

impl Grid {
    fn of(header: &Header<'_>) -> Grid {
        let first = &header.components[0];
        Grid {
            across: header.w.div_ceil(8 * first.across),
            down: header.h.div_ceil(8 * first.down),
        }
    }
}

/// A component while it is decoded.
struct Lane<'a> {
    component: &'a Component,
    /// Samples to a block's side.
    scale: usize,
    /// Samples in a row of the plane.
    stride: usize,
    samples: &'a mut [u8],
    /// What coefficients are multiplied by, in the order of the file.
    factors: [f32; 64],
    /// The mean of the block before, of which the next tells the difference.
    before: i32,
}

impl Lane<'_> {
    /// The blocks of one MCU.
    #[inline]
    fn mcu(&mut self, bits: &mut Bits<'_>, (row, column): (usize, usize)) -> Result<(), JpegError> {
        let scale = self.scale;
        let Component { across, down, .. } = *self.component;
        for y in 0..down {
            for x in 0..across {
                let mut frequencies = [0.0; 64];
                let last = self.block(bits, &mut frequencies)?;
                let begin = (row * down + y) * scale * self.stride + (column * across + x) * scale;
                let to = &mut self.samples[begin..];
                match (scale, last) {
                    (8, 1..) => idct::whole(&frequencies, to, self.stride),
                    (4, 1..) => idct::half(&frequencies, to, self.stride),
                    (2, 1..) => idct::quarter(&frequencies, to, self.stride),
                    _ => idct::plain(frequencies[0], scale, to, self.stride),
                }
            }
        }
        Ok(())
    }

    /// Reads a block's coefficients; returns the place of the last one in the order of the file.
    #[inline]
    fn block(
        &mut self,
        bits: &mut Bits<'_>,
        frequencies: &mut [f32; 64],
    ) -> Result<usize, JpegError> {
        let (symbol, difference) = bits.symbol(&self.component.dc)?;
        if symbol > 15 {
            return Err(JpegError::Code);
        }
        self.before = self.before.wrapping_add(difference);
        frequencies[0] = self.before as f32 * self.factors[0];
        let ac = &*self.component.ac;
        let (mut at, mut last) = (1, 0);
        while at < 64 {
            let (symbol, value) = bits.symbol(ac)?;
            match symbol {
                0x00 => break,
                0xf0 => at += 16,
                _ => {
                    at += usize::from(symbol >> 4);
                    let factor = self.factors.get(at).ok_or(JpegError::Code)?;
                    frequencies[usize::from(PLACES[at] & 63)] = value as f32 * factor;
                    last = at;
                    at += 1;
                }
            }
        }
        Ok(last)
    }
}
